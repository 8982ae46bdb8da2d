//! `body-not-form-encoded`: The body is JSON or multipart instead of application/x-www-form-urlencoded.
//!
//! Content-Type, or the first byte of the body; also a JSON body under the form's Content-Type.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::request::Body;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The body is JSON or multipart instead of application/x-www-form-urlencoded.
pub static CAUSE: Cause = Cause {
    key: "body-not-form-encoded",
    layer: "Request form",
    question: Question::RequestForm,
    explains: &[
        "grant-type",
        "parameters-bounded",
        "client-id-present",
        "scope-form",
        "one-credential",
        "assertion-type",
    ],
    aadsts: &[900_144, 9_002_313],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "send `Content-Type: application/x-www-form-urlencoded` and the parameters as name=value joined by `&` (`data=` and not `json=` in requests, `URLSearchParams` in fetch)";
    if let Some(r) = ev.request {
        let what = match r.it.token.body {
            Body::Json => "JSON",
            Body::Multipart => "multipart/form-data",
            Body::Form | Body::Empty | Body::TooManyParameters => return Vec::new(),
        };
        return vec![
            Proof::error(Certainty::Proven, format!("the body is {what}; a token endpoint reads forms only"))
                .at(r.artifact, "body", what, "application/x-www-form-urlencoded")
                .fix(fix)
                .rank(80),
        ];
    }
    ev.error_of(&[900_144, 90_014])
        .filter(|e| {
            matches!(e.it.parsed.field.as_deref(), Some("grant_type" | "client_id" | "scope"))
                && e.it.text.contains("request body")
        })
        .map(|e| {
            Proof::warning(
                Certainty::Possible,
                "the service found no parameters: perhaps the body was JSON, empty, or in the URL",
            )
            .at(e.artifact, "error_description", &e.it.text, "")
            .fix(fix)
        })
        .into_iter()
        .collect()
}
