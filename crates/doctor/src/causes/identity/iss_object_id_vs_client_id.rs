//! `iss-object-id-vs-client-id`: Object id and client id are confused.
//!
//! `iss`, `sub` or the client id sent equals the `id` of the registration, not its `appId`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Object id and client id are confused.
pub static CAUSE: Cause = Cause {
    key: "iss-object-id-vs-client-id",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["client-id-matches", "subject-is-issuer"],
    aadsts: &[700_021, 700_016],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "use the application (client) id, `appId`; the object id names the directory entry (the proof of Graph's addKey is the exception: its `iss` is the object id)";
    let mut sent: Vec<(usize, &'static str, String)> = Vec::new();
    if let Some(c) = ev.claims {
        sent.extend(c.it.iss.text().map(|i| (c.artifact, "claims/iss", i.to_owned())));
        sent.extend(c.it.sub.text().map(|i| (c.artifact, "claims/sub", i.to_owned())));
    }
    sent.extend(ev.request.and_then(|r| r.it.anywhere("client_id").map(|i| (r.artifact, "client_id", i.to_owned()))));
    sent.extend(
        ev.errors
            .iter()
            .filter_map(|e| e.it.parsed.app_id.clone().map(|i| (e.artifact, "error_description/app Id", i))),
    );
    sent.extend(
        ev.settings_of(Meaning::ClientId).map(|s| (s.artifact, "settings/client id", s.it.value.trim().to_owned())),
    );
    // An id that is a client id somewhere is no mistake.
    sent.retain(|(_, _, id)| !ev.apps.iter().any(|a| a.it.registration.app_id.eq_ignore_ascii_case(id)));
    for (artifact, pointer, id) in sent {
        let app = ev.apps.iter().find(|a| {
            let r = &a.it.registration;
            !r.object_id.is_empty() && r.object_id.eq_ignore_ascii_case(&id) && !r.app_id.eq_ignore_ascii_case(&id)
        });
        if let Some(app) = app {
            let right = app.it.registration.app_id.clone();
            return vec![
                Proof::error(Certainty::Proven, "the object id of the application stands where its client id belongs")
                    .at(artifact, pointer, &id, &right)
                    .at(app.artifact, "id", &id, "")
                    .fix(fix)
                    .rank(80),
            ];
        }
    }
    Vec::new()
}
