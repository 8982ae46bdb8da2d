//! 200 tasks that want tokens all the time, while the service is restarted twice, the certificate folder rotated three times, and
//! a proxy between them answers 429, 503, slowly or not at all.
//!
//! Run by `cargo xtask soak`. No task may ever hold a token that has ended, no token may be asked for twice at once, and what
//! reaches the service after an outage stays bounded; all of it is printed. Real tokens live for more than an hour, so the proxy
//! tells the client that they end after some seconds, and judges by that.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a soak that cannot set up its world has failed, and says where"
)]

mod faults;
mod world;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_client::{
    AssertionStyle, Authority, Credential, ExposeSecret as _, RotatingCertificate, TokenClient, TokenClientOptions,
};

use self::faults::{Fault, Proxy};
use self::world::{CLIENT_ID, TENANT, World};

const TASKS: usize = 200;
const SCOPES: [&str; 4] = [
    "https://graph.microsoft.com/.default",
    "https://vault.azure.net/.default",
    "https://storage.azure.com/.default",
    "https://management.azure.com/.default",
];
/// How long a disturbance lasts.
const SPELL: Duration = Duration::from_secs(3);

/// What the tasks saw.
#[derive(Default)]
struct Seen {
    reads: AtomicU64,
    errors: AtomicU64,
    ended: AtomicU64,
    slowest_ms: AtomicU64,
}

/// A part of the whole time, and what happens then.
#[derive(Clone, Copy)]
enum Step {
    Rotate(usize),
    Restart,
    Disturb(Fault),
}

/// In parts of a hundred.
const STEPS: [(u64, Step); 9] = [
    (8, Step::Rotate(1)),
    (20, Step::Disturb(Fault::TooMany)),
    (30, Step::Restart),
    (40, Step::Rotate(2)),
    (50, Step::Disturb(Fault::Unavailable)),
    (60, Step::Disturb(Fault::Slow)),
    (68, Step::Restart),
    (78, Step::Rotate(3)),
    (88, Step::Disturb(Fault::Closed)),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let program = PathBuf::from(value("--program").expect("--program FILE: the released program"));
    let seconds: u64 = value("--seconds").map_or(60, |text| text.parse().expect("--seconds takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let faults = runtime.block_on(soak(program, Duration::from_secs(seconds)));
    for fault in &faults {
        println!("FAULT: {fault}");
    }
    assert!(faults.is_empty(), "{} faults", faults.len());
    println!("no faults");
}

async fn soak(program: PathBuf, whole: Duration) -> Vec<String> {
    let (proxy, url) = Proxy::listen().await;
    let mut world = World::new(program, &url);
    world.start();
    proxy.forward_to(&world.service);
    let folder = RotatingCertificate::folder(world.certificates(), None, AssertionStyle::default()).unwrap();
    let authority = Authority::new(&url, TENANT).unwrap();
    let options = TokenClientOptions { deadline: Duration::from_secs(20), ..TokenClientOptions::default() };
    let client = TokenClient::with_options(authority, CLIENT_ID, Credential::Rotating(folder), &options).unwrap();

    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|n| {
            let (client, proxy) = (client.clone(), Arc::clone(&proxy));
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let began = Instant::now();
                    match client.token(SCOPES[n % SCOPES.len()]).await {
                        Ok(token) => {
                            seen.reads.fetch_add(1, Ordering::Relaxed);
                            if proxy.has_ended(token.access_token.expose_secret()) {
                                seen.ended.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        Err(error) => {
                            if seen.errors.fetch_add(1, Ordering::Relaxed) == 0 {
                                println!("first error: {error}");
                            }
                        }
                    }
                    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    seen.slowest_ms.fetch_max(took, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(40 + (n as u64 % 20))).await;
                }
            })
        })
        .collect();

    let began = Instant::now();
    let mut after = Vec::new();
    for (percent, step) in STEPS {
        let at = whole * u32::try_from(percent).unwrap() / 100;
        tokio::time::sleep(at.saturating_sub(began.elapsed())).await;
        let what = match step {
            Step::Rotate(number) => {
                world.rotate(number);
                // Known only after the client has tried it.
                tokio::time::sleep(SPELL).await;
                world.register(number);
                continue;
            }
            Step::Restart => {
                world.kill();
                tokio::time::sleep(SPELL).await;
                world.start();
                "the service was away"
            }
            Step::Disturb(fault) => {
                proxy.disturb(Some(fault));
                tokio::time::sleep(SPELL).await;
                proxy.disturb(None);
                fault.name()
            }
        };
        let before = proxy.requests();
        tokio::time::sleep(Duration::from_secs(2)).await;
        after.push((what, proxy.requests() - before));
    }
    tokio::time::sleep(whole.saturating_sub(began.elapsed())).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    world.kill();
    judge(&seen, &proxy, &after, whole)
}

fn judge(seen: &Seen, proxy: &Proxy, after: &[(&str, u64)], whole: Duration) -> Vec<String> {
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let (requests, at_once, certificates) = (proxy.requests(), proxy.most_at_once(), proxy.certificates());
    // A token is asked for once in three quarters of its life; rotations and disturbances may cost some requests more.
    let usual = whole.as_secs() / (faults::LIFE.as_secs() * 3 / 4) + 1;
    let bound = SCOPES.len() as u64 * (usual * 2 + STEPS.len() as u64 * 6);
    let (reads, errors, ended) = (count(&seen.reads), count(&seen.errors), count(&seen.ended));
    println!("{reads} tokens to {TASKS} tasks in {} s, slowest call {} ms", whole.as_secs(), count(&seen.slowest_ms));
    println!("tokens that had ended: {ended}; calls without a token: {errors}");
    println!(
        "requests: {requests} (bound {bound}); for one token at once: {at_once}; certificates used: {certificates}"
    );
    let mut faults = Vec::new();
    for (what, requests) in after {
        // Four tokens, each with its attempts.
        println!("requests in the 2 s after {what}: {requests} (bound {})", SCOPES.len() * 4);
        if *requests > SCOPES.len() as u64 * 4 {
            faults.push(format!("a storm after {what}: {requests} requests"));
        }
    }
    let mut fault = |found: bool, text: String| {
        if found {
            faults.push(text)
        }
    };
    fault(ended > 0, format!("{ended} tokens had ended when a task got them"));
    fault(at_once > 1, format!("{at_once} requests for one token at once"));
    fault(requests > bound, format!("{requests} requests, more than {bound}"));
    fault(certificates != 4, format!("{certificates} certificates were used, not 4"));
    fault(errors > reads / 50, format!("{errors} of {} calls got no token", reads + errors));
    fault(reads < TASKS as u64 * whole.as_secs(), format!("only {reads} tokens were read: the tasks were held up"));
    faults
}
