//! `kms-sign-needs-digest`: A key service was given the message where it wants the digest.
//!
//! The error of the service, which names the lengths.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A key service was given the message where it wants the digest.
pub static CAUSE: Cause = Cause {
    key: "kms-sign-needs-digest",
    layer: "Algorithm and signature",
    question: Question::Signature,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.message(Message::DigestWanted)
        .map(|m| {
            Proof::error(Certainty::Likely, "the key service signs digests, and was given the whole signing input")
                .at(m, "message", "wrong length of the value", "the 32 bytes of SHA-256 of the signing input")
                .fix("hash `header.claims` with SHA-256 and hand over the 32 bytes (Key Vault `sign`, AWS KMS with `MessageType=DIGEST`), or use the call that hashes itself (`signData`, `MessageType=RAW`)")
        })
        .into_iter()
        .collect()
}
