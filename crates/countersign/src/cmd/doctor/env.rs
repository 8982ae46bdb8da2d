//! `doctor env`: contradictions in the surroundings, found before anything is sent.
//!
//! Looks at the variables of azure-identity and of TLS and proxies, at the files they name, and, unless told not to, at the clock
//! and the metadata of the authority. It prints names and findings, never a value that may be secret.

use std::path::Path;
use std::time::Duration;

use countersign_client::{Authority, TransportOptions, http_client, unreachable};
use countersign_core::UnixTime;
use countersign_core::authority::{TenantSegment, is_guid};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::keyfile::{self, load_identity};
use countersign_doctor::proof::Level;
use serde_json::{Value, json};

use crate::client_args::azure;
use crate::exit::Failure;
use crate::output::{self, Color, Format, printable};
use crate::{clock, input, ready};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask no server: leave out the clock, TLS and the tenant
    #[arg(long)]
    offline: bool,
    /// Seconds to wait for the authority
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Seconds of difference that Entra's checks of `nbf` and `exp` forgive (five minutes, as in core's profile).
const SKEW: i64 = 300;
/// A certificate that ends sooner is worth a warning.
const SOON: i64 = 30 * 86_400;
const LOGIN: &str = "https://login.microsoftonline.com";

/// Variables of azure-identity that this looks at, and whether a value may be shown.
const VARIABLES: [(&str, bool); 8] = [
    ("AZURE_TENANT_ID", true),
    ("AZURE_CLIENT_ID", true),
    ("AZURE_CLIENT_SECRET", false),
    ("AZURE_CLIENT_CERTIFICATE_PATH", true),
    ("AZURE_CLIENT_CERTIFICATE_PASSWORD", false),
    ("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", true),
    ("AZURE_FEDERATED_TOKEN_FILE", true),
    ("AZURE_AUTHORITY_HOST", true),
];
/// Variables that name certificate bundles, and who reads them.
const BUNDLES: [(&str, &str); 4] = [
    ("REQUESTS_CA_BUNDLE", "MSAL and azure-identity for Python"),
    ("CURL_CA_BUNDLE", "MSAL for Python, curl"),
    ("SSL_CERT_FILE", "Go, Rust, .NET, azure-identity for Python (async)"),
    ("NODE_EXTRA_CA_CERTS", "Node, read at its start only"),
];

/// What was found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    what: String,
    fix: String,
}

/// Gathers findings.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { level, what: what.into(), fix: fix.into() });
    }
}

/// Runs the checks and answers the status.
pub fn run(args: &Args, color: Color) -> Result<u8, Failure> {
    let now = clock::now();
    let mut found = Findings::default();
    variables(&azure, &mut found);
    files(&azure, now, &mut found);
    proxies(&azure, &mut found);
    if !args.offline {
        crate::runtime()?.block_on(authority(Duration::from_secs(args.timeout), &mut found));
    }
    found.0.sort_by_key(|f| std::cmp::Reverse(f.level));
    let failed = found.0.iter().any(|f| f.level == Level::Error);
    match args.format {
        Format::Json => {
            let list: Vec<Value> =
                found.0.iter().map(|f| json!({"level": f.level, "title": f.what, "fix": f.fix})).collect();
            output::json(&json!({"schema": 1, "findings": list}))?;
        }
        Format::Human => output::data(&describe(&found, color.on_stdout()))?,
    }
    Ok(u8::from(failed))
}

fn describe(found: &Findings, color: bool) -> String {
    let set: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).filter(|name| azure(name).is_some()).collect();
    let set = if set.is_empty() { "none is set".to_owned() } else { format!("set: {}", set.join(", ")) };
    let errors = found.0.iter().filter(|f| f.level == Level::Error).count();
    let verdict = match (errors, found.0.len()) {
        (0, 0) => "nothing contradicts itself".to_owned(),
        (0, _) => "no request would fail for what was found".to_owned(),
        (1, _) => "a request would fail, for one reason".to_owned(),
        (n, _) => format!("a request would fail, for {n} reasons"),
    };
    let mut out = format!("{verdict}\n{}", output::wrapped(&format!("azure-identity's variables: {set}"), ""));
    for f in &found.0 {
        let style = if f.level == Level::Error { "1;31" } else { "1" };
        let label = if color { format!("\x1b[{style}m{}\x1b[0m", f.level.name()) } else { f.level.name().to_owned() };
        out.push_str(&format!("\n{label}\n{}", output::wrapped(&f.what, "  ")));
        out.push_str(&output::wrapped(&format!("fix: {}", f.fix), "  "));
    }
    out
}

