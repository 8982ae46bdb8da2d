//! `cert-on-other-app`: The certificate is on an application other than the one in the request.
//!
//! The application named by the request, the error or `iss` is not the one whose registration holds the certificate.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::is_guid;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The certificate is on an application other than the one in the request.
pub static CAUSE: Cause = Cause {
    key: "cert-on-other-app",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found", "client-id-matches"],
    aadsts: &[700_027, 700_016],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(r) = ev.plain_thumbprint() else { return Vec::new() };
    let digest = r.bytes.clone().unwrap_or_default();
    let holders = ev.holders(&digest);
    let iss = ev.claims.and_then(|c| c.it.iss.text());
    let meant = if ev.client_id_named { ev.client_id.as_deref() } else { iss.or(ev.client_id.as_deref()) };
    let Some(meant) = meant else { return Vec::new() };
    let holds = |a: usize, id: &str| ev.apps[a].it.registration.app_id.eq_ignore_ascii_case(id);
    // The application that is meant, or that the assertion names itself, holds it: then nothing is wrong here.
    if holders.iter().any(|(a, _)| holds(*a, meant) || iss.is_some_and(|iss| holds(*a, iss))) {
        return Vec::new();
    }
    let Some((a, _)) = holders.first() else { return Vec::new() };
    let app = &ev.apps[*a];
    let reg = &app.it.registration;
    // Another id of the same application is another mistake.
    let is_other_id = |id: &str| {
        reg.object_id.eq_ignore_ascii_case(id)
            || reg.key_credentials.iter().any(|k| k.key_id.eq_ignore_ascii_case(id))
            || app.it.secret_ids.iter().any(|s| s.eq_ignore_ascii_case(id))
    };
    if reg.app_id.is_empty() || is_other_id(meant) || !is_guid(meant) {
        return Vec::new();
    }
    let from = ev
        .claims
        .map(|c| (c.artifact, "claims/iss"))
        .or(ev.error.map(|e| (e.artifact, "error_description/app Id")))
        .unwrap_or((r.artifact, "client_id"));
    vec![
        Proof::error(Certainty::Proven, format!("the certificate is registered on another application, {} ({})", reg.app_id, words::value(&reg.display_name)))
            .at(from.0, from.1, meant, &reg.app_id)
            .at(app.artifact, "keyCredentials", words::hex(&digest), "")
            .fix("use the client id of the application that has the certificate, or upload the certificate to the application that is meant")
            .rank(70),
    ]
}
