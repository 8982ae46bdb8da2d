//! What holds for every request before anything is looked at: it comes from a program of this machine, not from a browser, a
//! page that found a name for 127.0.0.1, or a proxy.
//!
//! Called by the router. It knows nothing of callers and tokens.

use std::net::SocketAddr;

use http::header::{FORWARDED, HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Uri};

/// How a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// Over TCP to this address of ours, which is a loopback address.
    Tcp(SocketAddr),
    /// Over the Unix socket, whose mode lets in only its owner.
    Unix,
}

/// Headers that a proxy adds. Any of them means that somebody else asks through this machine.
const FORWARDING: [HeaderName; 5] = [
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
    FORWARDED,
];
/// Headers that browsers add and programs do not (Fetch Metadata).
const FETCHING: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// No `Host`, two of them, or one that names something else.
    Host,
    /// From a page in a browser.
    Browser,
    /// Through a proxy.
    Forwarded,
}

impl Unfit {
    /// What is said of it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Host => {
                "the Host header names none of the agent's own addresses; use 127.0.0.1, [::1] or localhost with its port"
            }
            Self::Browser => "pages in a browser are not answered",
            Self::Forwarded => "forwarded requests are not answered (X-Forwarded-For header is not allowed)",
        }
    }
}

/// Whether a request may be looked at. For one to the forward proxy, `uri` is absolute and its host is judged elsewhere.
///
/// # Errors
/// [`Unfit`]
pub fn check(via: Via, uri: &Uri, headers: &HeaderMap) -> Result<(), Unfit> {
    if headers.contains_key(ORIGIN) || headers.contains_key(FETCHING) {
        return Err(Unfit::Browser);
    }
    if FORWARDING.iter().any(|name| headers.contains_key(name)) {
        return Err(Unfit::Forwarded);
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(one), None) => one.to_str().map_err(|_| Unfit::Host)?,
        _ => return Err(Unfit::Host),
    };
    match via {
        // No page can make a browser connect to a socket file; programs put any name here.
        Via::Unix => Ok(()),
        Via::Tcp(_) if uri.authority().is_some() => Ok(()),
        Via::Tcp(address) if is_ours(host, address) => Ok(()),
        Via::Tcp(_) => Err(Unfit::Host),
    }
}

fn is_ours(host: &str, address: SocketAddr) -> bool {
    // Clients leave the default port out (RFC 9110 §4.2.1); the colons of `[::1]` begin no port.
    let (name, port) = host.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')).unwrap_or((host, "80"));
    port == address.port().to_string()
        && (name.eq_ignore_ascii_case("localhost")
            || name == "127.0.0.1"
            || name == "[::1]"
            || name.trim_start_matches('[').trim_end_matches(']') == address.ip().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(via: Via, uri: &str, headers: &[(&str, &str)]) -> Result<(), Unfit> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        check(via, &uri.parse().unwrap(), &map)
    }

    #[test]
    fn only_programs_of_this_machine_are_answered() {
        let tcp = Via::Tcp("127.0.0.1:4711".parse().unwrap());
        for host in ["127.0.0.1:4711", "localhost:4711", "LOCALHOST:4711", "[::1]:4711"] {
            assert_eq!(verdict(tcp, "/token", &[("host", host)]), Ok(()), "{host}");
        }
        let http = Via::Tcp("127.0.0.1:80".parse().unwrap());
        for host in ["127.0.0.1", "localhost", "[::1]", "127.0.0.1:80"] {
            assert_eq!(verdict(http, "/token", &[("host", host)]), Ok(()), "{host} at port 80");
        }
        for host in [
            "evil.example:4711",
            "127.0.0.1:80",
            "127.0.0.1",
            "localhost",
            "",
            "localhost:4711:4711",
            "127.0.0.1.evil.example:4711",
        ] {
            assert_eq!(verdict(tcp, "/token", &[("host", host)]), Err(Unfit::Host), "{host}");
        }
        let good = ("host", "localhost:4711");
        assert_eq!(verdict(tcp, "/token", &[good, good]), Err(Unfit::Host));
        assert_eq!(verdict(tcp, "/token", &[]), Err(Unfit::Host));
        assert_eq!(verdict(tcp, "/token", &[good, ("origin", "null")]), Err(Unfit::Browser));
        assert_eq!(verdict(tcp, "/token", &[good, ("sec-fetch-site", "none")]), Err(Unfit::Browser));
        for name in ["x-forwarded-for", "Forwarded", "X-Real-IP", "x-forwarded-host", "x-forwarded-proto"] {
            assert_eq!(verdict(tcp, "/token", &[good, (name, "1.2.3.4")]), Err(Unfit::Forwarded), "{name}");
            assert_eq!(verdict(Via::Unix, "/token", &[good, (name, "")]), Err(Unfit::Forwarded), "{name}");
        }
        assert_eq!(verdict(Via::Unix, "/token", &[("host", "anything")]), Ok(()));
        assert_eq!(verdict(tcp, "http://login.example/t", &[("host", "login.example")]), Ok(()));
    }
}
