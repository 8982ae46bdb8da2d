//! `key-legacy-csp-no-sha256`: An old provider that cannot sign with SHA-256.
//!
//! The message "Invalid algorithm specified".
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// An old provider that cannot sign with SHA-256.
pub static CAUSE: Cause = Cause {
    key: "key-legacy-csp-no-sha256",
    layer: "Access to the key on the machine",
    question: Question::Access,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.message(Message::NoSha256)
        .map(|m| {
            Proof::error(Certainty::Likely, "the key is in an old provider (type 1), which cannot sign with SHA-256")
                .at(m, "message", "invalid algorithm", "a provider of type 24")
                .fix("import the PFX again with a provider of type 24: `certutil -csp \"Microsoft Enhanced RSA and AES Cryptographic Provider\" -importpfx cert.pfx`")
                .rank(55)
        })
        .into_iter()
        .collect()
}
