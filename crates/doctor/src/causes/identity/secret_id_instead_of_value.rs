//! `secret-id-instead-of-value`: The secret's id was sent instead of its value.
//!
//! The secret is a GUID; with the registration at hand, a `keyId` there.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::is_guid;

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The secret's id was sent instead of its value.
pub static CAUSE: Cause = Cause {
    key: "secret-id-instead-of-value",
    layer: "Issuer, subject, ids",
    question: Question::Secret,
    explains: &["secret"],
    aadsts: &[7_000_215],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "use the value of the secret, shown once when it is made; the id in the next column only names it. If the value is lost, make another secret";
    let of_request = ev
        .request
        .and_then(|r| r.it.anywhere("client_secret").map(|s| (r.artifact, "client_secret", s.trim().to_owned())));
    let of_basic = ev.request.and_then(|r| match &r.it.token.basic {
        Some(Ok(b)) => b.secrets.first().map(|s| (r.artifact, "Authorization", s.trim().to_owned())),
        _ => None,
    });
    let of_settings = ev
        .settings_of(Meaning::Secret)
        .next()
        .map(|s| (s.artifact, "settings/client secret", s.it.value.trim().to_owned()));
    if let Some((artifact, pointer, secret)) = of_request.or(of_basic).or(of_settings).filter(|(_, _, s)| is_guid(s)) {
        let named = ev.apps.iter().find(|a| a.it.secret_ids.iter().any(|id| id.eq_ignore_ascii_case(&secret)));
        // A GUID is never a secret's value; what stands there is an id and no secret.
        let mut proof = Proof::error(
            Certainty::Proven,
            "the client secret sent is a GUID: the id of a secret, not its value",
        )
        .at(artifact, pointer, "a GUID", "the value, 40 characters");
        if let Some(app) = named {
            proof = proof.at(app.artifact, "passwordCredentials[].keyId", "the same GUID", "");
        }
        return vec![proof.fix(fix).rank(70)];
    }
    ev.error_of(&[7_000_215])
        .filter(|_| ev.request.is_none())
        .map(|e| {
            Proof::warning(Certainty::Possible, "the secret does not fit: perhaps its id was sent instead of its value")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
        })
        .into_iter()
        .collect()
}
