//! `client-is-public`: The application, or the redirect address used, is of a public type, so credentials are refused.
//!
//! AADSTS700025 says it; members of the registration show why.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The application, or the redirect address used, is of a public type, so credentials are refused.
pub static CAUSE: Cause = Cause {
    key: "client-is-public",
    layer: "Registration",
    question: Question::Client,
    explains: &["client-confidential"],
    aadsts: &[700_025, 90_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let said = ev
        .error_of(&[700_025])
        .or_else(|| ev.error_of(&[90_023]).filter(|e| e.it.text.to_lowercase().contains("public client")));
    let Some(e) = said else { return Vec::new() };
    let mut proof = Proof::error(Certainty::Proven, "the application is used as a public client, so neither secret nor assertion may be sent")
        .at(e.artifact, "error_description", &e.it.text, "")
        .fix("use a confidential platform: put the redirect address under `web` instead of `spa` or `publicClient`, switch \"Allow public client flows\" off, and ask for client credentials at the tenant's own endpoint");
    if let Some(app) = ev.app().or(ev.apps.first().copied()).filter(|a| !a.it.public_hints.is_empty()) {
        proof = proof.at(app.artifact, app.it.public_hints[0], "set", "");
    }
    vec![proof]
}
