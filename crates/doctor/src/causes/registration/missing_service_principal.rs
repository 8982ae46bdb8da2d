//! `missing-service-principal`: The application has no enterprise application (service principal) in the tenant.
//!
//! AADSTS7000229 says it; or the list of service principals for the application is empty.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The application has no enterprise application (service principal) in the tenant.
pub static CAUSE: Cause = Cause {
    key: "missing-service-principal",
    layer: "Registration",
    question: Question::Client,
    explains: &["service-principal"],
    aadsts: &[7_000_229],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "create it in that tenant: `az ad sp create --id <client id>`, or let an administrator consent to the application there";
    if let Some(e) = ev.error_of(&[7_000_229]) {
        let p = &e.it.parsed;
        let tenant = p.directory.clone().unwrap_or_default();
        return vec![
            Proof::error(
                Certainty::Proven,
                format!("the application has no service principal in the tenant {}", words::value(&tenant)),
            )
            .at(e.artifact, "error_description", p.app_id.clone().unwrap_or_default(), "")
            .fix(fix),
        ];
    }
    let empty = ev.artifacts.iter().position(|a| matches!(a.content, Content::ServicePrincipals(0)));
    match empty {
        Some(i) if !ev.apps.is_empty() || ev.error.is_some() => {
            vec![
                Proof::error(Certainty::Proven, "the application has no service principal in the tenant")
                    .at(i, "value", "[]", "one service principal")
                    .fix(fix),
            ]
        }
        _ => Vec::new(),
    }
}
