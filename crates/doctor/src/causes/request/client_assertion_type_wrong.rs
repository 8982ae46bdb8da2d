//! `client-assertion-type-wrong`: `client_assertion_type` is not exactly the URN.
//!
//! Compared after form decoding; or the service says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::request::JWT_BEARER;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `client_assertion_type` is not exactly the URN.
pub static CAUSE: Cause = Cause {
    key: "client-assertion-type-wrong",
    layer: "Request form",
    question: Question::AssertionType,
    explains: &["assertion-type"],
    aadsts: &[90_011],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = format!("send client_assertion_type={JWT_BEARER}, percent-encoded");
    if let Some(r) = ev.request.filter(|r| r.it.anywhere("client_assertion").is_some()) {
        let sent = r.it.anywhere("client_assertion_type");
        if sent == Some(JWT_BEARER) {
            return Vec::new();
        }
        let found = sent.unwrap_or("missing");
        return vec![
            Proof::error(Certainty::Proven, "`client_assertion_type` is not the URN of RFC 7523")
                .at(r.artifact, "client_assertion_type", found, JWT_BEARER)
                .fix(fix),
        ];
    }
    ev.error_of(&[90_011])
        .filter(|_| ev.request.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service does not take the `client_assertion_type`")
                .at(e.artifact, "error_description", &e.it.text, JWT_BEARER)
                .fix(fix)
        })
        .into_iter()
        .collect()
}
