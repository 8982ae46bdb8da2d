//! `aud-endpoint-not-issuer`: The server wants its issuer, and `aud` is an endpoint.
//!
//! `aud` against the server's metadata, together with its message.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::claims::Audience;

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The server wants its issuer, and `aud` is an endpoint.
pub static CAUSE: Cause = Cause {
    key: "aud-endpoint-not-issuer",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "set `aud` to the `issuer` of the server's metadata";
    if let (Some(c), Some(AudienceFault::EndpointNotIssuer { received, expected })) = (ev.claims, &ev.audience) {
        return vec![
            Proof::error(Certainty::Proven, "`aud` is an endpoint, and this server takes its issuer only")
                .at(c.artifact, "claims/aud", received, expected)
                .fix(fix)
                .rank(60),
        ];
    }
    if let Some(m) = ev.message(Message::AudienceMustBeIssuer) {
        return match ev.claims.map(|c| (c.artifact, &c.it.aud)) {
            Some((artifact, Audience::One(aud))) => vec![
                Proof::error(Certainty::Proven, "`aud` is not the server's issuer, and the server wants that")
                    .at(artifact, "claims/aud", aud, "the issuer")
                    .at(m, "message", "audience must be the issuer", "")
                    .fix(fix)
                    .rank(63),
            ],
            _ => vec![
                Proof::error(Certainty::Likely, "the server wants its issuer as `aud`")
                    .at(m, "message", "audience must be the issuer", "")
                    .fix(fix)
                    .rank(55),
            ],
        };
    }
    let (Some(m), Some(c)) = (ev.message(Message::AudienceRefused), ev.claims) else { return Vec::new() };
    let Audience::One(aud) = &c.it.aud else { return Vec::new() };
    let issuer = ev.artifacts.iter().find_map(|a| match &a.content {
        Content::Metadata(meta)
            if meta.issuer.as_deref() != Some(aud.as_str()) && meta.endpoints.iter().any(|(_, url)| url == aud) =>
        {
            meta.issuer.clone()
        }
        _ => None,
    });
    issuer
        .map(|expected| {
            Proof::error(
                Certainty::Likely,
                "`aud` is an endpoint of the server, and the server refuses it: it wants its issuer",
            )
            .at(c.artifact, "claims/aud", aud, expected)
            .at(m, "message", "audience refused", "")
            .fix(fix)
            .rank(62)
        })
        .into_iter()
        .collect()
}
