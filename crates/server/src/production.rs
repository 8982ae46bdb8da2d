//! What `--mode production` refuses: set-ups that are right on a developer's machine and weak anywhere else.
//!
//! Called by `start` before anything listens, and once more when the store is open. Every weakness is named at once, so that
//! nobody has to find them one start at a time. `state` is not held to this: it is needed to mend them.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::path::Path;

use countersign_core::keyfile;
use countersign_core::x509::certificate::Certificate;
use zeroize::Zeroizing;

use crate::admin::ADMIN_TOKEN_FILE;
use crate::config::{Config, Database, Mode, Origin, Tls};
use crate::secrets::{MasterKey, Secrets, SecretsError};
use crate::store::{Filter, Page, Store, StoreError};
use crate::{files, published};

/// A key or token of fewer different bytes was not made by chance: 32 random bytes have 30 on average, and fewer than 16 in less
/// than one of 10^12 cases; 32 random base64url characters have 25 on average.
const FEWEST_DIFFERENT: (usize, usize) = (16, 10);
/// Applications whose keys are looked at before the start; the rest is looked at when a client is first asked for, and a
/// published key admits nobody then.
const APPLICATIONS: usize = 20_000;
/// Prefix lengths of the largest ranges that anybody has to himself: 10.0.0.0/8 and fc00::/7.
const WIDEST: (u8, u8) = (8, 7);

/// What is weak, each with its cause and its remedy.
#[derive(Debug, PartialEq, Eq)]
pub struct Weaknesses(pub Vec<String>);

impl fmt::Display for Weaknesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = if self.0.len() == 1 { "one thing is" } else { "these things are" };
        write!(f, "mode is production, and {many} weak:")?;
        self.0.iter().try_for_each(|weakness| write!(f, "\n  - {weakness}"))
    }
}

impl std::error::Error for Weaknesses {}

