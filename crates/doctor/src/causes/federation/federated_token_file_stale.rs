//! `federated-token-file-stale`: A projected token file was read once and kept.
//!
//! The token is older than its lifetime; its issuer is a cluster.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::time::Timing;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A projected token file was read once and kept.
pub static CAUSE: Cause = Cause {
    key: "federated-token-file-stale",
    layer: "Workload identity federation",
    question: Question::Time,
    explains: &["validity"],
    aadsts: &[700_024],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(Timing::Expired { by, age, .. }) = ev.times.as_ref().map(|t| &t.timing) else { return Vec::new() };
    let Some(c) = ev.claims.filter(|_| ev.is_federated()) else { return Vec::new() };
    let (iss, sub) = (c.it.iss.text().unwrap_or_default(), c.it.sub.text().unwrap_or_default());
    let cluster = sub.starts_with("system:serviceaccount:")
        || ["oic.prod-aks.azure.com", "kubernetes.default.svc", "oidc.eks.", "container.googleapis.com"]
            .iter()
            .any(|h| iss.contains(h));
    if !cluster {
        return Vec::new();
    }
    let old = age.map(words::duration).unwrap_or_default();
    vec![
        Proof::error(Certainty::Proven, format!("the service account's token expired {} before it was used; it was made {old} earlier", words::duration(*by)))
            .at(c.artifact, "claims/exp", c.it.exp.text().unwrap_or_default(), format!("after {}", ev.now.rfc3339()))
            .at(c.artifact, "claims/iss", iss, "")
            .fix("read the file (AZURE_FEDERATED_TOKEN_FILE) again for each sign-in: the kubelet replaces it before it expires; current SDKs do so")
            .rank(70),
    ]
}
