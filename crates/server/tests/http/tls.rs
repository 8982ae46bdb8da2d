//! Certificates that are replaced while the service runs: open connections stay, the next handshake sees the one that is in force,
//! and what cannot be used never takes the place of what serves.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::x509::certificate::Certificate;
use countersign_server::config::{Config, Tls};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime as TlsTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::*;

/// Takes any certificate: what it is, is looked at afterwards.
#[derive(Debug)]
struct Any(Arc<rustls::crypto::CryptoProvider>);

impl rustls::client::danger::ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: TlsTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A connection that is kept open, and the certificate that its handshake saw.
struct Kept {
    stream: TlsStream<TcpStream>,
    leaf: Vec<u8>,
    issuer: Vec<u8>,
}

impl Kept {
    async fn open(service: &Service) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Any(provider)))
            .with_no_client_auth();
        let stream = TcpStream::connect(service.running.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        let certificates = stream.get_ref().1.peer_certificates().unwrap();
        let (leaf, issuer) = (certificates[0].to_vec(), certificates.last().unwrap().to_vec());
        Self { stream, leaf, issuer }
    }

    /// One request more on the same connection.
    async fn lives(&mut self) {
        self.stream.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        let length = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        self.stream.read_exact(&mut vec![0; length]).await.unwrap();
    }
}

/// Certificate and key files in a folder.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn beside(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self { certificate: folder.join("server.pem"), key: folder.join("server.key.pem") }
    }

    /// Writes a pair that is valid for these days around now, and answers the certificate.
    fn write(&self, from: i64, to: i64) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let time = |days: i64| {
            let day = NOW.plus_secs(days * 86_400).civil();
            rcgen::date_time_ymd(i32::try_from(day.year).unwrap(), day.month as u8, day.day as u8)
        };
        (params.not_before, params.not_after) = (time(from), time(to));
        let made = params.self_signed(&key).unwrap();
        // As tools do it: certificate first, key a moment later.
        std::fs::write(&self.certificate, made.pem()).unwrap();
        std::fs::write(&self.key, key.serialize_pem()).unwrap();
        made.der().to_vec()
    }

    fn set(&self) -> impl FnOnce(&mut Config) + use<> {
        let tls = Tls::Files { certificate: self.certificate.clone(), key: self.key.clone() };
        move |config| config.tls.value = tls
    }
}

#[tokio::test]
async fn replaced_files_serve_the_next_handshake_and_open_connections_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::beside(folder.path());
    let first = files.write(-1, 30);
    let service = Service::with(files.set()).await;
    let mut open = Kept::open(&service).await;
    assert_eq!(open.leaf, first);
    open.lives().await;
    let second = files.write(-1, 60);
    service.running.reload_certificates().await.unwrap();
    open.lives().await;
    let mut next = Kept::open(&service).await;
    assert_eq!(next.leaf, second);
    next.lives().await;
    open.lives().await;
    let end = Certificate::from_der(&second).unwrap().not_after().secs();
    assert_eq!(service.running.app.metrics.tls_not_after.value(), Some(end));
    service.running.shutdown().await;
}

#[tokio::test]
async fn files_that_cannot_be_used_leave_the_certificate_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::beside(folder.path());
    let right = files.write(-1, 30);
    let service = Service::with(files.set()).await;
    let mut open = Kept::open(&service).await;
    let (good_certificate, good_key) = (std::fs::read(&files.certificate).unwrap(), std::fs::read(&files.key).unwrap());
    let refused = |word: &'static str| {
        let service = &service;
        let right = &right;
        async move {
            let error = service.running.reload_certificates().await.unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
            assert_eq!(Kept::open(service).await.leaf, *right, "{word}");
        }
    };
    // Half of it is written.
    std::fs::write(&files.certificate, &good_certificate[..good_certificate.len() / 2]).unwrap();
    refused("holds no certificate").await;
    files.write(-60, -30);
    refused("the certificate ended at").await;
    files.write(30, 60);
    refused("the certificate begins at").await;
    // The key of another certificate, as between the two writes of a tool.
    std::fs::write(&files.certificate, &good_certificate).unwrap();
    refused("does not belong to the certificate").await;
    std::fs::remove_file(&files.key).unwrap();
    refused("server.key.pem").await;
    open.lives().await;
    std::fs::write(&files.key, &good_key).unwrap();
    service.running.reload_certificates().await.unwrap();
    assert_eq!(Kept::open(&service).await.leaf, right);
    service.running.shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_folder_that_is_exchanged_under_the_files_is_seen_without_being_told() {
    // As Kubernetes replaces what it mounts: ..data is a link that is renamed over.
    let folder = tempfile::tempdir().unwrap();
    let place = |version: &str| Files::beside(&folder.path().join(version));
    let link = |version: &str| {
        let new = folder.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &new).unwrap();
        std::fs::rename(new, folder.path().join("..data")).unwrap();
    };
    place("..1").write(-1, 30);
    let second = place("..2").write(-1, 30);
    link("..1");
    let files = Files {
        certificate: folder.path().join("..data/server.pem"),
        key: folder.path().join("..data/server.key.pem"),
    };
    let service = Service::with(files.set()).await;
    let mut open = Kept::open(&service).await;
    assert_ne!(open.leaf, second);
    link("..2");
    let began = Instant::now();
    while Kept::open(&service).await.leaf != second {
        assert!(began.elapsed() < Duration::from_secs(60), "the replaced files were not taken up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    open.lives().await;
    service.running.shutdown().await;
}

#[tokio::test]
async fn the_leaf_of_our_own_ca_is_renewed_before_it_ends() {
    let service = Service::with(|config| config.tls.value = Tls::Auto).await;
    let mut open = Kept::open(&service).await;
    let first = Certificate::from_der(&open.leaf).unwrap();
    // Whoever trusts the CA sees nothing of it.
    service.running.reload_certificates().await.unwrap();
    assert_eq!(Kept::open(&service).await.leaf, open.leaf, "nothing is near its end");
    let near = first.not_after().plus_secs(-29 * 86_400);
    service.clock.set(near);
    service.running.reload_certificates().await.unwrap();
    let next = Kept::open(&service).await;
    assert_ne!(next.leaf, open.leaf);
    assert_eq!(next.issuer, open.issuer, "the same CA");
    let leaf = Certificate::from_der(&next.leaf).unwrap();
    assert!(leaf.valid_at(near) && leaf.not_after() > first.not_after());
    assert_eq!(service.running.app.metrics.tls_not_after.value(), Some(leaf.not_after().secs()));
    open.lives().await;
    service.running.shutdown().await;
}
