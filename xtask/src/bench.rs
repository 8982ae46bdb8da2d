//! `cargo xtask bench token|portal|doctor|client`: speed against the goals; doctor and client stand in files of their own.
//!
//! `token`: tokens per CPU-second of the service, against the price of the RSA operations alone.
//!
//! Both sides are measured in one run, in turns, on the same core, so that the ratio holds while the machine's speed
//! drifts. Every assertion is distinct, every answer is checked to be a token of its own, a sample is verified.

mod client;
mod doctor;
mod load;
mod service;
mod workload;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;

use self::service::Service;
use self::workload::Workload;
use crate::process;

/// What the long run must reach, and the short run half of (`cargo xtask test` asserts no wall times, only this).
const GOAL: f64 = 0.85;

struct Plan {
    applications: usize,
    rounds: usize,
    requests_per_round: usize,
    connections: usize,
    tls: bool,
    database: Option<String>,
    goal: f64,
}

/// Runs the benchmark that the arguments name.
///
/// # Errors
/// When the service fails, an answer is wrong, or the ratio stays under the goal.
pub fn run(arguments: &[String]) -> Result<()> {
    let (which, rest) =
        arguments.split_first().context("bench what? `cargo xtask bench token|portal|doctor|client`")?;
    match which.as_str() {
        "portal" => return portal(rest),
        "doctor" => return doctor::run(rest),
        "client" => return client::run(rest),
        "token" => {}
        _ => bail!("there is no benchmark `{which}`; they are `token`, `portal`, `doctor` and `client`"),
    }
    let mut plan = Plan {
        applications: 10_000,
        rounds: 5,
        requests_per_round: 6_000,
        connections: 8,
        tls: false,
        database: None,
        goal: GOAL,
    };
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--short" => {
                plan = Plan { applications: 200, rounds: 2, requests_per_round: 1_500, goal: GOAL / 2.0, ..plan };
            }
            "--applications" => plan.applications = value()?.parse().context("--applications")?,
            "--rounds" => plan.rounds = value()?.parse().context("--rounds")?,
            "--requests" => plan.requests_per_round = value()?.parse().context("--requests")?,
            "--connections" => plan.connections = value()?.parse().context("--connections")?,
            "--database" => plan.database = Some(value()?.clone()),
            "--tls" => plan.tls = true,
            other => bail!("bench token knows no `{other}`"),
        }
    }
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
    token(&plan)
}

/// Pages over 100,000 applications and 1,000,000 log rows, judged by their limits; `--short` looks at answers alone.
fn portal(rest: &[String]) -> Result<()> {
    let sizes: &[&str] = match rest {
        [] => &["--judge"],
        [short] if short == "--short" => &["--applications", "2000", "--rows", "20000"],
        _ => bail!("bench portal takes `--short`, nothing else"),
    };
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
    let tools = crate::needs::tools()?;
    process::run(
        std::process::Command::new(&tools.python)
            .arg("scale.py")
            .args(sizes)
            .current_dir(process::root().join("e2e/portal"))
            .env("PYTHONPYCACHEPREFIX", &tools.bytecode)
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env("COUNTERSIGN_BIN", crate::test::binary()),
    )
}

