//! `kv-content-type-pem`: The Key Vault secret is PEM and the consumer expects PFX, or the reverse.
//!
//! The content type or the first bytes, together with the message of the tool that refused it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Format;

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The Key Vault secret is PEM and the consumer expects PFX, or the reverse.
pub static CAUSE: Cause = Cause {
    key: "kv-content-type-pem",
    layer: "Key and certificate files",
    question: Question::FileFormat,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "make the certificate in Key Vault with the content type that the consumer reads (`application/x-pkcs12` or `application/x-pem-file`), or convert: `openssl pkcs12 -export -in both.pem -out cert.pfx`";
    let vault = ev.artifacts.iter().enumerate().find_map(|(i, a)| match &a.content {
        Content::VaultSecret { content_type } => Some((i, content_type.clone())),
        _ => None,
    });
    let pem = ev.keys.iter().find(|k| matches!(k.it.file.format, Format::Pem | Format::Base64OfPem));
    let pfx = ev.keys.iter().find(|k| matches!(k.it.file.format, Format::Pkcs12 | Format::Base64OfPkcs12));
    let wants_pfx = ev.message(Message::PemNotPkcs12);
    let wants_pem = ev.message(Message::PemIncomplete);
    match (wants_pfx, pem, wants_pem, pfx) {
        (Some(m), Some(k), _, _) => vec![
            Proof::error(Certainty::Likely, "the file is PEM, and the tool expects PKCS#12")
                .at(k.artifact, "format", "PEM (-----BEGIN)", "PKCS#12")
                .at(m, "message", "no PKCS#12", "")
                .fix(fix)
                .rank(66),
        ],
        (_, _, Some(m), Some(k)) => vec![
            Proof::error(Certainty::Likely, "the file is PKCS#12, and the tool expects PEM")
                .at(k.artifact, "format", "PKCS#12", "PEM (-----BEGIN)")
                .at(m, "message", "no start line", "")
                .fix(fix)
                .rank(66),
        ],
        (Some(m), None, _, None) if vault.as_ref().is_some_and(|(_, t)| t.contains("pem")) => {
            vec![
                Proof::error(Certainty::Likely, "the secret is PEM, and the tool expects PKCS#12")
                    .at(m, "message", "no PKCS#12", "")
                    .fix(fix)
                    .rank(60),
            ]
        }
        _ => vault
            .filter(|(_, t)| t.contains("pem"))
            .map(|(i, t)| {
                Proof::note("the Key Vault secret is PEM; many consumers expect PKCS#12")
                    .at(i, "contentType", t, "")
                    .fix(fix)
            })
            .into_iter()
            .collect(),
    }
}
