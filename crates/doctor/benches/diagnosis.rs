//! How long a diagnosis takes: every case, a list of ten thousand registrations, a key file with wrong passwords.
//!
//! Run by `cargo xtask bench doctor`, which reads the lines `name value` and holds them against the goals. Times are CPU times
//! of this thread, of many runs of each case, so that they mean the same on a busy machine.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot set up its world has failed, and says where")]
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "it reads cases and the clock and prints; the library does not"
)]

#[path = "../tests/support/mod.rs"]
#[expect(dead_code, reason = "the tests ask for more of a case")]
mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_doctor::report::Verdict;
use countersign_doctor::{Input, Options, examine};
use countersign_testkit::{Identity, Scenario, Spec, scenario};
use support::{Case, cases};
use zeroize::Zeroizing;

/// Shortest time that is measured at once.
const BATCH: Duration = Duration::from_millis(50);

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let rounds = if short { 1 } else { 3 };
    let mut all: Vec<(Duration, String)> = Vec::new();
    let mut deriving = Duration::ZERO;
    for case in cases() {
        let best = (0..rounds).map(|_| cpu(|| drop(case.report()))).min().unwrap();
        if derives(&case) {
            deriving = deriving.max(best);
        } else {
            all.push((best, case.name()));
        }
    }
    all.sort();
    println!("cases {}", all.len());
    println!("median_us {}", all[all.len() / 2].0.as_micros());
    let (worst, name) = all.last().unwrap();
    println!("worst_us {}", worst.as_micros());
    println!("worst_case {name}");
    println!("worst_deriving_us {}", deriving.as_micros());
    println!("registrations_ms {}", list(10_000).as_millis());
    println!("passwords_ms {}", passwords().as_millis());
}

/// CPU time of this thread for some work. The kernel books it by ticks of some milliseconds, so short work is done again and
/// again until there are many of them.
fn cpu(mut work: impl FnMut()) -> Duration {
    let (began, before) = (Instant::now(), thread_cpu());
    let mut times = 0;
    while times == 0 || began.elapsed() < BATCH {
        work();
        times += 1;
    }
    (thread_cpu() - before) / times
}

fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    match text.split_whitespace().next().and_then(|nanoseconds| nanoseconds.parse().ok()) {
        Some(nanoseconds) => Duration::from_nanos(nanoseconds),
        // No Linux: the wall clock must do.
        None => std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap(),
    }
}

/// One right assertion, its registration the last of a long list.
fn list(registrations: usize) -> Duration {
    let right = Scenario::right();
    let other = Identity::rsa(1, &Spec::default());
    let mut all: Vec<String> =
        (0..registrations - 1).map(|i| application(&format!("00000000-0000-4000-8000-{i:012}"), &other)).collect();
    all.push(application(scenario::CLIENT_ID, &right.signer));
    let list = format!("{{\"value\":[{}]}}", all.join(","));
    let assertion = right.assertion();
    let inputs = [
        Input { name: "applications.json", bytes: list.as_bytes() },
        Input { name: "assertion", bytes: assertion.as_bytes() },
    ];
    let options = Options { tenant: Some(scenario::TENANT_ID.to_owned()), ..Options::new(scenario::NOW) };
    let mut report = None;
    let took = (0..3).map(|_| cpu(|| report = Some(examine(&inputs, &options, &AwsLc)))).min().unwrap();
    let report = report.unwrap();
    // The audience is that of the scenario's own server, which the doctor judges as well; the key must have been found.
    assert!(!report.findings.iter().any(|f| f.code == "cert-not-registered"), "{:?}", report.findings);
    assert_ne!(report.verdict, Verdict::Undecided);
    took
}

fn application(app_id: &str, identity: &Identity) -> String {
    format!(
        r#"{{"id":"{app_id}","appId":"{app_id}","displayName":"x","passwordCredentials":[],"keyCredentials":[{{"keyId":"{app_id}","customKeyIdentifier":null,"type":"AsymmetricX509Cert","usage":"Verify","startDateTime":"2023-01-01T00:00:00Z","endDateTime":"2033-01-01T00:00:00Z","key":"{}"}}]}}"#,
        encode_base64(identity.certificate.der())
    )
}

/// A PKCS#12 whose password is none of many: the most work that one file can cause.
fn passwords() -> Duration {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/keyfile");
    let mut worst = Duration::ZERO;
    for name in ["modern.pfx", "legacy.pfx", "sha512.pfx", "key.pbes2-aes.pem", "key.scrypt.pem"] {
        let bytes = std::fs::read(path.join(name)).unwrap();
        let mut options = Options::new(scenario::NOW);
        options.passwords = (0..16).map(|i| Zeroizing::new(format!(" \"wrong-{i}\"\n"))).collect();
        worst = worst.max(cpu(|| drop(examine(&[Input { name, bytes: &bytes }], &options, &AwsLc))));
    }
    worst
}

/// Whether something in a case is encrypted: deriving its key is not counted.
fn derives(case: &Case) -> bool {
    let encrypted = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        bytes.starts_with(&[0x30, 0x82]) && !text.contains("BEGIN") || text.contains("ENCRYPTED")
    };
    let is_pkcs12 = serde_json::to_string(&case.report().artifacts).unwrap().contains("pkcs12");
    is_pkcs12 || case.files.iter().any(|(_, bytes)| encrypted(bytes) && !case.options.passwords.is_empty())
}
