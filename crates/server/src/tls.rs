//! HTTPS: the service's own CA, made on the first start, or files that were given.
//!
//! Called by `start`, and by `renewal` while the service runs. The CA's key never leaves the data folder; the leaf names every
//! name of ours and is renewed when they change or its end is near.

pub mod renewal;

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::keyfile;
use countersign_core::time::UnixTime;
use countersign_core::x509::certificate::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::config::{Config, Tls};
use crate::files;
use crate::names::Names;
use crate::token::signer::set_validity;

/// Files below the data folder.
const FOLDER: &str = "tls";
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca.key.pem";
const LEAF: &str = "server.pem";
const LEAF_KEY: &str = "server.key.pem";
/// Life of the CA, of a leaf, and when a leaf is renewed. Apple's clients take no server certificate of more than 398 days.
const CA_DAYS: i64 = 3_650;
const LEAF_DAYS: i64 = 397;
const RENEW_DAYS: i64 = 30;
const DAY: i64 = 86_400;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("{} cannot be {doing}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What it is instead, and what was expected.
        why: String,
    },
    /// A certificate could not be made.
    #[error("a TLS certificate could not be made: {0}")]
    Make(String),
}

/// TLS of a service.
pub struct Ready {
    /// For the listener.
    pub config: Arc<ServerConfig>,
    /// The CA's certificate, when it is our own.
    pub ca_file: Option<PathBuf>,
    /// When the leaf ends; `None` where it was made elsewhere.
    pub not_after: Option<UnixTime>,
    /// What is wrong with the leaf, when it can be used all the same.
    pub warning: Option<String>,
}

/// What a certificate is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A start: a certificate that has ended serves until there is a better one.
    ToStart,
    /// To take the place of one in force, which one outside its time may not.
    ToReplace,
}

/// Prepares TLS; `None` when it is off.
///
/// # Errors
/// [`TlsError`] naming the file.
pub fn prepare(config: &Config, names: &Names, now: UnixTime, wanted: Wanted) -> Result<Option<Ready>, TlsError> {
    if let Some((given, ca_file)) = &config.given_tls {
        let ca_file = Some(ca_file.clone());
        return Ok(Some(Ready { config: Arc::clone(given), ca_file, not_after: None, warning: None }));
    }
    match &config.tls.value {
        Tls::Off => Ok(None),
        Tls::Auto => {
            let folder = config.data.value.join(FOLDER);
            let (chain, key, not_after) = own(&folder, &subject_names(names), now)?;
            let server = server_config(chain, key, &folder.join(LEAF))?;
            let (ca_file, not_after) = (Some(folder.join(CA)), Some(not_after));
            Ok(Some(Ready { config: server, ca_file, not_after, warning: None }))
        }
        Tls::Files { certificate, key } => {
            let (server, leaf) = from_files(certificate, key)?;
            let outside = outside_its_time(&leaf, now);
            if let Some(why) = outside.clone().filter(|_| wanted == Wanted::ToReplace) {
                return Err(TlsError::Content { path: certificate.clone(), why });
            }
            let warning = outside.or_else(|| unnamed(&leaf, config));
            let warning = warning.map(|why| format!("{}: {why}", certificate.display()));
            Ok(Some(Ready { config: server, ca_file: None, not_after: Some(leaf.not_after()), warning }))
        }
    }
}

/// Why a certificate does not serve at this time.
fn outside_its_time(leaf: &Certificate, now: UnixTime) -> Option<String> {
    if now > leaf.not_after() {
        Some(format!("the certificate ended at {}; clients refuse it", leaf.not_after().rfc3339()))
    } else if now < leaf.not_before() {
        Some(format!("the certificate begins at {} only; clients refuse it until then", leaf.not_before().rfc3339()))
    } else {
        None
    }
}

/// Which public name a certificate lacks. Behind a proxy the clients see the proxy's certificate, and this one is its affair.
fn unnamed(leaf: &Certificate, config: &Config) -> Option<String> {
    if !config.behind_proxy.value.is_empty() {
        return None;
    }
    let names = leaf.subject_alternative_names();
    let covers = |host: &str| {
        let host = host.trim_matches(['[', ']']);
        let parent = host.split_once('.').map(|(_, parent)| parent);
        names.iter().any(|n| {
            n.eq_ignore_ascii_case(host)
                // RFC 9525 §6.3: a wildcard stands for the leftmost label.
                || n.strip_prefix("*.").is_some_and(|n| parent.is_some_and(|p| p.eq_ignore_ascii_case(n)))
        })
    };
    let missing = config.public_urls.value.iter().find(|url| url.scheme == "https" && !covers(&url.host))?;
    Some(format!("the certificate does not name '{}' of --public-url; clients refuse it there", missing.host))
}

