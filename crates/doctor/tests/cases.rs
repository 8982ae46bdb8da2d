//! Every case under `tests/cases`: the report is the one beside it, a proof names its cause, a near miss does not, and
//! no format of any report gives a secret away.
//!
//! `COUNTERSIGN_BLESS=1 cargo test -p countersign-doctor --test cases` writes the reports anew; read them in review.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "the test reads its cases from files; the library does not")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile;
use countersign_doctor::{Input, Options, Report, causes, examine, render};
use serde_json::Value;
use support::{Case, cases};

#[test]
fn reports_are_as_recorded() {
    let bless = std::env::var_os("COUNTERSIGN_BLESS").is_some();
    let mut faults = String::new();
    for case in cases() {
        let report = case.report();
        for (name, text) in
            [("report.json", render::json::pretty(&report)), ("report.txt", render::text::render(&report, 80, false))]
        {
            let path = case.folder.join(name);
            if bless {
                std::fs::write(&path, &text).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                let _ = writeln!(faults, "{}/{name} differs:\n{text}", case.name());
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn proofs_name_their_cause_and_near_misses_do_not() {
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for case in cases() {
        let report = case.report();
        let codes: Vec<&str> = report.findings.iter().map(|f| f.code.as_str()).collect();
        let named = codes.contains(&case.cause.as_str());
        assert_eq!(named, case.proves, "{}: {codes:?}", case.name());
        let entry = seen.entry(case.cause.clone()).or_default();
        entry.0 |= case.proves;
        entry.1 |= !case.proves;
    }
    // A cause that is gone leaves its cases behind, and they fail here by name.
    let keys: Vec<&str> = causes::all().map(|cause| cause.key).collect();
    for key in seen.keys() {
        assert!(keys.contains(&key.as_str()), "there are cases for `{key}`, and no such cause");
    }
    for cause in causes::all() {
        assert_eq!(seen.get(cause.key), Some(&(true, true)), "{} has a proof and a near miss", cause.key);
    }
}

#[test]
fn the_order_of_the_files_means_nothing() {
    for mut case in cases() {
        let code = |r: &Report| (r.verdict, r.findings.first().map(|f| f.code.clone()));
        let before = code(&case.report());
        case.files.reverse();
        assert_eq!(code(&case.report()), before, "{}", case.name());
    }
}

#[test]
fn every_file_in_one_reads_the_same() {
    for case in cases() {
        let texts: Option<Vec<&str>> = case.files.iter().map(|(_, bytes)| std::str::from_utf8(bytes).ok()).collect();
        // Key files are judged as files, and a message as what a tool said: those stay apart.
        let layer = case.folder.parent().unwrap().parent().unwrap().file_name().unwrap().to_str().unwrap();
        let Some(texts) =
            texts.filter(|_| !matches!(layer, "keyfile" | "access") && case.cause != "thumbprint-of-pem-text")
        else {
            continue;
        };
        let whole = format!("Hello,\n\n{}\n\nthanks in advance\n", texts.join("\n\nand this:\n\n"));
        let report = examine(&[Input { name: "all", bytes: whole.as_bytes() }], &case.options, &AwsLc);
        let apart = case.report();
        let first = |r: &Report| {
            r.findings.iter().find(|f| f.level == countersign_doctor::proof::Level::Error).map(|f| f.code.clone())
        };
        assert_eq!(first(&report), first(&apart), "{}", case.name());
    }
}

/// Runs of base64 of private keys and everything else that must not get out.
fn secrets(case: &Case) -> Vec<String> {
    let mut out: Vec<String> = case.options.passwords.iter().map(|p| p.trim().trim_matches('"').to_owned()).collect();
    for (_, bytes) in &case.files {
        let text = String::from_utf8_lossy(bytes);
        for block in text.split("PRIVATE KEY-----").skip(1).step_by(2) {
            // The first lines hold the algorithm and the public modulus.
            out.extend(
                block.replace("\\n", "\n").split_whitespace().skip(8).filter(|l| l.len() == 64).map(str::to_owned),
            );
        }
        for token in
            text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | '&')).filter(|w| w.starts_with("eyJ"))
        {
            if let Some(signature) = token.split('.').nth(2).filter(|s| s.len() > 60) {
                out.push(signature.chars().take(40).collect());
            }
        }
        out.extend(
            text.split("client_secret=")
                .skip(1)
                .filter_map(|r| r.split(['&', '\n']).next())
                .filter(|s| s.len() > 12)
                .map(str::to_owned),
        );
    }
    out
}

#[test]
fn no_format_gives_a_secret_away() {
    for case in cases() {
        let report = case.report();
        let formats = [
            render::json::pretty(&report),
            render::json::compact(&report),
            render::text::render(&report, 80, true),
            render::sarif::render(&report),
            render::junit::render(&report),
            render::html::render(&report),
            format!("{report:?}"),
        ];
        for secret in secrets(&case).iter().filter(|s| s.len() >= 6) {
            for text in &formats {
                assert!(!text.contains(secret.as_str()), "{}: a secret in the output", case.name());
            }
        }
        for text in &formats {
            assert!(!text.contains("PRIVATE KEY-----\nMII"), "{}", case.name());
        }
    }
}

#[test]
fn text_fits_the_terminal() {
    for case in cases() {
        let report = case.report();
        for width in [40, 80, 120] {
            // Code is not wrapped: it would be other code.
            let code: Vec<&str> =
                report.findings.iter().flat_map(|f| &f.fixes).flat_map(|fix| fix.code.lines()).collect();
            for line in render::text::render(&report, width, false)
                .lines()
                .filter(|l| l.strip_prefix("     ").is_none_or(|l| !code.contains(&l)))
            {
                let unbreakable = line.split_whitespace().map(|w| w.chars().count()).max().unwrap_or_default();
                let room = width.max(unbreakable + 16).max(70);
                assert!(line.chars().count() <= room, "{} at {width}: {line}", case.name());
            }
        }
    }
}

#[test]
fn sarif_and_junit_are_well_formed() {
    for case in cases() {
        let report = case.report();
        let sarif: Value = serde_json::from_str(&render::sarif::render(&report)).unwrap();
        assert_eq!(sarif["version"], "2.1.0");
        assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), report.findings.len());
        let junit = render::junit::render(&report);
        assert_eq!(junit.matches("<testcase").count(), report.findings.len() + 1, "{}", case.name());
        assert!(junit.chars().all(|c| c == '\n' || !c.is_control()), "{}", case.name());
    }
}

