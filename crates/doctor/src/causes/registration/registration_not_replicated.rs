//! `registration-not-replicated`: The key or credential was added only seconds or minutes ago.
//!
//! The registration holds it and everything verifies; the error came within minutes of its creation.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The key or credential was added only seconds or minutes ago.
pub static CAUSE: Cause = Cause {
    key: "registration-not-replicated",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 700_016, 70_021, 700_211, 700_213, 7_000_215],
    prove,
};

/// "Users report 30 to 90 s"; federated credentials take minutes.
const WINDOW: i64 = 20 * 60;

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "wait a minute or two and try again; in scripts retry with a pause after adding a key";
    if let Some(e) = ev.error_of(&[70_021, 700_211, 700_212, 700_213])
        && ev.federation.as_ref().is_some_and(crate::evidence::federation::Comparison::is_match)
    {
        return vec![
            Proof::error(Certainty::Likely, "token and federated credential match in every member: the credential was probably added only minutes before")
                .at(e.artifact, "Timestamp", ev.now.rfc3339(), "")
                .fix(fix)
                .rank(60),
        ];
    }
    let (Some(e), Some(app)) = (ev.error_of(&[700_027, 700_016, 50_012, 7_000_215]), ev.app()) else {
        return Vec::new();
    };
    let code = e.it.parsed.code().unwrap_or_default();
    let key = if code == 700_016 || code == 7_000_215 {
        None
    } else {
        if !ev.key_not_found() {
            return Vec::new();
        }
        let held = ev.plain_thumbprint().and_then(|r| r.bytes.clone()).map(|d| ev.holders(&d)).unwrap_or_default();
        let Some((_, k)) = held.into_iter().find(|(a, _)| Some(*a) == ev.app) else { return Vec::new() };
        Some(&app.it.registration.key_credentials[k])
    };
    if ev.refused("key-found").is_some() || ev.refused("key-valid").is_some() || ev.signature == Signature::Nothing {
        return Vec::new();
    }
    let judged = e.it.parsed.timestamp.unwrap_or(ev.now);
    let created =
        [app.it.created, key.map(|k| k.start), key.and_then(|k| k.certificate.as_ref().map(|c| c.not_before()))];
    let Some(made) = created.into_iter().flatten().filter(|t| (-300..=WINDOW).contains(&judged.secs_since(*t))).max()
    else {
        return match key {
            Some(_) => vec![
                Proof::warning(Certainty::Possible, "the registration at hand holds the key that the service did not find: it was added later, or the request went to another tenant")
                    .at(app.artifact, "keyCredentials", "holds the key", "")
                    .fix(fix),
            ],
            None => Vec::new(),
        };
    };
    let age = judged.secs_since(made);
    vec![
        Proof::error(
            Certainty::Likely,
            format!(
                "the registration holds the key, and was changed {} before the error: not every server knew it yet",
                words::duration(age)
            ),
        )
        .at(app.artifact, "createdDateTime, startDateTime", made.rfc3339(), "")
        .at(e.artifact, "Timestamp", judged.rfc3339(), "")
        .fix(fix)
        .rank(60),
    ]
}
