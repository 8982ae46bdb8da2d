//! `pkcs12-wrong-password`: The password of a PFX is wrong, or was sent with its quotes.
//!
//! The MAC verifies with a variant of the password: without quotes, without blanks; or with none.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Problem;
use countersign_core::keyfile::Variant;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The password of a PFX is wrong, or was sent with its quotes.
pub static CAUSE: Cause = Cause {
    key: "pkcs12-wrong-password",
    layer: "Key and certificate files",
    question: Question::Password,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "give the password exactly as it was set when the file was made: without the quotes of a settings file, without blanks or a line feed round it";
    let closed = ev.keys.iter().find_map(|k| {
        k.it.file.problems.iter().find_map(|p| match p {
            Problem::WrongPassword { label, works_with } if *works_with != Some(Variant::Empty) => {
                Some((k.artifact, label.clone(), *works_with))
            }
            _ => None,
        })
    });
    if let Some((i, label, works)) = closed {
        let title = match works {
            Some(variant) => format!("the password does not open {label} as given; it does {}", variant.describe()),
            None => format!("the password does not open {label}"),
        };
        let proof = if ev.before_sending() || ev.tool_refused() {
            Proof::error(Certainty::Proven, title)
        } else {
            Proof::warning(Certainty::Likely, title)
        };
        return vec![proof.at(i, "MAC", "does not verify", "verifies").fix(fix).rank(if works.is_some() {
            72
        } else {
            55
        })];
    }
    let Some(m) = ev.message(Message::WrongPassword) else { return Vec::new() };
    let opened_empty = ev.keys.iter().any(|k| k.it.file.pkcs12().is_some_and(|p| p.empty_password_works));
    if opened_empty {
        return Vec::new();
    }
    vec![
        Proof::error(Certainty::Likely, "the tool says that the password does not fit")
            .at(m, "message", "wrong password", "")
            .fix(fix)
            .rank(40),
    ]
}
