//! The wrong assertions of the demo: each one mistake that real people made, sent to the service, and diagnosed.
//!
//! The doctor gets what a person would have at hand: the assertion, the error, the certificate, the registration.

use countersign_client::{Form, Transport as _};
use countersign_core::UnixTime;
use countersign_core::crypto::Provider as _;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::{encode_base64url, encode_hex_upper};
use countersign_core::entra;
use countersign_core::jose::alg::Alg;
use countersign_core::request::JWT_BEARER;
use countersign_doctor::proof::{Certainty, Level};
use countersign_doctor::report::{Finding, Verdict};
use countersign_doctor::{Input, Options, examine};
use serde_json::{Value, json};

use super::{SCOPE, Scene, broken};
use crate::clock;
use crate::cmd::cert::Made;
use crate::exit::Failure;

/// One mistake.
pub struct Case {
    /// What was done wrong, in one line.
    pub title: &'static str,
    /// The code that the service must answer with.
    pub code: u32,
    /// The cause that the doctor must find.
    pub cause: &'static str,
    /// How the right assertion is spoilt.
    spoil: fn(&mut Draft<'_>),
}

/// An assertion before it is signed.
struct Draft<'a> {
    header: Value,
    claims: Value,
    signer: &'a Made,
    scene: &'a Scene,
    now: UnixTime,
}

/// What came of a case.
pub struct Told {
    /// HTTP status of the refusal.
    pub status: u16,
    /// The service's own words.
    pub description: String,
    /// The doctor's first finding.
    pub finding: Finding,
}

/// The mistakes, commonest first.
pub const CASES: &[Case] = &[
    Case {
        title: "x5t#S256 holds the thumbprint's hexadecimal text, not its bytes",
        code: 700_027,
        cause: "thumbprint-hex-not-decoded",
        spoil: |d| {
            let text = encode_hex_upper(d.scene.registered.certificate.sha256());
            d.header["x5t#S256"] = encode_base64url(text.as_bytes()).into();
        },
    },
    Case {
        title: "x5t is the hexadecimal thumbprint as the portal shows it",
        code: 700_027,
        cause: "thumbprint-hex-as-x5t",
        spoil: |d| d.only_x5t(&encode_hex_upper(d.scene.registered.certificate.sha1())),
    },
    Case {
        title: "x5t holds the SHA-256 thumbprint, where SHA-1 belongs",
        code: 700_027,
        cause: "thumbprint-sha256-in-x5t",
        spoil: |d| d.only_x5t(&encode_base64url(d.scene.registered.certificate.sha256())),
    },
    Case {
        title: "the certificate is not registered",
        code: 700_027,
        cause: "cert-not-registered",
        spoil: |d| {
            d.signer = &d.scene.stranger;
            d.header["x5t#S256"] = encode_base64url(d.scene.stranger.certificate.sha256()).into();
        },
    },
    Case {
        title: "the private key belongs to another certificate",
        code: 700_027,
        cause: "key-cert-mismatch",
        spoil: |d| d.signer = &d.scene.stranger,
    },
    Case {
        title: "aud names another tenant's token endpoint",
        code: 700_023,
        cause: "aud-wrong-tenant",
        spoil: |d| {
            let other = "11111111-2222-4333-8444-555555555555";
            d.claims["aud"] = d.scene.authority.audience().replace(&d.scene.tenant, other).into();
        },
    },
    Case {
        title: "an assertion signed half an hour ago is sent again",
        code: 700_024,
        cause: "assertion-cached-expired",
        spoil: |d| {
            let then = d.now.secs() - 1_800;
            for (name, at) in [("nbf", then), ("iat", then), ("exp", then + 600)] {
                d.claims[name] = at.into();
            }
        },
    },
    Case {
        title: "the times are in milliseconds",
        code: 700_024,
        cause: "exp-in-milliseconds",
        spoil: |d| {
            let now = d.now.secs();
            for (name, at) in [("nbf", now), ("iat", now), ("exp", now + 600)] {
                d.claims[name] = (at * 1_000).into();
            }
        },
    },
];

