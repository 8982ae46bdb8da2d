//! `clock-skew`: The clock of the machine is off.
//!
//! The client's own clock, as the request or log shows it, against the server's: a constant offset that is no whole number of hours, the assertion being young by its own clock.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The clock of the machine is off.
pub static CAUSE: Cause = Cause {
    key: "clock-skew",
    layer: "Time",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024, 500_133],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(times) = &ev.times else { return Vec::new() };
    let fix =
        "set the clock by NTP (`timedatectl`, `w32tm /resync`) and let it run; a container takes the clock of its host";
    let artifact = ev.claims.map(|c| c.artifact).or(ev.error.map(|e| e.artifact)).unwrap_or_default();
    if !matches!(times.timing, Timing::Expired { .. } | Timing::Ahead { .. } | Timing::Shifted { .. }) {
        return Vec::new();
    }
    if let (Some(clock), Some(made)) = (times.client_clock, times.made()) {
        let offset = times.now.secs_since(clock);
        let young = clock.secs_since(made).abs() <= 180;
        let zone = offset.rem_euclid(1800) <= 5 || offset.rem_euclid(1800) >= 1795;
        if young && offset.abs() > 60 && !zone {
            let side = if offset > 0 { "behind" } else { "ahead of" };
            return vec![
                Proof::error(
                    Certainty::Likely,
                    format!("the client's clock is {} {side} the server's", words::duration(offset)),
                )
                .at(artifact, "time of the client", clock.rfc3339(), times.now.rfc3339())
                .at(artifact, "iat, nbf", made.rfc3339(), format!("within a minute of {}", times.now.rfc3339()))
                .fix(fix)
                .rank(70),
            ];
        }
    }
    match times.timing {
        Timing::Ahead { seconds, .. } => vec![
            Proof::warning(
                Certainty::Likely,
                format!("the client's clock is probably {} ahead", words::duration(seconds)),
            )
            .at(artifact, "iat, nbf", times.made().map(|t| t.rfc3339()).unwrap_or_default(), times.now.rfc3339())
            .fix(fix),
        ],
        Timing::Expired { by, age, .. } if by < 3600 && age.is_none_or(|a| a < 7200) && !ev.is_federated() => {
            vec![
                Proof::warning(
                    Certainty::Possible,
                    "if the assertion was fresh when it was sent, the client's clock is behind",
                )
                .at(artifact, "exp", times.exp.map(|t| t.rfc3339()).unwrap_or_default(), times.now.rfc3339())
                .fix(fix),
            ]
        }
        _ => Vec::new(),
    }
}
