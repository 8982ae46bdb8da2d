//! Whole diagnoses of up to four files, every format, plain and redacted: an answer always, the same verdict both ways.
#![no_main]

use countersign_core::crypto::rustcrypto::RustCrypto;
use countersign_doctor::{Input, Options, examine, render};
use countersign_fuzz::{NOW, files};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let inputs: Vec<Input<'_>> = files(data).into_iter().map(|bytes| Input { name: "a", bytes }).collect();
    let mut options = Options::new(NOW);
    let open = examine(&inputs, &options, &RustCrypto);
    options.redact = true;
    let shut = examine(&inputs, &options, &RustCrypto);
    assert_eq!(
        (open.verdict, open.findings.len()),
        (shut.verdict, shut.findings.len()),
        "redacting changes the answer"
    );
    for report in [&open, &shut] {
        let json: serde_json::Value = serde_json::from_str(&render::json::pretty(report)).expect("JSON");
        assert_eq!(json["schema"], 1);
        serde_json::from_str::<serde_json::Value>(&render::sarif::render(report)).expect("SARIF is JSON");
        let junit = render::junit::render(report);
        assert!(junit.chars().all(|c| c == '\n' || !c.is_control()), "JUnit holds what XML cannot");
        assert!(!render::text::render(report, 80, true).is_empty());
        assert!(!render::html::render(report).contains("<script>"), "a script got into the page");
    }
});
