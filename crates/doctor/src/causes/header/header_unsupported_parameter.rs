//! `header-unsupported-parameter`: A header member that Entra refuses, such as `cty`.
//!
//! A member outside the list that AADSTS5002726 prints. The list lacks `x5t#S256`, which is taken, so the code is the proof.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A header member that Entra refuses, such as `cty`.
pub static CAUSE: Cause = Cause {
    key: "header-unsupported-parameter",
    layer: "Header",
    question: Question::Header,
    explains: &["header-members"],
    aadsts: &[5_002_726],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let said = ev.error_of(&[5_002_726]);
    let fix = "leave out every header member but `alg`, `typ`, `x5t` or `x5t#S256`, `kid` and `x5c`";
    if let Some(header) = ev.header {
        let odd: Vec<&str> = header
            .it
            .members()
            .iter()
            .map(|m| m.name.as_str())
            .filter(|n| !ev.profile.header_members.admits(n))
            .collect();
        if odd.is_empty() {
            return Vec::new();
        }
        let certainty = if said.is_some() { Certainty::Proven } else { Certainty::Likely };
        return odd
            .iter()
            .take(1)
            .map(|name| {
                Proof::error(certainty, format!("the header has a member that the service refuses: {}", odd.join(", ")))
                    .at(header.artifact, format!("header/{name}"), *name, "alg, typ, x5t, x5t#S256, x5c, kid")
                    .fix(fix)
            })
            .collect();
    }
    said.map(|e| {
        Proof::error(Certainty::Proven, "the service says that the header has a member it does not take")
            .at(e.artifact, "error_description", &e.it.text, e.it.parsed.supported.join(", "))
            .fix(fix)
    })
    .into_iter()
    .collect()
}
