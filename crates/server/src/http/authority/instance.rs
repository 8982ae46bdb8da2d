//! Instance discovery: whether an authority is one that clients may trust, and where its metadata is.
//!
//! Our names are answered with our metadata; Microsoft's clouds are listed with their aliases, as recorded; anything else
//! is refused with AADSTS50049.

use countersign_core::authority::AuthorityUrl;
use countersign_core::entra::fault::Fault;
use countersign_core::request::form_decode;
use serde_json::{Value, json};

use crate::app::App;
use crate::http::context::Context;
use crate::http::error::Refusal;
use crate::http::respond::{Answer, metadata};

/// Aliases of Microsoft's clouds, as recorded; the first is the preferred network.
const CLOUDS: [&[&str]; 5] = [
    &["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
    &["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
    &["login.microsoftonline.de"],
    &["login.microsoftonline.us", "login.usgovcloudapi.net"],
    &["login-us.microsoftonline.com"],
];

/// Answers `GET /common/discovery/instance`.
pub fn answer(app: &App, context: &Context, query: &str) -> Answer {
    let parameter = |name: &str| {
        query
            .split('&')
            .filter_map(|p| p.split_once('='))
            .find(|(n, _)| *n == name)
            .map(|(_, value)| form_decode(value))
    };
    let Some(endpoint) = parameter("authorization_endpoint").filter(|e| !e.is_empty()) else {
        return Refusal::of_fault(Fault::DiscoveryMalformed).answer(app, context);
    };
    let version = if parameter("api-version").as_deref() == Some("1.0") { "1.0" } else { "1.1" };
    let Some(ours) = place(app, context, &endpoint) else {
        return Refusal::of_fault(Fault::InstanceUnknown).answer(app, context);
    };
    let own: Vec<&str> =
        app.authority().names().iter().filter_map(|n| n.split_once("://")).map(|(_, host)| host).collect();
    let entry = |aliases: &[&str]| {
        let preferred = aliases.first().copied().unwrap_or_default();
        // The cache key that MSAL has used since ADAL.
        let cache = if preferred == "login.microsoftonline.com" { "login.windows.net" } else { preferred };
        json!({ "preferred_network": preferred, "preferred_cache": cache, "aliases": aliases })
    };
    let mut entries: Vec<Value> = Vec::new();
    // Under `run` a Microsoft name can be ours; it stays in its own cloud then.
    let private: Vec<&str> = own.into_iter().filter(|o| !CLOUDS.iter().any(|c| c.contains(o))).collect();
    let first = context.base.split_once("://").map_or("", |(_, host)| host);
    // Each of our names is an authority of its own: a client must keep talking to the name it knows.
    entries.extend(private.iter().filter(|p| **p == first).map(|p| entry(&[p])));
    entries.extend(private.iter().filter(|p| **p != first).map(|p| entry(&[p])));
    entries.extend(CLOUDS.iter().map(|c| entry(c)));
    let body = json!({
        "tenant_discovery_endpoint": ours,
        "api-version": version,
        "metadata": entries,
    });
    metadata(body.to_string(), context)
}

/// The metadata address of an authorization endpoint under one of our names, or of one in Microsoft's clouds.
fn place(app: &App, context: &Context, endpoint: &str) -> Option<String> {
    if let Some(url) = app.authority().split(endpoint) {
        return Some(discovery(&context.base, url, endpoint));
    }
    let (host, path) = endpoint.strip_prefix("https://")?.split_once('/')?;
    let known = CLOUDS.iter().flat_map(|c| c.iter()).find(|c| c.eq_ignore_ascii_case(host))?;
    Some(discovery(&format!("https://{known}"), AuthorityUrl::of_path(path), endpoint))
}

fn discovery(base: &str, url: AuthorityUrl<'_>, endpoint: &str) -> String {
    // What is no name of a tenant does not come back.
    let tenant = match countersign_core::authority::TenantSegment::read(url.tenant) {
        countersign_core::authority::TenantSegment::Malformed(_) => "common",
        _ => url.tenant,
    };
    let version = if endpoint.contains("/oauth2/v2.0/") { "/v2.0" } else { "" };
    format!("{base}/{tenant}{version}/.well-known/openid-configuration")
}
