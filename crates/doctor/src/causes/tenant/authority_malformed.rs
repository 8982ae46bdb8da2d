//! `authority-malformed`: A path or policy was taken as tenant.
//!
//! The tenant segment of the URL is `authorize`, `token`, `oauth2` or the like; AADSTS900023 names it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::TenantSegment;

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::evidence::clouds;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A path or policy was taken as tenant.
pub static CAUSE: Cause = Cause {
    key: "authority-malformed",
    layer: "Tenant, authority, cloud",
    question: Question::Tenant,
    explains: &["tenant-known"],
    aadsts: &[900_023],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "the authority is https://login.microsoftonline.com/{tenant id}: host and tenant, nothing else; libraries add the path themselves";
    if let Some(e) = ev.error_of(&[900_023]) {
        let segment = e.it.parsed.value.clone().unwrap_or_default();
        return vec![
            Proof::error(Certainty::Proven, format!("the service took {} for the tenant", words::value(&segment)))
                .at(e.artifact, "tenant identifier", segment, "a tenant id or a domain name")
                .fix(fix)
                .rank(60),
        ];
    }
    let of_request = ev
        .request
        .filter(|r| !r.it.path.is_empty())
        .map(|r| (r.artifact, r.it.token.tenant.clone(), r.it.path.clone()));
    let of_settings = ev.settings_of(Meaning::Authority).find_map(|s| {
        let rest = s.it.value.split_once("://")?.1.split_once('/')?.1;
        clouds::host_of(&s.it.value).filter(|h| clouds::of_login(h).is_some())?;
        let segment = rest.split('/').next().unwrap_or_default().to_owned();
        (!segment.is_empty()).then(|| (s.artifact, segment, format!("/{rest}")))
    });
    of_request
        .or(of_settings)
        .filter(|_| !ev.other_server)
        .filter(|(_, segment, _)| matches!(TenantSegment::read(segment), TenantSegment::Malformed(_)))
        .map(|(artifact, segment, path)| {
            Proof::error(
                Certainty::Proven,
                format!("the path {} has {} where the tenant belongs", words::value(&path), words::value(&segment)),
            )
            .at(artifact, "path", path, "/{tenant id}/oauth2/v2.0/token")
            .fix(fix)
            .rank(60)
        })
        .into_iter()
        .collect()
}
