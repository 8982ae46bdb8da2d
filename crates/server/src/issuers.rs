//! Keys of external issuers (workload identity federation), fetched from the issuer's own metadata.
//!
//! `issue` asks for an issuer only after a federated credential of the client named it. Nothing else causes a request:
//! no header of an assertion does. Private addresses are refused unless the operator allows them; size, time, number and
//! frequency are bounded.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use countersign_core::crypto::Provider;
use countersign_core::facts::IssuerKey;
use countersign_core::time::UnixTime;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use serde_json::Value;

use crate::directory::issuer_key;

/// Longest metadata or JWK Set that is read. Entra's own JWK Set has about 20 KiB.
const MAX_BODY: usize = 256 * 1024;
/// Most keys of one issuer.
const MAX_KEYS: usize = 100;
/// Time for both requests together: a refusal is promised within five seconds.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Seconds for which keys are used without asking again.
const FRESH: i64 = 3_600;
/// Seconds before an issuer is asked again because a key was missing or it could not be reached.
const RETRY: i64 = 30;
/// Issuers that are remembered; each was named by a registered credential.
const MAX_ISSUERS: usize = 1_000;

/// Keys of external issuers.
pub struct Issuers {
    /// Made when the first issuer is asked: most services never ask one, and the system's roots cost time and memory.
    client: OnceLock<Option<Client>>,
    crypto: Arc<dyn Provider>,
    allow_private: bool,
    known: Mutex<HashMap<String, Arc<Issuer>>>,
}

/// What is known of one issuer.
#[derive(Default)]
struct Issuer {
    entry: Mutex<Option<Entry>>,
    /// Held while the issuer is asked, so that many requests at once ask it once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Entry {
    keys: Option<Arc<[IssuerKey]>>,
    asked: UnixTime,
}

impl Entry {
    /// Whether the entry answers by itself: it has the key and is fresh, or the issuer was asked a moment ago.
    fn answers(&self, kid: Option<&str>, now: UnixTime) -> bool {
        let age = now.secs_since(self.asked).abs();
        let has_key =
            |keys: &Arc<[IssuerKey]>| kid.is_none_or(|k| keys.iter().any(|key| key.kid.as_deref() == Some(k)));
        age < RETRY || (age < FRESH && self.keys.as_ref().is_some_and(has_key))
    }
}

impl std::fmt::Debug for Issuers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issuers").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

/// TLS towards others, trusting the system's roots (or those in `SSL_CERT_FILE`), and how many there are.
pub(crate) fn tls_client() -> Option<(rustls::ClientConfig, usize)> {
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Some((tls, added))
}

impl Issuers {
    /// Keys of issuers on the public internet; with `allow_private` also on private and loopback addresses.
    pub fn new(crypto: Arc<dyn Provider>, allow_private: bool) -> Self {
        Self { client: OnceLock::new(), crypto, allow_private, known: Mutex::new(HashMap::new()) }
    }

    /// The client, trusting the system's roots (or those in `SSL_CERT_FILE`).
    fn client(&self) -> Option<&Client> {
        let made = self.client.get_or_init(|| {
            let (tls, added) = tls_client()?;
            let client = Client::builder()
                .tls_backend_preconfigured(tls)
                .https_only(true)
                .no_proxy()
                .redirect(redirect::Policy::none())
                .timeout(TIMEOUT)
                .connect_timeout(TIMEOUT)
                .dns_resolver(Arc::new(PublicOnly { allow_private: self.allow_private }))
                .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
                .build();
            if let Err(error) = &client {
                tracing::warn!(%error, "keys of external issuers cannot be fetched");
            }
            if added == 0 {
                tracing::warn!("the system has no root certificates: keys of external issuers cannot be fetched");
            }
            client.ok()
        });
        made.as_ref()
    }

    /// The issuer's keys; `None` when they cannot be had. `kid` is the key that is looked for: if the remembered keys lack
    /// it, the issuer is asked again, but not more often than every 30 seconds.
    pub async fn keys(&self, issuer: &str, kid: Option<&str>, now: UnixTime) -> Option<Arc<[IssuerKey]>> {
        let known = self.known(issuer);
        let remembered = || locked(&known.entry).clone();
        if let Some(entry) = remembered().filter(|e| e.answers(kid, now)) {
            return entry.keys;
        }
        let _asking = known.asking.lock().await;
        let before = remembered();
        if let Some(entry) = before.as_ref().filter(|e| e.answers(kid, now)) {
            return entry.keys.clone();
        }
        let fetched = tokio::time::timeout(TIMEOUT, self.fetch(issuer)).await;
        let keys = match fetched.unwrap_or(Err(FetchError::Unusable("no answer in time"))) {
            Ok(keys) => Some(keys),
            Err(error) => {
                tracing::warn!(issuer, %error, "the keys of a federated issuer cannot be had");
                // An issuer that is away for a moment keeps the keys it had.
                before.and_then(|e| e.keys)
            }
        };
        *locked(&known.entry) = Some(Entry { keys: keys.clone(), asked: now });
        keys
    }

