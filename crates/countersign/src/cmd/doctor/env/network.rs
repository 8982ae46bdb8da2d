//! The way to the authority: proxies, discovery, TLS, the tenant, and its clock against ours.
//!
//! Called by [`super::run`]. Asks the authority for its public metadata and sends nothing of the client's.

use std::path::Path;
use std::time::Duration;

use countersign_client::{Authority, TransportOptions, http_client, unreachable};
use countersign_core::{UnixTime, keyfile};
use countersign_doctor::proof::Level;

use super::files::{BUNDLES, bundle_holds};
use super::{Findings, LOGIN, Read};
use crate::client_args::azure;
use crate::output::printable;
use crate::{clock, input, ready};

/// Seconds of difference that Entra's checks of `nbf` and `exp` forgive (five minutes, as in core's profile).
const SKEW: i64 = 300;
/// Proxies: two that differ, one that is no URL, and one before a service on this machine.
pub(super) fn proxies(read: Read<'_>, found: &mut Findings) {
    for (upper, lower) in [("HTTPS_PROXY", "https_proxy"), ("NO_PROXY", "no_proxy"), ("ALL_PROXY", "all_proxy")] {
        if let (Some(a), Some(b)) = (read(upper), read(lower))
            && a != b
        {
            found.add(
                Level::Warning,
                format!("{upper} and {lower} differ, and each client reads another of them first"),
                "set both alike, or only one",
            );
        }
    }
    let set = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].into_iter().find(|name| read(name).is_some());
    let Some(proxy) = set else { return };
    // Its value may hold a password and is never shown.
    let scheme = read(proxy).and_then(|value| value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()));
    if !scheme.is_some_and(|scheme| ["http", "https", "socks5", "socks5h", "socks4"].contains(&scheme.as_str())) {
        found.add(
            Level::Warning,
            format!("{proxy} is no URL with http, https or socks5 in front: some clients ignore it, others fail"),
            "write it as http://host:port",
        );
    }
    let Some(host) = read("AZURE_AUTHORITY_HOST") else { return };
    let Ok(authority) = Authority::new(host.trim(), "common") else { return };
    let name = authority.token_endpoint().host_str().unwrap_or_default();
    let excepted = ["NO_PROXY", "no_proxy"]
        .into_iter()
        .filter_map(read)
        .any(|list| list.split(',').map(str::trim).any(|entry| entry == "*" || entry.eq_ignore_ascii_case(name)));
    if authority.is_loopback() && !excepted {
        found.add(
            Level::Warning,
            format!("{proxy} is set, and the authority is this machine ({name}): many clients ask the proxy for it"),
            format!("add {name} to NO_PROXY"),
        );
    }
}

/// Before an authority that they do not know, MSAL and azure-identity ask Microsoft's own host about it, which does not know a
/// service of one's own (AADSTS50049, `invalid_instance`); no variable turns that off.
pub(super) fn discovery(read: Read<'_>, found: &mut Findings) {
    let Some(host) = read("AZURE_AUTHORITY_HOST") else { return };
    if Authority::new(host.trim(), "common").is_err() || host.trim().to_ascii_lowercase().starts_with("http://") {
        return;
    }
    // Hosts that MSAL knows without asking.
    const KNOWN: [&str; 10] = [
        "login.microsoftonline.com",
        "login.windows.net",
        "login.microsoft.com",
        "sts.windows.net",
        "login.microsoftonline.us",
        "login.usgovcloudapi.net",
        "login-us.microsoftonline.com",
        "login.partner.microsoftonline.cn",
        "login.chinacloudapi.cn",
        "login.microsoftonline.de",
    ];
    let name = host.trim().trim_end_matches('/').to_ascii_lowercase();
    if !KNOWN.iter().any(|known| name.trim_start_matches("https://") == *known) {
        found.add(
            Level::Warning,
            format!(
                "the authority '{}' is none of Microsoft's: MSAL and azure-identity first ask login.microsoftonline.com \
                 about it, which does not know it",
                printable(&host)
            ),
            "turn instance discovery off in the code (disable_instance_discovery, DisableInstanceDiscovery, \
             disableInstanceDiscovery, MSAL: instance_discovery=False), or run the program under `countersign run -- …`",
        );
    }
}

