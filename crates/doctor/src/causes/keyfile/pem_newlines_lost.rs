//! `pem-newlines-lost`: Line breaks of the PEM were removed by the environment.
//!
//! A PEM in one line; wrapped again, it parses.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Repair;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Line breaks of the PEM were removed by the environment.
pub static CAUSE: Cause = Cause {
    key: "pem-newlines-lost",
    layer: "Key and certificate files",
    question: Question::PemText,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(k) = ev.keys.iter().find(|k| k.it.file.repairs.contains(&Repair::LineBreaksLost)) else {
        return Vec::new();
    };
    let fix = "keep the line breaks: quote the variable (`\"$KEY\"`), or store the key in base64 or as a file; `fold -w 64` wraps the base64 again";
    let title = "the line breaks of the PEM text are lost; wrapped again, it parses";
    let key = k.it.file.private_key().is_some() || k.it.file.has_closed_key();
    let proof = match (ev.before_sending() || ev.tool_refused(), key || ev.tool_refused()) {
        (true, true) => Proof::error(Certainty::Proven, title),
        (true, false) => Proof::warning(Certainty::Likely, title),
        (false, _) => Proof::note(title),
    };
    vec![proof.at(k.artifact, "text", "one line", "lines of 64 characters").fix(fix).rank(70)]
}
