//! `aud-wrong-tenant`: `aud` names another tenant than the request goes to.
//!
//! The tenant segment of `aud` against that of the request, or the tenant that is meant; a domain name and an id cannot be compared.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` names another tenant than the request goes to.
pub static CAUSE: Cause = Cause {
    key: "aud-wrong-tenant",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::OtherTenant { received, tenant })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    vec![
        Proof::error(Certainty::Proven, format!("`aud` names another tenant than {tenant}"))
            .at(c.artifact, "claims/aud", received, format!("https://{}/{tenant}/oauth2/v2.0/token", ev.authority_host))
            .fix("take tenant of the authority and of `aud` from one setting")
            .rank(62),
    ]
}
