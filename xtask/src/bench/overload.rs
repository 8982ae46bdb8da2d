//! `cargo xtask bench overload`: four times what the service can do, in an open loop, and what becomes of it afterwards.
//!
//! One service on its core, one load beside it: what it can do (closed loop), a normal load (half of that, open loop), four
//! times of it (open loop), the normal load and the closed loop again. The first and the last are compared.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::load::{self, Answers, Bodies, Pace};
use super::service::{Service, Setup};
use super::token::{access_token, check_tokens};
use super::workload::Workload;

/// Connections of the closed loop.
const CONNECTIONS: usize = 32;
/// What is offered, in what the service can do.
const OFFERED: f64 = 4.0;
/// The normal load, the same way.
const NORMAL: f64 = 0.5;
/// After this it must be as before.
const RECOVERY: Duration = Duration::from_secs(3);
/// Descriptors for the load's connections, and for the service's.
const DESCRIPTORS: &str = "--nofile=16384:";

/// What must hold.
struct Goals {
    /// Tokens during overload, in what the service can do.
    goodput: f64,
    /// CPU of a request that is turned away, in microseconds.
    turned_away_micros: f64,
    /// Growth of resident memory.
    growth: f64,
    /// Time to turn somebody away, median in milliseconds. The short form, on machines that do other things, asks for none.
    turned_away_millis: Option<f64>,
}

struct Plan {
    seconds: f64,
    applications: usize,
    requests: usize,
    binary: Option<PathBuf>,
    goals: Goals,
}

/// Runs the benchmark.
///
/// # Errors
/// When the service fails, or something promised does not hold.
pub fn run(rest: &[String]) -> Result<()> {
    let goals = Goals { goodput: 0.5, turned_away_micros: 10.0, growth: 0.10, turned_away_millis: Some(10.0) };
    let mut plan = Plan { seconds: 60.0, applications: 1_000, requests: 30_000, binary: None, goals };
    let mut rest = rest.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--short" => {
                let goals = Goals { goodput: 0.25, turned_away_micros: 20.0, growth: 0.20, turned_away_millis: None };
                plan = Plan { seconds: 20.0, applications: 200, requests: 6_000, goals, ..plan };
            }
            "--binary" => plan.binary = Some(rest.next().context("--binary needs a value")?.into()),
            "--seconds" => {
                let text = rest.next().context("--seconds needs a value")?;
                let seconds = text.parse().ok().filter(|s| (1.0..=3600.0).contains(s));
                plan.seconds = seconds.with_context(|| format!("--seconds is `{text}`, and takes 1 to 3600"))?;
            }
            other => bail!("bench overload knows no `{other}`; it takes `--short`, `--seconds N` and `--binary FILE`"),
        }
    }
    let binary = super::program(plan.binary.take())?;
    overload(&plan, &binary)
}

