//! `thumbprint-of-pem-text`: The digest was taken over the PEM or base64 text instead of the DER.
//!
//! The thumbprint equals SHA-1 or SHA-256 of the text, with LF or CR LF, with or without a final line break.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::thumbprint::Source;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The digest was taken over the PEM or base64 text instead of the DER.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-of-pem-text",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.misread()
        .filter_map(|(r, reading)| {
            let (i, source) = reading.hit?;
            let (hash, what) = match source {
                Source::Text(hash, what) => (hash, what),
                Source::PublicKey(hash) => (hash, "the public key"),
                Source::Der(_) => return None,
            };
            let c = &ev.certificates[i].certificate;
            let right = if r.member == Member::X5tS256 { c.sha256().as_slice() } else { c.sha1().as_slice() };
            let expected = if r.member == Member::Setting { words::hex(right) } else { encode_base64url(right) };
            let found = r.text.clone().unwrap_or_else(|| words::hex(r.bytes.as_deref().unwrap_or_default()));
            let certainty = if matches!(source, Source::PublicKey(_)) { Certainty::Likely } else { Certainty::Proven };
            Some(
                Proof::error(certainty, format!("{} is {} of {what}, not of the certificate's DER", r.member.name(), hash.name()))
                    .at(r.artifact, r.pointer.clone(), found, &expected)
                    .at(ev.certificates[i].artifact, format!("{} of {what}", hash.name()), words::hex(&reading.digest), words::hex(right))
                    .fix(format!("hash the DER: `openssl x509 -in cert.pem -outform DER | openssl dgst -sha1 -binary`; right is {expected}"))
                    .rank(80),
            )
        })
        .take(1)
        .collect()
}
