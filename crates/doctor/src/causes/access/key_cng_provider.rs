//! `key-cng-provider`: A CNG key is used through an interface that knows CSP keys only.
//!
//! The message "Invalid provider type specified", or a type of the old interface.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A CNG key is used through an interface that knows CSP keys only.
pub static CAUSE: Cause = Cause {
    key: "key-cng-provider",
    layer: "Access to the key on the machine",
    question: Question::Access,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.message(Message::CngKey)
        .map(|m| {
            Proof::error(Certainty::Likely, "the key is in a CNG provider, and the program uses the old interface, which cannot open it")
                .at(m, "message", "invalid provider type", "a key of a CSP, or a program that uses CNG")
                .fix("let the program use `GetRSAPrivateKey()` instead of `PrivateKey`; or import the PFX with a CSP: `certutil -csp \"Microsoft Enhanced RSA and AES Cryptographic Provider\" -importpfx cert.pfx`")
                .rank(55)
        })
        .into_iter()
        .collect()
}
