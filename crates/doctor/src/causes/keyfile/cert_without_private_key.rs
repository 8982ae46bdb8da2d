//! `cert-without-private-key`: Only the public certificate was loaded, as from a Key Vault certificate object.
//!
//! PFX or PEM has no private key; a tool says that the certificate has none.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Only the public certificate was loaded, as from a Key Vault certificate object.
pub static CAUSE: Cause = Cause {
    key: "cert-without-private-key",
    layer: "Key and certificate files",
    question: Question::FileContent,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "export the certificate with its private key; from Key Vault download the *secret* of the same name, not the certificate: `az keyvault secret download --encoding base64`";
    let said = ev.message(Message::NoPrivateKey);
    let has_private = ev.keys.iter().any(|k| {
        k.it.file.private_key().is_some()
            || matches!(k.it.file.pkcs12(), Some(p) if p.keys > 0)
            || k.it.file.has_closed_key() && k.it.file.pkcs12().is_none()
    });
    let empty = ev.keys.iter().find(|k| {
        k.it.file.pkcs12().is_some_and(|p| p.opened && p.keys == 0 && p.certificates > 0)
            && k.it.file.private_key().is_none()
    });
    if let Some(k) = empty
        && (ev.before_sending() || ev.tool_refused())
    {
        return vec![
            Proof::error(Certainty::Proven, "the PFX holds certificates and no private key")
                .at(k.artifact, "bags", "no key", "one private key")
                .fix(fix)
                .rank(75),
        ];
    }
    let certificate_only =
        ev.keys.iter().find(|k| k.it.file.certificates().next().is_some() && k.it.file.private_key().is_none());
    match (said, certificate_only) {
        (Some(m), Some(k)) if !has_private => vec![
            Proof::error(Certainty::Proven, "only the public certificate is there, and the tool needs its private key")
                .at(k.artifact, "contents", k.it.file.describe(), "certificate and private key")
                .at(m, "message", "no private key", "")
                .fix(fix)
                .rank(75),
        ],
        (Some(m), None) if ev.keys.is_empty() => vec![
            Proof::error(Certainty::Likely, "the tool loaded a certificate without its private key")
                .at(m, "message", "no private key", "")
                .fix(fix)
                .rank(45),
        ],
        _ => Vec::new(),
    }
}