    fn known(&self, issuer: &str) -> Arc<Issuer> {
        let mut known = locked(&self.known);
        if known.len() >= MAX_ISSUERS && !known.contains_key(issuer) {
            known.clear();
        }
        Arc::clone(known.entry(issuer.to_owned()).or_default())
    }

    async fn fetch(&self, issuer: &str) -> Result<Arc<[IssuerKey]>, FetchError> {
        let metadata = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata = self.get(&metadata).await?;
        // OpenID Connect Discovery 1.0 §4.3: the issuer in the metadata is the one that was asked for.
        if metadata.get("issuer").and_then(Value::as_str) != Some(issuer) {
            return Err(FetchError::Unusable("its metadata names another issuer"));
        }
        let uri = metadata
            .get("jwks_uri")
            .and_then(Value::as_str)
            .ok_or(FetchError::Unusable("its metadata has no jwks_uri"))?;
        let set = self.get(uri).await?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(FetchError::Unusable("its JWK Set has no keys"))?;
        Ok(keys.iter().take(MAX_KEYS).filter_map(|k| issuer_key(k, &*self.crypto)).collect())
    }

    async fn get(&self, url: &str) -> Result<Value, FetchError> {
        let client = self.client().ok_or(FetchError::Unusable("no TLS client"))?;
        let url = Url::parse(url).map_err(|_| FetchError::Unusable("an address that is no URL"))?;
        if url.scheme() != "https" || !url.username().is_empty() || url.password().is_some() {
            return Err(FetchError::Unusable("an address that is not plain https"));
        }
        // An address written as numbers never reaches the resolver.
        let literal = url.host_str().and_then(|h| h.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|ip| !self.allow_private && !is_public(ip)) {
            return Err(FetchError::Unusable("a private address"));
        }
        let mut response = client.get(url).header("accept", "application/json").send().await?;
        if !response.status().is_success() {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(FetchError::Unusable("an answer of more than 256 KiB"));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|_| FetchError::Unusable("an answer that is no JSON"))
    }
}

/// What the lock holds is replaced as a whole; a panic elsewhere leaves it whole.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("{0}")]
    Http(#[from] reqwest::Error),
    #[error("status {0}")]
    Status(u16),
    #[error("{0}")]
    Unusable(&'static str),
}

/// Resolves names to public addresses only, so that a name cannot point into the network of the service.
struct PublicOnly {
    allow_private: bool,
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let usable: Vec<SocketAddr> = found.filter(|a| allow_private || is_public(a.ip())).collect();
            if usable.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(usable.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA special-purpose registries, RFC 6890).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b); // RFC 6598
    let protocol = a == 192 && b == 0 && c == 0; // RFC 6890
    let benchmark = a == 198 && (18..20).contains(&b); // RFC 2544
    let reserved = a >= 240 || a == 0;
    !(ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || ip.is_broadcast()
        || shared
        || protocol
        || benchmark
        || reserved)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(v4) = ip.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let s = ip.segments();
    // RFC 6052, RFC 3056, RFC 4380: prefixes that carry an IPv4 address.
    if s[0] == 0x64 && s[1] == 0xff9b {
        return is_public_v4(Ipv4Addr::from((u32::from(s[6]) << 16) | u32::from(s[7])));
    }
    if s[0] == 0x2002 {
        return is_public_v4(Ipv4Addr::from((u32::from(s[1]) << 16) | u32::from(s[2])));
    }
    let global_unicast = s[0] & 0xe000 == 0x2000;
    let teredo = s[0] == 0x2001 && s[1] == 0;
    let documentation = s[0] == 0x2001 && s[1] == 0xdb8 || s[0] & 0xfff0 == 0x3ff0;
    global_unicast && !teredo && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_public_addresses_from_all_others() {
        for ip in ["8.8.8.8", "20.190.128.1", "2603:1006::1", "2a00:1450::1", "::ffff:8.8.8.8"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.170",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "2001::1",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
