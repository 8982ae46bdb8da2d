//! `wrong-cloud`: The endpoint is that of another cloud.
//!
//! The host of the request against the cloud of the scope, the domain or the error.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::evidence::clouds;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The endpoint is that of another cloud.
pub static CAUSE: Cause = Cause {
    key: "wrong-cloud",
    layer: "Tenant, authority, cloud",
    question: Question::Tenant,
    explains: &["tenant-known"],
    aadsts: &[90_002, 90_038, 900_382, 900_432, 900_439, 700_030],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "use the login host of the tenant's cloud: login.microsoftonline.com (global), login.microsoftonline.us (US Government), login.partner.microsoftonline.cn (China)";
    if let Some(e) = ev
        .error_of(&[90_038, 900_382, 900_432, 900_439])
        .or_else(|| ev.error_of(&[700_030]).filter(|e| e.it.text.contains("different cloud")))
    {
        return vec![
            Proof::error(Certainty::Proven, "the service says that the tenant or application belongs to another cloud")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
                .rank(60),
        ];
    }
    let Some(e) = ev.error_of(&[90_002]) else { return Vec::new() };
    let host = ev.authority_named.then(|| clouds::of_login(&ev.authority_host)).flatten();
    let scope = ev
        .request
        .and_then(|r| r.it.anywhere("scope").or(r.it.anywhere("resource")).map(str::to_owned))
        .or_else(|| ev.settings_of(Meaning::Scope).next().map(|s| s.it.value.to_string()));
    let of_scope = scope.as_deref().and_then(clouds::of_resource);
    let of_domain = ev.apps.iter().find_map(|a| a.it.publisher_domain.as_deref().and_then(clouds::of_domain));
    let of_name = e.it.parsed.directory.as_deref().and_then(clouds::of_domain);
    let other = [of_scope, of_domain, of_name].into_iter().flatten().find(|c| host.is_some_and(|h| h.name != c.name));
    let Some(host) = host else { return Vec::new() };
    let artifact = ev.request.map_or(e.artifact, |r| r.artifact);
    match other {
        Some(cloud) => vec![
            Proof::error(
                Certainty::Likely,
                format!(
                    "the request goes to the {} cloud, and everything else points to the {} one",
                    host.name, cloud.name
                ),
            )
            .at(artifact, "host", &ev.authority_host, cloud.login[0])
            .at(e.artifact, "Tenant", e.it.parsed.directory.clone().unwrap_or_default(), "")
            .fix(fix)
            .rank(60),
        ],
        None if host.name != clouds::CLOUDS[0].name => vec![
            Proof::error(
                Certainty::Likely,
                format!("the {} cloud does not know the tenant: it is probably one of the global cloud", host.name),
            )
            .at(artifact, "host", &ev.authority_host, clouds::CLOUDS[0].login[0])
            .fix(fix)
            .rank(55),
        ],
        None => Vec::new(),
    }
}
