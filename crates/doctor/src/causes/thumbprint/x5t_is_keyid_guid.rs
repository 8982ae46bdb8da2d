//! `x5t-is-keyid-guid`: The `keyId` of the credential (a GUID) used as `x5t`.
//!
//! base64url of the bytes is a GUID; with the registration at hand it equals a `keyId` there.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::thumbprint::as_guid;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The `keyId` of the credential (a GUID) used as `x5t`.
pub static CAUSE: Cause = Cause {
    key: "x5t-is-keyid-guid",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if ev.passed("key-found") {
        return Vec::new();
    }
    ev.received
        .iter()
        .filter(|r| r.member != Member::Setting)
        .filter_map(|r| {
            let bytes = r.bytes.as_deref().unwrap_or_default();
            let guid = as_guid(bytes, r.text.as_deref())?;
            let holder = ev.apps.iter().find(|a| {
                a.it.registration.key_credentials.iter().any(|k| k.key_id.eq_ignore_ascii_case(&guid))
                    || a.it.secret_ids.contains(&guid)
            });
            let certainty = if holder.is_some() { Certainty::Proven } else { Certainty::Likely };
            let found = r.text.clone().unwrap_or_else(|| format!("{} = base64url text {guid}", words::hex(bytes)));
            let expected = ev
                .leaf()
                .map(|k| encode_base64url(k.certificate.sha1()))
                .unwrap_or_else(|| "base64url of the 20 bytes of the thumbprint".to_owned());
            let mut proof = Proof::error(
                certainty,
                format!("{} is a GUID, the keyId of a credential, and no thumbprint", r.member.name()),
            )
            .at(r.artifact, r.pointer.clone(), found, expected)
            .fix("`keyId` names the entry in the registration; `x5t` is base64url of SHA-1 of the certificate's DER")
            .rank(85);
            if let Some(a) = holder {
                proof = proof.at(a.artifact, "keyCredentials[].keyId", &guid, "");
            }
            Some(proof)
        })
        .take(1)
        .collect()
}
