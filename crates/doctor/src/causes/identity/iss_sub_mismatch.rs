//! `iss-sub-mismatch`: `iss` and `sub` are not both the client id.
//!
//! The two compared; or the service says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use countersign_core::profile::SubjectRule;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `iss` and `sub` are not both the client id.
pub static CAUSE: Cause = Cause {
    key: "iss-sub-mismatch",
    layer: "Issuer, subject, ids",
    question: Question::Subject,
    explains: &["subject-is-issuer", "claims-present"],
    aadsts: &[50_048, 90_014],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "set `iss` and `sub` both to the application (client) id";
    if let Some(c) = ev.claims {
        // A composed issuer has a cause of its own.
        if let Some(Reason::SubjectMismatch { iss, sub }) = ev.refused("subject-is-issuer")
            && ev.profile.subject == SubjectRule::IsIssuer
        {
            return vec![
                Proof::error(Certainty::Proven, "`iss` and `sub` differ; both must be the client id")
                    .at(c.artifact, "claims/iss", iss, ev.client_id.clone().unwrap_or_else(|| iss.clone()))
                    .at(c.artifact, "claims/sub", sub, ev.client_id.clone().unwrap_or_else(|| iss.clone()))
                    .fix(fix),
            ];
        }
        let request_object = c.it.has("redirect_uri") || c.it.has("response_type");
        if c.it.sub.is_absent() && ev.own_assertion() && ev.parts.claims && !c.it.iss.is_absent() && !request_object {
            return vec![
                Proof::error(Certainty::Proven, "the claim `sub` is missing; it must be the client id, as `iss`")
                    .at(c.artifact, "claims/sub", "missing", c.it.iss.text().unwrap_or_default())
                    .fix(fix),
            ];
        }
    }
    let said = ev
        .error_of(&[50_048])
        .or_else(|| ev.error_of(&[90_014]).filter(|e| e.it.parsed.field.as_deref() == Some("sub")));
    said.filter(|_| ev.claims.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that `sub` is not `iss`")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
        })
        .into_iter()
        .collect()
}
