//! `thumbprint-standard-base64`: The right digest in standard base64 or with padding instead of base64url.
//!
//! Decoded leniently the bytes are right. Entra takes that; a strict server may refuse it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The right digest in standard base64 or with padding instead of base64url.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-standard-base64",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["thumbprint-encoding"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(header) = ev.header.filter(|_| ev.own_assertion()) else { return Vec::new() };
    let refused = ev.refused("thumbprint-encoding").is_some();
    let members = [("header/x5t", &header.it.x5t), ("header/x5t#S256", &header.it.x5t_s256)];
    members
        .into_iter()
        .filter_map(|(pointer, value)| {
            let value = value.as_ref()?;
            let decoded =
                value.decoded.as_ref().filter(|d| !d.oddities.is_canonical() && matches!(d.bytes.len(), 20 | 32))?;
            let expected = encode_base64url(&decoded.bytes);
            let how = if decoded.oddities.standard_alphabet { "standard base64" } else { "base64url with padding" };
            let proof = if refused {
                Proof::error(
                    Certainty::Proven,
                    format!("the thumbprint is written in {how}; this server wants base64url without padding"),
                )
                .rank(40)
            } else if ev.passed("key-found") {
                Proof::note(format!("the thumbprint is written in {how}; its bytes are right, and Entra accepts that"))
            } else {
                return None;
            };
            Some(
                proof
                    .at(header.artifact, pointer, &value.text, &expected)
                    .fix("encode with base64url and leave the padding off: it works everywhere"),
            )
        })
        .collect()
}
