//! The worked cases, where a checkout has them beside it: scored in process as their own scorer does.
//!
//! Without them there is nothing to do here; the repository's own cases are in `cases.rs`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test reads its cases from files; the library does not")]

use std::path::{Path, PathBuf};

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_doctor::proof::{Certainty, Level};
use countersign_doctor::{Input, Options, Report, examine};
use serde_json::Value;
use zeroize::Zeroizing;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/doctor");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut out: Vec<PathBuf> =
        entries.map(|e| e.unwrap().path()).filter(|p| p.join("expected.json").exists()).collect();
    out.sort();
    out
}

fn texts(of: &Value) -> Vec<&str> {
    of.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn run(folder: &Path, expected: &Value) -> Report {
    let mut options = Options::new(UnixTime::EPOCH);
    for pair in texts(&expected["args"]).chunks(2) {
        let value = pair[1].to_owned();
        match pair[0] {
            "--at" => options.at = UnixTime::parse(&value),
            "--tenant" => options.tenant = Some(value),
            "--client-id" => options.client_id = Some(value),
            "--password" => options.passwords.push(Zeroizing::new(value)),
            other => panic!("{other}: unknown to this test"),
        }
    }
    let files: Vec<(&str, Vec<u8>)> =
        texts(&expected["files"]).into_iter().map(|f| (f, std::fs::read(folder.join(f)).unwrap())).collect();
    let inputs: Vec<Input<'_>> = files.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    examine(&inputs, &options, &AwsLc)
}

#[test]
fn worked_cases_are_diagnosed() {
    let (mut defects, mut right, mut faults) = (0, 0, Vec::new());
    for folder in cases() {
        let expected: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let report = run(&folder, &expected);
        let id = expected["id"].as_str().unwrap_or_default();
        let errors = || report.findings.iter().filter(|f| f.level == Level::Error);
        match expected["group"].as_str().unwrap_or_default() {
            "healthy" => {
                if errors().next().is_some() || report.exit_code() != 0 {
                    faults.push(format!("{id}: what is right is blamed"));
                }
            }
            "undecidable" => {
                if report.findings.iter().any(|f| f.certainty == Certainty::Proven && f.level != Level::Note) {
                    faults.push(format!("{id}: something undecidable is called proven"));
                }
            }
            _ => {
                defects += 1;
                let mut good = texts(&expected["also_ok"]);
                good.extend(expected["primary"].as_str());
                right += usize::from(report.findings.first().is_some_and(|f| good.contains(&f.code.as_str())));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(right * 100 >= defects * 97, "first finding right in {right} of {defects}");
}
