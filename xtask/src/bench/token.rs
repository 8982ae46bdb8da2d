//! `cargo xtask bench token`: tokens per CPU-second of the service, against the price of the RSA operations alone.
//!
//! Both sides are measured in one run, in turns, on the same core, so that the ratio holds while the machine's speed
//! drifts. Every assertion is distinct, every answer is checked to be a token of its own, a sample is verified.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;

use super::load::{self, Answers, Bodies, Pace};
use super::service::{self, Service, Setup};
use super::stages::Stages;
use super::workload::{Probe, Workload};

/// What the long run must reach, and the short run half of (`cargo xtask test` asserts no wall times, only this).
const GOAL: f64 = 0.85;

/// Goals of the state of the service; the short form is held against twice of each.
const FIRST_START: Duration = Duration::from_millis(400);
const START: Duration = Duration::from_millis(100);
const IDLE_MIB: f64 = 25.0;
const LOADED_MIB: f64 = 128.0;
const MISS_MICROS: f64 = 60.0;
/// p99 against p50 below capacity.
const SPREAD: f64 = 3.0;

struct Plan {
    applications: usize,
    drawn: Option<usize>,
    rounds: usize,
    requests_per_round: usize,
    connections: usize,
    tls: bool,
    database: Option<String>,
    /// Open loop at this share of the capacity, besides.
    load: Option<f64>,
    binary: Option<PathBuf>,
    goal: f64,
    short: bool,
}

/// Runs the benchmark.
///
/// # Errors
/// When the service fails, an answer is wrong, or a goal is missed.
pub fn run(rest: &[String]) -> Result<()> {
    let mut plan = Plan {
        applications: 10_000,
        drawn: None,
        rounds: 5,
        requests_per_round: 6_000,
        connections: 8,
        tls: false,
        database: None,
        load: None,
        binary: None,
        goal: GOAL,
        short: false,
    };
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{argument} needs a value"));
        let count = |text: &String| {
            let number = text.parse().ok().filter(|n: &usize| (1..=10_000_000).contains(n));
            number.with_context(|| format!("{argument} is `{text}`, and takes a number from 1"))
        };
        match argument.as_str() {
            "--short" => {
                let goal = GOAL / 2.0;
                plan = Plan { applications: 200, rounds: 2, requests_per_round: 1_500, goal, short: true, ..plan };
            }
            "--applications" => plan.applications = count(value()?)?,
            "--drawn" => plan.drawn = Some(count(value()?)?),
            "--rounds" => plan.rounds = count(value()?)?,
            "--requests" => plan.requests_per_round = count(value()?)?,
            "--connections" => plan.connections = count(value()?)?,
            "--database" => plan.database = Some(value()?.clone()),
            "--tls" => plan.tls = true,
            "--load" => {
                let text = value()?;
                let share = text.parse().ok().filter(|s| (0.05..=1.0).contains(s));
                plan.load = Some(share.with_context(|| format!("--load is `{text}`, and takes 0.05 to 1"))?);
            }
            "--binary" => plan.binary = Some(value()?.into()),
            other => bail!("bench token knows no `{other}`"),
        }
    }
    let drawn = plan.drawn.unwrap_or(plan.applications);
    ensure!(drawn <= plan.applications, "--drawn {drawn} of --applications {} cannot be", plan.applications);
    let binary = super::program(plan.binary.take())?;
    token(&plan, &binary, drawn)
}

