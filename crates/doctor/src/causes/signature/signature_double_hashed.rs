//! `signature-double-hashed`: The digest was hashed again before it was signed.
//!
//! The signature verifies over SHA-256 of SHA-256 of the signing input.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The digest was hashed again before it was signed.
pub static CAUSE: Cause = Cause {
    key: "signature-double-hashed",
    layer: "Algorithm and signature",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(jwt), Signature::DoubleHashed(i)) = (ev.jwt, &ev.signature) else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, "the signing input was hashed twice: the signature verifies over the hash of its hash")
            .at(jwt.artifact, "signature", "over SHA-256(SHA-256(header.claims))", "over SHA-256(header.claims)")
            .at(ev.certificates[*i].artifact, "certificate", "verifies so", "")
            .fix("hand the signing function the text `header.claims`, not its hash; or use the function that takes a hash (`SignHash`, `Prehashed`)")
            .rank(80),
    ]
}
