//! `federated-issuer-trailing-slash`: A slash at the end of one issuer.
//!
//! Equal without it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::IssuerFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A slash at the end of one issuer.
pub static CAUSE: Cause = Cause {
    key: "federated-issuer-trailing-slash",
    layer: "Workload identity federation",
    question: Question::FederatedIssuer,
    explains: &["federated-credential"],
    aadsts: &[700_211, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(f) = &ev.federation else { return Vec::new() };
    let Some((sent, expected, IssuerFault::TrailingSlash)) = &f.issuer else { return Vec::new() };
    vec![
        Proof::error(Certainty::Proven, "the issuers differ in the slash at the end only")
            .at(f.token, "iss", sent, expected)
            .at(f.credential, "issuer", expected, sent)
            .fix(format!("set the credential's issuer to {sent}, exactly as the token has it"))
            .rank(60),
    ]
}
