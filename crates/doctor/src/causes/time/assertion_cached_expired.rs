//! `assertion-cached-expired`: The same signed assertion is sent again after it expired.
//!
//! Its age is more than its lifetime; two requests carry the same `jti`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::From;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The same signed assertion is sent again after it expired.
pub static CAUSE: Cause = Cause {
    key: "assertion-cached-expired",
    layer: "Time",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024, 500_133, 50_012],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "make a new assertion for every request, or at the latest when `exp` comes near; do not keep it in a variable, a file or a pipeline's output";
    let old_text = ev.error_of(&[50_012, 50_013]).filter(|e| e.it.text.contains("not within its valid time range"));
    let Some(times) = &ev.times else {
        return old_text
            .or(ev.error_of(&[700_024]))
            .map(|e| {
                Proof::warning(
                    Certainty::Possible,
                    "the assertion was outside its time: perhaps it was made long before and sent again",
                )
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
            })
            .into_iter()
            .collect();
    };
    let Timing::Expired { by, age, lifetime } = times.timing else { return Vec::new() };
    if ev.is_federated() || ev.is_other_token() && ev.error_of(&[500_133]).is_none() {
        return Vec::new();
    }
    let artifact = ev.claims.map(|c| c.artifact).or(ev.error.map(|e| e.artifact)).unwrap_or_default();
    let title = match (age, lifetime) {
        (Some(age), Some(lifetime)) => format!(
            "the assertion expired {} before it was sent: it was made {} earlier, to live {}",
            words::duration(by),
            words::duration(age),
            words::duration(lifetime)
        ),
        _ => format!("the assertion expired {} before it was sent", words::duration(by)),
    };
    let certainty = if times.from == From::Claims { Certainty::Proven } else { Certainty::Likely };
    let mut proof = Proof::error(certainty, title)
        .at(
            artifact,
            if times.from == From::Claims { "claims/exp" } else { "error_description/expiry time of assertion" },
            times.exp.map(|t| t.rfc3339()).unwrap_or_default(),
            format!("after {}", times.now.rfc3339()),
        )
        .rank(50);
    let jti = ev.claims.and_then(|c| c.it.jti.text());
    let again = ev
        .jwts
        .iter()
        .filter(|j| j.it.parsed.as_ref().is_ok_and(|p| jti.is_some() && p.claims.jti.text() == jti))
        .count();
    if again > 1 {
        proof = proof.at(artifact, "claims/jti", jti.unwrap_or_default(), "a fresh value").rank(60);
    }
    vec![proof.fix(fix)]
}
