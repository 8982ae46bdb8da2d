//! `signature-der-not-raw`: An ECDSA signature in ASN.1 (DER) instead of `r` and `s` side by side.
//!
//! It begins with 0x30; with `r` and `s` taken out it verifies.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};

/// An ECDSA signature in ASN.1 (DER) instead of `r` and `s` side by side.
pub static CAUSE: Cause = Cause {
    key: "signature-der-not-raw",
    layer: "Algorithm and signature",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(jwt), Signature::DerEncoded(i)) = (ev.jwt, &ev.signature) else { return Vec::new() };
    let n = jwt.it.compact.signature.bytes.len();
    vec![
        Proof::error(Certainty::Proven, "the ECDSA signature is ASN.1; a JWS wants `r` and `s` side by side")
            .at(jwt.artifact, "signature", format!("{n} bytes beginning with 30"), "twice the size of a coordinate")
            .at(ev.certificates[*i].artifact, "certificate", "verifies once converted", "")
            .fix("convert before encoding: in Java `SHA256withECDSAinP1363Format`, in .NET the default of `ECDsa.SignData`, elsewhere take `r` and `s` out and pad each")
            .rank(80),
    ]
}
