//! `key-too-small`: An RSA key below 2048 bits.
//!
//! The length of the modulus.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// An RSA key below 2048 bits.
pub static CAUSE: Cause = Cause {
    key: "key-too-small",
    layer: "Key and certificate files",
    question: Question::Strength,
    explains: &["key-usable"],
    aadsts: &[5_002_730],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix =
        "make a new key of 2048 bits or more and a certificate for it: `openssl req -x509 -newkey rsa:2048 -nodes …`";
    let small =
        |key: &countersign_core::x509::key::PublicKey| key.kind() == "RSA" && key.bits().is_some_and(|b| b < 2048);
    let of_certificate = ev
        .leaf()
        .filter(|k| small(k.certificate.public_key()))
        .map(|k| (k.artifact, k.certificate.public_key().bits()));
    let of_key = || {
        ev.keys.iter().find_map(|k| {
            k.it.file.private_keys().find(|p| small(p.public_key())).map(|p| (k.artifact, p.public_key().bits()))
        })
    };
    let Some((artifact, bits)) = of_certificate.or_else(of_key) else { return Vec::new() };
    let bits = bits.unwrap_or_default();
    vec![
        Proof::error(Certainty::Proven, format!("the RSA key has {bits} bits; at least 2048 are needed"))
            .at(artifact, "modulus", format!("{bits} bits"), "2048 bits or more")
            .fix(fix),
    ]
}
