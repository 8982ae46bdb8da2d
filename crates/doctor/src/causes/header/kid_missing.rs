//! `kid-missing`: The server needs `kid`, because the client has several keys, and there is none.
//!
//! No `kid`, and the JWK Set at hand has more than one key; or the server says that it is missing.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use countersign_core::profile::KeyIdentifierRule;

use crate::proof::{Cause, Certainty, Proof, Question};

/// The server needs `kid`, because the client has several keys, and there is none.
pub static CAUSE: Cause = Cause {
    key: "kid-missing",
    layer: "Header",
    question: Question::Key,
    explains: &["federated-key", "key-identifier-present"],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "put the `kid` of the key that signs into the header, spelled as in the JWK Set";
    let none = ev.header.filter(|h| h.it.kid.is_absent());
    let said = ev.message(Message::KidMissing);
    if let Some(header) = none {
        if let Some(set) = ev.jwks.iter().find(|s| s.it.len() > 1) {
            let kids: Vec<&str> = set.it.iter().filter_map(|k| k.kid.as_deref()).collect();
            return vec![
                Proof::error(
                    Certainty::Proven,
                    format!("the header has no `kid`, and the key set has {} keys to choose from", set.it.len()),
                )
                .at(header.artifact, "header/kid", "missing", kids.join(", "))
                .fix(fix)
                .rank(88),
            ];
        }
        if ev.profile.key_identifier == KeyIdentifierRule::Kid && ev.refused("key-identifier-present").is_some() {
            return vec![
                Proof::error(Certainty::Proven, "the header has no `kid`, and this server demands one")
                    .at(header.artifact, "header/kid", "missing", "the id of the key that signs")
                    .fix(fix)
                    .rank(88),
            ];
        }
        if let Some(m) = said {
            return vec![
                Proof::error(Certainty::Proven, "the header has no `kid`, and the server demands one")
                    .at(header.artifact, "header/kid", "missing", "")
                    .at(m, "message", "`kid` is demanded", "")
                    .fix(fix)
                    .rank(88),
            ];
        }
        return Vec::new();
    }
    match said {
        Some(m) if ev.header.is_none() => vec![
            Proof::error(Certainty::Proven, "the server says that `kid` is missing in the header")
                .at(m, "message", "`kid` is missing", "")
                .fix(fix),
        ],
        _ => Vec::new(),
    }
}
