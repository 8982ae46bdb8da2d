//! The values that settings may have, read from text.
//!
//! Each reader answers why a text is not accepted; `config` adds key, origin and what is accepted.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::store::postgres::PostgresUrl;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// IP address without brackets, or host name.
    pub host: String,
    /// Port; 0 for a free one.
    pub port: u16,
}

impl Listen {
    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.host.parse::<IpAddr>().map_or(self.host.eq_ignore_ascii_case("localhost"), |ip| ip.is_loopback())
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What kind of use the service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// On a developer's machine or in CI.
    Dev,
    /// For real.
    Production,
}

impl Mode {
    /// As in the settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Production => "production",
        }
    }
}

/// Where HTTPS comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tls {
    /// The service's own CA.
    Auto,
    /// None.
    Off,
    /// Two PEM files.
    Files {
        /// The certificate with its chain.
        certificate: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

impl fmt::Display for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Files { certificate, key } => write!(f, "{},{}", certificate.display(), key.display()),
        }
    }
}

/// A URL under which clients reach the service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    /// `https` or `http`.
    pub scheme: &'static str,
    /// Host in lower case, an IPv6 address in brackets.
    pub host: String,
    /// Port, when it is not the scheme's own.
    pub port: Option<u16>,
}

impl PublicUrl {
    /// Host, with the port where one has to be named: what stands in a `Host` header.
    pub fn authority(&self) -> String {
        match self.port {
            Some(port) => format!("{}:{port}", self.host),
            None => self.host.clone(),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

/// A range of addresses (RFC 4632, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether it is a range of IPv4 addresses.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// Length of the prefix.
    pub fn bits(&self) -> u8 {
        self.bits
    }

    /// Whether an address lies in it; IPv4 addresses mapped into IPv6 count as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                same(u128::from(a.to_bits()) << 96, u128::from(b.to_bits()) << 96, self.bits)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), self.bits),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

fn same(a: u128, b: u128, bits: u8) -> bool {
    (a ^ b).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// A database.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// An SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(PostgresUrl),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(super) fn listen(text: &str) -> Result<Listen, String> {
    let (host, port) = text.rsplit_once(':').ok_or("there is no port")?;
    let port = port.parse().map_err(|_| format!("'{port}' is no port (0 to 65535)"))?;
    let host = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(inside) => {
            inside.parse::<std::net::Ipv6Addr>().map_err(|_| format!("'{inside}' is no IPv6 address"))?.to_string()
        }
        None if host.contains(':') => return Err("an IPv6 address needs brackets".to_owned()),
        None if is_host(host) => host.to_ascii_lowercase(),
        None => return Err(format!("'{host}' is no host")),
    };
    Ok(Listen { host, port })
}

pub(super) fn path(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(PathBuf::from(text)) }
}

pub(super) fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "dev" => Ok(Mode::Dev),
        "production" => Ok(Mode::Production),
        _ => Err("there is no such mode".to_owned()),
    }
}

/// An application id.
pub(super) fn app_id(text: &str) -> Result<String, String> {
    match countersign_core::authority::is_guid(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("it is no GUID".to_owned()),
    }
}

pub(super) fn allow(text: &str) -> Result<bool, String> {
    match text {
        "allow" => Ok(true),
        "refuse" => Ok(false),
        _ => Err("there is no such choice".to_owned()),
    }
}

pub(super) fn tls(text: &str) -> Result<Tls, String> {
    match text {
        "auto" => Ok(Tls::Auto),
        "off" => Ok(Tls::Off),
        _ => match text.split_once(',') {
            Some((certificate, key)) if !certificate.is_empty() && !key.is_empty() => {
                Ok(Tls::Files { certificate: certificate.into(), key: key.into() })
            }
            _ => Err("it is neither a word known here nor two files".to_owned()),
        },
    }
}

