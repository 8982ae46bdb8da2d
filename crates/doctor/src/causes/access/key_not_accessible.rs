//! `key-not-accessible`: The key container is missing, or the process may not read it.
//!
//! The message of the operating system: keyset does not exist, access denied.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The key container is missing, or the process may not read it.
pub static CAUSE: Cause = Cause {
    key: "key-not-accessible",
    layer: "Access to the key on the machine",
    question: Question::Access,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.message(Message::KeyNotAccessible)
        .map(|m| {
            Proof::error(Certainty::Likely, "the private key cannot be reached: its container is missing, or the account may not read it")
                .at(m, "message", "keyset does not exist, or access denied", "")
                .fix("let the account that runs the program read the key (certlm.msc, All Tasks, Manage Private Keys; for files `chmod`/`chown`), or import the PFX again for that account, with its key stored")
        })
        .into_iter()
        .collect()
}
