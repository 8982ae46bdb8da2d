//! A service in process, with its own folder, a fixed clock and a free port; and a small HTTP client that shows everything.
//!
//! Used by every test crate of the server. It starts the real thing: store, listener, router.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::encoding::encode_hex_upper;
use countersign_core::profile::Profile;
use countersign_core::x509::certificate::Certificate;
use countersign_server::clock::FixedClock;
use countersign_server::config::{Config, Listen, PublicUrl, Tls};
use countersign_server::store::Change;
use countersign_server::store::model::{
    ApplicationRecord, CertificateAuthorityRecord, KeyCredentialRecord, PasswordCredentialRecord,
    ServicePrincipalRecord, TenantRecord,
};
use countersign_server::{Running, Server};
use countersign_testkit::identity::Identity;
use countersign_testkit::scenario::{self, Scenario, form_encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub use countersign_testkit::scenario::{CLIENT_ID, NOW, TENANT_ID};

/// Object id of the client's application, and of its service principal.
pub const APPLICATION: &str = "00000000-0000-4000-8000-00000000a001";
pub const PRINCIPAL: &str = "00000000-0000-4000-8000-00000000b001";
pub const SECRET: &str = "test~only.Q1w2E3r4T5y6U7i8O9p0aSdFgHjKlZx";

/// A running service.
pub struct Service {
    pub folder: tempfile::TempDir,
    pub clock: Arc<FixedClock>,
    pub running: Running,
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The AADSTS code of a refusal whose form is right.
    pub fn refusal(&self) -> u64 {
        let body = self.json();
        let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let order =
            ["error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri"];
        assert_eq!(names, order);
        let code = body["error_codes"][0].as_u64().unwrap();
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{code}: ")), "{description}");
        assert!(description.chars().all(|c| !matches!(c, '<' | '>' | '"' | '\\') && !c.is_control()), "{description}");
        assert!(description.len() < 4096);
        let invalid_client = body["error"] == "invalid_client";
        assert!(matches!(self.status, 404 | 405 | 408 | 413) || (self.status == 401) == invalid_client, "{self:?}");
        assert_eq!(self.header("content-type"), "application/json; charset=utf-8");
        assert!(self.header("cache-control").contains("no-store"));
        assert_eq!(self.header("x-content-type-options"), "nosniff");
        assert_eq!(self.header("www-authenticate"), "");
        assert_eq!(self.header("x-ms-request-id"), body["trace_id"]);
        code
    }
}

impl Service {
    /// A service without applications, over plain HTTP.
    pub async fn empty(profile: &'static Profile) -> Self {
        Self::with(|config| config.profile.value = profile).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::at(NOW));
        let mut config = config(&folder);
        change(&mut config);
        let running = Server::start_at(config, Arc::clone(&clock) as _).await.unwrap();
        let service = Self { folder, clock, running };
        service.put_tenant(Vec::new()).await;
        service
    }

    async fn put_tenant(&self, certificate_authorities: Vec<CertificateAuthorityRecord>) {
        let countersign_core::authority::Tenant { id, display_name, domains } = scenario::tenant();
        self.change([Change::PutTenant(TenantRecord { id, display_name, domains, certificate_authorities })]).await;
    }

    /// Makes a certificate the tenant's root for trust in subject names; returns what applications name it by.
    pub async fn trust(&self, root: &Certificate) -> String {
        let id = encode_hex_upper(root.sha1());
        self.put_tenant(vec![CertificateAuthorityRecord { id: id.clone(), der: root.der().to_vec() }]).await;
        id
    }

    /// A service with the client of the test scenarios: its certificate and a secret.
    pub async fn with_client(profile: &'static Profile) -> Self {
        Self::with_client_and(profile, |_| {}).await
    }

    /// The same with other settings.
    pub async fn with_client_and(profile: &'static Profile, change: impl FnOnce(&mut Config)) -> Self {
        let service = Self::with(|config| {
            config.profile.value = profile;
            change(config);
        })
        .await;
        let signer = Scenario::right().signer;
        let mut application = application(CLIENT_ID, APPLICATION);
        application.key_credentials.push(key(&signer, "00000000-0000-4000-8000-00000000c001"));
        application.password_credentials.push(PasswordCredentialRecord {
            key_id: "00000000-0000-4000-8000-00000000c002".into(),
            hint: "tes".into(),
            start: NOW.plus_secs(-10),
            end: NOW.plus_secs(86_400),
            digest: Some(service.running.app.secrets.digest(SECRET)),
            display_name: None,
        });
        service.change([Change::CreateApplication(Box::new(application)), principal(CLIENT_ID, PRINCIPAL)]).await;
        service
    }

    pub async fn change<const N: usize>(&self, changes: [Change; N]) {
        self.running.app.directory.change(changes).await.unwrap();
    }

    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.running.address.port())
    }

    pub fn url(&self) -> &str {
        &self.running.ready.url
    }

    pub fn token_path(&self) -> String {
        format!("/{TENANT_ID}/oauth2/v2.0/token")
    }

    /// A right request whose audience is this service.
    pub fn right(&self) -> Scenario {
        let mut scenario = Scenario::right();
        scenario.set_claim("aud", scenario::text(&format!("{}{}", self.url(), self.token_path())));
        scenario
    }

    pub async fn ask(&self, scenario: &Scenario) -> Answer {
        self.post(&self.token_path(), &scenario.body()).await
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, "Content-Type: application/x-www-form-urlencoded\r\n", body.as_bytes()).await
    }

    pub async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Answer {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| format!("{}={}", form_encode(n), form_encode(v))).collect();
        self.post(path, &pairs.join("&")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", b"").await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let host = self.host();
        self.send_as(&host, method, path, headers, body).await
    }

    pub async fn send_as(&self, host: &str, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut raw = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        )
        .into_bytes();
        raw.extend_from_slice(body);
        parse(&self.raw(&raw).await)
    }

    /// Sends bytes on a connection of their own; gives everything that comes until the other side closes.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.running.address).await.unwrap();
        // An answer may have come, and the connection be gone, before all was taken.
        let _ = stream.write_all(bytes).await;
        let mut out = Vec::new();
        let _ = tokio::time::timeout(std::time::Duration::from_secs(10), stream.read_to_end(&mut out)).await;
        out
    }
}

