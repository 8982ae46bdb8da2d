//! `cert-not-registered`: The certificate that signs is on no key of the application.
//!
//! No registered key hashes to the thumbprint, while that is the digest of a certificate at hand or the signature verifies with one.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;
use countersign_core::encoding::encode_base64url;

use crate::evidence::signature::Signature;
use crate::evidence::thumbprint::Step;
use crate::evidence::{Evidence, Known, Member, Received};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The certificate that signs is on no key of the application.
pub static CAUSE: Cause = Cause {
    key: "cert-not-registered",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found", "keys-registered"],
    aadsts: &[700_027, 700_026, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "upload the certificate to the application (`az ad app credential reset --append --cert @cert.pem`, or the portal), or sign with a certificate that is registered";
    if let Some(e) = ev.error_of(&[700_026]) {
        let mut proof = Proof::error(Certainty::Proven, "the application has no certificate registered at all").at(
            e.artifact,
            "error_description",
            &e.it.text,
            "",
        );
        if let Some(app) =
            ev.app().or(ev.apps.first().copied()).filter(|a| a.it.registration.key_credentials.is_empty())
        {
            proof = proof.at(app.artifact, "keyCredentials", "[]", "the certificate that signs");
        }
        return vec![proof.fix(fix).rank(60)];
    }
    if matches!(ev.refused("keys-registered"), Some(Reason::NoKeys)) {
        let app = ev.app().map_or(0, |a| a.artifact);
        return vec![
            Proof::error(Certainty::Proven, "the application has no certificate registered at all")
                .at(app, "keyCredentials", "[]", "the certificate that signs")
                .fix(fix)
                .rank(60),
        ];
    }
    let Some(r) = ev.plain_thumbprint() else { return unexplained(ev, fix) };
    let digest = r.bytes.clone().unwrap_or_default();
    let found = r.text.clone().unwrap_or_else(|| words::hex(&digest));
    let known = ev.certificate_of(r);
    if ev.registration_assumed {
        return of_none(ev, r, known, fix);
    }
    let app = ev.app().filter(|a| a.it.lists_keys);
    let Some(app) = app.filter(|_| ev.refused("key-found").is_some() || ev.header.is_none() && ev.key_not_found())
    else {
        return match ev.error_of(&[700_027, 50_012]).filter(|_| ev.key_not_found() && ev.apps.is_empty()) {
            Some(e) => vec![
                Proof::warning(Certainty::Possible, format!("no key with the thumbprint {} is registered; whether the certificate or the thumbprint is wrong, the certificate decides", words::hex(&digest)))
                    .at(e.artifact, r.pointer.clone(), found, "")
                    .fix(fix),
            ],
            None => Vec::new(),
        };
    };
    if ev.holders(&digest).iter().any(|(a, _)| Some(*a) == ev.app) {
        return Vec::new();
    }
    // Entries that show neither certificate nor digest may be the one.
    let comparable =
        app.it.registration.key_credentials.iter().all(|k| k.certificate.is_some() || k.custom_digest().is_some());
    if !comparable {
        return Vec::new();
    }
    let registered: Vec<String> = app
        .it
        .registration
        .key_credentials
        .iter()
        .filter_map(|k| {
            k.certificate.as_ref().map(|c| words::hex(c.sha1())).or_else(|| k.custom_digest().map(|d| words::hex(&d)))
        })
        .take(8)
        .collect();
    let same_key = known.and_then(|k| {
        app.it
            .registration
            .key_credentials
            .iter()
            .find(|c| c.certificate.as_ref().is_some_and(|c| c.public_key() == k.certificate.public_key()))
    });
    let title = match same_key {
        Some(_) => "the certificate that signs is not registered: another certificate with the same key is, and the service goes by the certificate".to_owned(),
        None => match nearest(&words::hex(&digest), &registered) {
            Some((near, digits)) => format!(
                "no key of the application has the thumbprint {}; the nearest, {near}, differs in {digits} digits",
                words::hex(&digest)
            ),
            None => format!("no key of the application has the thumbprint {}", words::hex(&digest)),
        },
    };
    let sure = known.is_some() || matches!(ev.signature, Signature::Verifies(_)) || ev.header.is_some();
    let mut proof = Proof::error(if sure { Certainty::Proven } else { Certainty::Likely }, title)
        .at(r.artifact, r.pointer.clone(), found, "")
        .at(app.artifact, "keyCredentials", registered.join(", "), words::hex(&digest));
    if let Some(k) = known {
        proof = proof.at(k.artifact, "certificate", k.certificate.subject(), "");
    }
    vec![proof.fix(fix).rank(50)]
}

/// The registered thumbprint that was probably meant: as long, and other in so few digits that it was mistyped or misread. Two
/// digests that have nothing to do with each other share about two digits in forty.
fn nearest<'a>(digest: &str, registered: &'a [String]) -> Option<(&'a str, usize)> {
    const MISTYPED: usize = 6;
    registered
        .iter()
        .filter(|other| other.len() == digest.len())
        .map(|other| (other.as_str(), other.bytes().zip(digest.bytes()).filter(|(a, b)| a != b).count()))
        .min_by_key(|(_, digits)| *digits)
        .filter(|(_, digits)| *digits <= MISTYPED)
}

/// No registration at hand: the thumbprint is that of none of the certificates given.
fn of_none(ev: &Evidence<'_>, r: &Received, known: Option<&Known>, fix: &str) -> Vec<Proof> {
    if known.is_some() || ev.refused("key-found").is_none() {
        return Vec::new();
    }
    let found = r.text.clone().unwrap_or_default();
    let leaf = ev.leaf().map(|k| encode_base64url(k.certificate.sha1())).unwrap_or_default();
    match ev.signature {
        Signature::Verifies(_) => vec![
            Proof::error(Certainty::Likely, "the header's thumbprint belongs to none of the certificates at hand, although the signature is made with the key of one")
                .at(r.artifact, r.pointer.clone(), found, leaf)
                .fix("compute the thumbprint from the certificate that signs: SHA-1 (`x5t`) or SHA-256 (`x5t#S256`) of its DER")
                .rank(45),
        ],
        _ => vec![Proof::warning(Certainty::Possible, "the certificate at hand is not the one that the header names").at(r.artifact, r.pointer.clone(), found, leaf).fix(fix)],
    }
}

/// A thumbprint that is no digest of anything, and whose making no other cause explains.
fn unexplained(ev: &Evidence<'_>, fix: &str) -> Vec<Proof> {
    let Some(r) = ev.received.iter().find(|r| r.member != Member::Setting) else { return Vec::new() };
    if ev.refused("key-found").is_none() {
        return Vec::new();
    }
    let how = r.reading.as_ref().map(|x| x.steps.as_slice()).unwrap_or_default();
    let what = match how.first() {
        Some(Step::Truncated) => "it holds only the first bytes of the right digest",
        Some(Step::Reversed) => "its bytes stand in reverse order",
        Some(Step::TrailingNewline) => "a line feed stands behind the digest",
        _ => "its bytes are no digest of a certificate",
    };
    let certainty = if how.is_empty() { Certainty::Likely } else { Certainty::Proven };
    let right = ev.certificate_of(r).or(ev.leaf()).map(|k| encode_base64url(k.certificate.sha1())).unwrap_or_default();
    let found = r.text.clone().unwrap_or_else(|| words::hex(r.bytes.as_deref().unwrap_or_default()));
    vec![
        Proof::error(certainty, format!("no registered key is found by {}: {what}", r.member.name()))
            .at(r.artifact, r.pointer.clone(), found, right)
            .fix(fix)
            .rank(20),
    ]
}
