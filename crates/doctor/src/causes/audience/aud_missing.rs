//! `aud-missing`: There is no `aud` claim.
//!
//! The claim is absent; or AADSTS90014 names it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// There is no `aud` claim.
pub static CAUSE: Cause = Cause {
    key: "aud-missing",
    layer: "Audience",
    question: Question::Audience,
    explains: &["claims-present"],
    aadsts: &[90_014],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let expected = format!(
        "https://{}/{}/oauth2/v2.0/token",
        ev.authority_host,
        ev.tenant.as_ref().map_or("{tenant id}", |(t, _)| t.as_str())
    );
    let fix = format!("add `aud`: {expected}");
    if let (Some(c), Some(AudienceFault::Missing)) = (ev.claims, &ev.audience) {
        return vec![
            Proof::error(Certainty::Proven, "the claim `aud` is missing")
                .at(c.artifact, "claims/aud", "missing", expected)
                .fix(fix)
                .rank(65),
        ];
    }
    ev.error_of(&[90_014])
        .filter(|e| e.it.parsed.field.as_deref() == Some("aud") && ev.claims.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that the claim `aud` is missing")
                .at(e.artifact, "error_description", &e.it.text, expected)
                .fix(fix)
                .rank(65)
        })
        .into_iter()
        .collect()
}