#[test]
fn a_redacted_report_has_the_same_verdict_and_no_names() {
    for mut case in cases() {
        let open = case.report();
        case.options.redact = true;
        let shut = case.report();
        assert_eq!((shut.verdict, shut.findings.len()), (open.verdict, open.findings.len()), "{}", case.name());
        assert!(!render::json::pretty(&shut).contains("contoso.onmicrosoft.com"), "{}", case.name());
    }
}

#[test]
fn a_redacted_report_read_back_says_the_same() {
    for mut case in cases() {
        case.options.redact = true;
        let report = case.report();
        let said = |r: &Report| {
            let list: Vec<_> = r.findings.iter().map(|f| (f.code.clone(), f.level, f.certainty)).collect();
            (r.verdict, r.profile.clone(), list, r.needed.clone())
        };
        let issue = |text: &str| format!("It fails like this:\n\n```\n{text}```\nPlease help.\n");
        for text in [
            render::json::pretty(&report),
            render::json::compact(&report),
            render::text::render(&report, 80, false),
            render::text::render(&report, 120, true),
            issue(&render::text::render(&report, 80, false)),
            issue(&render::json::pretty(&report)),
        ] {
            let options = Options::new(UnixTime::EPOCH);
            let back = examine(&[Input { name: "report", bytes: text.as_bytes() }], &options, &AwsLc);
            assert_eq!(said(&back), said(&report), "{}:\n{text}", case.name());
            assert_eq!(back.artifacts[0].kind, "report", "{}", case.name());
        }
    }
}

