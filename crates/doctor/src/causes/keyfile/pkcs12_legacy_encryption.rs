//! `pkcs12-legacy-encryption`: A PFX with RC2, 3DES and SHA-1, refused by OpenSSL 3.
//!
//! The OIDs in the file, together with the message of the tool that refused it; otherwise a note.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A PFX with RC2, 3DES and SHA-1, refused by OpenSSL 3.
pub static CAUSE: Cause = Cause {
    key: "pkcs12-legacy-encryption",
    layer: "Key and certificate files",
    question: Question::FileFormat,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "convert it once with the old algorithms allowed: `openssl pkcs12 -legacy -in old.pfx -nodes -out all.pem`, then `openssl pkcs12 -export -in all.pem -out new.pfx`";
    let pfx = ev.keys.iter().find_map(|k| k.it.file.pkcs12().filter(|p| p.is_legacy()).map(|p| (k.artifact, p)));
    let names = |p: &countersign_core::keyfile::Pkcs12| {
        p.encryption.iter().map(|e| e.name.clone()).collect::<Vec<_>>().join(", ")
    };
    match (ev.message(Message::LegacyPkcs12), pfx) {
        (Some(m), Some((i, p))) => vec![
            Proof::error(Certainty::Likely, "the PFX is protected with old algorithms, which OpenSSL 3 refuses")
                .at(i, "encryption", names(p), "AES-256")
                .at(m, "message", "unsupported", "")
                .fix(fix)
                .rank(65),
        ],
        (Some(m), None) if !ev.keys.iter().any(|k| k.it.file.pkcs12().is_some()) => {
            vec![
                Proof::error(Certainty::Likely, "the tool refuses the old algorithms of the PFX (RC2, 3DES, SHA-1)")
                    .at(m, "message", "unsupported", "")
                    .fix(fix)
                    .rank(60),
            ]
        }
        (None, Some((i, p))) => vec![
            Proof::note("the PFX is protected with old algorithms; programs with OpenSSL 3 may refuse it")
                .at(i, "encryption", names(p), "")
                .fix(fix),
        ],
        _ => Vec::new(),
    }
}
