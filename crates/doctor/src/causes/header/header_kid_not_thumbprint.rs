//! `header-kid-not-thumbprint`: Only a `kid` that the server does not know.
//!
//! `kid` is there, `x5t` and `x5t#S256` are not, and `kid` is no certificate's digest in hex or base64url.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding;
use countersign_core::encoding::encode_base64url;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// Only a `kid` that the server does not know.
pub static CAUSE: Cause = Cause {
    key: "header-kid-not-thumbprint",
    layer: "Header",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "send `x5t#S256` (or `x5t`): Entra finds keys by the certificate's thumbprint and does not look names of a JWK Set up";
    let Some(header) = ev.header else {
        // Without the assertion the missing clause only hints at it.
        let bare = ev.error_of(&[700_027]).filter(|e| {
            let p = &e.it.parsed;
            p.thumbprint.is_none()
                && p.thumbprint_text.is_none()
                && p.reason.as_deref().is_some_and(|r| r.contains("not found"))
        });
        return bare
            .map(|e| {
                Proof::warning(Certainty::Possible, "the service read no thumbprint from the header: perhaps there was only a `kid`, or a value that cannot be decoded")
                    .at(e.artifact, "error_description", "no thumbprint is named", "")
                    .fix(fix)
            })
            .into_iter()
            .collect();
    };
    let h = header.it;
    let (None, None, Some(kid)) = (&h.x5t, &h.x5t_s256, h.kid.text()) else { return Vec::new() };
    if ev.passed("key-found") && !ev.registration_assumed || !ev.own_assertion() {
        return Vec::new();
    }
    let names_known =
        ev.certificates.iter().any(|k| spells(kid, k.certificate.sha1()) || spells(kid, k.certificate.sha256()));
    if names_known {
        return Vec::new();
    }
    let expected = ev.leaf().map_or_else(
        || "`x5t#S256`".to_owned(),
        |k| format!("x5t#S256 = {}", encode_base64url(k.certificate.sha256())),
    );
    let like_digest = encoding::decode_hex(kid)
        .or_else(|| encoding::decode_base64(kid).ok().map(|d| d.bytes))
        .is_some_and(|b| matches!(b.len(), 20 | 32));
    let title =
        format!("the header has only a `kid` ({}), which is no thumbprint of the certificate", words::value(kid));
    let proof = if ev.refused("key-found").is_some()
        || ev.leaf().is_some()
        || !like_digest && ev.error_of(&[700_027]).is_some()
    {
        Proof::error(Certainty::Proven, title)
    } else if ev.key_not_found() {
        Proof::error(Certainty::Likely, title)
    } else {
        Proof::warning(if like_digest { Certainty::Possible } else { Certainty::Likely }, title)
    };
    vec![proof.at(header.artifact, "header/kid", kid, expected).fix(fix).rank(85)]
}

fn spells(text: &str, digest: &[u8]) -> bool {
    encoding::decode_hex_separated(text).is_some_and(|b| b == digest)
        || encoding::decode_base64(text).is_ok_and(|d| d.bytes == digest)
}
