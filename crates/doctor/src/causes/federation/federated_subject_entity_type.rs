//! `federated-subject-entity-type`: Environment, branch, tag and pull request are different kinds of subject.
//!
//! Both subjects taken apart.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::SubjectFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Environment, branch, tag and pull request are different kinds of subject.
pub static CAUSE: Cause = Cause {
    key: "federated-subject-entity-type",
    layer: "Workload identity federation",
    question: Question::FederatedSubject,
    explains: &["federated-credential"],
    aadsts: &[700_213, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(f) = &ev.federation else { return Vec::new() };
    let Some((sent, expected, SubjectFault::EntityType)) = &f.subject else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, "the token's subject is of another kind than the credential's")
            .at(f.token, "sub", sent, expected)
            .at(f.credential, "subject", expected, sent)
            .fix("add a federated credential for what the job really runs as (entity type environment, branch, tag or pull request), or let the job name that environment")
            .rank(60),
    ]
}
