//! `exp-wrong-time`: Time claims are wrong in another way.
//!
//! They lie outside any plausible window, or `exp` is missing.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::Evidence;
use crate::evidence::time::From;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Time claims are wrong in another way.
pub static CAUSE: Cause = Cause {
    key: "exp-wrong-time",
    layer: "Time",
    question: Question::Time,
    explains: &["validity", "claims-readable", "claims-present"],
    aadsts: &[700_024, 90_014],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "set `exp` to now plus 600 and `nbf` and `iat` to now, in seconds since 1970, UTC";
    if let (Some(c), Some(Reason::ClaimMissing { name: "exp" })) = (ev.claims, ev.refused("claims-present")) {
        return vec![
            Proof::error(Certainty::Proven, "the claim `exp` is missing")
                .at(c.artifact, "claims/exp", "missing", "now + 600")
                .fix(fix)
                .rank(70),
        ];
    }
    if let Some(e) = ev.error_of(&[90_014]).filter(|e| e.it.parsed.field.as_deref() == Some("exp")) {
        return vec![
            Proof::error(Certainty::Proven, "the service says that the claim `exp` is missing")
                .at(e.artifact, "error_description", &e.it.text, "now + 600")
                .fix(fix)
                .rank(70),
        ];
    }
    let Some(times) = &ev.times else { return Vec::new() };
    let Timing::Wrong { claim, text, why } = &times.timing else { return Vec::new() };
    let artifact = ev.claims.map(|c| c.artifact).or(ev.error.map(|e| e.artifact)).unwrap_or_default();
    let pointer = if times.from == From::Claims {
        format!("claims/{claim}")
    } else {
        "error_description/expiry time of assertion".to_owned()
    };
    let certainty = if times.from == From::Claims { Certainty::Proven } else { Certainty::Likely };
    vec![
        Proof::error(certainty, format!("`{claim}` is wrong: {why}"))
            .at(artifact, pointer, text, format!("about {}", times.now.secs()))
            .fix(fix)
            .rank(60),
    ]
}
