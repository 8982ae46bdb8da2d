//! The readings of an echoed thumbprint and the test vectors of the taxonomy: each gives what is stated there.
//!
//! Only the answer of the service is at hand, or one header; the cases beside this file have the rest.

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{decode_base64, decode_hex, encode_hex_upper};
use countersign_doctor::proof::{Certainty, Level};
use countersign_doctor::report::{Finding, Verdict};
use countersign_doctor::{Input, Options, Report, examine};

/// A certificate and its digests, computed by openssl.
const CERT: &str = include_str!("taxonomy/cert.pem");
const SHA1: &str = include_str!("taxonomy/sha1.txt");
const SHA256: &str = include_str!("taxonomy/sha256.txt");
/// SHA-1 over the text of the PEM file.
const SHA1_OF_TEXT: &str = include_str!("taxonomy/sha1-of-text.txt");
/// A leaf and the CA that signed it, and SHA-1 of the CA.
const CHAIN: &str = include_str!("taxonomy/chain.pem");
const LEAF_KEY: &str = include_str!("taxonomy/leaf-key.pem");
const SHA1_OF_CA: &str = include_str!("taxonomy/sha1-of-ca.txt");

fn examined(files: &[&str]) -> Report {
    let names: Vec<String> = (1..=files.len()).map(|n| format!("a{n}")).collect();
    let inputs: Vec<Input<'_>> =
        names.iter().zip(files).map(|(name, text)| Input { name, bytes: text.as_bytes() }).collect();
    let mut options = Options::new(UnixTime::EPOCH);
    options.at = UnixTime::parse("2027-03-02T10:00:00Z");
    examine(&inputs, &options, &AwsLc)
}

/// The answer that echoes these bytes.
fn echo(hex: &str) -> String {
    format!(
        "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on \
         application. [Reason - The key was not found., Thumbprint of key used by client: '{}', Please visit the Azure \
         Portal] Trace ID: 5c0b1d52-9f0e-4b7c-8a50-3d7e2b4f1a00 Correlation ID: 0f6e1d7a-2b58-4c0d-9a3e-7e1f5b6c8d90 \
         Timestamp: 2027-03-02 10:00:00Z",
        hex.trim().to_ascii_uppercase()
    )
}

fn found<'a>(report: &'a Report, code: &str) -> Option<&'a Finding> {
    report.findings.iter().find(|f| f.code == code)
}

fn errors(report: &Report) -> Vec<&str> {
    report.findings.iter().filter(|f| f.level == Level::Error).map(|f| f.code.as_str()).collect()
}

/// Everything a report shows of a finding.
fn shown(finding: &Finding) -> String {
    let places: Vec<String> =
        finding.evidence.iter().map(|e| format!("{} {} {}", e.pointer, e.found, e.expected)).collect();
    format!("{} {} {}", finding.title, places.join(" "), finding.fix)
}

#[test]
fn twenty_bytes_that_are_the_certificates_sha1_acquit_the_thumbprint() {
    let report = examined(&[&echo(SHA1), CERT]);
    assert_eq!(report.verdict, Verdict::Refused);
    assert!(
        !errors(&report).iter().any(|c| c.starts_with("thumbprint") || c.starts_with("x5t")),
        "{:?}",
        errors(&report)
    );
    assert!(report.needed.contains(&"application".to_owned()), "look at the registration: {:?}", report.needed);
}

#[test]
fn twenty_bytes_of_another_certificate_of_the_chain() {
    let report = examined(&[&echo(SHA1_OF_CA), CHAIN, LEAF_KEY]);
    assert!(found(&report, "thumbprint-of-chain-cert").is_some(), "{:?}", errors(&report));
}

#[test]
fn twenty_bytes_that_are_neither() {
    // Over the file's text.
    let report = examined(&[&echo(SHA1_OF_TEXT), CERT]);
    assert!(found(&report, "thumbprint-of-pem-text").is_some(), "{:?}", errors(&report));
    // Another certificate: nothing about the thumbprint's form.
    let report = examined(&[&echo("0102030405060708090A0B0C0D0E0F1011121314"), CERT]);
    assert!(
        !errors(&report).iter().any(|c| c.starts_with("thumbprint") || c.starts_with("x5t")),
        "{:?}",
        errors(&report)
    );
}

#[test]
fn thirty_two_bytes_are_sha256() {
    let alone = examined(&[&echo(SHA256)]);
    let finding = found(&alone, "thumbprint-sha256-in-x5t").unwrap();
    assert_eq!(finding.certainty, Certainty::Likely, "the bytes could be SHA-256 of something else");
    let with = examined(&[&echo(SHA256), CERT]);
    assert_eq!(found(&with, "thumbprint-sha256-in-x5t").unwrap().certainty, Certainty::Proven);
}

#[test]
fn thirty_bytes_are_hex_taken_for_base64() {
    let hex = "FEE317C3052AA4A141A9A301768F26AB641D58D0";
    let bytes = decode_base64(hex).unwrap().bytes;
    let echoed = encode_hex_upper(&bytes);
    assert!(echoed.starts_with("144137D7") && echoed.ends_with("C0F4") && bytes.len() == 30);
    let report = examined(&[&echo(&echoed)]);
    let finding = found(&report, "thumbprint-hex-as-x5t").unwrap();
    assert!(shown(finding).to_ascii_uppercase().contains(hex), "{}", shown(finding));
}