/// The way to the authority: name, TLS, tenant, and its clock against ours.
pub(super) async fn authority(limit: Duration, found: &mut Findings) {
    let host = azure("AZURE_AUTHORITY_HOST").unwrap_or_else(|| LOGIN.to_owned());
    let Some(tenant) = azure("AZURE_TENANT_ID") else { return };
    // What is malformed was said above.
    let Ok(authority) = Authority::new(host.trim(), tenant.trim()) else { return };
    let url =
        authority.token_endpoint().as_str().replace("/oauth2/v2.0/token", "/v2.0/.well-known/openid-configuration");
    let local = authority.is_loopback();
    let ca_files = if local { ready::default_ca().into_iter().collect() } else { Vec::new() };
    let options =
        TransportOptions { ca_files, connect_timeout: Some(limit), direct: local, ..TransportOptions::default() };
    let client = match http_client(&options) {
        Ok(client) => client,
        Err(error) => return found.add(Level::Error, error.to_string(), "correct the file, or remove it"),
    };
    let before = clock::now();
    let answer = client.get(&url).timeout(limit).send().await;
    if local && answer.is_ok() {
        trust(&azure, ready::default_ca().as_deref(), found);
    }
    match answer {
        Err(error) if error.is_timeout() => found.add(
            Level::Error,
            format!("{url}: no answer within {} s", limit.as_secs()),
            "see whether a firewall or proxy stands between",
        ),
        Err(error) => {
            let why = unreachable(&url, &error).to_string();
            let tls = why.contains("certificate") || why.contains("UnknownIssuer");
            let fix = if tls {
                "the CA is not trusted here: name its file in SSL_CERT_FILE (Go, Rust, .NET), REQUESTS_CA_BUNDLE (Python) and \
                 NODE_EXTRA_CA_CERTS (Node)"
            } else {
                "see whether the name resolves and the port is reachable from here"
            };
            found.add(Level::Error, why, fix);
        }
        Ok(response) => {
            let middle = before.plus_secs(clock::now().secs_since(before) / 2);
            let date = response.headers().get("date").and_then(|d| d.to_str().ok()).and_then(http_date);
            if let Some(date) = date {
                skew(middle.secs_since(date), found);
            }
            if !response.status().is_success() {
                found.add(
                    Level::Error,
                    format!(
                        "{url} answered {}: the authority does not know the tenant '{}'",
                        response.status(),
                        printable(&tenant)
                    ),
                    "take the directory (tenant) id from the registration, and the authority of its cloud",
                );
            }
        }
    }
}

/// The service on this machine has a CA of its own: which clients are told of it.
fn trust(read: Read<'_>, ca_file: Option<&Path>, found: &mut Findings) {
    let Some(path) = ca_file else { return };
    let Some(ca) = input::read(path).ok().and_then(|bytes| keyfile::read(&bytes, None).leaf().cloned()) else { return };
    let told = |name: &str| read(name).is_some_and(|bundle| bundle_holds(Path::new(&bundle), &ca));
    let missing: Vec<String> = BUNDLES
        .iter()
        // requests reads the second only where the first is not set.
        .filter(|(name, _)| *name != "CURL_CA_BUNDLE" && !told(name))
        .filter(|(name, _)| *name != "REQUESTS_CA_BUNDLE" || read(name).is_some() || !told("CURL_CA_BUNDLE"))
        .map(|(name, readers)| format!("{name} ({readers})"))
        .collect();
    if !missing.is_empty() {
        found.add(
            Level::Warning,
            format!(
                "the authority's CA {} is not in {}: those clients refuse its TLS",
                path.display(),
                missing.join(", ")
            ),
            "name that file in the variable of the client that is used; `countersign run -- …` sets them all",
        );
    }
}

