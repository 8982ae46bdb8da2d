//! `credential-not-sent`: The request carries neither assertion nor secret.
//!
//! The body has no `client_assertion` and no `client_secret`; or the service says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;
use countersign_core::request::Body;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The request carries neither assertion nor secret.
pub static CAUSE: Cause = Cause {
    key: "credential-not-sent",
    layer: "Algorithm and signature",
    question: Question::Credential,
    explains: &["one-credential"],
    aadsts: &[7_000_216, 7_000_218, 70_002],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "send `client_assertion` with `client_assertion_type` in the body; a library that sends nothing has no credential configured, or found its settings empty";
    let bare = ev.request.filter(|r| {
        matches!(ev.refused("one-credential"), Some(Reason::CredentialMissing))
            && r.it.token.body == Body::Form
            && r.it.anywhere("client_assertion").is_none()
            && r.it.anywhere("client_secret").is_none()
    });
    let said = ev
        .error_of(&[7_000_216, 7_000_218])
        .or_else(|| ev.error_of(&[70_002]).filter(|e| e.it.text.contains("client_secret or client_assertion")));
    match (bare, said) {
        (Some(r), said) => {
            let names: Vec<&str> = r.it.token.parameters.iter().map(|p| p.name.as_str()).take(12).collect();
            let mut proof =
                Proof::error(Certainty::Proven, "the request carries neither `client_assertion` nor `client_secret`")
                    .at(
                        r.artifact,
                        "body",
                        format!("parameters: {}", names.join(", ")),
                        "client_assertion, client_assertion_type",
                    );
            if let Some(e) = said {
                proof = proof.at(e.artifact, "error_description", &e.it.text, "");
            }
            vec![proof.fix(fix)]
        }
        // The parameters may be there and not be read, because of the body's form.
        (None, Some(e))
            if ev
                .request
                .is_none_or(|r| r.it.token.body == Body::Form && r.it.anywhere("client_assertion").is_none()) =>
        {
            vec![
                Proof::error(Certainty::Proven, "the service received neither an assertion nor a secret")
                    .at(e.artifact, "error_description", &e.it.text, "")
                    .fix(fix),
            ]
        }
        _ => ev
            .message(Message::NoCredential)
            .filter(|_| ev.request.is_none() && ev.header.is_none())
            .map(|m| {
                Proof::error(Certainty::Likely, "the server received no client credential")
                    .at(m, "message", "no client credential", "")
                    .fix(fix)
            })
            .into_iter()
            .collect(),
    }
}
