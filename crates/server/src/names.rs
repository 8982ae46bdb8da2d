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
    /// Whether this listener speaks TLS.
    https: bool,
}

impl Names {
    /// The names of a service that listens on `port`.
    pub fn new(config: &Config, port: u16) -> Self {
        let scheme = if config.tls.value == Tls::Off { "http" } else { "https" };
        let mut entries: Vec<(String, Arc<str>)> = Vec::new();
        let mut add = |host: String, scheme: &str| {
            let base: Arc<str> = format!("{scheme}://{host}").into();
            if !entries.iter().any(|(_, b)| *b == base) {
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
        Self { entries, authority, proxies: config.behind_proxy.value.clone(), https: scheme == "https" }
    }

    /// The base URL for a request that calls us by one of our names; `None` for a stranger's. `https` is how the client came,
    /// when somebody else than this listener knows it: it decides where a name is ours by both schemes.
    pub fn called(&self, host: Option<&str>, https: Option<bool>) -> Option<&Arc<str>> {
        let host = host?;
        let is = |(h, base): &&(String, Arc<str>)| {
            h.eq_ignore_ascii_case(host)
                // A port that need not be named may be.
                || host.rsplit_once(':').is_some_and(|(name, port)| {
                    h.eq_ignore_ascii_case(name) && port == if base.starts_with("https:") { "443" } else { "80" }
                })
        };
        let scheme = if https.unwrap_or(self.https) { "https:" } else { "http:" };
        let same = self.entries.iter().filter(is).find(|(_, base)| base.starts_with(scheme));
        same.or_else(|| self.entries.iter().find(is)).map(|(_, base)| base)
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

    fn called<'a>(names: &'a Names, host: &str, https: Option<bool>) -> Option<&'a str> {
        names.called(Some(host), https).map(|base| &**base)
    }

    #[test]
    fn follows_the_host_that_is_ours_and_no_other() {
        let n = names(&[]);
        assert_eq!(&**n.first(), "https://127.0.0.1:8443");
        assert_eq!(called(&n, "LOCALHOST:8443", None), Some("https://localhost:8443"));
        assert_eq!(called(&n, "[::1]:8443", Some(false)), Some("https://[::1]:8443"));
        for stranger in ["evil.example", "localhost:1", "localhost", ""] {
            assert_eq!(called(&n, stranger, None), None, "{stranger:?}");
        }
        assert_eq!(n.called(None, None), None);
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
        assert_eq!(called(&n, "sts.example:443", None), Some("https://sts.example"));
    }

    #[test]
    fn a_name_by_both_schemes_is_answered_by_the_one_that_was_used() {
        let flags = [("public-url", "http://sts.example"), ("tls", "off"), ("behind-proxy", "10.0.0.0/8")];
        let one = names(&flags);
        assert_eq!(called(&one, "sts.example", Some(true)), Some("http://sts.example"), "there is no other");
        let mut sources = Sources::default();
        for (name, value) in flags {
            sources.flags.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        sources.flags.entry("public-url".to_owned()).or_default().push("https://sts.example".to_owned());
        let both = Names::new(&Config::load(&sources).unwrap().0, 8080);
        assert_eq!(called(&both, "sts.example", Some(true)), Some("https://sts.example"));
        assert_eq!(called(&both, "sts.example", Some(false)), Some("http://sts.example"));
        assert_eq!(called(&both, "sts.example", None), Some("http://sts.example"), "as the listener speaks");
        assert_eq!(called(&both, "sts.example:443", Some(false)), Some("https://sts.example"), "that port is HTTPS");
    }
}
