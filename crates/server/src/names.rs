//! The names that are ours: which `Host` is answered with which base URL, and which `aud` values mean this service.
//!
//! Made at the start, once the port is known. What a request calls us counts only if it is one of these names, so that no
//! stranger's `Host` shows up in metadata or as an audience.

use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::authority::Authority;

use crate::config::{Config, Network, Tls};
use crate::{clouds, well_known};

/// Our names.
#[derive(Debug)]
pub struct Names {
    /// Host as in a `Host` header, lower case, and base URL; the first is used when a request names none of them.
    entries: Vec<(String, Arc<str>)>,
    authority: Authority,
    proxies: Vec<Network>,
}

impl Names {
    /// The names of a service that listens on `port`.
    pub fn new(config: &Config, port: u16) -> Self {
        let scheme = if config.tls.value == Tls::Off { "http" } else { "https" };
        let mut entries: Vec<(String, Arc<str>)> = Vec::new();
        let mut add = |host: String, scheme: &str| {
            if !entries.iter().any(|(h, _)| *h == host) {
                let base = format!("{scheme}://{host}").into();
                entries.push((host, base));
            }
        };
        let with_port = |host: &str| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_ascii_lowercase() };
            match (scheme, port) {
                ("https", 443) | ("http", 80) => host,
                _ => format!("{host}:{port}"),
            }
        };
        let listen = &config.listen.value.host;
        // 0.0.0.0 and [::] are where we listen, and nobody's name.
        let named = !listen.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
        if named {
            add(with_port(listen), scheme);
        }
        let public = |add: &mut dyn FnMut(String, &str)| {
            for url in &config.public_urls.value {
                add(url.authority(), url.scheme);
            }
        };
        if !named {
            public(&mut add);
        }
        for host in ["localhost", "127.0.0.1", "::1"] {
            add(with_port(host), scheme);
        }
        public(&mut add);
        for host in &config.extra_hosts {
            add(host.to_ascii_lowercase(), "https");
        }
        let authority = Authority::new(entries.iter().map(|(_, base)| base.to_string()));
        Self { entries, authority, proxies: config.behind_proxy.value.clone() }
    }

    /// The base URL that a request called us by, else the first one. `forwarded` is `X-Forwarded-Host`; it counts only when
    /// `peer` is a proxy of ours.
    pub fn base(&self, host: Option<&str>, forwarded: Option<&str>, peer: IpAddr) -> &Arc<str> {
        let forwarded =
            forwarded.filter(|_| self.is_proxy(peer)).map(|f| f.split(',').next().unwrap_or_default().trim());
        forwarded.and_then(|f| self.find(f)).or_else(|| host.and_then(|h| self.find(h))).unwrap_or_else(|| self.first())
    }

    /// The base URL for a request that calls us by one of our names; `None` for a stranger's.
    pub fn called(&self, host: Option<&str>, forwarded: Option<&str>, peer: IpAddr) -> Option<&Arc<str>> {
        match forwarded.filter(|_| self.is_proxy(peer)) {
            Some(forwarded) => self.find(forwarded.split(',').next().unwrap_or_default().trim()),
            None => self.find(host?),
        }
    }

    fn find(&self, host: &str) -> Option<&Arc<str>> {
        let (_, base) = self.entries.iter().find(|(h, base)| {
            h.eq_ignore_ascii_case(host)
                // A port that need not be named may be.
                || host.rsplit_once(':').is_some_and(|(name, port)| {
                    h.eq_ignore_ascii_case(name) && port == if base.starts_with("https:") { "443" } else { "80" }
                })
        })?;
        Some(base)
    }

    /// The base URL used when nothing else is known.
    pub fn first(&self) -> &Arc<str> {
        // `new` always adds localhost, so there is one.
        &self.entries[0].1
    }

    /// The identifier of the resource that a request means: our own base URL, which azure-cli uses as Microsoft Graph's
    /// identifier when a cloud was registered by it, means Microsoft Graph. One of Microsoft's names means what it means there.
    pub fn resource<'a>(&self, identifier: &'a str) -> &'a str {
        let base = identifier.strip_suffix('/').unwrap_or(identifier);
        let own = self.entries.iter().any(|(_, b)| b.eq_ignore_ascii_case(base)) && clouds::of_base(base).is_none();
        if own { well_known::GRAPH.app_id } else { identifier }
    }

    /// Whether an address is a proxy whose headers count.
    pub fn is_proxy(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|n| n.contains(peer))
    }

    /// The address of the client, by `X-Forwarded-For` where the peer is a proxy of ours: the last one that is none.
    pub fn client_address(&self, peer: IpAddr, forwarded_for: Option<&str>) -> IpAddr {
        if !self.is_proxy(peer) {
            return peer.to_canonical();
        }
        let mut address = peer;
        for text in forwarded_for.unwrap_or_default().rsplit(',') {
            let Ok(next) = text.trim().trim_matches(['[', ']']).parse::<IpAddr>() else { break };
            address = next;
            if !self.is_proxy(next) {
                break;
            }
        }
        address.to_canonical()
    }

    /// All names, as the rules compare `aud` with them.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn names(flags: &[(&str, &str)]) -> Names {
        let flags = flags.iter().map(|(n, v)| ((*n).to_owned(), vec![(*v).to_owned()])).collect();
        let (config, _) = Config::load(&Sources { flags, ..Sources::default() }).unwrap();
        Names::new(&config, 8443)
    }

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn follows_the_host_that_is_ours_and_no_other() {
        let n = names(&[]);
        assert_eq!(&**n.first(), "https://127.0.0.1:8443");
        assert_eq!(&**n.base(Some("LOCALHOST:8443"), None, PEER), "https://localhost:8443");
        assert_eq!(&**n.base(Some("[::1]:8443"), None, PEER), "https://[::1]:8443");
        for stranger in [Some("evil.example"), Some("localhost:1"), Some("localhost"), Some(""), None] {
            assert_eq!(n.base(stranger, Some("localhost:8443"), PEER), n.first(), "{stranger:?}");
        }
    }

    #[test]
    fn our_own_name_as_a_resource_is_microsoft_graph() {
        let (mut config, _) = Config::load(&Sources::default()).unwrap();
        config.extra_hosts = vec!["management.azure.com".to_owned()];
        let n = Names::new(&config, 8443);
        for own in ["https://127.0.0.1:8443", "https://LOCALHOST:8443/"] {
            assert_eq!(n.resource(own), well_known::GRAPH.app_id);
        }
        for other in ["https://management.azure.com", "https://127.0.0.1:8443/x", "https://127.0.0.1", "api://x", ""] {
            assert_eq!(n.resource(other), other);
        }
    }

    #[test]
    fn public_names_stand_first_when_the_listener_has_none() {
        let n = names(&[("listen", "0.0.0.0:8443"), ("public-url", "https://sts.example")]);
        assert_eq!(&**n.first(), "https://sts.example");
        assert_eq!(&**n.base(Some("sts.example:443"), None, PEER), "https://sts.example");
    }

    #[test]
    fn forwarded_headers_count_from_proxies_only() {
        let n = names(&[("public-url", "https://sts.example"), ("behind-proxy", "10.0.0.0/8")]);
        let stranger = "192.0.2.1".parse().unwrap();
        assert_eq!(&**n.base(Some("x"), Some("sts.example"), PEER), "https://sts.example");
        assert_eq!(n.base(Some("x"), Some("sts.example"), stranger), n.first());
        assert_eq!(n.base(Some("x"), Some("evil.example"), PEER), n.first());
        let ip = |t: &str| t.parse::<IpAddr>().unwrap();
        assert_eq!(n.client_address(PEER, Some("198.51.100.7, 192.0.2.9, 10.2.2.2")), ip("192.0.2.9"));
        assert_eq!(n.client_address(stranger, Some("198.51.100.7")), stranger);
        assert_eq!(n.client_address(PEER, None), PEER);
    }
}