/// The variables by themselves.
fn variables(read: &dyn Fn(&str) -> Option<String>, found: &mut Findings) {
    for (name, shown) in VARIABLES {
        let Some(value) = read(name) else { continue };
        let quoted = value.len() > 1 && ["\"", "'"].iter().any(|q| value.starts_with(q) && value.ends_with(q));
        if value.trim() != value || quoted {
            let value = if shown { format!(" ('{}')", printable(&value)) } else { String::new() };
            found.add(
                Level::Error,
                format!(
                    "{name}{value} has {} round its value, which SDKs take as part of it",
                    if quoted { "quotes" } else { "white space" }
                ),
                "set it without them; env files and YAML often keep quotes that a shell removes",
            );
        }
    }
    let credentials: Vec<&str> = ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"]
        .into_iter()
        .filter(|name| read(name).is_some())
        .collect();
    if credentials.len() > 1 {
        found.add(
            Level::Warning,
            format!(
                "{} are set together; azure-identity takes the secret first, then the certificate",
                credentials.join(" and ")
            ),
            "leave only the one that is meant",
        );
    }
    match (read("AZURE_CLIENT_ID"), read("AZURE_TENANT_ID")) {
        (None, _) if !credentials.is_empty() => found.add(
            Level::Error,
            format!("{} is set, AZURE_CLIENT_ID is not", credentials[0]),
            "set AZURE_CLIENT_ID to the application (client) id",
        ),
        (Some(_), None) => found.add(
            Level::Error,
            "AZURE_CLIENT_ID is set, AZURE_TENANT_ID is not",
            "set AZURE_TENANT_ID to the tenant's id or a domain of it",
        ),
        (Some(_), Some(_)) if credentials.is_empty() => found.add(
            Level::Warning,
            "AZURE_CLIENT_ID and AZURE_TENANT_ID are set, and no credential",
            "set AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE, unless a managed identity is meant",
        ),
        _ => {}
    }
    if let Some(id) = read("AZURE_CLIENT_ID").filter(|id| !is_guid(id.trim())) {
        found.add(
            Level::Error,
            format!("AZURE_CLIENT_ID '{}' is no GUID", printable(&id)),
            "take the application (client) id from the registration, not its name",
        );
    }
    if let Some(tenant) = read("AZURE_TENANT_ID") {
        match TenantSegment::read(tenant.trim()) {
            TenantSegment::Id(_) | TenantSegment::Domain(_) => {}
            TenantSegment::Shared(name) => found.add(
                Level::Error,
                format!("AZURE_TENANT_ID is '{name}', under which an application cannot sign in by itself (AADSTS9001023, 50059)"),
                "name the tenant itself: its id or a domain of it",
            ),
            TenantSegment::Nil | TenantSegment::Malformed(_) => found.add(
                Level::Error,
                format!("AZURE_TENANT_ID '{}' is neither a GUID nor a domain name", printable(&tenant)),
                "take the directory (tenant) id from the registration",
            ),
        }
    }
    if let Some(host) = read("AZURE_AUTHORITY_HOST") {
        if host.trim().to_ascii_lowercase().starts_with("http://") {
            found.add(
                Level::Error,
                format!("AZURE_AUTHORITY_HOST '{}' is http; every SDK of Microsoft's refuses it", printable(&host)),
                "use https; `countersign serve` has a CA of its own for it",
            );
        } else if Authority::new(host.trim(), "common").is_err() {
            found.add(
                Level::Error,
                format!("AZURE_AUTHORITY_HOST '{}' is no URL of a server", printable(&host)),
                format!("set it to a host, for example {LOGIN}, or leave it unset"),
            );
        }
    }
}

