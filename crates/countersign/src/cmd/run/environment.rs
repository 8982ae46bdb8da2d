//! The variables a child gets, so that programs that were never told of this service find it and trust it.
//!
//! Called by `run`. A pure function of what is there and of the facts: it starts nothing and reads no file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use countersign_server::intercept::{Hosts, pass};

/// What a child has to know.
#[derive(Debug)]
pub struct Facts {
    /// The forward proxy.
    pub proxy: String,
    /// The service, called directly.
    pub url: String,
    /// Its first tenant, if known.
    pub tenant: Option<String>,
    /// Roots of the system, and ours: for programs that take one file instead of the system's.
    pub bundle: PathBuf,
    /// Ours, and what NODE_EXTRA_CA_CERTS named before: Node adds it to its own.
    pub extra: PathBuf,
    /// The CA of the service.
    pub ca_file: PathBuf,
    /// File with the admin token, if known.
    pub admin_token_file: Option<PathBuf>,
    /// Script that Node loads first.
    pub preload: PathBuf,
    /// The secret of the App Service form of managed identity, where there is an identity.
    pub identity_secret: Option<String>,
    /// Whether SDKs are told of the service as their authority.
    pub authority_host: bool,
    /// Whether host names lead to the service by themselves, so that no proxy is needed.
    pub isolated: bool,
}

/// Variables to set (`Some`) and to remove (`None`), over those that are there.
pub fn changes(
    facts: &Facts,
    hosts: &Hosts,
    there: impl Fn(&str) -> Option<String>,
) -> BTreeMap<&'static str, Option<String>> {
    let text = |path: &PathBuf| Some(path.display().to_string());
    let mut out = BTreeMap::new();
    for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"] {
        out.insert(name, text(&facts.bundle));
    }
    out.insert("NODE_EXTRA_CA_CERTS", text(&facts.extra));
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        out.insert(name, (!facts.isolated).then(|| facts.proxy.clone()));
    }
    let except = no_proxy(hosts, &facts.url, there("NO_PROXY").or_else(|| there("no_proxy")).as_deref());
    for name in ["NO_PROXY", "no_proxy"] {
        out.insert(name, Some(except.clone()));
    }
    if !facts.isolated {
        out.insert(
            "NODE_OPTIONS",
            Some(node_options(&facts.preload.display().to_string(), there("NODE_OPTIONS").as_deref())),
        );
    }
    out.insert("COUNTERSIGN_STAGE", None);
    out.insert("COUNTERSIGN_URL", Some(facts.url.clone()));
    out.insert("COUNTERSIGN_TENANT", facts.tenant.clone());
    out.insert("COUNTERSIGN_CA_FILE", text(&facts.ca_file));
    out.insert("COUNTERSIGN_ADMIN_TOKEN_FILE", facts.admin_token_file.as_ref().and_then(text));
    if facts.authority_host {
        out.insert("AZURE_AUTHORITY_HOST", Some(facts.url.clone()));
    }
    if let Some(secret) = &facts.identity_secret {
        // App Service's form wins over the metadata service's in every SDK; that one is answered all the same.
        out.insert("IDENTITY_ENDPOINT", Some(format!("{}/msi/token", facts.url)));
        out.insert("IDENTITY_HEADER", Some(secret.clone()));
        out.insert("AZURE_POD_IDENTITY_AUTHORITY_HOST", Some(facts.url.clone()));
    }
    out
}

/// Loopback, and what was excepted before, without what would lead past us.
fn no_proxy(hosts: &Hosts, url: &str, before: Option<&str>) -> String {
    let mut out = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    // The service itself is called straight, wherever it is.
    let service = host_of(url.split_once("://").map_or(url, |(_, place)| place)).to_owned();
    if !out.contains(&service) && !hosts.contains(&service) {
        out.push(service);
    }
    for entry in before.unwrap_or_default().split([',', ' ']).map(str::trim).filter(|e| !e.is_empty()) {
        let alone = [entry.to_ascii_lowercase()];
        let hides_ours = hosts.names().iter().any(|h| pass::excepts(&alone, h));
        if !hides_ours && !out.iter().any(|o| o == entry) {
            out.push(entry.to_owned());
        }
    }
    out.join(",")
}

/// The host in `HOST:PORT`, an IPv6 address without its brackets.
pub fn host_of(place: &str) -> &str {
    let place = place.split('/').next().unwrap_or_default();
    let host = match place.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => place,
    };
    pass::bare(host)
}

/// Node's options with our script before those that were there. Node splits them at blanks, except inside double quotes.
fn node_options(preload: &str, before: Option<&str>) -> String {
    let quoted = preload.replace('\\', "\\\\").replace('"', "\\\"");
    let ours = format!("--require \"{quoted}\"");
    match before.filter(|b| !b.is_empty()) {
        Some(before) => format!("{ours} {before}"),
        None => ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            proxy: "http://127.0.0.1:9".into(),
            url: "https://127.0.0.1:8".into(),
            tenant: None,
            bundle: "/t/bundle.pem".into(),
            extra: "/t/extra.pem".into(),
            ca_file: "/t/ca.pem".into(),
            admin_token_file: None,
            preload: "/t/a b/preload.cjs".into(),
            identity_secret: None,
            authority_host: false,
            isolated: false,
        }
    }

    #[test]
    fn what_would_lead_past_us_is_taken_out() {
        let hosts = Hosts::microsoft_and(&[]).unwrap();
        let before = "*, .microsoftonline.com internal.example,login.windows.net , 10.0.0.1";
        assert_eq!(
            no_proxy(&hosts, "https://127.0.0.1:8", Some(before)),
            "localhost,127.0.0.1,::1,internal.example,10.0.0.1"
        );
        assert_eq!(no_proxy(&hosts, "https://[::1]:8443", None), "localhost,127.0.0.1,::1");
        assert_eq!(no_proxy(&hosts, "https://sts.example/", None), "localhost,127.0.0.1,::1,sts.example");
    }

    #[test]
    fn what_was_there_stays_behind_ours() {
        let hosts = Hosts::microsoft_and(&[]).unwrap();
        let there = |name: &str| (name == "NODE_OPTIONS").then(|| "--max-old-space-size=99".to_owned());
        let set = changes(&facts(), &hosts, there);
        assert_eq!(set["NODE_OPTIONS"].as_deref(), Some("--require \"/t/a b/preload.cjs\" --max-old-space-size=99"));
        assert_eq!(set["https_proxy"].as_deref(), Some("http://127.0.0.1:9"));
        // Facts of an outer service must not be taken for this one's.
        assert_eq!((&set["COUNTERSIGN_TENANT"], &set["COUNTERSIGN_STAGE"]), (&None, &None));
        assert!(!set.contains_key("AZURE_AUTHORITY_HOST") && !set.contains_key("IDENTITY_ENDPOINT"));
    }

    #[test]
    fn an_isolated_child_needs_no_proxy() {
        let hosts = Hosts::microsoft_and(&[]).unwrap();
        let facts = Facts { isolated: true, identity_secret: Some("s".into()), authority_host: true, ..facts() };
        let set = changes(&facts, &hosts, |_| None);
        assert!(set["HTTPS_PROXY"].is_none() && !set.contains_key("NODE_OPTIONS"));
        assert_eq!(set["IDENTITY_ENDPOINT"].as_deref(), Some("https://127.0.0.1:8/msi/token"));
        assert_eq!(set["AZURE_AUTHORITY_HOST"].as_deref(), Some("https://127.0.0.1:8"));
    }
}