#[test]
fn a_redacted_report_names_nobody() {
    let mut faults = String::new();
    for mut case in cases() {
        case.options.redact = true;
        let mut report = case.report();
        // Code from the pages has names of its own, the same for everybody.
        report.findings.iter_mut().for_each(|f| f.fixes.clear());
        for text in
            [render::json::pretty(&report), render::text::render(&report, 80, false), render::html::render(&report)]
        {
            for name in ["contoso", "payroll", "Payroll", "fabrikam"] {
                for line in text.lines().filter(|l| l.contains(name)) {
                    let _ = writeln!(faults, "{}: {}", case.name(), line.trim());
                }
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn every_other_server_has_a_public_case() {
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    for case in cases() {
        let about: Value = serde_json::from_slice(&std::fs::read(case.folder.join("case.json")).unwrap()).unwrap();
        let public = about["source"].as_str().is_some_and(|s| s.starts_with("https://"));
        *seen.entry(case.report().profile).or_default() |= public && case.proves;
    }
    for server in profile::SERVERS.iter().filter(|p| profile::by_name(p.name).is_none()) {
        assert_eq!(seen.get(server.name), Some(&true), "{} has a case with a public source", server.name);
    }
}

#[test]
fn an_error_with_its_name_alone_is_a_refusal() {
    for text in [
        r#"{"error":"invalid_client"}"#,
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"error\":\"invalid_grant\"}",
        "Client error: `POST https://appleid.apple.com/auth/token` resulted in a `400 Bad Request` response:\n{\"error\":\"invalid_client\"}\n",
    ] {
        let report = examine(&[Input { name: "a", bytes: text.as_bytes() }], &Options::new(UnixTime::EPOCH), &AwsLc);
        assert_eq!(report.verdict, countersign_doctor::report::Verdict::Refused, "{text}");
        assert!(report.findings.is_empty(), "{text}: {:?}", report.findings);
        assert!(report.needed.contains(&"assertion".to_owned()), "{text}: {:?}", report.needed);
    }
    // Another thing's `error` is none of ours.
    let report =
        examine(&[Input { name: "a", bytes: br#"{"error":"out of paper"}"# }], &Options::new(UnixTime::EPOCH), &AwsLc);
    assert_ne!(report.verdict, countersign_doctor::report::Verdict::Refused);
}

#[test]
fn shapes_that_people_paste() {
    let first = |files: &[&str]| {
        let inputs: Vec<Input<'_>> = files.iter().map(|t| Input { name: "a", bytes: t.as_bytes() }).collect();
        let mut options = Options::new(UnixTime::EPOCH);
        options.at = UnixTime::parse("2026-03-02T10:00:00Z");
        let report = examine(&inputs, &options, &AwsLc);
        report.findings.first().map(|f| f.code.clone()).unwrap_or_default()
    };
    // An error in the address of a redirect.
    let url = "https://app.example/cb?error=invalid_client&error_description=AADSTS700027%3A%20Client+assertion%20%5BReason%20-%20The%20key%20was%20not%20found.%2C%20Thumbprint%20of%20key%20used%20by%20client%3A%20%2738344530354331443938424345334135343231443232354231343042333645383641334435353334%27%5D";
    assert_eq!(first(&[url]), "thumbprint-hex-not-decoded");
    // A header of one member, and an answer of one word.
    let claims =
        r#"{"iss":"TEAM123456","sub":"com.x","aud":"https://appleid.apple.com","iat":1772445600,"exp":1772448600}"#;
    assert_eq!(first(&[r#"{"alg":"ES256"}"#, claims, r#"{"error":"invalid_client"}"#]), "kid-missing");
    // GitHub grants no leeway.
    let claims = r#"{"iss":"Iv23liABC","iat":1772445690,"exp":1772446100}"#;
    let said = r#"{"message":"'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"}"#;
    assert_eq!(first(&[claims, said]), "iat-in-future-clock-skew");
    // A certificate where a tool wants a key.
    let page = countersign_doctor::explain::page("pem-newlines-lost").unwrap();
    let pem = page.samples().into_iter().find(|s| !s.wrong).unwrap().text;
    assert_eq!(first(&[pem, "ValueError: Could not deserialize key data."]), "key-file-is-public-part");
}

#[test]
fn a_server_is_told_from_the_artifacts_alone() {
    for (text, name) in [
        (r#"{"message":"A JSON web token could not be decoded"}"#, "github"),
        ("390144 (08004): JWT token is invalid. [7fb87e37-2f26-4a10-9f9c-72276ea898bf]", "snowflake"),
        (
            "KC-SERVICES0025: java.lang.RuntimeException: Token audience doesn't match domain. Expected audiences",
            "keycloak",
        ),
        ("invalid_grant: user hasn't approved this consumer (400)", "salesforce"),
        (r#"{"iss":"a","sub":"a","aud":"https://id.example/realms/shop","exp":1772446000}"#, "keycloak"),
        (
            r#"{"iss":"x@y.iam.gserviceaccount.com","aud":"https://oauth2.googleapis.com/token","exp":1772446000}"#,
            "google",
        ),
        // Entra's, and those of nobody in particular.
        (r#"{"iss":"a","sub":"a","aud":"https://login.microsoftonline.com/common/v2.0","exp":1772446000}"#, "entra"),
        (r#"{"iss":"a","sub":"a","aud":"https://id.example/token","exp":1772446000}"#, "entra"),
        ("AADSTS700027: The key was not found. Then: JWT token is invalid.", "entra"),
    ] {
        let report = examine(&[Input { name: "a", bytes: text.as_bytes() }], &Options::new(UnixTime::EPOCH), &AwsLc);
        assert_eq!(report.profile, name, "{text}");
    }
}
