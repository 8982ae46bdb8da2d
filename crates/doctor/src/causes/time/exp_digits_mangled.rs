//! `exp-digits-mangled`: Fractional seconds lost their separator, or it became another one.
//!
//! More than 13 digits, or a comma among them; divided by a power of ten they give now.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// Fractional seconds lost their separator, or it became another one.
pub static CAUSE: Cause = Cause {
    key: "exp-digits-mangled",
    layer: "Time",
    question: Question::Time,
    explains: &["validity", "claims-readable"],
    aadsts: &[700_024, 50_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(times), Some(c)) = (&ev.times, ev.claims) else { return Vec::new() };
    let Timing::Mangled { claim, text, means } = &times.timing else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, format!("`{claim}` is {}, the digits of {} with its decimal point lost or replaced", words::value(text), means.rfc3339()))
            .at(c.artifact, format!("claims/{claim}"), text, means.secs().to_string())
            .fix("write whole seconds as a JSON number: round down before formatting, and format without regard to the machine's language")
            .rank(78),
    ]
}