/// The files that the variables name.
fn files(read: &dyn Fn(&str) -> Option<String>, now: UnixTime, found: &mut Findings) {
    if let Some(path) = read("AZURE_CLIENT_CERTIFICATE_PATH") {
        certificate(Path::new(&path), read("AZURE_CLIENT_CERTIFICATE_PASSWORD").as_deref(), now, found);
    }
    if let Some(path) = read("AZURE_FEDERATED_TOKEN_FILE") {
        federated(Path::new(&path), now, found);
    }
    for (name, readers) in BUNDLES {
        let Some(path) = read(name) else { continue };
        let shown = printable(&path);
        let fix = "name a PEM file with CA certificates, or unset the variable";
        match input::read(Path::new(&path)) {
            Err(failure) => found.add(Level::Error, format!("{name} ({readers}): {}", failure.message), fix),
            Ok(bytes) if !has_certificate(&bytes) => {
                found.add(Level::Error, format!("{name} ({readers}): {shown} holds no certificate in PEM"), fix);
            }
            Ok(_) => {}
        }
    }
}

/// A bundle may hold more certificates than the reader of key files takes.
fn has_certificate(bytes: &[u8]) -> bool {
    bytes.windows(27).any(|w| w == b"-----BEGIN CERTIFICATE-----")
        || keyfile::read(bytes, None).certificates().next().is_some()
}

fn certificate(path: &Path, password: Option<&str>, now: UnixTime, found: &mut Findings) {
    let variable = "AZURE_CLIENT_CERTIFICATE_PATH";
    let bytes = match input::read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            return found.add(
                Level::Error,
                format!("{variable}: {}", failure.message),
                "name a file that this user can read",
            );
        }
    };
    let name = path.display().to_string();
    let identity = match load_identity(&[(&name, &bytes)], password) {
        Ok(identity) => identity,
        Err(error) => {
            return found.add(
                Level::Error,
                format!("{variable}: {error}"),
                "SDKs need certificate and private key in one file: PEM of both, or a PKCS#12",
            );
        }
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode() & 0o777);
        if mode & 0o077 != 0 {
            found.add(
                Level::Warning,
                format!("{variable}: {} has mode {mode:04o}: others can read the private key", printable(&name)),
                format!("chmod 600 {}", printable(&name)),
            );
        }
    }
    let c = &identity.certificate;
    if now > c.not_after() {
        found.add(
            Level::Error,
            format!("{variable}: the certificate {} ended {}", printable(c.subject()), c.not_after().rfc3339()),
            "make a certificate, register it, and use that one",
        );
    } else if now < c.not_before() {
        found.add(
            Level::Error,
            format!(
                "{variable}: the certificate {} is valid from {} only",
                printable(c.subject()),
                c.not_before().rfc3339()
            ),
            "wait, or correct this machine's clock",
        );
    } else if c.not_after().secs_since(now) < SOON {
        found.add(
            Level::Warning,
            format!("{variable}: the certificate {} ends {}", printable(c.subject()), c.not_after().rfc3339()),
            "register the next one before that",
        );
    }
}