pub fn config(folder: &tempfile::TempDir) -> Config {
    let mut config = Config::new(folder.path().join("data"));
    config.listen.value = Listen { host: "127.0.0.1".into(), port: 0 };
    config.tls.value = Tls::Off;
    // The authority of the test scenarios is one of our names.
    config.public_urls.value = vec![PublicUrl { scheme: "https", host: "login.example".into(), port: Some(8443) }];
    config
}

pub fn application(app_id: &str, object_id: &str) -> ApplicationRecord {
    ApplicationRecord {
        tenant_id: TENANT_ID.into(),
        app_id: app_id.into(),
        object_id: object_id.into(),
        display_name: "Payroll daemon".into(),
        created: NOW,
        enabled: true,
        token_version: 1,
        ..ApplicationRecord::default()
    }
}

pub fn principal(app_id: &str, object_id: &str) -> Change {
    Change::CreateServicePrincipal(Box::new(ServicePrincipalRecord {
        tenant_id: TENANT_ID.into(),
        app_id: app_id.into(),
        object_id: object_id.into(),
        display_name: "Payroll daemon".into(),
        enabled: true,
        created: NOW,
        ..ServicePrincipalRecord::default()
    }))
}

pub fn key(identity: &Identity, key_id: &str) -> KeyCredentialRecord {
    KeyCredentialRecord {
        key_id: key_id.into(),
        kind: "AsymmetricX509Cert".into(),
        usage: "Verify".into(),
        start: identity.certificate.not_before(),
        end: identity.certificate.not_after(),
        der: Some(identity.certificate.der().to_vec()),
        ..KeyCredentialRecord::default()
    }
}

/// Takes one answer apart; panics when there are none or two.
pub fn parse(bytes: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: BTreeMap<String, String> =
        lines.map(|l| l.split_once(": ").unwrap()).map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())).collect();
    let body = match headers.get("transfer-encoding") {
        Some(_) => dechunk(body),
        None => body.to_owned(),
    };
    assert!(!body.contains("HTTP/1.1 "), "two answers: {text}");
    Answer { status, headers, body }
}

fn dechunk(mut rest: &str) -> String {
    let mut out = String::new();
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        out.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    out
}

/// Later than [`NOW`].
pub fn later(seconds: i64) -> UnixTime {
    NOW.plus_secs(seconds)
}