/// Reads certificate and key files, and answers the leaf beside.
///
/// # Errors
/// [`TlsError`] naming the file.
pub fn from_files(certificate: &Path, key: &Path) -> Result<(Arc<ServerConfig>, Certificate), TlsError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|cause| TlsError::File { path: path.to_owned(), doing: "read", cause })
    };
    let content = |path: &Path, why: &str| TlsError::Content { path: path.to_owned(), why: why.to_owned() };
    let certificates = keyfile::read(&read(certificate)?, None);
    let keys = keyfile::read(&read(key)?, None);
    let Some(private) = keys.private_key() else {
        let why = if keys.has_closed_key() {
            "the private key is encrypted; a TLS key must be readable without a password"
        } else if keys.certificates().next().is_some() {
            "this is a certificate; the second file of --tls must hold the private key (CERT,KEY)"
        } else {
            "this holds no private key; a PEM file with a PRIVATE KEY block was expected"
        };
        return Err(content(key, why));
    };
    let Some(leaf) = certificates.certificates().find(|c| private.matches(c)) else {
        if certificates.certificates().next().is_none() {
            return Err(content(
                certificate,
                "this holds no certificate; a PEM file with a CERTIFICATE block was expected",
            ));
        }
        return Err(content(
            key,
            &format!("this private key does not belong to the certificate in {}", certificate.display()),
        ));
    };
    let mut chain = vec![CertificateDer::from(leaf.der().to_vec())];
    let others = certificates.certificates().filter(|c| c.der() != leaf.der() && !c.self_signed());
    chain.extend(others.map(|c| CertificateDer::from(c.der().to_vec())));
    let key = PrivatePkcs8KeyDer::from(private.pkcs8_der().to_vec()).into();
    Ok((server_config(chain, key, certificate)?, leaf.clone()))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    named: &Path,
) -> Result<Arc<ServerConfig>, TlsError> {
    let content =
        |e: rustls::Error| TlsError::Content { path: named.to_owned(), why: format!("it cannot be used for TLS: {e}") };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(content)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(content)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Names for the certificate: every host of ours, without ports.
fn subject_names(names: &Names) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for base in names.authority().names() {
        let host = base.split_once("://").map_or(base.as_str(), |(_, h)| h);
        let host = match host.strip_prefix('[') {
            Some(v6) => v6.split(']').next().unwrap_or_default(),
            None => host.split(':').next().unwrap_or_default(),
        };
        if !out.iter().any(|n| n == host) {
            out.push(host.to_owned());
        }
    }
    out
}

/// The leaf under our own CA with the CA behind it, its key, and when it ends; leaf and CA are made when they are missing.
fn own(
    folder: &Path,
    names: &[String],
    now: UnixTime,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>, UnixTime), TlsError> {
    files::create_private_folder(folder).map_err(|cause| TlsError::File {
        path: folder.to_owned(),
        doing: "written",
        cause,
    })?;
    let ca = Pair::read(folder, CA, CA_KEY)?;
    let ca = match ca {
        Some(ca) if ca.certificate.valid_at(now) => ca,
        // A CA that has ended helps nobody. One that begins in the future means that the clock was set back: making
        // another would cut off everybody who trusts this one.
        Some(ca) if now < ca.certificate.not_before() => ca,
        _ => make_ca(now)?.write(folder, CA, CA_KEY)?,
    };
    let leaf = match Pair::read(folder, LEAF, LEAF_KEY)? {
        Some(leaf) if leaf.serves(names, &ca, now) => leaf,
        _ => make_leaf(&ca, names, now)?.write(folder, LEAF, LEAF_KEY)?,
    };
    let chain = vec![
        CertificateDer::from(leaf.certificate.der().to_vec()),
        CertificateDer::from(ca.certificate.der().to_vec()),
    ];
    let not_after = leaf.certificate.not_after();
    Ok((chain, PrivatePkcs8KeyDer::from(leaf.key.serialize_der()).into(), not_after))
}

/// A certificate with its key.
struct Pair {
    certificate: Certificate,
    certificate_pem: String,
    key: KeyPair,
}

