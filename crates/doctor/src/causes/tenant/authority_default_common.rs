//! `authority-default-common`: No authority was configured, so the library used `common`.
//!
//! The directory that the error names is Microsoft's own, or the request's URL has `common`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::TenantSegment;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// No authority was configured, so the library used `common`.
pub static CAUSE: Cause = Cause {
    key: "authority-default-common",
    layer: "Tenant, authority, cloud",
    question: Question::Tenant,
    explains: &["tenant-known"],
    aadsts: &[50_059, 50_194, 9_001_023, 90_010, 700_016],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix =
        "give the library the tenant: authority https://login.microsoftonline.com/{tenant id}, or AZURE_TENANT_ID";
    if let Some(r) = ev.request.filter(|r| {
        matches!(TenantSegment::read(&r.it.token.tenant), TenantSegment::Shared(_))
            && r.it.token.given("grant_type").is_none_or(|g| g == "client_credentials")
    }) {
        return vec![
            Proof::error(
                Certainty::Proven,
                format!("the request goes to `{}`; client credentials need a tenant", r.it.token.tenant),
            )
            .at(r.artifact, "path", &r.it.path, "/{tenant id}/oauth2/v2.0/token")
            .fix(fix)
            .rank(62),
        ];
    }
    if let Some(e) = ev
        .error_of(&[50_059, 50_194, 9_001_023])
        .or_else(|| ev.error_of(&[90_010]).filter(|e| e.it.text.contains("/common")))
    {
        return vec![
            Proof::error(Certainty::Proven, "the service says that the request names no tenant")
                .at(e.artifact, "error_description", &e.it.text, "a tenant id in the URL")
                .fix(fix)
                .rank(62),
        ];
    }
    // Microsoft Services, and the directory of personal accounts.
    let own = [
        "microsoft.com",
        "microsoft",
        "microsoft services",
        "microsoft accounts",
        "f8cdef31-a31e-4b4a-93e4-5f571e91255a",
        "9188040d-6c67-4c5b-b112-36a304b66dad",
        "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "common",
    ];
    ev.error_of(&[700_016, 70_001])
        .filter(|e| {
            e.it.parsed
                .directory
                .as_deref()
                .is_some_and(|d| own.contains(&d.trim().trim_end_matches('.').to_lowercase().as_str()))
        })
        .map(|e| {
            Proof::error(Certainty::Likely, "the request went to Microsoft's own directory: no tenant was configured")
                .at(e.artifact, "directory", e.it.parsed.directory.clone().unwrap_or_default(), "your tenant")
                .fix(fix)
                .rank(66)
        })
        .into_iter()
        .collect()
}
