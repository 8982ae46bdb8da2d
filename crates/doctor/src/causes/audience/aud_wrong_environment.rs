//! `aud-wrong-environment`: Sandbox, production or another site: `aud` names another server than the request goes to.
//!
//! The host of `aud` against the host of the request.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Sandbox, production or another site: `aud` names another server than the request goes to.
pub static CAUSE: Cause = Cause {
    key: "aud-wrong-environment",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::OtherHost { received, host })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    vec![
        Proof::error(Certainty::Proven, format!("`aud` names another server than {host}"))
            .at(c.artifact, "claims/aud", received, format!("https://{host}/…"))
            .fix("take `aud` from the same setting as the address the request goes to, so that both change together")
            .rank(60),
    ]
}
