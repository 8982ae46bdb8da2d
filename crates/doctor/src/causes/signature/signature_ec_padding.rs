//! `signature-ec-padding`: `r` or `s` of an ECDSA signature is not padded on the left.
//!
//! The signature is shorter than twice a coordinate; padded, it verifies.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `r` or `s` of an ECDSA signature is not padded on the left.
pub static CAUSE: Cause = Cause {
    key: "signature-ec-padding",
    layer: "Algorithm and signature",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(jwt), Signature::Unpadded(i)) = (ev.jwt, &ev.signature) else { return Vec::new() };
    let n = jwt.it.compact.signature.bytes.len();
    vec![
        Proof::error(Certainty::Proven, "the ECDSA signature is too short: `r` or `s` lost its leading zeros")
            .at(jwt.artifact, "signature", format!("{n} bytes"), "64 bytes for P-256, 96 for P-384, 132 for P-521")
            .at(ev.certificates[*i].artifact, "certificate", "verifies once padded", "")
            .fix("pad `r` and `s` on the left with zeros to the size of a coordinate (RFC 7518, section 3.4)")
            .rank(80),
    ]
}
