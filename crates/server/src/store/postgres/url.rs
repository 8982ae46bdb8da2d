//! A PostgreSQL URL: one or several hosts, how the connection is protected, and what of it may be shown.
//!
//! The settings read it, the pool connects by it. A password in it, in `PGPASSWORD` or in `PGPASSFILE` is never shown.

use std::fmt;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use zeroize::Zeroizing;

/// Hosts in one URL.
const MOST_HOSTS: usize = 16;
/// Time to connect to one host when the URL does not say.
const CONNECT: Duration = Duration::from_millis(1_500);
/// Parameters that are passed on to the library. Others would be ignored by it, and its warning would show their value.
const PASSED_ON: [&str; 10] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
    "dbname",
    "user",
    "password",
    "statement-cache-capacity",
];

/// A PostgreSQL URL.
#[derive(Clone)]
pub struct PostgresUrl {
    text: Zeroizing<String>,
    shown: String,
    has_password: bool,
    connect_timeout: Duration,
    hosts: Vec<PgConnectOptions>,
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl PartialEq for PostgresUrl {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PostgresUrl {}

impl PostgresUrl {
    /// Reads `postgres://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]…]/DATABASE[?…]` (libpq, "Connection URIs").
    ///
    /// # Errors
    /// What is wrong, without any part of the text that may be a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or("it does not begin with postgres://")?;
        let (main, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = main.split_once('/').unwrap_or((main, ""));
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(user), hosts),
            None => (None, authority),
        };
        let parameters = Parameters::read(query)?;
        let mut places = places(hosts, &parameters)?;
        let at = user.map(|u| format!("{u}@")).unwrap_or_default();
        let mut options = Vec::new();
        for place in &mut places {
            let one = Zeroizing::new(format!("postgres://{at}{place}/{database}{}", parameters.passed_on()));
            options.push(read_one(&one)?);
        }
        let user_name = user.map(|u| format!("{}@", u.split(':').next().unwrap_or_default())).unwrap_or_default();
        Ok(Self {
            shown: format!("postgres://{user_name}{}/{database}{}", places.join(","), parameters.shown()),
            has_password: user.is_some_and(|u| u.contains(':')) || parameters.get("password").is_some(),
            connect_timeout: parameters.connect_timeout.unwrap_or(CONNECT),
            hosts: options,
            text: Zeroizing::new(text.to_owned()),
        })
    }

    /// Whether a password stands in the URL itself.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The first host that is not this machine and whose connection may go unencrypted.
    pub fn unprotected_host(&self) -> Option<&str> {
        self.hosts
            .iter()
            .find(|h| {
                let local = h.get_socket().is_some() || is_local(h.get_host());
                !local && matches!(h.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer)
            })
            .map(PgConnectOptions::get_host)
    }

    pub(super) fn hosts(&self) -> &[PgConnectOptions] {
        &self.hosts
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }
}

fn read_one(url: &str) -> Result<PgConnectOptions, String> {
    let options = PgConnectOptions::from_str(url).map_err(|e| match e {
        sqlx::Error::Configuration(cause) => cause.to_string(),
        other => other.to_string(),
    })?;
    if matches!(options.get_ssl_mode(), PgSslMode::Allow) {
        return Err(
            "sslmode 'allow' would go unencrypted; say disable, prefer, require, verify-ca or verify-full".to_owned()
        );
    }
    if options.get_database().is_none_or(str::is_empty) {
        return Err("it names no database".to_owned());
    }
    // PgBouncer refuses this parameter of the start message, and nothing here is a floating-point number.
    let options = options.extra_float_digits(None).disable_statement_logging();
    Ok(if options.get_application_name().is_none() { options.application_name("countersign") } else { options })
}

/// Hosts as they stand in a URL, one by one.
fn places(hosts: &str, parameters: &Parameters) -> Result<Vec<String>, String> {
    let named: Vec<String> = match (hosts, parameters.get("host")) {
        ("", Some(folders)) => {
            let ports: Vec<&str> = parameters.get("port").map(|p| p.split(',').collect()).unwrap_or_default();
            let port = |n: usize| ports.get(n).or(ports.first()).map(|p| format!(":{p}")).unwrap_or_default();
            folders.split(',').enumerate().map(|(n, h)| format!("{}{}", h.replace('/', "%2F"), port(n))).collect()
        }
        (_, Some(_)) => return Err("hosts stand in it twice, before the database and as 'host'".to_owned()),
        (hosts, None) if parameters.get("port").is_none() => hosts.split(',').map(str::to_owned).collect(),
        (_, None) => return Err("'port' goes with 'host'; write HOST:PORT".to_owned()),
    };
    match named.len() {
        0..=MOST_HOSTS => Ok(named),
        n => Err(format!("it names {n} hosts; at most {MOST_HOSTS} are tried")),
    }
}

fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// What stands behind the question mark.
struct Parameters<'a> {
    pairs: Vec<(&'a str, &'a str)>,
    connect_timeout: Option<Duration>,
}

impl<'a> Parameters<'a> {
    fn read(query: &'a str) -> Result<Self, String> {
        let mut out = Self { pairs: Vec::new(), connect_timeout: None };
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or("a parameter has no value")?;
            match name {
                "connect_timeout" => {
                    let seconds = value.parse::<u64>().ok().filter(|s| (1..=30).contains(s));
                    let seconds = seconds.ok_or("connect_timeout must be 1 to 30 seconds")?;
                    out.connect_timeout = Some(Duration::from_secs(seconds));
                }
                // The one that can be written is looked for in any case.
                "target_session_attrs" if matches!(value, "any" | "read-write" | "primary") => {}
                "target_session_attrs" => return Err("target_session_attrs can be 'read-write' only".to_owned()),
                "host" | "port" => out.pairs.push((name, value)),
                _ if PASSED_ON.contains(&name) => out.pairs.push((name, value)),
                _ => {
                    let name: String = name.chars().take(40).filter(char::is_ascii_graphic).collect();
                    return Err(format!(
                        "there is no parameter '{name}'; there are: host, port, connect_timeout, target_session_attrs, {}",
                        PASSED_ON.join(", ")
                    ));
                }
            }
        }
        Ok(out)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
    }

    fn passed_on(&self) -> String {
        self.text(|name| !matches!(name, "host" | "port"))
    }

    fn shown(&self) -> String {
        self.text(|name| !matches!(name, "host" | "port" | "password"))
    }

    fn text(&self, wanted: impl Fn(&str) -> bool) -> String {
        let pairs: Vec<String> =
            self.pairs.iter().filter(|(n, _)| wanted(n)).map(|(n, v)| format!("{n}={v}")).collect();
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_in_their_order() {
        let url = PostgresUrl::parse("postgres://u:p%40ss@h1:5433,h2,[::1]:7/db?sslmode=require").unwrap();
        let hosts: Vec<_> = url.hosts().iter().map(|h| (h.get_host().to_owned(), h.get_port())).collect();
        assert_eq!((hosts[0].clone(), hosts[1].0.as_str(), hosts[2].1), (("h1".to_owned(), 5433), "h2", 7));
        assert!(url.hosts().iter().all(|h| h.get_username() == "u" && h.get_database() == Some("db")));
        let url = PostgresUrl::parse("postgresql:///db?host=/run/a,/run/b&port=6000&user=u&connect_timeout=3").unwrap();
        assert_eq!(url.hosts()[1].get_socket().unwrap().to_str(), Some("/run/b"));
        assert_eq!((url.hosts()[1].get_port(), url.connect_timeout()), (6000, Duration::from_secs(3)));
    }

    #[test]
    fn passwords_are_shown_nowhere() {
        for text in [
            "postgres://u:s3cret@h/d",
            "postgres://u:s3c%2Fret@h,i/d?sslmode=require",
            "postgres://h/d?user=u&password=s3cret",
        ] {
            let url = PostgresUrl::parse(text).unwrap();
            assert!(url.has_password());
            assert!(!format!("{url} {url:?}").contains("s3c"), "{url}");
        }
        assert_eq!(
            PostgresUrl::parse("postgres://u:s3cret@h1:1,h2/d?sslmode=require").unwrap().to_string(),
            "postgres://u@h1:1,h2/d?sslmode=require"
        );
        for wrong in ["postgres://u:s3cret@h:port/d", "postgres://u:s3cret@h/", "postgres://u:s3cret@h/d?x=s3cret"] {
            let why = PostgresUrl::parse(wrong).unwrap_err();
            assert!(!why.contains("s3cret"), "{why}");
        }
    }

    #[test]
    fn what_crosses_a_network_in_the_clear_is_told() {
        let unprotected = |u: &str| PostgresUrl::parse(u).unwrap().unprotected_host().map(str::to_owned);
        assert_eq!(unprotected("postgres://u@localhost,db.example/d").as_deref(), Some("db.example"));
        assert_eq!(unprotected("postgres://u@db.example/d?sslmode=disable").as_deref(), Some("db.example"));
        for good in
            ["postgres://u@127.0.0.1,[::1]/d", "postgres:///d?host=/run", "postgres://u@db/d?sslmode=verify-full"]
        {
            assert_eq!(unprotected(good), None, "{good}");
        }
        assert!(PostgresUrl::parse("postgres://h/d?sslmode=allow").unwrap_err().contains("allow"));
        assert!(PostgresUrl::parse("postgres://h/d?sslmode=sometimes").is_err());
        assert!(PostgresUrl::parse("postgres://h/d?target_session_attrs=read-only").is_err());
        assert!(PostgresUrl::parse("postgres://a/d?host=/run").is_err());
    }
}
