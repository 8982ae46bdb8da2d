//! Whatever is handed in, the doctor answers: no panic, no endless work, no verdict out of nothing.
//!
//! Bytes at random, and real artifacts cut, spliced and flipped at random.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use countersign_core::UnixTime;
use countersign_core::assertion::{AssertionSpec, KeyIdentifier, build};
use countersign_core::crypto::Provider;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_core::jose::alg::Alg;
use countersign_doctor::report::Verdict;
use countersign_doctor::{Input, Options, examine, render};
use countersign_testkit::{Identity, Spec};
use proptest::prelude::*;

const NOW: UnixTime = UnixTime::from_secs(1_772_445_600);
const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";

fn assertion(identity: &Identity) -> String {
    let spec = AssertionSpec {
        alg: Alg::Ps256,
        key_identifier: KeyIdentifier::X5t,
        chain: &[],
        client_id: APP,
        audience: &format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"),
        now: NOW,
        lifetime: 600,
        jti: "5c0d3bd7-9d3b-4b8e-9f1d-1d6a1f6d6f01",
    };
    build(&spec, &identity.certificate, AwsLc.signer(&identity.key).unwrap().as_ref()).unwrap()
}

fn application(app_id: &str, identity: &Identity) -> String {
    format!(
        r#"{{"id":"{APP}","appId":"{app_id}","displayName":"x","passwordCredentials":[],"keyCredentials":[{{"keyId":"{TENANT}","customKeyIdentifier":null,"type":"AsymmetricX509Cert","usage":"Verify","startDateTime":"2023-01-01T00:00:00Z","endDateTime":"2033-01-01T00:00:00Z","key":"{}"}}]}}"#,
        encode_base64(identity.certificate.der())
    )
}

fn answers(inputs: &[&[u8]]) -> Verdict {
    let files: Vec<Input<'_>> = inputs.iter().map(|bytes| Input { name: "a", bytes }).collect();
    let report = examine(&files, &Options::new(NOW), &AwsLc);
    for text in
        [render::text::render(&report, 80, true), render::sarif::render(&report), render::junit::render(&report)]
    {
        assert!(!text.is_empty());
    }
    report.verdict
}

fn seeds() -> Vec<Vec<u8>> {
    let identity = Identity::rsa(0, &Spec::default());
    let error = "AADSTS700027: Client assertion contains an invalid signature. [Reason - The key was not found., Thumbprint of key used by client: '30463539', Found key 'Start=06/09/2026 14:01:21, End=06/09/2027 14:01:21']";
    vec![
        assertion(&identity).into_bytes(),
        application(APP, &identity).into_bytes(),
        identity.certificate_pem().into_bytes(),
        identity.certificate.der().to_vec(),
        identity.key_pem().into_bytes(),
        error.as_bytes().to_vec(),
        format!("curl -X POST 'https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token' -d 'client_id={APP}&client_assertion={}'", assertion(&identity)).into_bytes(),
        "{'alg': \"RS256\", x5t: 'abc', // é\n".as_bytes().to_vec(),
        "CERT_THUMBPRINT=\u{200e}84e05c1d\n> POST /a HTTP/1.1\r\n=3D=\n\u{1F600}".as_bytes().to_vec(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert_ne!(answers(&[&bytes]), Verdict::Accepted);
    }

    #[test]
    fn any_text(text in "\\PC{0,300}") {
        prop_assert_ne!(answers(&[text.as_bytes()]), Verdict::Accepted);
    }

    #[test]
    fn spoiled_artifacts(which in 0usize..9, other in 0usize..9, at in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let seeds = seeds();
        let mut bytes = seeds[which].clone();
        let i = at.index(bytes.len());
        bytes[i] = byte;
        let (head, tail) = (cut.index(bytes.len()), cut.index(seeds[other].len()));
        let spliced = [&bytes[..head], &seeds[other][tail..]].concat();
        answers(&[&bytes, &seeds[other], &spliced]);
    }
}

#[test]
fn a_right_assertion_is_accepted() {
    let identity = Identity::rsa(0, &Spec::default());
    assert_eq!(answers(&[assertion(&identity).as_bytes(), application(APP, &identity).as_bytes()]), Verdict::Accepted);
}

#[test]
fn deep_and_long_input_ends_soon() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(50_000),
        "eyJ".repeat(100_000),
        "eyJhbGciOiJSUzI1NiJ9.eyJ ".repeat(10_000),
        "AADSTS1 ".repeat(50_000),
        "curl ".repeat(50_000),
        "-----BEGIN ".repeat(20_000),
        "{".repeat(100_000),
        "{'".repeat(50_000),
        "POST /a\n".repeat(20_000),
        "a=b&".repeat(100_000),
        "--thumbprint x ".repeat(20_000),
    ] {
        // Work that grows with the square of the input would not end within the time of a test run.
        answers(&[text.as_bytes()]);
    }
}

#[test]
fn ten_thousand_registrations_are_matched() {
    let identity = Identity::rsa(0, &Spec::default());
    let list = |n: usize| {
        let mut all: Vec<String> = (0..n)
            .map(|i| application(&format!("00000000-0000-4000-8000-{i:012}"), &Identity::rsa(1, &Spec::default())))
            .collect();
        all.push(application(APP, &identity));
        format!("{{\"value\":[{}]}}", all.join(","))
    };
    let jwt = assertion(&identity);
    let text = list(10_000);
    assert_eq!(answers(&[text.as_bytes(), jwt.as_bytes()]), Verdict::Accepted);
}

/// What fuzzing found, or might: each file is examined alone and beside a right assertion.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test reads its cases from files; the library does not")]
fn kept_inputs_are_answered() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile");
    let right = assertion(&Identity::rsa(0, &Spec::default()));
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert_ne!(answers(&[&bytes]), Verdict::Accepted);
        answers(&[&bytes, right.as_bytes()]);
        count += 1;
    }
    assert!(count > 0, "the inputs are there");
}
