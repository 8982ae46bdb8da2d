//! `key-is-not-a-key`: A client secret, a fingerprint or a path was given as key.
//!
//! The content is none of PEM, DER, JWK, PFX; it looks like what it is.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A client secret, a fingerprint or a path was given as key.
pub static CAUSE: Cause = Cause {
    key: "key-is-not-a-key",
    layer: "Key and certificate files",
    question: Question::FileContent,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if !ev.before_sending() && !ev.tool_refused() {
        return Vec::new();
    }
    let fix = "give the private key itself: PEM (`-----BEGIN PRIVATE KEY-----`) or a PFX file";
    let telling = [
        "fingerprint",
        "client secret",
        "name of a file",
        "GUID",
        "web address",
        "SSH public key",
        "PuTTY",
        "Java keystore",
        "HTML",
        "ZIP",
        "JSON Web Token",
        "empty file",
        "JSON without a key",
    ];
    let odd = ev.artifacts.iter().enumerate().find_map(|(i, a)| match &a.content {
        Content::Unknown(what) if telling.iter().any(|t| what.contains(t)) => Some((i, *what)),
        _ => None,
    });
    let said = ev.message(Message::NotAKey);
    if let Some((i, what)) = odd {
        return vec![
            Proof::error(Certainty::Likely, format!("what was given as key is {what}"))
                .at(i, "content", what, "a private key")
                .fix(fix)
                .rank(65),
        ];
    }
    // A settings file whose key is a secret or a path counts as well, when the tool complains about a key.
    match said {
        Some(m) if ev.keys.iter().all(|k| k.it.file.private_key().is_none()) => vec![
            Proof::error(Certainty::Likely, "the tool says that what it was given is no key")
                .at(m, "message", "no key", "")
                .fix(fix)
                .rank(40),
        ],
        _ => Vec::new(),
    }
}
