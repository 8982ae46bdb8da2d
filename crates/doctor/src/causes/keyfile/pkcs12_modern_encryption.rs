//! `pkcs12-modern-encryption`: A PFX with AES and SHA-256, refused by old Windows and old Go readers.
//!
//! The OIDs in the file, together with the message of the tool that refused it; otherwise a note.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A PFX with AES and SHA-256, refused by old Windows and old Go readers.
pub static CAUSE: Cause = Cause {
    key: "pkcs12-modern-encryption",
    layer: "Key and certificate files",
    question: Question::FileFormat,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "export with the old algorithms for that tool: `openssl pkcs12 -export -legacy -in both.pem -out old.pfx`, or update the tool";
    let pfx = ev.keys.iter().find_map(|k| k.it.file.pkcs12().filter(|p| p.is_modern()).map(|p| (k.artifact, p)));
    let schemes = |p: &countersign_core::keyfile::Pkcs12| {
        let mac = p.mac.as_ref().map(|m| format!("MAC {}", m.digest));
        let names = p.encryption.iter().map(|e| e.name.clone());
        mac.into_iter().chain(names).collect::<Vec<_>>().join(", ")
    };
    match (ev.message(Message::ModernPkcs12), pfx) {
        (Some(m), Some((i, p))) => vec![
            Proof::error(Certainty::Likely, "the PFX is protected with AES and SHA-256, which the tool cannot read")
                .at(i, "encryption", schemes(p), "3DES and SHA-1")
                .at(m, "message", "unknown algorithm", "")
                .fix(fix)
                .rank(65),
        ],
        (Some(m), None) if !ev.keys.iter().any(|k| k.it.file.pkcs12().is_some()) => {
            vec![
                Proof::error(Certainty::Likely, "the tool cannot read the algorithms of the PFX (AES, SHA-256)")
                    .at(m, "message", "unknown algorithm", "")
                    .fix(fix)
                    .rank(60),
            ]
        }
        (None, Some((i, p))) => vec![
            Proof::note(
                "the PFX is protected with AES and SHA-256; Windows before 2019 and old Go programs cannot read it",
            )
            .at(i, "encryption", schemes(p), "")
            .fix(fix),
        ],
        _ => Vec::new(),
    }
}
