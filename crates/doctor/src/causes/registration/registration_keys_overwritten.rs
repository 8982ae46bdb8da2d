//! `registration-keys-overwritten`: A change of `keyCredentials` replaced all earlier keys.
//!
//! Two snapshots of one registration, or the change itself with the client's key not in it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A change of `keyCredentials` replaced all earlier keys.
pub static CAUSE: Cause = Cause {
    key: "registration-keys-overwritten",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(r) = ev.plain_thumbprint() else { return Vec::new() };
    let digest = r.bytes.clone().unwrap_or_default();
    if !ev.key_not_found() {
        return Vec::new();
    }
    let fix = "add the key again, and add keys with `addKey` or `az ad app credential reset --append`; a PATCH of `keyCredentials` must carry every entry that is to stay (with its `keyId`)";
    let holders = ev.holders(&digest);
    let names = |a: &crate::artifact::Application| {
        a.registration.key_credentials.iter().any(|k| {
            k.certificate.as_ref().is_some_and(|c| c.sha1() == digest.as_slice() || c.sha256() == digest.as_slice())
                || k.custom_digest().is_some_and(|d| d == digest)
        })
    };
    let patch = ev.artifacts.iter().enumerate().find_map(|(i, a)| match &a.content {
        Content::Patch(p) if !names(&p.keys) => Some((i, p)),
        _ => None,
    });
    if let Some((i, p)) = patch {
        let before = holders.first().map(|(a, _)| ev.apps[*a].artifact);
        let certainty = if before.is_some() || ev.app().is_some() { Certainty::Proven } else { Certainty::Likely };
        let mut proof = Proof::error(
            certainty,
            "a PATCH replaced `keyCredentials`, and the client's key is not among the entries it set",
        )
        .at(i, "keyCredentials", format!("{} entries", p.keys.registration.key_credentials.len()), words::hex(&digest))
        .at(r.artifact, r.pointer.clone(), words::hex(&digest), "");
        if let Some(b) = before {
            proof = proof.at(b, "keyCredentials before", words::hex(&digest), "");
        }
        return vec![proof.fix(fix).rank(75)];
    }
    let (Some(now), Some((before, _))) = (ev.app(), holders.first()) else { return Vec::new() };
    let old = &ev.apps[*before];
    if Some(*before) == ev.app || !old.it.registration.app_id.eq_ignore_ascii_case(&now.it.registration.app_id) {
        return Vec::new();
    }
    let lost = old
        .it
        .registration
        .key_credentials
        .iter()
        .filter(|k| !now.it.registration.key_credentials.iter().any(|n| n.key_id == k.key_id))
        .count();
    vec![
        Proof::error(
            Certainty::Proven,
            format!("{lost} keys of an earlier snapshot of the registration are gone, the client's among them"),
        )
        .at(old.artifact, "keyCredentials", words::hex(&digest), "")
        .at(
            now.artifact,
            "keyCredentials",
            format!("{} entries, not this one", now.it.registration.key_credentials.len()),
            words::hex(&digest),
        )
        .fix(fix)
        .rank(75),
    ]
}
