//! `aud-issuer-not-token-endpoint`: The server wants its token endpoint, and `aud` is the issuer.
//!
//! `aud` against what the profile takes.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::claims::Audience;

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The server wants its token endpoint, and `aud` is the issuer.
pub static CAUSE: Cause = Cause {
    key: "aud-issuer-not-token-endpoint",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "set `aud` to the token endpoint, the address the request is posted to";
    if let (Some(c), Some(AudienceFault::IssuerNotEndpoint { received, expected })) = (ev.claims, &ev.audience) {
        return vec![
            Proof::error(Certainty::Proven, "`aud` is the issuer, and this server takes its token endpoint only")
                .at(c.artifact, "claims/aud", received, expected)
                .fix(fix)
                .rank(60),
        ];
    }
    if let Some(m) = ev.message(Message::AudienceMustBeEndpoint) {
        let aud = ev.claims.and_then(|c| match &c.it.aud {
            Audience::One(aud) => Some((c.artifact, aud.clone())),
            _ => None,
        });
        return match aud {
            // The endpoint was sent, only not the one that was called.
            Some((_, aud)) if aud.trim_end_matches('/').ends_with("/token") => Vec::new(),
            Some((artifact, aud)) => vec![
                Proof::error(Certainty::Proven, "`aud` is not the token endpoint, and the server wants that")
                    .at(artifact, "claims/aud", aud, "the token endpoint")
                    .at(m, "message", "audience must be the endpoint", "")
                    .fix(fix)
                    .rank(63),
            ],
            None => vec![
                Proof::error(Certainty::Likely, "the server wants its token endpoint as `aud`")
                    .at(m, "message", "audience must be the endpoint", "")
                    .fix(fix)
                    .rank(55),
            ],
        };
    }
    let (Some(m), Some(c)) = (ev.message(Message::AudienceRefused), ev.claims) else { return Vec::new() };
    let Audience::One(aud) = &c.it.aud else { return Vec::new() };
    let of_metadata = ev.artifacts.iter().find_map(|a| match &a.content {
        Content::Metadata(meta)
            if meta.issuer.as_deref() == Some(aud.as_str()) && meta.token_endpoint.as_deref() != Some(aud.as_str()) =>
        {
            meta.token_endpoint.clone()
        }
        _ => None,
    });
    of_metadata
        .map(|expected| {
            Proof::error(Certainty::Likely, "`aud` is the issuer, and the server refuses it")
                .at(c.artifact, "claims/aud", aud, expected)
                .at(m, "message", "audience refused", "")
                .fix(fix)
                .rank(60)
        })
        .into_iter()
        .collect()
}
