//! `alg-ec-unsupported`: An EC certificate with Entra, which takes RSA only.
//!
//! The kind of the public key, or `alg` ES*.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// An EC certificate with Entra, which takes RSA only.
pub static CAUSE: Cause = Cause {
    key: "alg-ec-unsupported",
    layer: "Algorithm and signature",
    question: Question::Algorithm,
    explains: &["algorithm-supported", "key-usable"],
    aadsts: &[5_002_738, 5_002_730],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if ev.profile.algs.iter().any(|a| !a.is_rsa()) || ev.is_federated() || ev.is_other_token() {
        return Vec::new();
    }
    let fix = "use an RSA key: `openssl req -x509 -newkey rsa:2048 …`, register that certificate and sign with PS256 or RS256";
    let leaf = ev.leaf().filter(|k| k.certificate.public_key().kind().starts_with("EC"));
    let alg = ev.header.and_then(|h| h.it.alg.text()).filter(|a| a.starts_with("ES"));
    match (alg, leaf, ev.header) {
        (Some(alg), Some(k), Some(h)) => vec![
            Proof::error(
                Certainty::Proven,
                format!(
                    "the certificate has an {} key and `alg` is {alg}; Entra takes RSA only",
                    k.certificate.public_key().kind()
                ),
            )
            .at(h.artifact, "header/alg", alg, "PS256 or RS256")
            .at(k.artifact, "public key", k.certificate.public_key().kind(), "RSA")
            .fix(fix)
            .rank(70),
        ],
        (Some(alg), None, Some(h)) if ev.leaf().is_none() => vec![
            Proof::error(Certainty::Proven, format!("`alg` is {alg}; Entra takes RSA signatures only"))
                .at(h.artifact, "header/alg", alg, "PS256 or RS256")
                .fix(fix)
                .rank(70),
        ],
        (Some(alg), None, Some(h)) => vec![
            Proof::warning(Certainty::Likely, format!("`alg` is {alg}; Entra takes RSA signatures only"))
                .at(h.artifact, "header/alg", alg, "PS256 or RS256")
                .fix(fix),
        ],
        (None, Some(k), Some(_)) => vec![
            Proof::warning(Certainty::Likely, "the certificate has an EC key; Entra takes RSA only")
                .at(k.artifact, "public key", k.certificate.public_key().kind(), "RSA")
                .fix(fix),
        ],
        (_, Some(k), None) if ev.error_of(&[5_002_738, 5_002_730]).is_some() => vec![
            Proof::error(Certainty::Likely, "the certificate has an EC key; Entra takes RSA only")
                .at(k.artifact, "public key", k.certificate.public_key().kind(), "RSA")
                .fix(fix)
                .rank(70),
        ],
        (_, Some(k), None) => vec![
            Proof::warning(Certainty::Likely, "the certificate has an EC key; Entra takes RSA only")
                .at(k.artifact, "public key", k.certificate.public_key().kind(), "RSA")
                .fix(fix),
        ],
        _ => ev
            .error_of(&[5_002_738])
            .filter(|e| e.it.parsed.alg.as_deref().is_some_and(|a| a.starts_with("ES")))
            .map(|e| {
                Proof::warning(Certainty::Likely, "the assertion is signed with an EC key; Entra takes RSA only")
                    .at(e.artifact, "error_description", &e.it.text, "RSA")
                    .fix(fix)
            })
            .into_iter()
            .collect(),
    }
}
