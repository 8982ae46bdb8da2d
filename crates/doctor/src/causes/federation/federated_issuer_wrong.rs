//! `federated-issuer-wrong`: The issuer is another one, often the in-cluster default.
//!
//! The two compared.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::federation::IssuerFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The issuer is another one, often the in-cluster default.
pub static CAUSE: Cause = Cause {
    key: "federated-issuer-wrong",
    layer: "Workload identity federation",
    question: Question::FederatedIssuer,
    explains: &["federated-credential"],
    aadsts: &[700_211, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(f) = &ev.federation else { return Vec::new() };
    let Some((sent, expected, IssuerFault::Other)) = &f.issuer else { return Vec::new() };
    let inside = sent.contains("kubernetes.default.svc");
    let title = if inside {
        "the token's issuer is the cluster's own name, which nobody outside can reach"
    } else {
        "the token comes from another issuer than the credential names"
    };
    let fix = if inside {
        "give the API server a public issuer (`--service-account-issuer`, the OIDC issuer of AKS: `az aks show --query oidcIssuerProfile.issuerUrl`) and name that in the credential"
    } else {
        "set the credential's issuer to the `iss` of the token"
    };
    vec![
        Proof::error(Certainty::Proven, title)
            .at(f.token, "iss", sent, expected)
            .at(f.credential, "issuer", expected, sent)
            .fix(fix)
            .rank(60),
    ]
}
