//! How a form reaches a token endpoint: a small trait, and HTTPS with the system's roots behind it.
//!
//! aws-lc is passed in, nothing is process-wide. Redirects are never followed: a form with a credential goes nowhere else.

use std::fmt::Debug;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use countersign_core::keyfile;
use reqwest::Url;
use reqwest::header::RETRY_AFTER;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;

/// Sends a form and brings back the answer. Implemented by [`Https`]; tests and embedders bring their own.
pub trait Transport: Send + Sync + Debug {
    /// Sends `form` to `url` by POST.
    ///
    /// The answer's body must be bounded by the implementation.
    fn post<'a>(&'a self, url: &'a Url, form: Form<'a>) -> Answering<'a>;

    /// Fetches `url`: a server's metadata. Needed for [`Issuer`](crate::Issuer) only.
    fn get<'a>(&'a self, url: &'a Url) -> Answering<'a> {
        let why = "this transport fetches nothing; name the token endpoint instead of the issuer".to_owned();
        Box::pin(std::future::ready(Err(TransportError::Unreachable { url: url.to_string(), why })))
    }
}

/// An answer to come.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, TransportError>> + Send + 'a>>;

/// A form and the id that finds it in the server's logs.
#[derive(Clone, Copy)]
pub struct Form<'a> {
    /// Names and values. They hold credentials: never print them.
    pub parameters: &'a [(&'a str, &'a str)],
    /// `client-request-id`.
    pub request_id: &'a str,
}

/// An answer of a token endpoint.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, bounded.
    pub retry_after: Option<Duration>,
    /// The body; it may hold a token.
    pub body: Vec<u8>,
}

/// How to reach an authorization server.
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    /// Files with further roots, PEM or DER.
    pub ca_files: Vec<PathBuf>,
    /// Longest time to connect; 10 s without one.
    pub connect_timeout: Option<Duration>,
    /// Leave out proxies, those of the environment too.
    pub direct: bool,
    /// Proxy for every request, instead of those that `HTTPS_PROXY` and its like name.
    pub proxy: Option<String>,
}

/// Why a server cannot be reached.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransportError {
    /// A CA file cannot be used.
    #[error("{}: {why}; expected a file with the CA's certificate (PEM or DER)", path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A proxy that is no URL.
    #[error("'{0}' is no proxy; expected http://HOST:PORT or https://HOST:PORT")]
    Proxy(String),
    /// No client could be made.
    #[error("the HTTPS client could not be set up: {0}")]
    SetUp(String),
    /// The connection failed, or TLS did.
    #[error("{url} cannot be reached: {why}")]
    Unreachable {
        /// Where.
        url: String,
        /// The innermost cause.
        why: String,
    },
}

/// Longest answer that is read.
const MAX_ANSWER: usize = 256 * 1024;
/// Longest `Retry-After` that is honoured, as in MSAL.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);
/// Longest CA file that is read: a distribution's bundle has some 250 KB.
const MAX_CA_FILE: u64 = 4 * 1024 * 1024;

/// HTTPS by reqwest and rustls.
#[derive(Clone, Debug)]
pub struct Https(reqwest::Client);

impl Https {
    /// A transport with these options.
    ///
    /// # Errors
    /// [`TransportError`] when a CA file cannot be used.
    pub fn new(options: &TransportOptions) -> Result<Self, TransportError> {
        http_client(options).map(Self)
    }
}

impl Transport for Https {
    fn post<'a>(&'a self, url: &'a Url, form: Form<'a>) -> Answering<'a> {
        Box::pin(async move {
            let failed = |e: reqwest::Error| unreachable(url.as_str(), &e);
            let mut response = self
                .0
                .post(url.clone())
                .header("accept", "application/json")
                .header("client-request-id", form.request_id)
                .form(form.parameters)
                .send()
                .await
                .map_err(failed)?;
            read(url, &mut response).await
        })
    }

    fn get<'a>(&'a self, url: &'a Url) -> Answering<'a> {
        Box::pin(async move {
            let request = self.0.get(url.clone()).header("accept", "application/json");
            let mut response = request.send().await.map_err(|e| unreachable(url.as_str(), &e))?;
            read(url, &mut response).await
        })
    }
}

async fn read(url: &Url, response: &mut reqwest::Response) -> Result<Answer, TransportError> {
    let status = response.status().as_u16();
    let header = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok());
    let retry_after = header.and_then(|text| wait_of(text, SystemTime::now()));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(url.as_str(), &e))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            let why = format!("it answered {status} with more than 256 KiB");
            return Err(TransportError::Unreachable { url: url.to_string(), why });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, retry_after, body })
}