fn token(plan: &Plan, binary: &Path, drawn: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let counted = plan.rounds * plan.requests_per_round;
    println!("making {} applications and {counted} assertions of {drawn} of them", plan.applications);
    let mut workload = Workload::new(folder.path(), plan.applications, drawn)?;
    let seed = Some(workload.seed.as_path());
    let database = plan.database.as_deref();
    let setup = Setup { binary, folder: folder.path(), seed, tls: plan.tls, database, more: &[] };
    let mut service = Service::start(&setup)?;
    workload.sign(&service, counted)?;

    // Warm-up: the first requests fill the cache and the allocator's pools. They are not counted.
    let requests = std::mem::take(&mut workload.requests);
    let (counted, warm_up) = requests.split_at(counted);
    let pace = Pace::Closed(plan.connections);
    let fire = |service: &Service, slice: &[Vec<u8>], bodies| -> Result<Answers> {
        load::fire(service.target(), slice, slice.len(), pace, bodies)?.all_served()
    };
    fire(&service, warm_up, Bodies::Drop)?;

    let key = workload.signing_probe()?;
    let mut stages = Stages::begin(&service)?;
    let (mut rounds, mut tokens, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    println!("\nround   tokens/CPU-s   one sign + one verify   ratio   latency p50 / p99");
    for (i, slice) in counted.chunks(plan.requests_per_round).enumerate() {
        let before = probe(&key)?;
        let cpu_before = service.cpu()?;
        let answers = fire(&service, slice, Bodies::Keep)?;
        let cpu = service.cpu()? - cpu_before;
        let after = probe(&key)?;
        let price = (before + after) / 2;
        let per_cpu_second = slice.len() as f64 / cpu.as_secs_f64();
        let ratio = per_cpu_second * price.as_secs_f64();
        let rate = slice.len() as f64 / answers.took.as_secs_f64();
        println!(
            "{:>5}   {per_cpu_second:>12.0}   {:>18.1} µs   {ratio:>5.3}   {:.2} ms / {:.2} ms   ({rate:.0}/s)",
            i + 1,
            price.as_secs_f64() * 1e6,
            answers.served.percentile(0.5),
            answers.served.percentile(0.99),
        );
        rounds.push(ratio);
        rates.push(rate);
        for body in &answers.bodies {
            tokens.push(access_token(body)?.to_owned());
        }
    }
    stages.end(&service, counted, &key)?;
    check_tokens(&service, &tokens)?;
    let ratio = median(&mut rounds);
    println!(
        "\nratio: median {ratio:.3}, from {:.3} to {:.3} (goal {:.2})",
        rounds[0],
        rounds[rounds.len() - 1],
        plan.goal
    );

    let mut missed = Vec::new();
    let mut judge = |value: f64, most: f64, what: &str| {
        let most = if plan.short { 2.0 * most } else { most };
        println!("{what}: {value:.1} (at most {most:.0})");
        if value > most {
            missed.push(format!("{what} is {value:.1}, over {most:.0}"));
        }
    };
    if let Some(share) = plan.load {
        let rate = median(&mut rates) * share;
        let answers = load::fire(service.target(), counted, (rate * 10.0) as usize, Pace::Open(rate), Bodies::Drop)?;
        let answers = answers.all_served()?;
        let (p50, p99) = (answers.served.percentile(0.5), answers.served.percentile(0.99));
        println!("at {rate:.0}/s, {share} of the capacity: p50 {p50:.2} ms, p99 {p99:.2} ms");
        judge(p99 / p50, SPREAD, "p99 in p50");
    }
    judge(service.resident_mib()?, LOADED_MIB, "resident after the load, MiB");
    let idle = starts(plan, binary, &mut service, &mut judge)?;
    judge(idle, IDLE_MIB, "resident after a restart, MiB");
    // A first request of each client reads it from the store, a second one does not. A cache that cannot hold them all would
    // miss again.
    let once = &warm_up[..drawn.min(warm_up.len()).min(10_000)];
    let cpu = |service: &Service| -> Result<f64> {
        let before = service.cpu()?;
        fire(service, once, Bodies::Drop)?;
        Ok((service.cpu()? - before).as_secs_f64() * 1e6 / once.len() as f64)
    };
    let (cold, warm) = (cpu(&service)?, cpu(&service)?);
    // Told and not judged: the difference of two noisy figures.
    println!("CPU of a client that is not in the cache, µs beyond a request: {:.1} (aim {MISS_MICROS})", cold - warm);
    judge(service.resident_mib()?, LOADED_MIB, "resident once they are in the cache, MiB");
    if ratio < plan.goal {
        missed.push(format!("ratio {ratio:.3} is under the goal of {:.2}", plan.goal));
    }
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

/// First starts and restarts; answers the resident memory right after the last.
fn starts(plan: &Plan, binary: &Path, service: &mut Service, judge: &mut impl FnMut(f64, f64, &str)) -> Result<f64> {
    let count = if plan.short { 3 } else { 20 };
    let millis = |times: Vec<Duration>| median(&mut times.iter().map(|t| t.as_secs_f64() * 1e3).collect::<Vec<_>>());
    let first = millis(service::first_starts(binary, count)?);
    judge(first, FIRST_START.as_secs_f64() * 1e3, "ready on a first start, median ms");
    let mut again = Vec::new();
    for _ in 0..count {
        again.push(service.restart()?);
    }
    judge(millis(again), START.as_secs_f64() * 1e3, "ready on the existing store, median ms");
    service.resident_mib()
}

/// The middle one; sorts them.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// CPU time of one RS256 signature and one PS256 verification, the median of nine batches on the service's core.
pub fn probe(probe: &Probe) -> Result<Duration> {
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
pub fn check_tokens(service: &Service, tokens: &[String]) -> Result<()> {
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

/// The token in the body of an answer.
///
/// # Errors
/// When there is none.
pub fn access_token(body: &str) -> Result<&str> {
    body.split("\"access_token\":\"").nth(1).and_then(|t| t.split('"').next()).context("no access_token")
}