impl Weaknesses {
    fn verdict(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// Judges settings and the files that they name; anything goes in dev mode.
///
/// # Errors
/// All that is weak.
pub fn check(config: &Config) -> Result<(), Weaknesses> {
    let mut weak = Vec::new();
    if config.mode.value == Mode::Production {
        settings(config, &mut weak);
        kept_files(config, &mut weak);
        named_files(config, &mut weak);
    }
    Weaknesses(weak).verdict()
}

/// Judges the first applications of a store by keys and secrets that everybody has.
///
/// # Errors
/// All that is weak, or [`StoreError`] when the store cannot be read.
pub async fn check_store(store: &dyn Store, secrets: &Secrets) -> Result<Result<(), Weaknesses>, StoreError> {
    let mut weak = Vec::new();
    let mut left = APPLICATIONS;
    let digests: Vec<_> = published::secrets().map(|(text, place)| (secrets.digest(text), place)).collect();
    for tenant in store.tenants().await? {
        let mut after = String::new();
        while left > 0 {
            let page = Page { after: &after, limit: 500 };
            let applications = store.applications(&tenant.id, &Filter::All, page).await?;
            let Some(last) = applications.last() else { break };
            after.clone_from(&last.object_id);
            left = left.saturating_sub(applications.len());
            for application in &applications {
                let of = format!("application {} of tenant {}", application.app_id, tenant.id);
                for key in &application.key_credentials {
                    let place = key.der.as_deref().and_then(published_certificate);
                    weak.extend(
                        place.map(|place| {
                            format!("certificate {} of {of}: {}; remove it", key.key_id, everybody(place))
                        }),
                    );
                }
                for secret in &application.password_credentials {
                    let place = digests.iter().find(|(digest, _)| Some(*digest) == secret.digest);
                    weak.extend(place.map(|(_, place)| {
                        format!("client secret {} of {of}: {}; remove it", secret.key_id, everybody(place))
                    }));
                }
            }
        }
    }
    Ok(Weaknesses(weak).verdict())
}

/// Where the private key of this certificate can be read by everybody.
fn published_certificate(der: &[u8]) -> Option<&'static str> {
    published::key(Certificate::from_der(der).ok()?.public_key())
}

/// That a key is nobody's secret.
pub fn everybody(place: &str) -> String {
    format!("its private part stands in Countersign's own repository ({place}), where everybody can read it")
}

/// Rules over settings alone.
fn settings(config: &Config, weak: &mut Vec<String>) {
    let behind_proxy = !config.behind_proxy.value.is_empty();
    let many_nodes = matches!(config.database.value, Some(Database::Postgres(_)));
    if config.public_urls.value.is_empty() && (behind_proxy || many_nodes) {
        let why = if behind_proxy { "behind a proxy" } else { "with a database that several nodes share" };
        weak.push(format!("--public-url is not set: {why}, the service must know the name that clients use"));
    }
    for url in &config.public_urls.value {
        if url.scheme == "http" && !is_loopback(&url.host) {
            weak.push(format!(
                "--public-url {url} (from {}): clients would send secrets and assertions in the clear; use https://",
                config.public_urls.origin
            ));
        }
    }
    for network in &config.behind_proxy.value {
        let widest = if network.is_ipv4() { WIDEST.0 } else { WIDEST.1 };
        if network.bits() < widest {
            weak.push(format!(
                "--behind-proxy {network} (from {}): strangers could choose their own address in logs and limits; name the \
                 proxies alone",
                config.behind_proxy.origin
            ));
        }
    }
    if !config.managed_identities.value.is_empty() {
        weak.push(format!(
            "--managed-identity (from {}): whoever is on this machine would get tokens without any credential; leave it out",
            config.managed_identities.origin
        ));
    }
    let key = match &config.master_key.value {
        // The token is asked once, by whoever uses the key; what guards it is its PIN.
        MasterKey::Token { pin_file, .. } => {
            if let Some(file) = pin_file {
                private(file, "the PIN of the master key's token", weak);
            }
            Ok(None)
        }
        key => key.read(&config.data.value),
    };
    match key {
        Ok(Some(key)) if !looks_random(&*key, FEWEST_DIFFERENT.0) => weak.push(format!(
            "the master key in {} follows a pattern and can be guessed; make one by chance (openssl rand -hex 32)",
            config.master_key.value.place(&config.data.value).display()
        )),
        Err(error @ SecretsError::Readable { .. }) => weak.push(error.to_string()),
        // What cannot be used at all is told by whoever uses it.
        _ => {}
    }
}

/// Files of the data folder that were there before this start.
fn kept_files(config: &Config, weak: &mut Vec<String>) {
    let data = &config.data.value;
    if let Err(mode) = files::owner_writes(data) {
        weak.push(format!(
            "the data folder {} has mode {mode:04o}: others could replace its files (chmod 700 {0})",
            data.display()
        ));
    }
    let tls = data.join("tls");
    private(&tls.join("ca.key.pem"), "the key of the service's own CA", weak);
    private(&tls.join("server.key.pem"), "the key of the TLS certificate", weak);
    if let Some(file) = config.sqlite_file() {
        private(&file, "the database", weak);
    }
}

/// Files that settings name.
fn named_files(config: &Config, weak: &mut Vec<String>) {
    let token = config.admin_token_file.value.clone().unwrap_or_else(|| config.data.value.join(ADMIN_TOKEN_FILE));
    private(&token, "the admin token", weak);
    if let Ok(text) = std::fs::read_to_string(&token).map(Zeroizing::new) {
        let text = text.trim();
        if let Some(place) = published::secret(text) {
            weak.push(format!(
                "the admin token in {}: it stands in Countersign's own repository ({place})",
                token.display()
            ));
        } else if !text.is_empty() && !looks_random(text.as_bytes(), FEWEST_DIFFERENT.1) {
            weak.push(format!(
                "the admin token in {} follows a pattern and can be guessed; make one by chance (openssl rand -hex 32)",
                token.display()
            ));
        }
    }
    if let Tls::Files { key, .. } = &config.tls.value {
        private(key, "the TLS key", weak);
        let read = std::fs::read(key).map(Zeroizing::new).unwrap_or_default();
        let place = keyfile::read(&read, None).private_key().and_then(|k| published::key(k.public_key()));
        weak.extend(place.map(|place| format!("the TLS key {}: {}", key.display(), everybody(place))));
    }
    if let Some(Database::Postgres(url)) = &config.database.value
        && let Origin::File(file, _) = &config.database.origin
        && url.has_password()
    {
        private(file, "the settings file, which holds the database's password,", weak);
    }
    if let Some(seed) = &config.seed.value
        && files::owner_only(seed).is_err()
        && holds(seed, "secretText")
    {
        private(seed, "the seed file, which holds client secrets,", weak);
    }
}

fn private(path: &Path, what: &str, weak: &mut Vec<String>) {
    if let Err(mode) = files::owner_only(path) {
        let path = path.display();
        weak.push(format!(
            "{what} {path} has mode {mode:04o}: it must be readable by its owner alone (chmod 600 {path})"
        ));
    }
}

/// Whether a text file contains a word.
fn holds(path: &Path, word: &str) -> bool {
    let Ok(file) = std::fs::File::open(path) else { return false };
    BufReader::new(file).split(b'\n').map_while(Result::ok).any(|line| String::from_utf8_lossy(&line).contains(word))
}

/// Whether bytes may have been drawn by chance: many different ones, and not simply counted.
fn looks_random(bytes: &[u8], fewest_different: usize) -> bool {
    let mut different = bytes.to_vec();
    different.sort_unstable();
    different.dedup();
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    let counted = bytes.windows(2).map(step).collect::<std::collections::HashSet<_>>().len() <= 1;
    different.len() >= fewest_different && !counted
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_from_chance() {
        let counted: Vec<u8> = (0..32).collect();
        for weak in [&[0; 32][..], &[0xab; 32], &counted, b"0123456789abcdef0123456789abcde\0"] {
            assert!(!looks_random(weak, FEWEST_DIFFERENT.0 + 2), "{weak:?}");
        }
        for _ in 0..1_000 {
            let key = crate::secrets::random::<32>().unwrap();
            assert!(looks_random(&key, FEWEST_DIFFERENT.0), "{key:?}");
            let token = countersign_core::encoding::encode_base64url(&key);
            assert!(looks_random(token.as_bytes(), FEWEST_DIFFERENT.1), "{token}");
            let token = countersign_core::encoding::encode_hex_lower(&key);
            assert!(looks_random(token.as_bytes(), FEWEST_DIFFERENT.1), "{token}");
        }
        assert!(!looks_random("a".repeat(40).as_bytes(), FEWEST_DIFFERENT.1));
    }

    #[test]
    fn loopback_names() {
        for here in ["localhost", "sts.localhost", "127.0.0.1", "[::1]"] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in ["sts.example", "10.0.0.1", "[::]", "localhost.example"] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
