//! `aud-wrong-cloud`: `aud` names another sovereign cloud.
//!
//! The hosts of the two clouds.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::evidence::clouds;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` names another sovereign cloud.
pub static CAUSE: Cause = Cause {
    key: "aud-wrong-cloud",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::OtherCloud { received, clouds })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    let expected = clouds::host_of(received).map(|h| received.replacen(&h, &ev.authority_host, 1)).unwrap_or_default();
    vec![
        Proof::error(
            Certainty::Proven,
            format!("`aud` names the {} cloud, and the request goes to the {} one", clouds.0, clouds.1),
        )
        .at(c.artifact, "claims/aud", received, expected)
        .at(ev.request.map_or(c.artifact, |r| r.artifact), "host", &ev.authority_host, "")
        .fix("take authority and `aud` from one setting; each cloud has its own login host")
        .rank(62),
    ]
}
