//! `client-id-is-credential-id`: The id of the secret or certificate is used as client id.
//!
//! The value equals a `keyId` of the registration.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The id of the secret or certificate is used as client id.
pub static CAUSE: Cause = Cause {
    key: "client-id-is-credential-id",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["client-id-matches"],
    aadsts: &[700_016, 700_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "use the application (client) id of the overview page; the ids on the page \"Certificates & secrets\" name the entries there";
    let mut sent: Vec<(usize, &'static str, String)> = Vec::new();
    sent.extend(
        ev.errors
            .iter()
            .filter_map(|e| e.it.parsed.app_id.clone().map(|i| (e.artifact, "Application with identifier", i))),
    );
    sent.extend(ev.claims.and_then(|c| c.it.iss.text().map(|i| (c.artifact, "claims/iss", i.to_owned()))));
    sent.extend(ev.request.and_then(|r| r.it.anywhere("client_id").map(|i| (r.artifact, "client_id", i.to_owned()))));
    sent.extend(
        ev.settings_of(Meaning::ClientId).map(|s| (s.artifact, "settings/client id", s.it.value.trim().to_owned())),
    );
    for (artifact, pointer, id) in sent {
        let app = ev.apps.iter().find(|a| {
            a.it.secret_ids.iter().any(|s| s.eq_ignore_ascii_case(&id))
                || a.it.registration.key_credentials.iter().any(|k| k.key_id.eq_ignore_ascii_case(&id))
        });
        if let Some(app) = app {
            let right = app.it.registration.app_id.clone();
            return vec![
                Proof::error(Certainty::Proven, "the id of a credential stands where the client id belongs")
                    .at(artifact, pointer, &id, &right)
                    .at(app.artifact, "keyId", &id, "")
                    .fix(fix)
                    .rank(82),
            ];
        }
    }
    Vec::new()
}
