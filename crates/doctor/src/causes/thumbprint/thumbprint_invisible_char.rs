//! `thumbprint-invisible-char`: A pasted thumbprint carries invisible characters.
//!
//! The text has characters other than hex digits, colons and blanks; without them it is a certificate's digest.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::thumbprint::Step;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::read::text::is_invisible;
use crate::words;

/// A pasted thumbprint carries invisible characters.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-invisible-char",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let mut out = Vec::new();
    for r in &ev.received {
        let Some(text) = &r.text else { continue };
        if r.member == Member::Setting {
            let odd: Vec<char> = text.chars().filter(|c| is_invisible(*c)).collect();
            let Some(first) = odd.first() else { continue };
            let hit = r.reading.as_ref().and_then(|x| x.hit);
            let shaped = r.reading.as_ref().is_some_and(|x| x.steps.contains(&Step::Invisible));
            if hit.is_none() && !shaped {
                continue;
            }
            let certainty = if hit.is_some() { Certainty::Proven } else { Certainty::Likely };
            let clean: String = text.chars().filter(|c| !is_invisible(*c)).collect();
            let title = format!(
                "the thumbprint in the settings carries an invisible character (U+{:04X}), so no certificate is found by it",
                *first as u32
            );
            out.push(
                Proof::error(certainty, title)
                    .at(r.artifact, r.pointer.clone(), text, &clean)
                    .fix("type the thumbprint anew, or paste it through a program that shows such characters; the certificate dialog of Windows adds U+200E in front")
                    .rank(75),
            );
        }
    }
    for (r, reading) in ev.misread().filter(|(r, _)| r.member != Member::Setting) {
        if reading.steps.contains(&Step::Invisible) {
            let found = r.text.clone().unwrap_or_else(|| words::hex(r.bytes.as_deref().unwrap_or_default()));
            out.push(
                Proof::warning(Certainty::Proven, "the hex text under the thumbprint carries invisible characters")
                    .at(r.artifact, r.pointer.clone(), found, words::hex(&reading.digest))
                    .fix("type the thumbprint anew; the certificate dialog of Windows adds U+200E in front"),
            );
        }
    }
    out
}
