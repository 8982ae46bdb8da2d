//! `aud-wrong-path`: A path segment of `aud` is missing or misspelt.
//!
//! `aud` differs from both token endpoint and issuer by a segment.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A path segment of `aud` is missing or misspelt.
pub static CAUSE: Cause = Cause {
    key: "aud-wrong-path",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::Path { received, expected })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    vec![
        Proof::error(Certainty::Proven, "the path of `aud` is neither the token endpoint nor the issuer")
            .at(c.artifact, "claims/aud", received, expected)
            .fix(format!("use the token endpoint as `token_endpoint` of the metadata gives it: {expected}"))
            .rank(60),
    ]
}