fn token(plan: &Plan) -> Result<()> {
    let folder = tempfile::tempdir()?;
    println!("making {} applications and {} assertions", plan.applications, plan.rounds * plan.requests_per_round);
    let mut workload = Workload::new(folder.path(), plan.applications)?;
    let service = Service::start(folder.path(), &workload.seed, plan.tls, plan.database.as_deref())?;
    workload.sign(&service.url, plan.rounds * plan.requests_per_round)?;

    // Warm-up: the first requests fill the cache and the allocator's pools. They are not counted.
    let requests = std::mem::take(&mut workload.requests);
    let (counted, warm_up) = requests.split_at(plan.rounds * plan.requests_per_round);
    load::fire(&service, warm_up, plan.connections)?;

    let key = workload.signing_probe()?;
    let mut rounds = Vec::new();
    let mut tokens = Vec::new();
    println!("\nround   tokens/CPU-s   one sign + one verify   ratio   latency p50 / p99");
    for (i, slice) in counted.chunks(plan.requests_per_round).enumerate() {
        let before = probe(&key)?;
        let (cpu_before, started) = (service.cpu()?, Instant::now());
        let answers = load::fire(&service, slice, plan.connections)?;
        let (cpu, wall) = (service.cpu()? - cpu_before, started.elapsed());
        let after = probe(&key)?;
        let price = (before + after) / 2;
        let per_cpu_second = slice.len() as f64 / cpu.as_secs_f64();
        let ratio = per_cpu_second * price.as_secs_f64();
        println!(
            "{:>5}   {per_cpu_second:>12.0}   {:>18.1} µs   {ratio:>5.3}   {:.2} ms / {:.2} ms   ({:.0}/s)",
            i + 1,
            price.as_secs_f64() * 1e6,
            answers.percentile(0.5).as_secs_f64() * 1e3,
            answers.percentile(0.99).as_secs_f64() * 1e3,
            slice.len() as f64 / wall.as_secs_f64(),
        );
        rounds.push(ratio);
        tokens.extend(answers.tokens);
    }
    check_tokens(&service, &tokens)?;
    rounds.sort_by(f64::total_cmp);
    let median = rounds[rounds.len() / 2];
    println!(
        "\nratio: median {median:.3}, from {:.3} to {:.3} (goal {:.2})",
        rounds[0],
        rounds[rounds.len() - 1],
        plan.goal
    );
    println!("resident after load: {:.1} MiB", service.resident_mib()?);
    let ready = service.restarts(if plan.rounds > 2 { 20 } else { 3 })?;
    println!(
        "ready on the existing store: median {:.0} ms of {}, resident idle {:.1} MiB",
        ready.median_ms, ready.count, ready.idle_mib
    );
    ensure!(median >= plan.goal, "ratio {median:.3} is under the goal of {:.2}", plan.goal);
    Ok(())
}

/// CPU time of one RS256 signature and one PS256 verification, the median of nine batches on the service's core.
fn probe(probe: &workload::Probe) -> Result<Duration> {
    let signer = AwsLc.signer(&probe.key)?;
    let verifier = AwsLc.verifier(probe.key.public_key())?;
    let message = [0x5a_u8; 700];
    let mut batches = Vec::new();
    service::on_service_core(|| -> Result<()> {
        for _ in 0..9 {
            let before = service::thread_cpu()?;
            for _ in 0..40 {
                let signature = signer.sign(Alg::Rs256, &message).map_err(|_| anyhow::anyhow!("probe cannot sign"))?;
                std::hint::black_box(&signature);
                verifier
                    .verify(Alg::Ps256, &probe.message, &probe.signature)
                    .map_err(|_| anyhow::anyhow!("probe cannot verify"))?;
            }
            batches.push((service::thread_cpu()? - before) / 40);
        }
        Ok(())
    })??;
    batches.sort();
    Ok(batches[4])
}

/// Every token is its own (`uti` never repeats); every hundredth is verified against the served JWK Set.
fn check_tokens(service: &Service, tokens: &[String]) -> Result<()> {
    let key = service.published_key()?;
    let mut seen = HashSet::with_capacity(tokens.len());
    for (i, token) in tokens.iter().enumerate() {
        let jwt = UnverifiedJwt::read(token).context("an answer's access_token is no JWT")?;
        let uti = jwt.claims.json.get("uti").and_then(|u| u.as_str()).context("a token without uti")?;
        ensure!(seen.insert(uti.to_owned()), "uti {uti} came twice");
        if i % 100 == 0 {
            key.verify(Alg::Rs256, jwt.compact.signing_input(), &jwt.compact.signature.bytes)
                .map_err(|_| anyhow::anyhow!("token {i} does not verify against the served JWK Set"))?;
        }
    }
    println!(
        "{} tokens, each with a uti of its own; {} verified against the served JWK Set",
        tokens.len(),
        tokens.len().div_ceil(100)
    );
    Ok(())
}