/// `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
fn wait_of(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse() {
        Ok(secs) => Duration::from_secs(secs),
        // A date that has passed means: now.
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A plain HTTPS client for these options, for calls other than token requests.
///
/// # Errors
/// [`TransportError`] when a CA file cannot be used.
pub fn http_client(options: &TransportOptions) -> Result<reqwest::Client, TransportError> {
    let mut roots = RootCertStore::empty();
    // Honours SSL_CERT_FILE and SSL_CERT_DIR. What the system's store holds that rustls cannot read is left out.
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::debug!(%error, "a part of the system's certificate store is left out");
    }
    roots.add_parsable_certificates(native.certs);
    for path in &options.ca_files {
        add_roots(path, &mut roots)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| TransportError::SetUp(e.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout.unwrap_or(Duration::from_secs(10)))
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    if options.direct {
        builder = builder.no_proxy();
    } else if let Some(proxy) = &options.proxy {
        let wrong = || TransportError::Proxy(without_password(proxy));
        let is_http = Url::parse(proxy).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        let proxy = reqwest::Proxy::all(proxy).ok().filter(|_| is_http).ok_or_else(wrong)?;
        builder = builder.no_proxy().proxy(proxy);
    }
    builder.build().map_err(|e| TransportError::SetUp(e.to_string()))
}

fn add_roots(path: &Path, roots: &mut RootCertStore) -> Result<(), TransportError> {
    let failed = |why: String| TransportError::CaFile { path: path.to_owned(), why };
    let length = std::fs::metadata(path).map_err(|e| failed(format!("cannot be read: {e}")))?.len();
    if length > MAX_CA_FILE {
        return Err(failed("more than 4 MiB".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|e| failed(format!("cannot be read: {e}")))?;
    let file = keyfile::read(&bytes, None);
    let mut found = false;
    for certificate in file.certificates() {
        let der = CertificateDer::from(certificate.der().to_vec());
        roots.add(der).map_err(|e| failed(format!("'{}' is no root that can be used: {e}", certificate.subject())))?;
        found = true;
    }
    if found { Ok(()) } else { Err(failed(format!("no certificate in it; this is {}", file.describe()))) }
}

/// A proxy may stand with its user's password; what is said of it does not.
fn without_password(proxy: &str) -> String {
    match proxy.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            format!("{scheme}://…@{host}")
        }
        None => proxy.to_owned(),
    }
}

/// The innermost cause of a failed request; an error of reqwest itself repeats the URL.
pub fn unreachable(url: &str, error: &reqwest::Error) -> TransportError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    TransportError::Unreachable { url: url.to_owned(), why: cause.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_testkit::{Identity, Spec};

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Tue, 24 Nov 2026 18:00:00 GMT").unwrap();
        let wait = |text| wait_of(text, now);
        assert_eq!(wait(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(wait("Tue, 24 Nov 2026 18:01:30 GMT"), Some(Duration::from_secs(90)));
        assert_eq!(wait("Tue, 24 Nov 2026 17:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
    }

    #[test]
    fn a_wrong_proxy_is_told_without_its_password() {
        for wrong in ["nowhere", "ftp://me:s3cret@proxy:1"] {
            let options = TransportOptions { proxy: Some(wrong.to_owned()), ..TransportOptions::default() };
            let text = http_client(&options).unwrap_err().to_string();
            assert!(text.contains("http://HOST:PORT") && !text.contains("s3cret"), "{text}");
        }
        let right =
            TransportOptions { proxy: Some("http://proxy.example:3128".to_owned()), ..TransportOptions::default() };
        assert!(http_client(&right).is_ok());
    }

    #[test]
    fn a_ca_file_that_is_none_is_named_with_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let client = |path: &Path| {
            let options = TransportOptions { ca_files: vec![path.to_owned()], ..TransportOptions::default() };
            http_client(&options).map(drop).map_err(|e| e.to_string())
        };
        let identity = Identity::rsa(0, &Spec::default());
        let good = folder.path().join("ca.pem");
        std::fs::write(&good, identity.certificate_pem()).unwrap();
        assert_eq!(client(&good), Ok(()));

        let key = folder.path().join("key.pem");
        std::fs::write(&key, identity.key_pem()).unwrap();
        let text = client(&key).unwrap_err();
        assert!(text.contains("key.pem") && text.contains("a private key") && !text.contains("MII"), "{text}");

        let text = client(&folder.path().join("none")).unwrap_err();
        assert!(text.contains("none") && text.contains("cannot be read"), "{text}");
    }
}
