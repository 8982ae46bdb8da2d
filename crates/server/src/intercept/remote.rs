//! A service that runs elsewhere, for `run --url`: requests for listed hosts are handed on to it, host names as they were.
//!
//! Used by `proxy` and by `run`. It trusts the roots it is given and nothing else.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::{CONNECTION, HOST};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::pass::bare;

/// A connection, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// It must be reached in this time.
const CONNECT: Duration = Duration::from_secs(15);
/// Longest metadata that is read.
const MAX_METADATA: usize = 64 * 1024;

/// The service.
pub struct Remote {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Why the service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The URL.
    #[error("'{0}' is no URL of a service: https://HOST:PORT is expected, without a path")]
    Url(String),
    /// It cannot be reached, or TLS failed.
    #[error("the service at {place} cannot be reached: {cause}")]
    Unreachable {
        /// Where.
        place: String,
        /// What was said.
        cause: String,
    },
    /// It answered, and not as a token service does.
    #[error(
        "what answers at {0} is no token service: it has no OpenID configuration at /common/v2.0/.well-known/openid-configuration"
    )]
    NoService(String),
}

impl Remote {
    /// The service at a URL, trusted by these roots.
    ///
    /// # Errors
    /// [`RemoteError::Url`]
    pub fn new(url: &str, roots: &[CertificateDer<'static>]) -> Result<Self, RemoteError> {
        let wrong = || RemoteError::Url(url.to_owned());
        let (https, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(wrong()),
        };
        let place = rest.strip_suffix('/').unwrap_or(rest);
        if place.contains(['/', '?', '#', '@']) {
            return Err(wrong());
        }
        let (host, port) = match place.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) {
            Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
            None => (place, if https { 443 } else { 80 }),
        };
        let host = bare(host).to_owned();
        let tls = if https {
            let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
            let mut store = RootCertStore::empty();
            store.add_parsable_certificates(roots.iter().cloned());
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            // The provider's own versions: there is nothing that could fail.
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|_| wrong())?
                .with_root_certificates(store)
                .with_no_client_auth();
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { host, port, tls })
    }

    /// A connection to it.
    ///
    /// # Errors
    /// What the system said, or TLS.
    pub async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            Ok(match &self.tls {
                Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?) as Box<dyn Stream>,
                None => Box::new(stream),
            })
        };
        tokio::time::timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether the service counts a host among its names: it does if its metadata names the host as the issuer's.
    ///
    /// # Errors
    /// [`RemoteError`] when it cannot be asked, or is no token service.
    pub async fn answers_to(&self, host: &str) -> Result<bool, RemoteError> {
        let place = || format!("{}:{}", self.host, self.port);
        let unreachable = |cause: String| RemoteError::Unreachable { place: place(), cause };
        let stream = self.connect().await.map_err(|e| unreachable(e.to_string()))?;
        let asking = async {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::get("/common/v2.0/.well-known/openid-configuration")
                .header(HOST, host)
                .header(CONNECTION, "close")
                .body(Empty::<Bytes>::new())?;
            let response = sender.send_request(request).await?;
            let body = Limited::new(response.into_body(), MAX_METADATA).collect().await?;
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(body.to_bytes())
        };
        let body = match tokio::time::timeout(CONNECT, asking).await {
            Ok(body) => body.map_err(|e| unreachable(e.to_string()))?,
            Err(_) => return Err(unreachable("it did not answer in time".to_owned())),
        };
        let metadata: serde_json::Value = serde_json::from_slice(&body).map_err(|_| RemoteError::NoService(place()))?;
        let issuer = metadata["issuer"].as_str().ok_or_else(|| RemoteError::NoService(place()))?;
        Ok(issuer.strip_prefix("https://").is_some_and(|i| i.starts_with(&format!("{host}/"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_place_and_nothing_else() {
        let remote = Remote::new("https://[::1]:8443/", &[]).unwrap();
        assert_eq!((remote.host.as_str(), remote.port), ("::1", 8443));
        assert_eq!(Remote::new("https://sts.example", &[]).unwrap().port, 443);
        assert!(Remote::new("http://127.0.0.1:80", &[]).unwrap().tls.is_none());
        for odd in ["", "sts.example:443", "ftp://x", "https://x/path", "https://u@x", "https://x:y", "https://"] {
            assert!(matches!(Remote::new(odd, &[]), Err(RemoteError::Url(_))), "{odd}");
        }
    }
}