fn overload(plan: &Plan, binary: &Path) -> Result<()> {
    // The service inherits it.
    let _ = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), DESCRIPTORS])
        .stderr(Stdio::null())
        .status();
    let folder = tempfile::tempdir()?;
    println!("making {} applications and {} assertions", plan.applications, plan.requests);
    let mut workload = Workload::new(folder.path(), plan.applications, plan.applications)?;
    let setup =
        Setup { binary, folder: folder.path(), seed: Some(&workload.seed), tls: false, database: None, more: &[] };
    let service = Service::start(&setup)?;
    workload.sign(&service, plan.requests)?;
    let requests = &workload.requests;
    let closed = || phase(&service, requests, plan.requests, Pace::Closed(CONNECTIONS), Bodies::Drop);

    // Fills caches and pools; not counted.
    closed()?.0.all_served()?;
    let (alone, alone_cpu) = closed()?;
    let alone = alone.all_served()?;
    let capacity = alone.served.count() as f64 / alone.took.as_secs_f64();
    let normal = |bodies| {
        let rate = capacity * NORMAL;
        phase(&service, requests, (rate * 5.0) as usize, Pace::Open(rate), bodies)
    };
    let before = normal(Bodies::Drop)?.0.all_served()?;
    let resident_before = service.resident_mib()?;
    println!("\nalone: {capacity:.0} tokens/s over {CONNECTIONS} connections; resident {resident_before:.1} MiB");

    let offered = capacity * OFFERED;
    let (during, during_cpu) =
        phase(&service, requests, (offered * plan.seconds) as usize, Pace::Open(offered), Bodies::Drop)?;
    let resident_during = service.resident_mib()?;
    std::thread::sleep(RECOVERY);
    let after = normal(Bodies::Keep)?.0;
    let resident_after = service.resident_mib()?;
    let (again, again_cpu) = closed()?;
    again.all_served()?;

    let tokens = during.served.count() as f64;
    let turned_away = during.turned_away.count() as f64;
    let per_token = (alone_cpu + again_cpu).as_secs_f64() / 2.0 / plan.requests as f64;
    let micros = (during_cpu.as_secs_f64() - tokens * per_token) / turned_away.max(1.0) * 1e6;
    let goodput = tokens / during.took.as_secs_f64() / capacity;
    println!(
        "offered for {:.0} s: {offered:.0}/s over up to {} connections\n  \
         tokens: {:.0}/s, {goodput:.2} of what it does alone\n  \
         turned away: {:.0}/s, {micros:.1} µs of CPU each (a token: {:.1} µs)\n  faults: {}",
        plan.seconds,
        during.connections,
        tokens / during.took.as_secs_f64(),
        turned_away / during.took.as_secs_f64(),
        per_token * 1e6,
        during.fault_count,
    );
    let times = |name: &str, l: &load::Latencies| {
        println!("  {name}: p50 {:.2} ms, p99 {:.2} ms", l.percentile(0.5), l.percentile(0.99));
    };
    times("normal load before", &before.served);
    times("tokens meanwhile", &during.served);
    times("turned away meanwhile", &during.turned_away);
    times("normal load 3 s after", &after.served);
    println!("resident: {resident_before:.1} MiB before, {resident_during:.1} at its end, {resident_after:.1} after");
    limit_alone(&workload, plan, binary)?;

    let mut missed = faults(&during);
    let mut judge = |holds: bool, what: String| missed.extend((!holds).then_some(what));
    let goals = &plan.goals;
    judge(turned_away > 0.0, "nobody was turned away: that was no overload".to_owned());
    judge(goodput >= goals.goodput, format!("goodput {goodput:.2} is under {}", goals.goodput));
    judge(micros < goals.turned_away_micros, format!("{micros:.1} µs is over {} µs", goals.turned_away_micros));
    if let Some(most) = goals.turned_away_millis {
        let p50 = during.turned_away.percentile(0.5);
        judge(p50 < most, format!("turning somebody away took {p50:.1} ms, over {most} ms"));
        let (p99, was) = (after.served.percentile(0.99), before.served.percentile(0.99));
        judge(p99 < 2.0 * was + 1.0, format!("p99 is {p99:.1} ms 3 s after, and was {was:.1} ms before"));
    }
    let grown = resident_after / resident_before - 1.0;
    judge(grown < goals.growth, format!("resident memory grew by {:.0} %", grown * 100.0));
    missed.extend(faults(&after));
    judge_again(&mut missed, &after);
    ensure!(missed.is_empty(), "not as promised: {}", missed.join("; "));
    let after = after.all_served()?;
    let tokens = after.bodies.iter().map(|b| access_token(b).map(str::to_owned)).collect::<Result<Vec<_>>>()?;
    check_tokens(&service, &tokens)
}

/// One phase, and the CPU time that the service spent on it.
fn phase(
    service: &Service,
    requests: &[Vec<u8>],
    count: usize,
    pace: Pace,
    bodies: Bodies,
) -> Result<(Answers, Duration)> {
    let before = service.cpu()?;
    let answers = load::fire(service.target(), requests, count, pace, bodies)?;
    Ok((answers, service.cpu()? - before))
}

/// Answers that nobody promised, and whether those that were turned away were told so in Entra's form.
fn faults(answers: &Answers) -> Vec<String> {
    let mut faults = Vec::new();
    if answers.fault_count > 0 {
        faults.push(format!("{} answers of another kind, so: {}", answers.fault_count, answers.faults.join(" | ")));
    }
    if answers.turned_away.count() > 0 {
        let body: Value = serde_json::from_str(&answers.turned_away_body).unwrap_or_default();
        let right = body["error"] == "temporarily_unavailable"
            && body["error_codes"][0] == 90_033
            && ["error_description", "timestamp", "trace_id", "correlation_id"].iter().all(|m| body[*m].is_string());
        if !right {
            faults.push(format!("not Entra's form: {}", answers.turned_away_body));
        }
    }
    faults
}

/// Nobody may be turned away once it is over.
fn judge_again(missed: &mut Vec<String>, after: &Answers) {
    let away = after.turned_away.count();
    if away > 0 {
        missed.push(format!("{away} requests were turned away 3 s after"));
    }
}

/// The same cost from another side: a service that may give this address one answer a second, so that nearly all of its time
/// goes into turning away. It is said, and not judged.
fn limit_alone(workload: &Workload, plan: &Plan, binary: &Path) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let service = Service::start(&Setup {
        binary,
        folder: folder.path(),
        seed: Some(&workload.seed),
        tls: false,
        database: None,
        more: &["--limit-per-address", "1"],
    })?;
    let run = || phase(&service, &workload.requests, plan.requests, Pace::Closed(CONNECTIONS), Bodies::Drop);
    run()?;
    let (answers, cpu) = run()?;
    let micros = cpu.as_secs_f64() * 1e6 / answers.turned_away.count().max(1) as f64;
    println!(
        "with --limit-per-address 1, {} of {} turned away: {micros:.1} µs of CPU each",
        answers.turned_away.count(),
        plan.requests
    );
    Ok(())
}
