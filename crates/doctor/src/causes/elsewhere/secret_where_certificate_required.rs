//! `secret-where-certificate-required`: The API refuses app-only tokens that were got with a secret.
//!
//! `appidacr` of the access token is 1 (secret); 2 is a certificate.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The API refuses app-only tokens that were got with a secret.
pub static CAUSE: Cause = Cause {
    key: "secret-where-certificate-required",
    layer: "Not an assertion problem at all",
    question: Question::Elsewhere,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(m) = ev.message(Message::SecretTokenRefused) else { return Vec::new() };
    let fix =
        "get the token with a certificate: SharePoint takes app-only tokens of certificates only (`appidacr` \"2\")";
    let acr = ev.jwts.iter().find_map(|j| {
        let json = &j.it.parsed.as_ref().ok()?.claims.json;
        let value = json.get("appidacr").or(json.get("azpacr"))?.as_str()?;
        Some((j.artifact, value.to_owned()))
    });
    match acr {
        Some((a, v)) if v == "1" => vec![
            Proof::error(
                Certainty::Proven,
                "the token was got with a secret, and the API takes tokens of certificates only",
            )
            .at(a, "claims/appidacr", v, "2")
            .at(m, "message", "unsupported app only token", "")
            .fix(fix),
        ],
        Some(_) => Vec::new(),
        None => vec![
            Proof::error(Certainty::Likely, "the API refuses app-only tokens that were got with a secret")
                .at(m, "message", "unsupported app only token", "")
                .fix(fix),
        ],
    }
}
