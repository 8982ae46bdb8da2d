//! `iat-missing`: The server needs `iat` when `exp` is far away.
//!
//! `iat` is absent, and the server's message says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The server needs `iat` when `exp` is far away.
pub static CAUSE: Cause = Cause {
    key: "iat-missing",
    layer: "Time",
    question: Question::Time,
    explains: &["claims-present"],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "add `iat` (now, in seconds), or let `exp` lie at most a minute ahead";
    let demanded = ev.profile.required_claims.contains(&"iat")
        && matches!(ev.refused("claims-present"), Some(Reason::ClaimMissing { name: "iat" }));
    match (ev.message(Message::IatMissing), ev.claims) {
        (Some(m), Some(c)) if c.it.iat.is_absent() => vec![
            Proof::error(Certainty::Proven, "`iat` is missing, and the server demands it")
                .at(c.artifact, "claims/iat", "missing", "now")
                .at(m, "message", "iat missing", "")
                .fix(fix)
                .rank(75),
        ],
        (Some(m), None) => vec![
            Proof::error(Certainty::Proven, "the server says that `iat` is missing")
                .at(m, "message", "iat missing", "")
                .fix(fix)
                .rank(75),
        ],
        (None, Some(c)) if demanded => vec![
            Proof::error(Certainty::Proven, "`iat` is missing, and the server demands it")
                .at(c.artifact, "claims/iat", "missing", "now")
                .fix(fix)
                .rank(75),
        ],
        _ => Vec::new(),
    }
}
