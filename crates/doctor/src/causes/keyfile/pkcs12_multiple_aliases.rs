//! `pkcs12-multiple-aliases`: The PFX has several entries and the tool expects one.
//!
//! The number of keys and certificates, together with the message of the tool that refused it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The PFX has several entries and the tool expects one.
pub static CAUSE: Cause = Cause {
    key: "pkcs12-multiple-aliases",
    layer: "Key and certificate files",
    question: Question::FileContent,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "export one entry: `openssl pkcs12 -in all.pfx -nodes -out all.pem`, keep one key with its certificate, `openssl pkcs12 -export -in one.pem -out one.pfx`";
    let pfx = ev.keys.iter().find_map(|k| k.it.file.pkcs12().filter(|p| p.entries() > 1).map(|p| (k.artifact, p)));
    match (ev.message(Message::ManyAliases), pfx) {
        (Some(m), Some((i, p))) => vec![
            Proof::error(
                Certainty::Likely,
                format!(
                    "the PFX has {} keys and {} certificates, and the tool expects one entry",
                    p.keys, p.certificates
                ),
            )
            .at(i, "entries", if p.aliases.is_empty() { p.entries().to_string() } else { p.aliases.join(", ") }, "one")
            .at(m, "message", "more than one alias", "")
            .fix(fix)
            .rank(70),
        ],
        (Some(m), None) => vec![
            Proof::error(Certainty::Likely, "the tool found several entries in the PFX and expects one")
                .at(m, "message", "more than one alias", "")
                .fix(fix)
                .rank(60),
        ],
        (None, Some((i, p))) if p.keys > 1 => vec![
            Proof::note(format!("the PFX has {} private keys; some tools take only files with one", p.keys))
                .at(i, "entries", p.entries().to_string(), "")
                .fix(fix),
        ],
        _ => Vec::new(),
    }
}