pub(super) fn public_url(text: &str) -> Result<PublicUrl, String> {
    let (scheme, rest) = match text.split_once("://") {
        Some((s, rest)) if s.eq_ignore_ascii_case("https") => ("https", rest),
        Some((s, rest)) if s.eq_ignore_ascii_case("http") => ("http", rest),
        _ => return Err("it does not begin with https:// or http://".to_owned()),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#', '@']) {
        return Err("it must be a host and perhaps a port, nothing else".to_owned());
    }
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let number: u16 = port.parse().map_err(|_| format!("'{port}' is no port"))?;
            (host, Some(number))
        }
        _ => (rest, None),
    };
    let v6 = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if !v6.map_or_else(|| is_host(host), |h| h.parse::<std::net::Ipv6Addr>().is_ok()) {
        return Err(format!("'{host}' is no host"));
    }
    let own = if scheme == "https" { 443 } else { 80 };
    Ok(PublicUrl { scheme, host: host.to_ascii_lowercase(), port: port.filter(|p| *p != own) })
}

pub(super) fn network(text: &str) -> Result<Network, String> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
    let address: IpAddr = address.parse().map_err(|_| "it is no address".to_owned())?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => most,
        Some(bits) => {
            bits.parse().ok().filter(|b| *b <= most).ok_or_else(|| format!("the prefix length must be 0 to {most}"))?
        }
    };
    Ok(Network { address, bits })
}

pub(super) fn database(text: &str) -> Result<Database, String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.is_empty() || path.starts_with(":memory:") {
            Err("it names no file".to_owned())
        } else {
            Ok(Database::Sqlite(path.into()))
        };
    }
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        return postgres(text).map(Database::Postgres);
    }
    let kind: String = text.split(':').next().unwrap_or_default().chars().take(20).collect();
    Err(format!("there is no backend '{kind}'"))
}

/// A PostgreSQL URL.
pub(super) fn postgres(text: &str) -> Result<PostgresUrl, String> {
    PostgresUrl::parse(text)
}

/// Connections of one node: one for whoever changes the directory, and one to read by meanwhile, at least.
pub(super) fn connections(value: &str) -> Result<u32, String> {
    match value.parse() {
        Ok(n @ 2..=1_000) => Ok(n),
        Ok(_) => Err("it must be 2 to 1000".to_owned()),
        Err(_) => Err("it is no whole number".to_owned()),
    }
}

/// How long a node issues tokens from what it knows.
pub(super) fn stale_for(value: &str) -> Result<Option<i64>, String> {
    match duration(if value == "0" { "0s" } else { value })? {
        seconds @ 0..=86_400 => Ok(Some(seconds)),
        _ => Err("a removed key would be good for longer than a day".to_owned()),
    }
}

/// A host name (RFC 1123 §2.1) or an IPv4 address.
fn is_host(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let digits_only = text.split('.').next_back().is_some_and(|l| l.bytes().all(|b| b.is_ascii_digit()));
    text.len() <= 253 && text.split('.').all(label) && (!digits_only || text.parse::<std::net::Ipv4Addr>().is_ok())
}

/// A duration in seconds: a number with `d`, `h`, `m` or `s`.
pub(super) fn duration(value: &str) -> Result<i64, String> {
    let unit = value.chars().last().unwrap_or_default();
    let seconds = match unit {
        'd' => 86_400,
        'h' => 3_600,
        'm' => 60,
        's' => 1,
        _ => return Err("the unit is missing (d, h, m or s)".to_owned()),
    };
    let number = value[..value.len() - 1].parse::<u32>().map_err(|_| "it is no whole number with a unit".to_owned())?;
    Ok(i64::from(number) * seconds)
}

/// A whole number.
pub(super) fn number(value: &str) -> Result<u64, String> {
    value.parse().map_err(|_| "it is no whole number".to_owned())
}

/// The address of an OpenTelemetry receiver, without a slash at its end.
pub(super) fn otlp_endpoint(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|e| format!("it is no URL: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("it does not begin with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("it must be a host, perhaps with port and path, nothing else".to_owned());
    }
    let base = text.trim_end_matches('/');
    Ok(base.strip_suffix("/v1/traces").unwrap_or(base).to_owned())
}

