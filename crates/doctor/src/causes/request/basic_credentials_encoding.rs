//! `basic-credentials-encoding`: The credentials of the Basic header are encoded in a way that the server does not read.
//!
//! Decoding the header: no base64 of id:secret, or a value that changes when it is form-decoded.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The credentials of the Basic header are encoded in a way that the server does not read.
pub static CAUSE: Cause = Cause {
    key: "basic-credentials-encoding",
    layer: "Request form",
    question: Question::Secret,
    explains: &["one-credential"],
    aadsts: &[7_000_215, 9_002_313],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(r) = ev.request else { return Vec::new() };
    let fix = "form-encode id and secret each, join them with a colon, then base64 (RFC 6749, section 2.3.1); or send them in the body";
    match &r.it.token.basic {
        Some(Err(_)) => vec![
            Proof::error(Certainty::Proven, "the Basic header is no base64 of id:secret")
                .at(r.artifact, "Authorization", "not readable", "Basic base64(id:secret)")
                .fix(fix)
                .rank(60),
        ],
        Some(Ok(b)) if b.secrets.len() > 1 && ev.error_of(&[7_000_215, 70_002]).is_some() => {
            vec![
                Proof::error(
                    Certainty::Likely,
                    "the secret in the Basic header has characters that mean something else when they are form-decoded",
                )
                .at(r.artifact, "Authorization", "differs when decoded", "form-encoded before base64")
                .fix(fix)
                .rank(60),
            ]
        }
        _ => Vec::new(),
    }
}
