//! `key-encrypted-no-passphrase`: An encrypted private key and no passphrase.
//!
//! `ENCRYPTED PRIVATE KEY`, or `Proc-Type: 4,ENCRYPTED`, and nothing to open it with.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Problem;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// An encrypted private key and no passphrase.
pub static CAUSE: Cause = Cause {
    key: "key-encrypted-no-passphrase",
    layer: "Key and certificate files",
    question: Question::Password,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "give the passphrase (`--password-file`), or store the key without one where the file is safe: `openssl pkey -in key.pem -out open.pem`";
    let closed = ev.keys.iter().find_map(|k| {
        k.it.file.problems.iter().find_map(|p| match p {
            Problem::EncryptedWithoutPassword { label } if !label.contains("PKCS#12") => {
                Some((k.artifact, label.clone()))
            }
            _ => None,
        })
    });
    if let Some((i, label)) = closed {
        let title = "the private key is encrypted, and no passphrase was given";
        let proof = if ev.before_sending() || ev.tool_refused() {
            Proof::error(Certainty::Proven, title)
        } else {
            Proof::note(title)
        };
        return vec![proof.at(i, "label", label, "PRIVATE KEY, or a passphrase").fix(fix).rank(60)];
    }
    match ev.message(Message::PasswordMissing) {
        Some(m) if ev.keys.iter().all(|k| k.it.file.private_key().is_none()) || ev.keys.is_empty() => {
            vec![
                Proof::error(
                    Certainty::Likely,
                    "the tool says that the private key is encrypted and no passphrase was given",
                )
                .at(m, "message", "passphrase wanted", "")
                .fix(fix)
                .rank(40),
            ]
        }
        _ => Vec::new(),
    }
}
