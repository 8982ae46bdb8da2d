//! `registration-customkeyidentifier-not-thumbprint`: `customKeyIdentifier` is free text, and what it shows was used as thumbprint.
//!
//! The bytes received are those of a `customKeyIdentifier` that is no digest of the certificate in `key`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::thumbprint::as_text;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// `customKeyIdentifier` is free text, and what it shows was used as thumbprint.
pub static CAUSE: Cause = Cause {
    key: "registration-customkeyidentifier-not-thumbprint",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "take the thumbprint from the certificate itself (SHA-1 of its DER), never from `customKeyIdentifier`: that member holds whatever its writer put there";
    let mut out = Vec::new();
    for app in &ev.apps {
        for (entry, key) in app.it.keys.iter().zip(&app.it.registration.key_credentials) {
            let custom = key.custom_digest();
            let is_digest = match &key.certificate {
                Some(c) => custom.as_ref().is_some_and(|d| c.sha1() == d.as_slice() || c.sha256() == d.as_slice()),
                None => custom.is_some(),
            };
            if is_digest || entry.custom_readings.is_empty() {
                continue;
            }
            let text = entry.custom_readings.iter().find_map(|b| as_text(b)).unwrap_or_default().to_owned();
            let right = key
                .certificate
                .as_ref()
                .map_or_else(|| "SHA-1 of the certificate".to_owned(), |c| words::hex(c.sha1()));
            let sent = ev.received.iter().find(|r| {
                r.member != Member::Setting && r.bytes.as_ref().is_some_and(|b| entry.custom_readings.contains(b))
            });
            let written = key.custom_key_identifier.clone().unwrap_or_default();
            if let Some(r) = sent.filter(|_| !ev.passed("key-found")) {
                let found = r.text.clone().unwrap_or_else(|| words::hex(r.bytes.as_deref().unwrap_or_default()));
                out.push(
                    Proof::error(Certainty::Proven, format!("the thumbprint sent is the free text {text:?} of `customKeyIdentifier`, not the digest of the certificate"))
                        .at(r.artifact, r.pointer.clone(), found, &right)
                        .at(app.artifact, "keyCredentials[].customKeyIdentifier", &written, &right)
                        .fix(fix)
                        .rank(90),
                );
                return out;
            }
            if Some(app.artifact) == ev.app().map(|a| a.artifact) {
                out.push(Proof::note("`customKeyIdentifier` of a registered key is no thumbprint; the service goes by the certificate in `key`").at(app.artifact, "keyCredentials[].customKeyIdentifier", written, right).fix(fix));
            }
        }
    }
    out.truncate(1);
    if out.is_empty() && ev.apps.is_empty() {
        let text = ev.received.iter().filter(|r| r.member != Member::Setting).find_map(|r| {
            let bytes = r.bytes.as_deref().filter(|b| (4..=32).contains(&b.len()) && r.reading.is_none())?;
            Some((r, as_text(bytes)?))
        });
        if let Some((r, text)) = text.filter(|_| !ev.passed("key-found")) {
            out.push(
                Proof::warning(
                    Certainty::Possible,
                    format!(
                        "the thumbprint sent is the text {:?}: perhaps the `customKeyIdentifier` of the registration",
                        words::value(text)
                    ),
                )
                .at(r.artifact, r.pointer.clone(), words::hex(text.as_bytes()), "the 20 bytes of a SHA-1 digest")
                .fix(fix),
            );
        }
    }
    out
}
