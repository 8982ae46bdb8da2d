//! `assertion-wrong-jwt-kind`: Some other JWT (access token, ID token, request object) used as assertion.
//!
//! The claims are those of another kind: `iss` is the server itself, `nonce`, `redirect_uri`, `response_type` stand in them, or `sub` is missing.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// Some other JWT (access token, ID token, request object) used as assertion.
pub static CAUSE: Cause = Cause {
    key: "assertion-wrong-jwt-kind",
    layer: "Header",
    question: Question::Malformed,
    explains: &["assertion-readable", "header-typ", "claims-present"],
    aadsts: &[50_027, 5_002_727, 700_222, 700_229, 700_236, 700_238, 240_002],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "a client assertion is made and signed by the client itself: `iss` and `sub` are its client id, `aud` is the token endpoint";
    if let Some(error) = ev.unreadable {
        let text = error.it.to_string();
        let five = text.contains("found 5");
        let certainty = if five { Certainty::Proven } else { Certainty::Likely };
        let title = if five {
            "the assertion has five segments: it is an encrypted token (JWE), not a signed one".to_owned()
        } else {
            format!("the assertion is no readable JWT: {text}")
        };
        return vec![
            Proof::error(certainty, title)
                .at(error.artifact, "assertion", text, "three base64url segments")
                .fix(fix)
                .rank(60),
        ];
    }
    // On behalf of a user, an access token of Entra's is what belongs there.
    let on_behalf = ev.error_of(&[50_013, 500_131, 500_133]).is_some();
    // An API that refuses an access token speaks of the token's contents, not of its kind.
    let at_api = ev.message(Message::SecretTokenRefused).is_some() || ev.message(Message::PermissionMissing).is_some();
    if let Some(claims) = ev.claims.filter(|_| ev.parts.claims && !on_behalf && !at_api) {
        let c = claims.it;
        let marks: Vec<&str> = [
            "nonce",
            "redirect_uri",
            "response_type",
            "tid",
            "oid",
            "uti",
            "appid",
            "azp",
            "preferred_username",
            "scp",
            "at_hash",
        ]
        .into_iter()
        .filter(|n| c.has(n))
        .collect();
        let of_server = ev.is_other_token();
        let request_object = c.has("redirect_uri") || c.has("response_type");
        let matched = ev.federation.as_ref().is_some_and(|f| f.issuer.is_none());
        let only_answer = ev.jwts.iter().all(|j| j.it.place == crate::artifact::Place::AccessToken)
            && ev.errors.is_empty()
            && ev.request.is_none();
        if (of_server && !matched && !only_answer) || request_object {
            let what = if request_object {
                "a request object"
            } else if c.has("nonce") || c.has("at_hash") {
                "an ID token"
            } else {
                "an access token"
            };
            let iss = c.iss.text().unwrap_or("missing").to_owned();
            return vec![
                Proof::error(Certainty::Proven, format!("the token is {what}, not a client assertion"))
                    .at(
                        claims.artifact,
                        "claims/iss",
                        iss,
                        ev.client_id.clone().unwrap_or_else(|| "the client id".to_owned()),
                    )
                    .at(claims.artifact, "claims", format!("has {}", marks.join(", ")), "iss, sub, aud, exp, jti")
                    .fix(fix)
                    .rank(60),
            ];
        }
    }
    if let (Some(header), Some(Reason::TypWrong { received })) = (ev.header, ev.refused("header-typ")) {
        return vec![
            Proof::error(Certainty::Likely, format!("`typ` says {}: another kind of token", words::value(received)))
                .at(header.artifact, "header/typ", received, "JWT, or nothing")
                .fix(fix)
                .rank(50),
        ];
    }
    let said = ev.error_of(&[700_222, 700_229, 700_236, 700_238, 240_002, 5_002_727]);
    said.filter(|_| ev.claims.is_none())
        .map(|e| {
            Proof::error(Certainty::Likely, "the service says that this kind of token cannot be used here")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
        })
        .into_iter()
        .collect()
}
