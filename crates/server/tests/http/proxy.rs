//! Behind a proxy: its word about the client counts, in sign-in rows, limits, the portal's patience and the names in answers; a
//! stranger's word never does.

use countersign_core::profile::ENTRA;
use countersign_server::config::{Config, Network, Sources};

use crate::support::*;

/// This machine is the proxy.
const HERE: &str = "127.0.0.0/8";
/// Somebody else is.
const ELSEWHERE: &str = "10.0.0.0/8";

fn network(cidr: &str) -> Network {
    let flags = [("behind-proxy".to_owned(), vec![cidr.to_owned()])].into();
    Config::load(&Sources { flags, ..Sources::default() }).unwrap().0.behind_proxy.value[0]
}

async fn behind(cidr: &str, change: impl FnOnce(&mut Config)) -> Service {
    let proxy = network(cidr);
    Service::with_client_and(&ENTRA, |config| {
        config.behind_proxy.value = vec![proxy];
        change(config);
    })
    .await
}

impl Service {
    /// A right request with more headers.
    async fn ask_with(&self, headers: &str) -> Answer {
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{headers}");
        self.send("POST", &self.token_path(), &headers, self.right().body().as_bytes()).await
    }

    fn last_address(&self) -> String {
        self.running.app.journal.recent().first().unwrap().ip_address.clone()
    }
}

#[tokio::test]
async fn sign_ins_stand_under_the_address_that_the_proxy_saw() {
    let service = behind(HERE, |_| {}).await;
    for (headers, address) in [
        ("", "127.0.0.1"),
        ("X-Forwarded-For: 192.0.2.9\r\n", "192.0.2.9"),
        ("X-Forwarded-For: 203.0.113.66, 192.0.2.10:4711\r\n", "192.0.2.10"),
        ("X-Forwarded-For: 203.0.113.66\r\nX-Forwarded-For: 192.0.2.11\r\n", "192.0.2.11"),
        ("X-Forwarded-For: 192.0.2.12, 127.0.0.2\r\n", "192.0.2.12"),
        ("Forwarded: for=203.0.113.66, for=\"[2001:db8::7]:80\";proto=https\r\n", "2001:db8::7"),
        ("X-Forwarded-For: 192.0.2.13\r\nForwarded: for=203.0.113.66\r\n", "127.0.0.1"),
        ("X-Forwarded-For: '; drop table sign_ins\r\n", "127.0.0.1"),
    ] {
        assert_eq!(service.ask_with(headers).await.status, 200, "{headers}");
        assert_eq!(service.last_address(), address, "{headers}");
    }
}

#[tokio::test]
async fn a_strangers_headers_change_neither_address_nor_name() {
    for service in [behind(ELSEWHERE, |_| {}).await, Service::with_client(&ENTRA).await] {
        let headers = "X-Forwarded-For: 192.0.2.9\r\nForwarded: for=192.0.2.9;host=login.example:8443\r\n\
                       X-Forwarded-Host: login.example:8443\r\nX-Forwarded-Proto: https\r\n";
        assert_eq!(service.ask_with(headers).await.status, 200);
        assert_eq!(service.last_address(), "127.0.0.1");
        let path = format!("/{TENANT_ID}/v2.0/.well-known/openid-configuration");
        let answer = service.send("GET", &path, headers, b"").await;
        assert!(answer.json()["token_endpoint"].as_str().unwrap().starts_with(service.url()), "{answer:?}");
    }
}

#[tokio::test]
async fn limits_count_the_client_behind_the_proxy_whatever_it_writes_itself() {
    let service = behind(HERE, |config| config.limit_per_address.value = Some(2)).await;
    let mut turned_away = 0;
    for n in 0..12 {
        // Each time another address, written by the client; the proxy adds the true one.
        let answer = service.ask_with(&format!("X-Forwarded-For: 203.0.113.{n}, 192.0.2.9\r\n")).await;
        turned_away += usize::from(answer.status == 429);
    }
    assert!(turned_away >= 1, "an address of one's own choice is no way past the limit");
    assert_eq!(service.ask_with("X-Forwarded-For: 192.0.2.10\r\n").await.status, 200, "another client is not held up");
    // Without the proxy's trust, one's own choice counts for nothing either.
    let service = behind(ELSEWHERE, |config| config.limit_per_address.value = Some(2)).await;
    let mut turned_away = 0;
    for n in 0..12 {
        turned_away +=
            usize::from(service.ask_with(&format!("X-Forwarded-For: 203.0.113.{n}\r\n")).await.status == 429);
    }
    assert!(turned_away >= 1);
}

#[tokio::test]
async fn the_portals_patience_is_with_the_client_and_not_with_the_proxy() {
    let service = behind(HERE, |_| {}).await;
    let try_token = async |address: &str| {
        let headers = format!(
            "Content-Type: application/x-www-form-urlencoded\r\nX-Forwarded-For: {address}\r\nOrigin: {}\r\n",
            service.url()
        );
        service.send("POST", "/portal/sign-in", &headers, b"token=wrong-wrong-wrong-wrong-wrong-wrong").await.status
    };
    let mut last = 0;
    for _ in 0..30 {
        last = try_token("192.0.2.9").await;
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "whoever guesses has to wait");
    assert_ne!(try_token("192.0.2.10").await, 429, "and nobody else");
}

#[tokio::test]
async fn names_and_scheme_are_those_that_the_client_used() {
    let service = behind(HERE, |_| {}).await;
    let path = format!("/{TENANT_ID}/v2.0/.well-known/openid-configuration");
    let own = service.url();
    for (headers, base) in [
        ("X-Forwarded-Host: login.example:8443\r\nX-Forwarded-Proto: https\r\n", "https://login.example:8443"),
        ("Forwarded: host=\"login.example:8443\";proto=https\r\n", "https://login.example:8443"),
        // The name is ours by HTTPS alone, and what is not ours shows up nowhere.
        ("X-Forwarded-Host: login.example:8443\r\nX-Forwarded-Proto: http\r\n", "https://login.example:8443"),
        ("X-Forwarded-Host: evil.example\r\n", own),
        ("X-Forwarded-Host: \"><script>\r\nX-Forwarded-Proto: javascript\r\n", own),
        ("", own),
    ] {
        let answer = service.send("GET", &path, headers, b"").await;
        let endpoint = answer.json()["token_endpoint"].as_str().unwrap().to_owned();
        assert!(endpoint.starts_with(&format!("{base}/")), "{headers}: {endpoint}");
        assert!(!answer.body.contains("evil") && !answer.body.contains("script"), "{answer:?}");
    }
    let portal = service.send("GET", "/portal/", "X-Forwarded-Host: evil.example\r\n", b"").await;
    assert_eq!(portal.status, 421, "a page of somebody else's name");
}