impl Pair {
    /// Reads a pair; `None` when there is none.
    fn read(folder: &Path, certificate: &str, key: &str) -> Result<Option<Self>, TlsError> {
        let read = |name: &str| {
            let path = folder.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => Ok(Some(text)),
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(cause) => Err(TlsError::File { path, doing: "read", cause }),
            }
        };
        let (Some(certificate_pem), Some(key_pem)) = (read(certificate)?, read(key)?) else { return Ok(None) };
        let damaged = |name: &str, what: &str| TlsError::Content {
            path: folder.join(name),
            why: format!(
                "this should hold {what} of the service's own CA and is damaged; remove the folder to have another CA made"
            ),
        };
        let key = KeyPair::from_pem(&key_pem).map_err(|_| damaged(key, "a private key"))?;
        let certificate = keyfile::read(certificate_pem.as_bytes(), None)
            .certificates()
            .next()
            .cloned()
            .ok_or_else(|| damaged(certificate, "a certificate"))?;
        Ok(Some(Self { certificate, certificate_pem, key }))
    }

    /// Makes a pair whole on the disk: the key first, so that a certificate never stands without one.
    fn write(self, folder: &Path, certificate: &str, key: &str) -> Result<Self, TlsError> {
        let failed = |name: &str| {
            let path = folder.join(name);
            move |cause| TlsError::File { path, doing: "written", cause }
        };
        let _ = std::fs::remove_file(folder.join(certificate));
        files::write_private(&folder.join(key), self.key.serialize_pem().as_bytes()).map_err(failed(key))?;
        files::write_public(&folder.join(certificate), self.certificate_pem.as_bytes()).map_err(failed(certificate))?;
        Ok(self)
    }

    /// Whether this leaf can go on serving.
    fn serves(&self, names: &[String], ca: &Self, now: UnixTime) -> bool {
        let named = self.certificate.subject_alternative_names();
        let provider = countersign_core::crypto::aws_lc::AwsLc;
        names.iter().all(|n| named.iter().any(|s| s == n || s.ends_with(&format!(":{n}"))))
            && self.certificate.valid_at(now)
            && self.certificate.valid_at(now.plus_secs(RENEW_DAYS * DAY))
            && self.certificate.issued_by(&ca.certificate, &provider)
    }
}

fn make(params: &CertificateParams, key: KeyPair, issuer: Option<&Pair>) -> Result<Pair, TlsError> {
    let failed = |e: rcgen::Error| TlsError::Make(e.to_string());
    let made = match issuer {
        None => params.self_signed(&key).map_err(failed)?,
        Some(ca) => {
            let issuer = Issuer::from_ca_cert_pem(&ca.certificate_pem, &ca.key).map_err(failed)?;
            params.signed_by(&key, &issuer).map_err(failed)?
        }
    };
    let certificate = Certificate::from_der(made.der()).map_err(|e| TlsError::Make(e.to_string()))?;
    Ok(Pair { certificate, certificate_pem: made.pem(), key })
}

fn key() -> Result<KeyPair, TlsError> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| TlsError::Make(e.to_string()))
}

fn make_ca(now: UnixTime) -> Result<Pair, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Countersign");
    // Every installation has a CA of its own; the date tells two of them apart in a trust store.
    params
        .distinguished_name
        .push(DnType::CommonName, format!("Countersign local CA {}", now.rfc3339().get(..10).unwrap_or_default()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_validity(&mut params, now.plus_secs(-DAY), now.plus_secs(CA_DAYS * DAY));
    make(&params, key()?, None)
}

fn make_leaf(ca: &Pair, names: &[String], now: UnixTime) -> Result<Pair, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(
                name.clone()
                    .try_into()
                    .map_err(|_| TlsError::Make(format!("'{name}' cannot stand in a certificate")))?,
            ),
        });
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params, now.plus_secs(-DAY), now.plus_secs((LEAF_DAYS - 1) * DAY));
    make(&params, key()?, Some(ca))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_795_000_000);

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn ca_stays_and_the_leaf_follows_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let f = folder.path();
        let first = own(f, &names(&["localhost", "127.0.0.1", "::1"]), NOW).unwrap().0;
        assert_eq!(own(f, &names(&["::1", "localhost"]), NOW).unwrap().0, first, "nothing changed");
        let more = own(f, &names(&["localhost", "sts.example"]), NOW).unwrap().0;
        assert_ne!(more[0], first[0], "another name");
        assert_eq!(more[1], first[1], "the same CA");
        let later = own(f, &names(&["localhost"]), NOW.plus_secs(380 * DAY)).unwrap().0;
        assert_ne!(later[0], more[0], "near its end");
        assert_eq!(later[1], first[1]);
        assert_eq!(
            own(f, &names(&["localhost"]), NOW.plus_secs(-10 * DAY)).unwrap().0[1],
            first[1],
            "a clock set back"
        );
        for key in [CA_KEY, LEAF_KEY] {
            assert_eq!(files::owner_only(&f.join(key)), Ok(()), "{key}");
        }
    }

    #[test]
    fn files_that_are_something_else_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let f = folder.path();
        own(f, &names(&["localhost"]), NOW).unwrap();
        assert!(from_files(&f.join(LEAF), &f.join(LEAF_KEY)).is_ok());
        for (certificate, key, word) in [
            ("none.pem", LEAF_KEY, "none.pem"),
            (LEAF, "none.key", "none.key"),
            (LEAF, LEAF, "must hold the private key"),
            (LEAF_KEY, LEAF_KEY, "holds no certificate"),
            (LEAF, CA_KEY, CA_KEY),
        ] {
            let error = from_files(&f.join(certificate), &f.join(key)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
        std::fs::write(f.join(CA_KEY), "rubbish").unwrap();
        assert!(own(f, &names(&["localhost"]), NOW).unwrap_err().to_string().contains(CA_KEY));
    }
}
