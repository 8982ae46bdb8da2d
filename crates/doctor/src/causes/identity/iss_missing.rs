//! `iss-missing`: `iss` is missing.
//!
//! The claim is absent; or AADSTS90014 names it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `iss` is missing.
pub static CAUSE: Cause = Cause {
    key: "iss-missing",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["claims-present"],
    aadsts: &[90_014],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "add `iss` with the client id; an undefined setting leaves the claim out";
    if let Some(c) = ev
        .claims
        .filter(|c| ev.parts.claims && (c.it.iss.is_absent() || c.it.iss.text() == Some("")) && ev.judged_assertion())
    {
        let expected =
            ev.client_id.clone().or(c.it.sub.text().map(str::to_owned)).unwrap_or_else(|| "the client id".to_owned());
        return vec![
            Proof::error(Certainty::Proven, "the claim `iss` is missing")
                .at(c.artifact, "claims/iss", "missing", expected)
                .fix(fix)
                .rank(70),
        ];
    }
    ev.error_of(&[90_014])
        .filter(|e| e.it.parsed.field.as_deref() == Some("iss") && ev.claims.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that the claim `iss` is missing")
                .at(e.artifact, "error_description", &e.it.text, "the client id")
                .fix(fix)
                .rank(70)
        })
        .into_iter()
        .collect()
}
