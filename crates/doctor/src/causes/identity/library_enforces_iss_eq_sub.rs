//! `library-enforces-iss-eq-sub`: The client's library refuses a federated token because `iss` is not `sub`.
//!
//! The message comes from the library; the claims are those of a federated token and right.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The client's library refuses a federated token because `iss` is not `sub`.
pub static CAUSE: Cause = Cause {
    key: "library-enforces-iss-eq-sub",
    layer: "Issuer, subject, ids",
    question: Question::Subject,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(m) = ev.message(Message::IssMustBeSub) else { return Vec::new() };
    if ev.claims.is_some() && !ev.is_federated() {
        return Vec::new();
    }
    let mut proof = Proof::error(
        Certainty::Likely,
        "the library wants `iss` and `sub` to be equal; in a federated token they are not, and need not be",
    )
    .at(m, "message", "iss must equal sub", "");
    if let Some(c) = ev.claims {
        proof = proof.at(c.artifact, "claims/iss", c.it.iss.text().unwrap_or_default(), "").at(
            c.artifact,
            "claims/sub",
            c.it.sub.text().unwrap_or_default(),
            "",
        );
    }
    vec![proof.fix("hand the federated token over as a ready assertion (`client_assertion` callback, `ClientAssertionCredential`) instead of letting the library make one").rank(60)]
}
