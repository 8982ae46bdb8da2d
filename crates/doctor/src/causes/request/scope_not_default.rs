//! `scope-not-default`: `scope` is not resource/.default.
//!
//! The scope sent; or the service repeats it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `scope` is not resource/.default.
pub static CAUSE: Cause = Cause {
    key: "scope-not-default",
    layer: "Request form",
    question: Question::Scope,
    explains: &["scope-form"],
    aadsts: &[1_002_012, 70_011, 28_002],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "ask for `{resource}/.default`, for Graph `https://graph.microsoft.com/.default`: an application gets the roles it was granted, no single permission can be asked for";
    if let Some(r) = ev.request
        && let Some(
            Reason::ScopeNotDefault { received }
            | Reason::ScopeMalformed { received }
            | Reason::ScopeNoResource { received },
        ) = ev.refused("scope-form")
        && r.it.token.given("grant_type").is_none_or(|g| g == "client_credentials")
    {
        let base = received.split_whitespace().next().unwrap_or_default();
        let resource = match base.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", rest.split('/').next().unwrap_or_default()),
            None => "https://graph.microsoft.com".to_owned(),
        };
        return vec![
            Proof::error(Certainty::Proven, "`scope` does not end in /.default")
                .at(r.artifact, "scope", received, format!("{resource}/.default"))
                .fix(fix),
        ];
    }
    let said = ev.error_of(&[1_002_012, 70_011, 28_002, 28_003]);
    said.filter(|_| ev.request.is_none() || ev.refused("scope-form").is_none())
        .map(|e| {
            let value = e.it.parsed.value.clone().unwrap_or_default();
            Proof::error(Certainty::Proven, "the service does not take the scope")
                .at(
                    e.artifact,
                    "error_description",
                    if value.is_empty() { e.it.text.as_str() } else { value.as_str() },
                    "{resource}/.default",
                )
                .fix(fix)
        })
        .into_iter()
        .collect()
}
