//! The forward proxy in process: what is answered in whose name, and what is refused or passed on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "each test crate uses a part of it")]
mod support;

use std::sync::Arc;

use countersign_core::keyfile;
use countersign_server::Server;
use countersign_server::intercept::{Answers, Hosts, Others, Proxy, Remote, RunCertificates, Upstream};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

const HOST: &str = "login.microsoftonline.com";

fn roots(pem: &str) -> Vec<CertificateDer<'static>> {
    keyfile::read(pem.as_bytes(), None).certificates().map(|c| CertificateDer::from(c.der().to_vec())).collect()
}

struct Setup {
    service: Service,
    certificates: RunCertificates,
    address: std::net::SocketAddr,
    _proxy: Proxy,
}

impl Setup {
    async fn new(others: Others) -> Self {
        let hosts = Hosts::microsoft_and(&[]).unwrap();
        // The real clock: TLS clients judge the certificate by it.
        let now = countersign_server::clock::Clock::now(&countersign_server::clock::SystemClock);
        let certificates = RunCertificates::make(&hosts, now).unwrap();
        let service = Service::with(|c| c.extra_hosts = hosts.names().to_vec()).await;
        let answers = Answers::Own { app: Arc::clone(&service.running.app), tls: Arc::clone(&certificates.server) };
        let (proxy, address) = proxy(hosts, answers, others).await;
        Self { service, certificates, address, _proxy: proxy }
    }

    /// Sends bytes to the proxy; gives the head of its answer and the connection.
    async fn say(&self, text: &str) -> (String, TcpStream) {
        say(self.address, text).await
    }
}

async fn proxy(hosts: Hosts, answers: Answers, others: Others) -> (Proxy, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (Proxy::start(vec![listener], Vec::new(), hosts, answers, others), address)
}

async fn say(address: std::net::SocketAddr, text: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    (String::from_utf8(head).unwrap(), stream)
}

fn connect(place: &str) -> String {
    format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n")
}

async fn tls(stream: TcpStream, name: &str, ca: &str) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots(ca));
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

async fn get<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, host: &str, path: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nMetadata: true\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut out = Vec::new();
    let _ = stream.read_to_end(&mut out).await;
    parse(&out)
}

#[tokio::test]
async fn a_listed_host_is_answered_in_its_name() {
    let setup = Setup::new(Others::Refuse).await;
    for host in [HOST, "login.microsoftonline.us", "sts.windows.net"] {
        let (head, stream) = setup.say(&connect(&format!("{host}:443"))).await;
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let stream = tls(stream, host, &setup.certificates.ca_pem).await.unwrap();
        let path = format!("/{TENANT_ID}/v2.0/.well-known/openid-configuration");
        let found = get(stream, host, &path).await.json();
        assert_eq!(found["issuer"], format!("https://{host}/{TENANT_ID}/v2.0"));
        assert_eq!(found["token_endpoint"], format!("https://{host}/{TENANT_ID}/oauth2/v2.0/token"));
    }
}

