//! `aud-host-alias-mismatch`: `aud` names an alias host, and the request goes to another name of the same service.
//!
//! The hosts of `aud` and of the request.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` names an alias host, and the request goes to another name of the same service.
pub static CAUSE: Cause = Cause {
    key: "aud-host-alias-mismatch",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(c), Some(AudienceFault::HostAlias { received, host })) = (ev.claims, &ev.audience) else {
        return Vec::new();
    };
    let expected =
        ev.tenant.as_ref().map_or_else(String::new, |(t, _)| format!("https://{host}/{t}/oauth2/v2.0/token"));
    vec![
        Proof::error(
            Certainty::Proven,
            format!("`aud` uses another name of the service than the request, which goes to {host}"),
        )
        .at(c.artifact, "claims/aud", received, expected)
        .fix(format!("use the host that the request goes to ({host}) in `aud` as well"))
        .rank(61),
    ]
}
