//! `iss-not-client-id`: `iss` and `sub` are not the client id of the request, or no client that the server knows.
//!
//! `iss` against the `client_id` of the request, the client that is meant, and the `appId` of the registration.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;
use countersign_core::authority::is_guid;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `iss` and `sub` are not the client id of the request, or no client that the server knows.
pub static CAUSE: Cause = Cause {
    key: "iss-not-client-id",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["client-id-matches", "claims-readable"],
    aadsts: &[700_021, 700_016],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix =
        "set `iss` and `sub` to the client id that the request names; check which environment's id was configured";
    let iss = ev.claims.and_then(|c| c.it.iss.text().map(|i| (c.artifact, i)));
    if let (Some((artifact, iss)), Some(Reason::ClientMismatch { client_id, .. })) =
        (iss, ev.refused("client-id-matches"))
    {
        // Without a client that was named, another application that holds the certificate explains more.
        let elsewhere = !ev.client_id_named
            && ev.plain_thumbprint().and_then(|r| r.bytes.as_ref()).is_some_and(|d| !ev.holders(d).is_empty());
        if elsewhere {
            return vec![
                Proof::warning(Certainty::Likely, "`iss` is not the client id of the registration at hand")
                    .at(artifact, "claims/iss", iss, client_id)
                    .fix(fix),
            ];
        }
        return vec![
            Proof::error(Certainty::Proven, "`iss` is not the client id")
                .at(artifact, "claims/iss", iss, client_id)
                .fix(fix)
                .rank(40),
        ];
    }
    if let (Some(c), Some(Reason::ClaimUnreadable { name: "iss" | "sub", received })) =
        (ev.claims, ev.refused("claims-readable"))
    {
        return vec![
            Proof::error(Certainty::Proven, format!("`iss` or `sub` is a {received}, and a string is wanted"))
                .at(c.artifact, "claims/iss", received, "the client id")
                .fix(fix)
                .rank(40),
        ];
    }
    if let Some(e) = ev.error_of(&[700_021]).filter(|_| iss.is_none()) {
        return vec![
            Proof::error(
                Certainty::Proven,
                "the service says that `iss` and `sub` are not the `client_id` of the request",
            )
            .at(e.artifact, "error_description", &e.it.text, "")
            .fix(fix)
            .rank(40),
        ];
    }
    if let Some(said) = ev.said_of("client-known") {
        let mut proof = Proof::error(Certainty::Proven, "the server knows no client of the name in `iss`").at(
            said.artifact,
            "message",
            said.it.text,
            "",
        );
        if let Some((artifact, iss)) = iss {
            proof = proof.at(artifact, "claims/iss", iss, "a client that is registered there");
        }
        let fix = "set `iss` to the client that is registered at this server, and check which environment's settings are in use";
        return vec![proof.fix(fix).rank(40)];
    }
    // The service knows no such client, and the registration at hand has another id.
    let Some(e) = ev.error_of(&[700_016, 70_001]) else { return Vec::new() };
    let Some(sent) = e.it.parsed.app_id.clone().filter(|id| is_guid(id)) else { return Vec::new() };
    let known = ev.apps.iter().find(|a| a.it.registration.app_id.eq_ignore_ascii_case(&sent));
    match (known, ev.apps.first()) {
        (None, Some(app)) if !app.it.registration.app_id.is_empty() => vec![
            Proof::error(Certainty::Likely, "the client id that was sent is not that of the registration at hand")
                .at(e.artifact, "Application with identifier", &sent, &app.it.registration.app_id)
                .at(app.artifact, "appId", &app.it.registration.app_id, "")
                .fix(fix)
                .rank(35),
        ],
        _ => Vec::new(),
    }
}