fn skew(ahead: i64, found: &mut Findings) {
    if ahead.abs() > SKEW {
        let direction = if ahead > 0 { "ahead of" } else { "behind" };
        found.add(
            Level::Error,
            format!(
                "this machine's clock is {} s {direction} the authority's: its assertions are refused (AADSTS700024)",
                ahead.abs()
            ),
            "set the clock (NTP); in a container, that of the host",
        );
    } else if ahead.abs() > 60 {
        found.add(
            Level::Warning,
            format!("this machine's clock differs from the authority's by {} s", ahead.abs()),
            "set the clock (NTP) before it matters",
        );
    }
}

/// `Tue, 24 Nov 2026 10:00:00 GMT` (RFC 9110 §5.6.7).
fn http_date(text: &str) -> Option<UnixTime> {
    let mut parts = text.split_whitespace().skip(1);
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|m| *m == month)? + 1;
    UnixTime::parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::levels;
    use super::*;

    #[test]
    fn a_proxy_before_this_machine_is_a_warning() {
        let set = [("HTTPS_PROXY", "http://proxy:3128"), ("AZURE_AUTHORITY_HOST", "https://localhost:8443")];
        assert_eq!(levels(&set, proxies).len(), 1);
        let excepted = [set[0], set[1], ("NO_PROXY", "127.0.0.1, localhost")];
        assert_eq!(levels(&excepted, proxies), []);
    }

    #[test]
    fn reads_http_dates_and_judges_the_clock() {
        assert_eq!(http_date("Tue, 24 Nov 2026 10:00:00 GMT"), UnixTime::parse("2026-11-24T10:00:00Z"));
        assert_eq!(http_date("soon"), None);
        let level = |ahead| {
            let mut found = Findings::default();
            skew(ahead, &mut found);
            found.0.pop().map(|f| f.level)
        };
        assert_eq!([level(5), level(-100), level(400)], [None, Some(Level::Warning), Some(Level::Error)]);
    }

    #[test]
    fn proxies_that_clients_read_differently_are_named_without_their_passwords() {
        let differ = [("HTTPS_PROXY", "http://u:pw@a:1"), ("https_proxy", "http://b:1")];
        let found = levels(&differ, proxies);
        assert!(found.len() == 1 && found[0].1.contains("differ") && !found[0].1.contains("pw"), "{found:?}");
        assert_eq!(levels(&[("HTTPS_PROXY", "proxy:3128")], proxies).len(), 1);
        assert_eq!(levels(&[("HTTPS_PROXY", "http://proxy:3128"), ("https_proxy", "http://proxy:3128")], proxies), []);
    }

    #[test]
    fn an_authority_that_msal_would_ask_about_is_a_warning() {
        assert_eq!(levels(&[("AZURE_AUTHORITY_HOST", "https://localhost:8443")], discovery).len(), 1);
        for known in
            ["https://login.microsoftonline.com/", "https://login.microsoftonline.us", "https://login.windows.net"]
        {
            assert_eq!(levels(&[("AZURE_AUTHORITY_HOST", known)], discovery), []);
        }
        assert_eq!(levels(&[], discovery), []);
    }

    #[test]
    fn clients_that_do_not_know_the_ca_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let ca = countersign_testkit::Identity::rsa(0, &countersign_testkit::Spec::default());
        let other = countersign_testkit::Identity::rsa(1, &countersign_testkit::Spec::default());
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let own = write("ca.pem", ca.certificate_pem());
        let both = write("both.pem", other.certificate_pem() + &ca.certificate_pem());
        let wrong = write("wrong.pem", other.certificate_pem());
        let check = |set: &[(&str, &str)]| levels(set, |read, found| trust(read, Some(Path::new(&own)), found));
        let told = [("REQUESTS_CA_BUNDLE", &*both), ("SSL_CERT_FILE", &own), ("NODE_EXTRA_CA_CERTS", &own)];
        assert_eq!(check(&told), []);
        assert_eq!(check(&[("CURL_CA_BUNDLE", &*own), told[1], told[2]]), []);
        let found = check(&[told[0], ("SSL_CERT_FILE", &wrong), told[2]]);
        assert!(found.len() == 1 && found[0].1.contains("SSL_CERT_FILE") && !found[0].1.contains("NODE_"), "{found:?}");
    }
}
