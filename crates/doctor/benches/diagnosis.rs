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

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_core::profile;
use countersign_doctor::report::Verdict;
use countersign_doctor::{Input, Options, examine};
use countersign_testkit::{Identity, Scenario, Spec, scenario};
use serde_json::Value;
use zeroize::Zeroizing;

/// Shortest time that is measured at once.
const BATCH: Duration = Duration::from_millis(50);

struct Case {
    name: String,
    files: Vec<(String, Vec<u8>)>,
    options: Options,
    /// Holds something encrypted: deriving its key is not counted.
    derives: bool,
}

fn main() {
    let short = std::env::args().any(|argument| argument == "--short");
    let rounds = if short { 1 } else { 3 };
    let mut all: Vec<(Duration, String)> = Vec::new();
    let mut deriving = Duration::ZERO;
    for case in cases() {
        let inputs: Vec<Input<'_>> = case.files.iter().map(|(name, bytes)| Input { name, bytes }).collect();
        let best = (0..rounds).map(|_| cpu(|| drop(examine(&inputs, &case.options, &AwsLc)))).min().unwrap();
        if case.derives {
            deriving = deriving.max(best);
        } else {
            all.push((best, case.name));
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

fn folders(of: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> =
        std::fs::read_dir(of).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    out.sort();
    out
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut out = Vec::new();
    for folder in folders(&root).iter().flat_map(|layer| folders(layer)).flat_map(|key| folders(&key)) {
        let about: Value = serde_json::from_slice(&std::fs::read(folder.join("case.json")).unwrap()).unwrap();
        let texts = |name: &str| -> Vec<String> {
            about[name].as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
        };
        let files: Vec<(String, Vec<u8>)> =
            texts("files").into_iter().map(|f| (f.clone(), std::fs::read(folder.join(f)).unwrap())).collect();
        let mut options = Options::new(UnixTime::EPOCH);
        for pair in texts("args").chunks(2) {
            let value = pair[1].clone();
            match pair[0].as_str() {
                "--at" => options.at = UnixTime::parse(&value),
                "--tenant" => options.tenant = Some(value),
                "--client-id" => options.client_id = Some(value),
                "--password" => options.passwords.push(Zeroizing::new(value)),
                "--profile" => options.profile = profile::server_by_name(&value).unwrap(),
                other => panic!("{other}: unknown to this benchmark"),
            }
        }
        let encrypted = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            bytes.starts_with(&[0x30, 0x82]) && !text.contains("BEGIN") || text.contains("ENCRYPTED")
        };
        let report =
            examine(&files.iter().map(|(name, bytes)| Input { name, bytes }).collect::<Vec<_>>(), &options, &AwsLc);
        let is_pkcs12 = serde_json::to_string(&report.artifacts).unwrap().contains("pkcs12");
        let derives = is_pkcs12 || files.iter().any(|(_, bytes)| encrypted(bytes) && !options.passwords.is_empty());
        let name = folder.strip_prefix(&root).unwrap().display().to_string();
        out.push(Case { name, files, options, derives });
    }
    assert!(out.len() > 200, "the cases are there");
    out
}