#[tokio::test]
async fn the_certificate_is_nobody_elses() {
    let setup = Setup::new(Others::Refuse).await;
    for other in ["evil.example", "www.microsoft.com", "login.microsoftonline.com.evil.example"] {
        let (_, stream) = setup.say(&connect(&format!("{HOST}:443"))).await;
        let error = tls(stream, other, &setup.certificates.ca_pem).await.unwrap_err();
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    // Another run's CA does not vouch for this one's certificate.
    let now = countersign_server::clock::Clock::now(&countersign_server::clock::SystemClock);
    let other = RunCertificates::make(&Hosts::microsoft_and(&[]).unwrap(), now).unwrap();
    let (_, stream) = setup.say(&connect(&format!("{HOST}:443"))).await;
    assert!(tls(stream, HOST, &other.ca_pem).await.is_err());
    assert!(!setup.certificates.ca_pem.contains("PRIVATE"));
}

#[tokio::test]
async fn everything_else_is_refused() {
    let setup = Setup::new(Others::Refuse).await;
    for line in [
        connect("evil.example:443"),
        connect(&format!("{HOST}:80")),
        connect(&format!("{HOST}:8443")),
        connect("login.microsoftonline.com.evil.example:443"),
        connect("192.0.2.1:443"),
        format!("GET http://{HOST}/common/discovery/keys HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
        // The Host header is not what decides where an absolute URI leads.
        "GET http://evil.example/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n".to_owned(),
    ] {
        let (head, _) = setup.say(&line).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{line}: {head}");
    }
    for line in ["GET / HTTP/1.0\r\n\r\n", "CONNECT evil.example HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let (head, _) = setup.say(line).await;
        assert!(head.contains(" 400 "), "{line}: {head}");
    }
}

#[tokio::test]
async fn the_programs_own_machine_is_reached() {
    let setup = Setup::new(Others::Refuse).await;
    let place = setup.service.host();
    let (head, stream) = setup.say(&connect(&place)).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(get(stream, &place, "/livez").await.status, 200);
    let line = format!("GET http://{place}/livez HTTP/1.1\r\nHost: {place}\r\nProxy-Connection: close\r\n\r\n");
    let (head, _) = setup.say(&line).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
}

#[tokio::test]
async fn others_are_passed_on_through_the_proxy_that_was_there() {
    // The proxy that was there, played by a listener that notes what it is asked.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 fine\r\nVia: x\r\n\r\nhello").await.unwrap();
        String::from_utf8(head).unwrap()
    });
    let upstream = Upstream::read(&format!("http://me:secret@{place}"), "direct.example").unwrap();
    let setup = Setup::new(Others::Pass(Some(upstream))).await;
    let (head, mut stream) = setup.say(&connect("elsewhere.example:443")).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let mut through = [0; 5];
    stream.read_exact(&mut through).await.unwrap();
    assert_eq!(&through, b"hello", "the tunnel begins right behind the answer");
    let asked = asked.await.unwrap();
    assert!(asked.starts_with("CONNECT elsewhere.example:443 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{asked}");
    // A host that is ours is never passed on.
    let (_, stream) = setup.say(&connect(&format!("{HOST}:443"))).await;
    assert!(tls(stream, HOST, &setup.certificates.ca_pem).await.is_ok());
    // And one that cannot be reached is said so.
    let (head, _) = setup.say(&connect("direct.example:443")).await;
    assert!(head.starts_with("HTTP/1.1 502"), "{head}");
}

#[tokio::test]
async fn the_address_of_managed_identities_is_answered_over_plain_http() {
    let setup = Setup::new(Others::Refuse).await;
    // Without an identity there is none; that it is the service's own 404 shows that it was asked.
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net";
    for line in [
        format!("GET http://169.254.169.254{path} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\nMetadata: true\r\n\r\n"),
    ] {
        let (head, _) = setup.say(&line).await;
        assert!(head.starts_with("HTTP/1.1 404") && head.contains("x-ms-request-id"), "{head}");
    }
}

#[tokio::test]
async fn a_service_elsewhere_is_handed_what_is_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.tls.value = countersign_server::config::Tls::Auto;
    config.public_urls.value[0].host = HOST.to_owned();
    config.public_urls.value[0].port = None;
    let running = Server::start(config).await.unwrap();
    let ca = std::fs::read_to_string(running.ready.ca_file.as_ref().unwrap()).unwrap();
    let remote = || Remote::new(&running.ready.url, &roots(&ca)).unwrap();
    assert!(remote().answers_to(HOST).await.unwrap());
    assert!(!remote().answers_to("graph.microsoft.com").await.unwrap());
    let untrusted = Remote::new(&running.ready.url, &[]).unwrap().answers_to(HOST).await.unwrap_err().to_string();
    assert!(untrusted.contains("cannot be reached"), "{untrusted}");

    let now = countersign_server::clock::Clock::now(&countersign_server::clock::SystemClock);
    let hosts = Hosts::microsoft_and(&[]).unwrap();
    let certificates = RunCertificates::make(&hosts, now).unwrap();
    let answers = Answers::Service { remote: remote(), tls: Arc::clone(&certificates.http_1) };
    let (_proxy, address) = proxy(hosts, answers, Others::Refuse).await;
    let (head, stream) = say(address, &connect(&format!("{HOST}:443"))).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let stream = tls(stream, HOST, &certificates.ca_pem).await.unwrap();
    let found = get(stream, HOST, "/common/v2.0/.well-known/openid-configuration").await.json();
    assert_eq!(found["token_endpoint"], format!("https://{HOST}/common/oauth2/v2.0/token"));
    running.shutdown().await;
}
