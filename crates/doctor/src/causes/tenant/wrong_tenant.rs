//! `wrong-tenant`: The request goes to a tenant that does not have the application.
//!
//! The directory that the error names against the tenant of the registration.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::is_guid;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The request goes to a tenant that does not have the application.
pub static CAUSE: Cause = Cause {
    key: "wrong-tenant",
    layer: "Tenant, authority, cloud",
    question: Question::Tenant,
    explains: &["client-known", "tenant-known"],
    aadsts: &[700_016, 70_001, 90_002],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "use the tenant in which the application is registered, or where it was installed (enterprise application): its id is on the overview page";
    let Some(e) = ev.error_of(&[700_016, 70_001, 90_002]) else { return Vec::new() };
    let p = &e.it.parsed;
    let directory = p.directory.clone().unwrap_or_default();
    if p.codes.contains(&90_002) {
        // The tenant itself is unknown: a misspelt id, or another cloud's.
        let certainty = if ev
            .options
            .tenant
            .as_deref()
            .is_some_and(|t| !t.eq_ignore_ascii_case(&directory) && is_guid(t) && is_guid(&directory))
        {
            Certainty::Proven
        } else {
            Certainty::Possible
        };
        let title = format!("there is no tenant {} in this cloud", words::value(&directory));
        let proof = if certainty == Certainty::Proven {
            Proof::error(certainty, title)
        } else {
            Proof::warning(certainty, title)
        };
        return vec![
            proof.at(e.artifact, "Tenant", &directory, ev.options.tenant.clone().unwrap_or_default()).fix(fix).rank(40),
        ];
    }
    let sent = p.app_id.clone().unwrap_or_default();
    let registered = ev.apps.iter().find(|a| a.it.registration.app_id.eq_ignore_ascii_case(&sent));
    if let Some(app) = registered {
        let home = app.it.owner_tenant.clone().or(app.it.publisher_domain.clone()).unwrap_or_default();
        let differs = is_guid(&home) && is_guid(&directory) && !home.eq_ignore_ascii_case(&directory);
        let certainty = if differs { Certainty::Proven } else { Certainty::Likely };
        return vec![
            Proof::error(
                certainty,
                format!("the application exists, but not in the directory {}", words::value(&directory)),
            )
            .at(e.artifact, "directory", &directory, &home)
            .at(app.artifact, "appId", &sent, "")
            .fix(fix)
            .rank(50),
        ];
    }
    let meant =
        ev.options.tenant.clone().filter(|t| is_guid(t) && is_guid(&directory) && !t.eq_ignore_ascii_case(&directory));
    if let Some(meant) = meant {
        return vec![
            Proof::error(Certainty::Proven, "the request went to another tenant than the one that is meant")
                .at(e.artifact, "directory", &directory, meant)
                .fix(fix)
                .rank(50),
        ];
    }
    if is_guid(&sent) && ev.apps.is_empty() {
        return vec![
            Proof::warning(
                Certainty::Possible,
                format!(
                    "the directory {} does not have the application: wrong tenant, or wrong client id",
                    words::value(&directory)
                ),
            )
            .at(e.artifact, "directory", &directory, "")
            .fix(fix),
        ];
    }
    Vec::new()
}
