//! `pem-escaped-newlines`: Literal `\n` stand in the PEM where line breaks belong.
//!
//! The text contains backslash and n; replaced, it parses.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Repair;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Literal `\n` stand in the PEM where line breaks belong.
pub static CAUSE: Cause = Cause {
    key: "pem-escaped-newlines",
    layer: "Key and certificate files",
    question: Question::PemText,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(k) = ev.keys.iter().find(|k| k.it.file.repairs.contains(&Repair::EscapedNewlines)) else {
        return Vec::new();
    };
    let fix = "turn the two characters into line breaks: `printf '%b' \"$KEY\" > key.pem`; in Node `key.replace(/\\\\n/g, '\\n')`";
    let title = "the PEM text has the two characters \\n where line breaks belong; with line breaks it parses";
    let key = k.it.file.private_key().is_some() || k.it.file.has_closed_key();
    let proof = match (ev.before_sending() || ev.tool_refused(), key || ev.tool_refused()) {
        (true, true) => Proof::error(Certainty::Proven, title),
        (true, false) => Proof::warning(Certainty::Likely, title),
        (false, _) => Proof::note(title),
    };
    vec![proof.at(k.artifact, "text", "-----BEGIN …-----\\n…", "-----BEGIN …-----⏎…").fix(fix).rank(70)]
}