/// A share, from nothing to all.
pub(super) fn share(value: &str) -> Result<f64, String> {
    match value.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) => Err("it does not lie between 0 and 1".to_owned()),
        Err(_) => Err("it is no number".to_owned()),
    }
}

/// A number of requests a second, or none.
pub(super) fn limit(value: &str) -> Result<Option<u32>, String> {
    match value {
        "off" => Ok(None),
        value => match value.parse() {
            Ok(0) => Err("a limit of 0 would refuse everything".to_owned()),
            Ok(n) => Ok(Some(n)),
            Err(_) => Err("it is no whole number".to_owned()),
        },
    }
}

/// How long a signing key signs.
pub(super) fn key_age(value: &str) -> Result<Option<i64>, String> {
    if value == "never" {
        return Ok(None);
    }
    match duration(value)? {
        ..3_600 => Err("a key that signs for less than an hour would fill the published set with last ones".to_owned()),
        seconds => Ok(Some(seconds)),
    }
}

/// Seconds as `duration` reads them, in the largest unit that fits.
pub fn show_age(seconds: i64) -> String {
    match [(86_400, 'd'), (3_600, 'h'), (60, 'm')].into_iter().find(|(unit, _)| seconds % unit == 0) {
        Some((unit, name)) => format!("{}{name}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listens_on_hosts_with_ports() {
        assert_eq!(listen("127.0.0.1:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(listen("[::1]:8443").unwrap().to_string(), "[::1]:8443");
        assert!(listen("[::1]:8443").unwrap().is_loopback() && listen("LOCALHOST:1").unwrap().is_loopback());
        for wrong in ["here", "127.0.0.1", "127.0.0.1:99999", ":", "", "::1:80", "a b:1", "300.1.1.1:1", ":1"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn public_urls_are_hosts() {
        assert_eq!(public_url("https://STS.example:443/").unwrap().to_string(), "https://sts.example");
        assert_eq!(public_url("https://[::1]:9").unwrap().authority(), "[::1]:9");
        for wrong in [
            "not a url",
            "ftp://a.example",
            "https://a.example/path?x=y",
            "https://",
            "https://a b",
            "https://u@h",
            "https://h:x",
        ] {
            assert!(public_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_contain_addresses() {
        let has = |n: &str, a: &str| network(n).unwrap().contains(a.parse().unwrap());
        assert!(has("10.0.0.0/8", "10.255.0.1") && !has("10.0.0.0/8", "11.0.0.1"));
        assert!(
            has("10.0.0.0/8", "::ffff:10.1.1.1") && has("127.0.0.1", "127.0.0.1") && !has("127.0.0.1", "127.0.0.2")
        );
        assert!(has("fd00::/8", "fd12::1") && !has("fd00::/8", "fe80::1") && has("0.0.0.0/0", "8.8.8.8"));
        for wrong in ["10.0.0.0/99", "everywhere", "", "10.0.0.0/-1"] {
            assert!(network(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn receivers_of_traces_are_urls_without_secrets() {
        for (given, is) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318"),
            ("https://otel.example/in/", "https://otel.example/in"),
            ("http://[::1]:4318/v1/traces", "http://[::1]:4318"),
        ] {
            assert_eq!(otlp_endpoint(given).unwrap(), is);
        }
        for wrong in ["", "127.0.0.1:4318", "grpc://x:4317", "http://user:pass@x", "http://x?key=1", "http://"] {
            assert!(otlp_endpoint(wrong).is_err(), "{wrong}");
        }
        assert_eq!((share("0"), share("1"), share("0.05")), (Ok(0.0), Ok(1.0), Ok(0.05)));
        for wrong in ["", "-0.1", "1.01", "NaN", "half", "inf"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn passwords_of_databases_are_not_shown() {
        let shown = database("postgres://u:secret@h/d").unwrap();
        assert!(!format!("{shown} {shown:?}").contains("secret"));
        assert_eq!(database("sqlite:x.db").unwrap(), Database::Sqlite("x.db".into()));
        assert!(database("mysql://localhost/x").unwrap_err().contains("mysql"));
    }
}
