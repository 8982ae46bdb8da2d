//! `iat-in-future-clock-skew`: A slightly fast clock makes `iat` or `nbf` lie in the future.
//!
//! `iat` or `nbf` is later than the server's time, by minutes.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::From;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A slightly fast clock makes `iat` or `nbf` lie in the future.
pub static CAUSE: Cause = Cause {
    key: "iat-in-future-clock-skew",
    layer: "Time",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(times) = &ev.times else { return Vec::new() };
    let Timing::Ahead { seconds, claim } = times.timing else { return Vec::new() };
    let artifact = ev.claims.map(|c| c.artifact).or(ev.error.map(|e| e.artifact)).unwrap_or_default();
    let pointer = if times.from == From::Claims {
        format!("claims/{claim}")
    } else {
        "error_description/assertion valid from".to_owned()
    };
    vec![
        Proof::error(
            Certainty::Proven,
            format!("`{claim}` lies {} in the future: the clock that made it is fast", words::duration(seconds)),
        )
        .at(
            artifact,
            pointer,
            times.made().map(|t| t.rfc3339()).unwrap_or_default(),
            format!("at or before {}", times.now.rfc3339()),
        )
        .fix("set the clock by NTP; where that is not in your hands, date `nbf` and `iat` a minute back")
        .rank(60),
    ]
}