fn federated(path: &Path, now: UnixTime, found: &mut Findings) {
    let variable = "AZURE_FEDERATED_TOKEN_FILE";
    let bytes = match input::read(path) {
        Ok(bytes) => bytes,
        Err(failure) => {
            return found.add(
                Level::Error,
                format!("{variable}: {}", failure.message),
                "name the file that the platform writes",
            );
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    match UnverifiedJwt::read(text.trim()) {
        Err(error) => found.add(
            Level::Error,
            format!("{variable}: {} holds no token: {error}", path.display()),
            "the platform must write a compact JWT there",
        ),
        Ok(jwt) => {
            if let Some(exp) = jwt.claims.exp.time().filter(|exp| *exp <= now) {
                found.add(
                    Level::Error,
                    format!("{variable}: the token in {} ended {}", path.display(), exp.rfc3339()),
                    "see why the platform no longer renews it",
                );
            }
        }
    }
}

/// Proxies that get in the way of a service on this machine.
fn proxies(read: &dyn Fn(&str) -> Option<String>, found: &mut Findings) {
    let set = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"].into_iter().find(|name| read(name).is_some());
    let (Some(proxy), Some(host)) = (set, read("AZURE_AUTHORITY_HOST")) else { return };
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

/// The way to the authority: name, TLS, tenant, and its clock against ours.
async fn authority(limit: Duration, found: &mut Findings) {
    let host = azure("AZURE_AUTHORITY_HOST").unwrap_or_else(|| LOGIN.to_owned());
    let Some(tenant) = azure("AZURE_TENANT_ID") else { return };
    // What is malformed was said above.
    let Ok(authority) = Authority::new(host.trim(), tenant.trim()) else { return };
    let url =
        authority.token_endpoint().as_str().replace("/oauth2/v2.0/token", "/v2.0/.well-known/openid-configuration");
    let local = authority.is_loopback();
    let ca_files = if local { ready::default_ca().into_iter().collect() } else { Vec::new() };
    let options = TransportOptions { ca_files, connect_timeout: Some(limit), direct: local };
    let client = match http_client(&options) {
        Ok(client) => client,
        Err(error) => return found.add(Level::Error, error.to_string(), "correct the file, or remove it"),
    };
    let before = clock::now();
    match client.get(&url).timeout(limit).send().await {
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
    use super::*;
    use countersign_testkit::{Identity, Spec};

    type Check = fn(&dyn Fn(&str) -> Option<String>, &mut Findings);

    fn levels(set: &[(&str, &str)], check: Check) -> Vec<(Level, String)> {
        let read = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut found = Findings::default();
        check(&read, &mut found);
        found.0.into_iter().map(|f| (f.level, f.what)).collect()
    }

    const ID: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

    #[test]
    fn a_complete_set_has_no_finding() {
        let set = [("AZURE_CLIENT_ID", ID), ("AZURE_TENANT_ID", "contoso.example"), ("AZURE_CLIENT_SECRET", "x")];
        assert_eq!(levels(&set, variables), []);
        assert_eq!(levels(&[], variables), []);
    }

    #[test]
    fn contradictions_are_named_without_secrets() {
        for (set, level, words) in [
            (&[("AZURE_CLIENT_SECRET", "\"s3cret\"")][..], Level::Error, "quotes"),
            (&[("AZURE_CLIENT_SECRET", "s3cret")], Level::Error, "AZURE_CLIENT_ID is not"),
            (&[("AZURE_CLIENT_ID", ID)], Level::Error, "AZURE_TENANT_ID is not"),
            (&[("AZURE_CLIENT_ID", "payroll"), ("AZURE_TENANT_ID", ID)], Level::Error, "no GUID"),
            (&[("AZURE_TENANT_ID", "common")], Level::Error, "common"),
            (&[("AZURE_TENANT_ID", "my tenant")], Level::Error, "neither"),
            (&[("AZURE_AUTHORITY_HOST", "http://localhost:8443")], Level::Error, "http"),
            (
                &[
                    ("AZURE_CLIENT_SECRET", "s3cret"),
                    ("AZURE_CLIENT_CERTIFICATE_PATH", "x"),
                    ("AZURE_CLIENT_ID", ID),
                    ("AZURE_TENANT_ID", ID),
                ],
                Level::Warning,
                "together",
            ),
        ] {
            let found = levels(set, variables);
            assert!(found.iter().any(|(l, w)| *l == level && w.contains(words)), "{set:?}: {found:?}");
            assert!(found.iter().all(|(_, w)| !w.contains("s3cret")), "{found:?}");
        }
    }

    #[test]
    fn a_proxy_before_this_machine_is_a_warning() {
        let set = [("HTTPS_PROXY", "http://proxy:3128"), ("AZURE_AUTHORITY_HOST", "https://localhost:8443")];
        assert_eq!(levels(&set, proxies).len(), 1);
        let excepted = [set[0], set[1], ("NO_PROXY", "127.0.0.1, localhost")];
        assert_eq!(levels(&excepted, proxies), []);
    }

    #[test]
    fn the_certificate_file_is_read_as_an_sdk_would() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::rsa(0, &Spec::default());
        let path = folder.path().join("both.pem");
        let check = |text: String, now: UnixTime| {
            input::write_new(&path, text.as_bytes(), true, true).unwrap();
            let mut found = Findings::default();
            certificate(&path, None, now, &mut found);
            found.0
        };
        let both = format!("{}{}", identity.key_pem(), identity.certificate_pem());
        let during = identity.certificate.not_before().plus_secs(86_400);
        assert_eq!(check(both.clone(), during), []);
        assert!(check(both.clone(), identity.certificate.not_after().plus_secs(1))[0].what.contains("ended"));
        assert!(check(both, identity.certificate.not_before().plus_secs(-1))[0].what.contains("valid from"));
        let only = check(identity.certificate_pem(), during);
        assert!(only[0].what.contains("no private key") && only[0].level == Level::Error, "{only:?}");
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
}
