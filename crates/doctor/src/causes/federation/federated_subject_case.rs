//! `federated-subject-case`: Only the letter case of the subjects differs.
//!
//! Equal when letter case is ignored, and not otherwise; or AADSTS7002138.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::SubjectFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Only the letter case of the subjects differs.
pub static CAUSE: Cause = Cause {
    key: "federated-subject-case",
    layer: "Workload identity federation",
    question: Question::FederatedSubject,
    explains: &["federated-credential"],
    aadsts: &[7_002_138, 700_213, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "spell the credential's subject exactly as the token has it; it is compared with letter case since February 2025";
    if let Some(f) = &ev.federation
        && let Some((sent, expected, SubjectFault::Case)) = &f.subject
    {
        return vec![
            Proof::error(Certainty::Proven, "the subjects differ in letter case only")
                .at(f.token, "sub", sent, expected)
                .at(f.credential, "subject", expected, sent)
                .fix(fix)
                .rank(60),
        ];
    }
    ev.error_of(&[7_002_138])
        .filter(|_| ev.federation.as_ref().is_none_or(|f| f.subject.is_none()))
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that a credential matches when letter case is ignored")
                .at(e.artifact, "assertion subject", e.it.parsed.federated.subject.clone().unwrap_or_default(), "")
                .fix(fix)
                .rank(60)
        })
        .into_iter()
        .collect()
}
