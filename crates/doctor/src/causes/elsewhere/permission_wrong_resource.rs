//! `permission-wrong-resource`: The permission was granted on another resource.
//!
//! `roles` and `aud` of the access token against the API that refuses it; or the service says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::claims::Audience;

use crate::artifact::Place;
use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The permission was granted on another resource.
pub static CAUSE: Cause = Cause {
    key: "permission-wrong-resource",
    layer: "Not an assertion problem at all",
    question: Question::Elsewhere,
    explains: &[],
    aadsts: &[650_057, 501_051],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "grant the application permission on the resource that is called, consent to it, and ask for that resource's `/.default`; Azure AD Graph, Microsoft Graph, SharePoint and Exchange each have their own";
    if let Some(e) = ev.error_of(&[650_057, 501_051]) {
        return vec![
            Proof::error(Certainty::Proven, "the application has no permission on the resource it asks for")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix),
        ];
    }
    let Some(m) = ev.message(Message::PermissionMissing) else { return Vec::new() };
    let token = ev.jwts.iter().find_map(|j| {
        let c = &j.it.parsed.as_ref().ok()?.claims;
        let Audience::One(aud) = &c.aud else { return None };
        (j.it.place == Place::AccessToken || c.has("appid") || c.has("azp"))
            .then(|| (j.artifact, aud.clone(), c.has("roles")))
    });
    match token {
        Some((a, aud, roles)) => vec![
            Proof::error(
                Certainty::Likely,
                if roles {
                    "the access token's roles are on another resource, or do not cover the call"
                } else {
                    "the access token carries no roles"
                },
            )
            .at(a, "claims/aud", aud, "")
            .at(a, "claims/roles", if roles { "present" } else { "missing" }, "the role that the call needs")
            .at(m, "message", "privileges missing", "")
            .fix(fix),
        ],
        None => vec![
            Proof::error(Certainty::Likely, "the API refuses for lack of permission; the token itself was issued")
                .at(m, "message", "privileges missing", "")
                .fix(fix)
                .rank(40),
        ],
    }
}
