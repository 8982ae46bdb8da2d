//! `exp-in-milliseconds`: Time claims in milliseconds.
//!
//! They have 13 digits.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Time claims in milliseconds.
pub static CAUSE: Cause = Cause {
    key: "exp-in-milliseconds",
    layer: "Time",
    question: Question::Time,
    explains: &["validity", "claims-readable"],
    aadsts: &[700_024],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(Timing::Milliseconds { claims }) = ev.times.as_ref().map(|t| &t.timing) else { return Vec::new() };
    let fix = "divide by 1000: NumericDate counts seconds (`Math.floor(Date.now() / 1000)` in JavaScript, `Instant.now().getEpochSecond()` in Java)";
    let title = format!(
        "{} in milliseconds, where seconds belong",
        claims.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")
    );
    let mut proof = Proof::error(Certainty::Proven, title).rank(80);
    match ev.claims {
        Some(c) => {
            for claim in claims {
                let date = match *claim {
                    "exp" => &c.it.exp,
                    "nbf" => &c.it.nbf,
                    _ => &c.it.iat,
                };
                let text = date.text().unwrap_or_default();
                proof = proof.at(c.artifact, format!("claims/{claim}"), text, text.get(..10).unwrap_or_default());
            }
        }
        None => proof.certainty = Certainty::Likely,
    }
    vec![proof.fix(fix)]
}