impl Draft<'_> {
    fn only_x5t(&mut self, value: &str) {
        self.header = json!({"alg": "PS256", "typ": "JWT", "x5t": value});
    }

    fn sign(&self) -> Result<String, Failure> {
        let part = |json: &Value| encode_base64url(json.to_string().as_bytes());
        let input = format!("{}.{}", part(&self.header), part(&self.claims));
        let signer = AwsLc.signer(&self.signer.key).map_err(broken)?;
        let signature = signer.sign(Alg::Ps256, input.as_bytes()).map_err(broken)?;
        Ok(format!("{input}.{}", encode_base64url(&signature)))
    }
}

/// Sends a wrong assertion, holds the answer against what it must be, and asks the doctor.
pub async fn replay(case: &Case, scene: &Scene) -> Result<Told, Failure> {
    let now = clock::now();
    let secs = now.secs();
    let mut draft = Draft {
        header: json!({"alg": "PS256", "typ": "JWT", "x5t#S256": encode_base64url(scene.registered.certificate.sha256())}),
        claims: json!({
            "aud": scene.authority.audience(), "iss": scene.client_id, "sub": scene.client_id,
            "jti": uuid::Uuid::new_v4().to_string(), "nbf": secs, "iat": secs, "exp": secs + 600,
        }),
        signer: &scene.registered,
        scene,
        now,
    };
    (case.spoil)(&mut draft);
    let signer = draft.signer.certificate.clone();
    let assertion = draft.sign()?;

    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_id", scene.client_id.as_str()),
        ("scope", SCOPE),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion.as_str()),
    ];
    let request_id = uuid::Uuid::new_v4().to_string();
    let form = Form { parameters: &parameters, request_id: &request_id };
    let answer =
        scene.transport.post(scene.authority.token_endpoint(), form).await.map_err(|e| broken(e.to_string()))?;
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    let json: Value = serde_json::from_str(&body)
        .map_err(|_| broken(format!("'{}' was answered with what is no JSON", case.title)))?;
    let description = json.get("error_description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = entra::parse::parse(&description).and_then(|e| e.code());
    if answer.status == 200 || code != Some(case.code) {
        let got = code.map_or_else(|| format!("HTTP {}", answer.status), |c| format!("AADSTS{c}"));
        return Err(broken(format!(
            "'{}' must be refused with AADSTS{}, the service answered {got}",
            case.title, case.code
        )));
    }

    let application = scene.application.to_string();
    let certificate_pem = if signer == scene.registered.certificate || case.cause == "key-cert-mismatch" {
        &scene.registered.certificate_pem
    } else {
        &scene.stranger.certificate_pem
    };
    let inputs = [
        Input { name: "assertion.jwt", bytes: assertion.as_bytes() },
        Input { name: "error.json", bytes: body.as_bytes() },
        Input { name: "certificate.pem", bytes: certificate_pem.as_bytes() },
        Input { name: "application.json", bytes: application.as_bytes() },
    ];
    let mut options = Options::new(now);
    options.tenant = Some(scene.tenant.clone());
    options.client_id = Some(scene.client_id.clone());
    let report = examine(&inputs, &options, &AwsLc);
    let named = |f: &Finding| format!("{} ({}, {})", f.code, f.level.name(), f.certainty.name());
    let finding = report
        .findings
        .first()
        .cloned()
        .ok_or_else(|| broken(format!("the doctor found nothing in '{}'", case.title)))?;
    let right = report.verdict == Verdict::Refused
        && finding.code == case.cause
        && finding.level == Level::Error
        && finding.certainty == Certainty::Proven;
    if !right {
        let found: Vec<String> = report.findings.iter().map(named).collect();
        return Err(broken(format!(
            "in '{}' the doctor must prove {}, it found: {}",
            case.title,
            case.cause,
            found.join(", ")
        )));
    }
    Ok(Told { status: answer.status, description, finding })
}
