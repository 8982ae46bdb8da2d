//! The samples on the explanation pages do what the pages say: a wrong one shows its cause, a right one does not.
//!
//! Run by `cargo test`; every sample is a whole input of the doctor. Prose and tables are held to the causes here too.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile;
use countersign_doctor::explain::{Kind, Page, Sample, all, page};
use countersign_doctor::report::Report;
use countersign_doctor::{Input, Options, causes, examine};

/// The time of the samples that name none.
const NOW: &str = "2026-03-02T10:00:00Z";

fn run(sample: &Sample) -> Report {
    let time = |text: &str| UnixTime::parse(text).expect("a time in RFC 3339");
    let mut options = Options::new(time(NOW));
    for (name, value) in &sample.options {
        match *name {
            "at" => options.at = Some(time(value)),
            "tenant" => options.tenant = Some((*value).to_owned()),
            "client-id" => options.client_id = Some((*value).to_owned()),
            "profile" => options.profile = profile::server_by_name(value).expect("a profile"),
            other => panic!("no such option of a sample: {other}"),
        }
    }
    examine(&[Input { name: "sample", bytes: sample.text.as_bytes() }], &options, &AwsLc)
}

fn causes_with_pages() -> impl Iterator<Item = &'static Page> {
    all().iter().filter(|p| p.kind == Kind::Cause)
}

#[test]
fn wrong_samples_show_the_cause_and_right_ones_do_not() {
    let mut faults = String::new();
    for page in causes_with_pages() {
        for (i, sample) in page.samples().iter().enumerate() {
            let report = run(sample);
            let found = report.findings.iter().any(|f| f.code == page.key);
            if found != sample.wrong {
                let codes: Vec<_> = report.findings.iter().map(|f| f.code.as_str()).collect();
                let kinds: Vec<_> = report.artifacts.iter().map(|a| a.kind.as_str()).collect();
                let mark = if sample.wrong { "wrong" } else { "right" };
                writeln!(faults, "{} sample {i} ({mark}): findings {codes:?}, read as {kinds:?}", page.key).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn every_cause_has_a_page_and_every_page_a_cause() {
    for cause in causes::all() {
        let page = page(cause.key).unwrap_or_else(|| panic!("no page for {}", cause.key));
        assert_eq!(page.kind, Kind::Cause, "{}", cause.key);
        // A finding of the cause names these numbers; the page must not leave one out.
        for code in cause.aadsts {
            let has_page = countersign_doctor::explain::page(&code.to_string()).is_some();
            assert!(!has_page || page.aadsts.contains(code), "{} does not name {code}", cause.key);
        }
    }
    for page in causes_with_pages() {
        assert!(causes::by_key(page.key).is_some(), "no cause for the page {}", page.key);
    }
}

#[test]
fn prose_keeps_to_a_hundred_columns() {
    for page in all() {
        let mut in_block = false;
        for line in page.markdown.lines().skip_while(|l| !l.starts_with("## ")) {
            if line.starts_with("```") {
                in_block = !in_block;
            } else if !in_block {
                // A link cannot be broken.
                let longest = line.split_whitespace().map(str::len).max().unwrap_or(0);
                assert!(line.chars().count() <= 100 || longest > 70, "{}: {line}", page.key);
            }
        }
        assert!(!in_block, "{}: a block is not closed", page.key);
    }
}

#[test]
fn no_private_key_stands_on_a_page() {
    for page in all() {
        for (at, _) in page.markdown.match_indices("PRIVATE KEY-----") {
            let rest = &page.markdown[at..];
            let body: String = rest.lines().skip(1).take(3).collect();
            let base64 = body.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
            assert!(base64 < 60, "{}: a private key", page.key);
        }
    }
}

#[test]
fn emitted_codes_are_those_the_service_can_answer_with() {
    for page in all().iter().filter(|p| p.kind == Kind::Code) {
        assert!(matches!(page.fact("emitted"), Some("yes" | "no")), "{}", page.key);
        for key in page.fact("causes").unwrap().split(", ").filter(|k| *k != "none") {
            assert!(causes::by_key(key).is_some(), "{}: {key}", page.key);
        }
    }
}
