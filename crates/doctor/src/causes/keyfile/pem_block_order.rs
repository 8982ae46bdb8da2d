//! `pem-block-order`: A tool demands the private key block first.
//!
//! The order of the blocks, together with the message of the tool that refused the file.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Format;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A tool demands the private key block first.
pub static CAUSE: Cause = Cause {
    key: "pem-block-order",
    layer: "Key and certificate files",
    question: Question::FileFormat,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(m) = ev.message(Message::PemOrder) else { return Vec::new() };
    let fix = "put the private key first: `cat key.pem cert.pem > both.pem`";
    let reversed = ev.keys.iter().find(|k| {
        let at = |wanted: fn(&countersign_core::keyfile::ItemKind) -> bool| {
            k.it.file.items.iter().position(|i| wanted(&i.kind))
        };
        let key = at(|k| {
            matches!(
                k,
                countersign_core::keyfile::ItemKind::PrivateKey(_)
                    | countersign_core::keyfile::ItemKind::EncryptedKey { .. }
            )
        });
        let certificate = at(|k| matches!(k, countersign_core::keyfile::ItemKind::Certificate(_)));
        k.it.file.format == Format::Pem && key.zip(certificate).is_some_and(|(key, certificate)| certificate < key)
    });
    match reversed {
        Some(k) => vec![
            Proof::error(
                Certainty::Likely,
                "the certificate stands before the private key, and the tool wants the key first",
            )
            .at(k.artifact, "order of the blocks", "certificate, private key", "private key, certificate")
            .at(m, "message", "order", "")
            .fix(fix)
            .rank(68),
        ],
        None if ev.keys.is_empty() => vec![
            Proof::error(Certainty::Likely, "the tool wants the private key first in the PEM file")
                .at(m, "message", "order", "")
                .fix(fix)
                .rank(40),
        ],
        None => Vec::new(),
    }
}
