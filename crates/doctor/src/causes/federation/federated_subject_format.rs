//! `federated-subject-format`: Numeric ids, or another form of subject, on one side only.
//!
//! Both subjects taken apart; or AADSTS7002137.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::SubjectFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Numeric ids, or another form of subject, on one side only.
pub static CAUSE: Cause = Cause {
    key: "federated-subject-format",
    layer: "Workload identity federation",
    question: Question::FederatedSubject,
    explains: &["federated-credential"],
    aadsts: &[700_213, 70_021, 7_002_137],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "copy the subject from the token (or from the error) into the credential as it is; issuers change its form, for example by adding numeric ids";
    if let Some(f) = &ev.federation
        && let Some((sent, expected, SubjectFault::Format)) = &f.subject
    {
        return vec![
            Proof::error(Certainty::Proven, "the subjects have different forms")
                .at(f.token, "sub", sent, expected)
                .at(f.credential, "subject", expected, sent)
                .fix(fix)
                .rank(60),
        ];
    }
    ev.error_of(&[7_002_137])
        .filter(|_| ev.federation.is_none())
        .map(|e| {
            Proof::error(Certainty::Likely, "the service says which form the subject must have")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
                .rank(50)
        })
        .into_iter()
        .collect()
}
