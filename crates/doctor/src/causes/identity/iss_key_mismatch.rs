//! `iss-key-mismatch`: `iss` belongs to another key file.
//!
//! `client_email` or `client_id` of the key file differs from `iss`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `iss` belongs to another key file.
pub static CAUSE: Cause = Cause {
    key: "iss-key-mismatch",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(c) = ev.claims else { return Vec::new() };
    let Some(iss) = c.it.iss.text() else { return Vec::new() };
    let file = ev.artifacts.iter().enumerate().find_map(|(i, a)| match &a.content {
        Content::ClientFile { client } => Some((i, client.clone())),
        _ => None,
    });
    match file {
        Some((i, client)) if !client.is_empty() && !client.eq_ignore_ascii_case(iss) => vec![
            Proof::error(Certainty::Proven, "`iss` is not the client that the key file belongs to")
                .at(c.artifact, "claims/iss", iss, &client)
                .at(i, "client_email", &client, "")
                .fix("take `iss` from the key file itself")
                .rank(65),
        ],
        _ => Vec::new(),
    }
}
