//! `key-file-is-public-part`: The public certificate or public key was given where the private key is needed.
//!
//! The file holds a public key or certificate and no private key.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The public certificate or public key was given where the private key is needed.
pub static CAUSE: Cause = Cause {
    key: "key-file-is-public-part",
    layer: "Key and certificate files",
    question: Question::FileContent,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "give the file with the private key (`-----BEGIN PRIVATE KEY-----`, or the PFX): a public key cannot sign. If only the certificate is left, the key is where it was made";
    let said = ev.message(Message::PublicPart);
    let has_private = ev.keys.iter().any(|k| k.it.file.private_key().is_some() || k.it.file.has_closed_key());
    let bare = ev.keys.iter().find(|k| {
        k.it.file.public_keys().next().is_some() && k.it.file.private_key().is_none() && !k.it.file.has_closed_key()
    });
    if let Some(k) = bare
        && (ev.before_sending() || ev.tool_refused())
        && !has_private
    {
        let what = k.it.file.items.first().map(|i| i.label.clone()).unwrap_or_default();
        return vec![
            Proof::error(Certainty::Proven, "the key file holds the public key only")
                .at(k.artifact, "label", what, "PRIVATE KEY")
                .fix(fix)
                .rank(70),
        ];
    }
    let certificate_only =
        ev.keys.iter().find(|k| k.it.file.certificates().next().is_some() && k.it.file.pkcs12().is_none());
    match (said, certificate_only) {
        (Some(m), Some(k)) if !has_private => vec![
            Proof::error(Certainty::Proven, "the file is a certificate, and the tool needs the private key")
                .at(k.artifact, "label", "CERTIFICATE", "PRIVATE KEY")
                .at(m, "message", "a private key is wanted", "")
                .fix(fix)
                .rank(70),
        ],
        // Other tools say no more than that it is no key.
        (None, Some(k)) if !has_private && ev.message(Message::NotAKey).is_some() => vec![
            Proof::error(Certainty::Likely, "the file is a certificate, and the tool wants a key")
                .at(k.artifact, "label", "CERTIFICATE", "PRIVATE KEY")
                .fix(fix),
        ],
        (Some(m), None) if ev.keys.is_empty() => vec![
            Proof::error(Certainty::Likely, "the tool was given something public where it needs a private key")
                .at(m, "message", "a private key is wanted", "")
                .fix(fix)
                .rank(40),
        ],
        _ => Vec::new(),
    }
}
