//! `pem-missing-certificate-or-key`: One PEM file must hold both key and certificate, and holds one of them.
//!
//! The labels in the file, together with the message of a tool that wants both.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::{Format, Repair};

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// One PEM file must hold both key and certificate, and holds one of them.
pub static CAUSE: Cause = Cause {
    key: "pem-missing-certificate-or-key",
    layer: "Key and certificate files",
    question: Question::FileContent,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(m) = ev.message(Message::PemIncomplete) else { return Vec::new() };
    let fix = "put both into one file: `cat key.pem cert.pem > both.pem`";
    let broken = |r: &Repair| matches!(r, Repair::EscapedNewlines | Repair::LineBreaksLost);
    let pem = ev.keys.iter().find(|k| {
        let f = &k.it.file;
        let (key, cert) = (f.private_key().is_some() || f.has_closed_key(), f.certificates().next().is_some());
        // A PEM without its line breaks has no start line either: then that is the message's reason.
        f.format == Format::Pem && key != cert && !f.repairs.iter().any(broken)
    });
    if let Some(k) = pem {
        let has_key = k.it.file.certificates().next().is_none();
        let (has, lacks) =
            if has_key { ("the private key", "the certificate") } else { ("the certificate", "the private key") };
        return vec![
            Proof::error(
                Certainty::Likely,
                format!("the PEM file has {has} and lacks {lacks}; the tool wants both in one file"),
            )
            .at(k.artifact, "labels", has, format!("{has} and {lacks}"))
            .at(m, "message", "no start line", "")
            .fix(fix)
            .rank(70),
        ];
    }
    if ev.keys.is_empty() && ev.before_sending() {
        return vec![
            Proof::error(
                Certainty::Likely,
                "the tool misses a block in the PEM file: it wants private key and certificate in one file",
            )
            .at(m, "message", "no start line", "")
            .fix(fix)
            .rank(30),
        ];
    }
    Vec::new()
}