#[test]
fn twenty_seven_bytes_are_a_guid() {
    let guid = "b2f3a5b2-7350-4d33-ae4d-6cdd7b096cf7";
    let bytes = decode_base64(guid).unwrap().bytes;
    let echoed = encode_hex_upper(&bytes);
    assert!(echoed.starts_with("6F67F76B") && echoed.ends_with("C7FB") && bytes.len() == 27);
    let report = examined(&[&echo(&echoed)]);
    let finding = found(&report, "x5t-is-keyid-guid").unwrap();
    assert!(shown(finding).contains(guid), "{}", shown(finding));
}

#[test]
fn ascii_hex_digits_are_text_that_was_not_decoded() {
    let hex = "84E05C1D98BCE3A5421D225B140B36E86A3D5534";
    let colons: Vec<String> = hex.as_bytes().chunks(2).map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    for (text, length) in
        [(hex.to_owned(), 40), (format!("{hex}\n"), 41), (colons.join(":"), 59), (hex.to_lowercase(), 40)]
    {
        assert_eq!(text.len(), length);
        let report = examined(&[&echo(&encode_hex_upper(text.as_bytes()))]);
        let finding =
            found(&report, "thumbprint-hex-not-decoded").unwrap_or_else(|| panic!("{text}: {:?}", errors(&report)));
        assert!(
            shown(finding).contains("hOBcHZi846VCHSJbFAs26Go9VTQ") || shown(finding).to_uppercase().contains(hex),
            "{}",
            shown(finding)
        );
    }
}

#[test]
fn base64_of_hex_is_found_at_any_offset() {
    // Characters pasted in front; what follows is base64 of the hex text and a line feed.
    let x5t = "REI1RREI1RDM2MTM1MDJFQjBEQTE3NkU2RDc3MkYxMUQ5OTdFQTc5MTlDQgo";
    let header = format!(r#"{{"alg":"RS256","typ":"JWT","x5t":"{x5t}"}}"#);
    let report = examined(&[&header]);
    let finding = found(&report, "thumbprint-hex-not-decoded").unwrap_or_else(|| panic!("{:?}", errors(&report)));
    assert!(shown(finding).contains("DB5D3613502EB0DA176E6D772F11D997EA7919CB"), "{}", shown(finding));
    let echoed = encode_hex_upper(&decode_base64(x5t).unwrap().bytes);
    let report = examined(&[&echo(&echoed)]);
    assert!(found(&report, "thumbprint-hex-not-decoded").is_some(), "{:?}", errors(&report));
}

#[test]
fn a_few_printable_bytes_are_the_custom_key_identifier() {
    // Portal thumbprint `63657274`: ASCII `cert`.
    assert_eq!(decode_hex("63657274").unwrap(), b"cert");
    let app = r#"{"appId":"8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef","displayName":"x","keyCredentials":[{"customKeyIdentifier":"Y2VydA==","keyId":"aaaaaaaa-0000-4000-8000-000000000001","type":"AsymmetricX509Cert","usage":"Verify","key":null}]}"#;
    let report = examined(&[&echo("63657274"), app]);
    assert!(found(&report, "registration-customkeyidentifier-not-thumbprint").is_some(), "{:?}", errors(&report));
    // Without a registration that has it, it is no more than that.
    let report = examined(&[&echo("63657274")]);
    assert!(
        report.findings.iter().all(|f| f.level != Level::Error || f.certainty != Certainty::Proven),
        "{:?}",
        errors(&report)
    );
}

#[test]
fn no_echo_proves_nothing() {
    let text = echo("").replace(", Thumbprint of key used by client: ''", "");
    let report = examined(&[&text]);
    assert_eq!(report.verdict, Verdict::Refused);
    assert!(
        report.findings.iter().all(|f| f.level != Level::Error || f.certainty != Certainty::Proven),
        "{:?}",
        errors(&report)
    );
}

#[test]
fn the_test_vectors() {
    for (hex, right, wrong) in [
        (
            "84E05C1D98BCE3A5421D225B140B36E86A3D5534",
            "hOBcHZi846VCHSJbFAs26Go9VTQ",
            "ODRFMDVDMUQ5OEJDRTNBNTQyMUQyMjVCMTQwQjM2RTg2QTNENTUzNA",
        ),
        (
            "89569B9E426F9C89F6BB112012CC54F92B1ADD9B",
            "iVabnkJvnIn2uxEgEsxU-Ssa3Zs",
            "ODk1NjlCOUU0MjZGOUM4OUY2QkIxMTIwMTJDQzU0RjkyQjFBREQ5Qg",
        ),
        (
            "6bf8e136eb36d4a56ea05c7ae4b9a45b63bf975d",
            "a_jhNus21KVuoFx65LmkW2O_l10",
            "NmJmOGUxMzZlYjM2ZDRhNTZlYTA1YzdhZTRiOWE0NWI2M2JmOTc1ZA",
        ),
    ] {
        let header = |x5t: &str| format!(r#"{{"alg":"RS256","typ":"JWT","x5t":"{x5t}"}}"#);
        let report = examined(&[&header(wrong)]);
        let finding = found(&report, "thumbprint-hex-not-decoded").unwrap_or_else(|| panic!("{hex}"));
        assert!(shown(finding).contains(right), "{}", shown(finding));
        let report = examined(&[&header(right)]);
        assert!(errors(&report).is_empty(), "{right}: {:?}", errors(&report));
        // The service's echo of the wrong one, with nothing else at hand.
        let report = examined(&[&echo(&encode_hex_upper(&decode_base64(wrong).unwrap().bytes))]);
        assert!(found(&report, "thumbprint-hex-not-decoded").is_some(), "{hex}");
    }
}
