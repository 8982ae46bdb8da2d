//! `pkcs12-password-dropped-by-key-vault`: The PFX comes from Key Vault, which drops the password.
//!
//! The MAC verifies with the empty password.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Problem;
use countersign_core::keyfile::Variant;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The PFX comes from Key Vault, which drops the password.
pub static CAUSE: Cause = Cause {
    key: "pkcs12-password-dropped-by-key-vault",
    layer: "Key and certificate files",
    question: Question::Password,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "give no password at all: Key Vault removes it on import, and what it exports has an empty one";
    let dropped = ev.keys.iter().find(|k| {
        let f = &k.it.file;
        let said =
            f.problems.iter().any(|p| matches!(p, Problem::WrongPassword { works_with: Some(Variant::Empty), .. }));
        said || f.pkcs12().is_some_and(|p| p.empty_password_works)
            && (ev.message(Message::WrongPassword).is_some() || k.it.with_password)
    });
    let Some(k) = dropped else { return Vec::new() };
    let title = "the PFX has an empty password, not the one given: Key Vault drops passwords";
    let proof = if ev.before_sending() || ev.tool_refused() {
        Proof::error(Certainty::Proven, title)
    } else {
        Proof::note(title)
    };
    vec![proof.at(k.artifact, "MAC", "verifies with the empty password only", "").fix(fix).rank(75)]
}
