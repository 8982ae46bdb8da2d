//! `assertion-is-graph-token`: A token for Microsoft Graph is used as assertion, or checked by somebody else than Graph.
//!
//! `aud` is Graph, often with `nonce` in the header.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::claims::Audience;

use crate::artifact::Place;
use crate::evidence::Evidence;
use crate::evidence::clouds;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A token for Microsoft Graph is used as assertion, or checked by somebody else than Graph.
pub static CAUSE: Cause = Cause {
    key: "assertion-is-graph-token",
    layer: "Not an assertion problem at all",
    question: Question::Malformed,
    explains: &["assertion-readable", "federated-credential"],
    aadsts: &[500_131, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "ask for a token of your own API (`api://{client id}/…` or `/.default`) and use that; a Graph token is for Graph alone, and nobody else can verify it";
    if let Some(c) = ev.claims.filter(|_| ev.is_other_token())
        && let Audience::One(aud) = &c.it.aud
        && clouds::is_graph(aud)
    {
        let only_answer =
            ev.jwts.iter().all(|j| j.it.place == Place::AccessToken) && ev.errors.is_empty() && ev.request.is_none();
        let at_api =
            ev.message(Message::SecretTokenRefused).is_some() || ev.message(Message::PermissionMissing).is_some();
        if only_answer || at_api {
            return Vec::new();
        }
        let mut proof = Proof::error(Certainty::Proven, "the assertion is an access token for Microsoft Graph").at(
            c.artifact,
            "claims/aud",
            aud,
            ev.client_id.clone().map_or_else(|| "your own API".to_owned(), |id| format!("api://{id}")),
        );
        if let Some(h) = ev.header.filter(|h| h.it.has("nonce")) {
            proof = proof.at(h.artifact, "header/nonce", "present: only Graph can verify it", "");
        }
        return vec![proof.fix(fix).rank(75)];
    }
    let Some(e) = ev.error_of(&[500_131]) else { return Vec::new() };
    let Some((received, expected)) = e.it.parsed.audience.clone().filter(|(r, _)| clouds::is_graph(r)) else {
        return Vec::new();
    };
    vec![
        Proof::error(Certainty::Proven, "the user's token presented is one for Microsoft Graph")
            .at(e.artifact, "audience in the assertion", received, expected)
            .fix(fix)
            .rank(75),
    ]
}
