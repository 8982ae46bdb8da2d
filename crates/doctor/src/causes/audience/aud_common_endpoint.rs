//! `aud-common-endpoint`: `aud` (or the authority) is `common`, `organizations` or `consumers`.
//!
//! The tenant segment of `aud`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` (or the authority) is `common`, `organizations` or `consumers`.
pub static CAUSE: Cause = Cause {
    key: "aud-common-endpoint",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::Shared { received, segment })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    let tenant = ev.tenant.as_ref().map_or("{tenant id}", |(t, _)| t.as_str());
    vec![
        Proof::error(Certainty::Proven, format!("`aud` names the shared endpoint `{segment}`, and must name the tenant"))
            .at(c.artifact, "claims/aud", received, received.replacen(segment.as_str(), tenant, 1))
            .fix(format!("configure the tenant in the authority: https://login.microsoftonline.com/{tenant}; libraries use `common` when no tenant is given"))
            .rank(65),
    ]
}
