//! `params-in-query-string`: The parameters are in the URL instead of the body.
//!
//! There is a query and no body.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::request::Body;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The parameters are in the URL instead of the body.
pub static CAUSE: Cause = Cause {
    key: "params-in-query-string",
    layer: "Request form",
    question: Question::RequestForm,
    explains: &["grant-type", "client-id-present", "scope-form", "one-credential"],
    aadsts: &[900_144],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(r) = ev.request else { return Vec::new() };
    let names: Vec<&str> =
        r.it.token
            .query
            .iter()
            .map(|p| p.name.as_str())
            .filter(|n| {
                matches!(
                    *n,
                    "grant_type"
                        | "client_id"
                        | "scope"
                        | "client_assertion"
                        | "client_secret"
                        | "client_assertion_type"
                        | "resource"
                )
            })
            .collect();
    if names.is_empty() || r.it.token.given("grant_type").is_some() {
        return Vec::new();
    }
    let level_error = r.it.token.body == Body::Empty || r.it.token.given("client_assertion").is_none();
    let proof = if level_error {
        Proof::error(Certainty::Proven, "the parameters stand in the URL, and the body has none")
    } else {
        Proof::warning(Certainty::Proven, "some parameters stand in the URL, where they do not count")
    };
    vec![
        proof
            .at(r.artifact, "query", names.join(", "), "in the body")
            .fix("put the parameters into the body, as a form; in the URL they also end up in logs, the assertion with them")
            .rank(85),
    ]
}
