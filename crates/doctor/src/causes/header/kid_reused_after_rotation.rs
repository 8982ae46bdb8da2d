//! `kid-reused-after-rotation`: A new key was published under the old `kid`.
//!
//! Two keys with the same `kid` are at hand; the signature verifies with one and not with the other.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A new key was published under the old `kid`.
pub static CAUSE: Cause = Cause {
    key: "kid-reused-after-rotation",
    layer: "Header",
    question: Question::Signature,
    explains: &["federated-key", "signature"],
    aadsts: &[7_000_274],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(header) = ev.header else { return Vec::new() };
    let Some(kid) = header.it.kid.text() else { return Vec::new() };
    let same: Vec<_> = ev
        .jwks
        .iter()
        .flat_map(|set| set.it.iter().map(move |k| (set.artifact, k)))
        .filter(|(_, k)| k.kid.as_deref() == Some(kid))
        .collect();
    let good = same.iter().find(|(_, k)| ev.verifies_with(&k.key));
    let bad = same.iter().find(|(_, k)| good.is_some_and(|(_, g)| g.key != k.key) && !ev.verifies_with(&k.key));
    let (Some(good), Some(bad)) = (good, bad) else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, format!("two keys carry the `kid` {}: the signature verifies with one, and a server that keeps the other refuses it", words::value(kid)))
            .at(header.artifact, "header/kid", kid, "a name that no other key ever had")
            .at(good.0, "key that verifies", good.1.key.kind(), "")
            .at(bad.0, "key that does not", bad.1.key.kind(), "")
            .fix("give every new key a `kid` of its own; servers keep key sets for hours and look a known `kid` up no more")
            .rank(90),
    ]
}
