//! `federated-token-expired`: A CI system's OIDC token was used late.
//!
//! Its lifetime is 300 or 600 s, its age is more, its issuer a CI service.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A CI system's OIDC token was used late.
pub static CAUSE: Cause = Cause {
    key: "federated-token-expired",
    layer: "Workload identity federation",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(Timing::Expired { by, age, lifetime }) = ev.times.as_ref().map(|t| &t.timing) else { return Vec::new() };
    let Some(c) = ev.claims.filter(|_| ev.is_federated()) else { return Vec::new() };
    let (iss, sub) = (c.it.iss.text().unwrap_or_default(), c.it.sub.text().unwrap_or_default());
    if is_cluster(iss, sub) {
        return Vec::new();
    }
    let lived = lifetime.map(words::duration).unwrap_or_default();
    let old = age.map(words::duration).unwrap_or_default();
    vec![
        Proof::error(Certainty::Proven, format!("the CI system's token expired {} before it was used: it was made {old} earlier, to live {lived}", words::duration(*by)))
            .at(c.artifact, "claims/exp", c.it.exp.text().unwrap_or_default(), format!("after {}", ev.now.rfc3339()))
            .at(c.artifact, "claims/iss", iss, "")
            .fix("ask for the token right before it is used, again for each sign-in: log in late in the job, or use a credential that fetches it by itself")
            .rank(70),
    ]
}

/// Whether the issuer is a Kubernetes cluster.
fn is_cluster(iss: &str, sub: &str) -> bool {
    sub.starts_with("system:serviceaccount:")
        || ["oic.prod-aks.azure.com", "kubernetes.default.svc", "oidc.eks.", "container.googleapis.com"]
            .iter()
            .any(|h| iss.contains(h))
}
