//! `jwks-url-unreachable`: The server cannot fetch the client's or issuer's key set.
//!
//! The server says so: TLS, name resolution, a firewall, or a key that the set does not have.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The server cannot fetch the client's or issuer's key set.
pub static CAUSE: Cause = Cause {
    key: "jwks-url-unreachable",
    layer: "Registration",
    question: Question::Key,
    explains: &["federated-key"],
    aadsts: &[90_061, 501_661, 7_000_272],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "fetch the `jwks_uri` from outside with a client that checks certificates strictly (`curl -v`): the whole chain must be served, without a client certificate, without redirects to other hosts";
    if let Some(e) = ev.error_of(&[90_061, 501_661]) {
        return vec![
            Proof::error(Certainty::Proven, "the service could not fetch the issuer's metadata or keys")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
                .rank(60),
        ];
    }
    ev.message(Message::JwksUnreachable)
        .map(|m| {
            Proof::error(Certainty::Likely, "the server could not fetch the key set of the client")
                .at(m, "message", "the key set cannot be fetched", "")
                .fix(fix)
                .rank(60)
        })
        .into_iter()
        .collect()
}
