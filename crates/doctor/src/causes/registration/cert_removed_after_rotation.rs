//! `cert-removed-after-rotation`: The old key was deleted from the registration, and the client still uses it.
//!
//! The thumbprint is that of a certificate at hand that is not registered, while a newer one of the same subject is.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::{Evidence, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The old key was deleted from the registration, and the client still uses it.
pub static CAUSE: Cause = Cause {
    key: "cert-removed-after-rotation",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(r), Some(app)) = (ev.plain_thumbprint(), ev.app()) else { return Vec::new() };
    let digest = r.bytes.clone().unwrap_or_default();
    if !ev.key_not_found() || ev.holders(&digest).iter().any(|(a, _)| Some(*a) == ev.app) {
        return Vec::new();
    }
    let Some(old) = ev.certificate_of(r).filter(|k| !matches!(k.origin, Origin::Registered(..))) else {
        return Vec::new();
    };
    let c = &old.certificate;
    let newer = app.it.registration.key_credentials.iter().find(|k| {
        let given = |d: &[u8]| {
            ev.certificates
                .iter()
                .find(|x| x.certificate.sha1() == d || x.certificate.sha256() == d)
                .map(|x| x.certificate.clone())
        };
        let certificate = k.certificate.clone().or_else(|| k.custom_digest().and_then(|d| given(&d)));
        let start = certificate.as_ref().map_or(k.start, |n| n.not_before());
        let same_subject = match &certificate {
            Some(n) => n.subject_der() == c.subject_der(),
            None => {
                k.display_name.eq_ignore_ascii_case(c.subject())
                    || c.common_name().is_some_and(|n| k.display_name.eq_ignore_ascii_case(&format!("CN={n}")))
            }
        };
        let same_key = certificate.as_ref().is_some_and(|n| n.public_key() == c.public_key());
        start > c.not_before() && same_subject && !same_key
    });
    let Some(newer) = newer else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, format!("the client still signs with the certificate of {}, and only one of {} is registered", c.not_before(), newer.start))
            .at(r.artifact, r.pointer.clone(), r.text.clone().unwrap_or_else(|| words::hex(&digest)), "")
            .at(old.artifact, "old certificate", words::hex(c.sha1()), "")
            .at(app.artifact, "keyCredentials", newer.custom_digest().map_or_else(|| newer.key_id.clone(), |d| words::hex(&d)), words::hex(c.sha1()))
            .fix("let the client load the new certificate (restart it if it keeps the old one in memory); until then add the old one again beside the new")
            .rank(65),
    ]
}
