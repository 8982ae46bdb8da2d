//! `exp-timezone-shift`: The times were computed from local time as if it were UTC.
//!
//! The offset is a whole (half) number of hours; where only the expiry is known, less a usual lifetime.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::From;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The times were computed from local time as if it were UTC.
pub static CAUSE: Cause = Cause {
    key: "exp-timezone-shift",
    layer: "Time",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(times) = &ev.times else { return Vec::new() };
    let Timing::Shifted { seconds, .. } = times.timing else { return Vec::new() };
    let artifact = ev.claims.map(|c| c.artifact).or(ev.error.map(|e| e.artifact)).unwrap_or_default();
    let claims = times.from == From::Claims;
    let rounded = (seconds as f64 / 1800.0).round() * 0.5;
    let side = if seconds > 0 { "ahead" } else { "behind" };
    let certainty = if claims { Certainty::Proven } else { Certainty::Likely };
    vec![
        Proof::error(certainty, format!("the times lie {} h {side}: local time was taken for UTC", rounded.abs()))
            .at(artifact, if claims { "claims/exp" } else { "error_description/expiry time of assertion" }, times.exp.map(|t| t.rfc3339()).unwrap_or_default(), format!("a few minutes after {}", times.now.rfc3339()))
            .fix("compute from UTC: `time.time()` in Python (not `datetime.utcnow().timestamp()`), `DateTimeOffset.UtcNow.ToUnixTimeSeconds()` in .NET, `Instant.now()` in Java")
            .rank(65),
    ]
}
