//! `federated-subject-other-workload`: The token belongs to another service account, repository or branch than the credential names.
//!
//! Subjects of the same form with other names.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::SubjectFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The token belongs to another service account, repository or branch than the credential names.
pub static CAUSE: Cause = Cause {
    key: "federated-subject-other-workload",
    layer: "Workload identity federation",
    question: Question::FederatedSubject,
    explains: &["federated-credential"],
    aadsts: &[700_213, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(f) = &ev.federation else { return Vec::new() };
    let Some((sent, expected, SubjectFault::OtherWorkload)) = &f.subject else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, "the token belongs to another workload than the credential names")
            .at(f.token, "sub", sent, expected)
            .at(f.credential, "subject", expected, sent)
            .fix("add a federated credential for this workload, or run the job as the one that is named; there are no wildcards")
            .rank(60),
    ]
}
