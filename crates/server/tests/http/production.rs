//! `--mode production`: every weakness of a set-up is named in one refusal, keys that everybody has are taken from nowhere, and a
//! right set-up starts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::keyfile;
use countersign_server::clock::FixedClock;
use countersign_server::config::{Config, Mode, PublicUrl, Sources, Tls};
use countersign_server::files::{write_private, write_public};
use countersign_server::secrets::MasterKey;
use countersign_server::store::Change;
use countersign_server::{Running, Server};
use countersign_testkit::identity::Identity;

use crate::support::*;

fn published(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../countersign/tests/cmd/files").join(name)
}

/// A set-up for production with nothing wrong, and its folder.
fn right() -> (tempfile::TempDir, Config) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.mode.value = Mode::Production;
    config.tls.value = Tls::Auto;
    seed(&mut config, "    applications: []\n", true);
    (folder, config)
}

fn seed(config: &mut Config, applications: &str, private: bool) {
    let path = config.data.value.with_file_name("seed.yaml");
    let text = format!("tenants:\n  - tenantId: {TENANT_ID}\n    displayName: Contoso\n{applications}");
    if private { write_private(&path, text.as_bytes()) } else { write_public(&path, text.as_bytes()) }.unwrap();
    config.seed.value = Some(path);
}

async fn start(config: Config) -> Result<Running, String> {
    Server::start_at(config, Arc::new(FixedClock::at(NOW))).await.map_err(|e| e.to_string())
}

async fn fails(config: Config) -> String {
    match start(config).await {
        Ok(running) => {
            running.shutdown().await;
            panic!("it started");
        }
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_right_set_up_starts() {
    let (_folder, config) = right();
    start(config.clone()).await.unwrap().shutdown().await;
    // What it made itself is good enough for itself.
    start(config).await.unwrap().shutdown().await;
}

#[cfg(unix)]
#[tokio::test]
async fn every_weakness_is_named_at_once() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, mut config) = right();
    let file = |name: &str| folder.path().join(name);
    config.public_urls.value = vec![PublicUrl { scheme: "http", host: "sts.example".into(), port: None }];
    let flags = [("behind-proxy".to_owned(), vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()])].into();
    config.behind_proxy = Config::load(&Sources { flags, ..Sources::default() }).unwrap().0.behind_proxy;
    config.managed_identities.value = vec![CLIENT_ID.to_owned()];
    write_public(&file("admin"), "a".repeat(40).as_bytes()).unwrap();
    config.admin_token_file.value = Some(file("admin"));
    write_private(&file("master"), "ab".repeat(32).as_bytes()).unwrap();
    config.master_key.value = MasterKey::File(file("master"));
    std::fs::copy(published("payroll.key.pem"), file("tls.key.pem")).unwrap();
    std::fs::set_permissions(file("tls.key.pem"), std::fs::Permissions::from_mode(0o640)).unwrap();
    config.tls.value = Tls::Files { certificate: published("payroll.cert.pem"), key: file("tls.key.pem") };
    let secret = format!(
        "    applications:\n      - appId: {CLIENT_ID}\n        displayName: Payroll\n        passwordCredentials: [{{secretText: short}}]\n"
    );
    seed(&mut config, &secret, false);
    std::fs::create_dir(&config.data.value).unwrap();
    std::fs::set_permissions(&config.data.value, std::fs::Permissions::from_mode(0o777)).unwrap();
    write_public(&config.data.value.join("countersign.db"), b"").unwrap();
    let message = fails(config.clone()).await;
    let lines: Vec<&str> = message.lines().skip(1).collect();
    for (weakness, more) in [
        ("--public-url http://sts.example", "https://"),
        ("--behind-proxy 0.0.0.0/0", "strangers"),
        ("--behind-proxy ::/0", "strangers"),
        ("--managed-identity", "without any credential"),
        ("the master key in", "pattern"),
        ("the data folder", "0777"),
        ("the database", "0644"),
        ("the admin token", "0644"),
        ("the admin token in", "pattern"),
        ("the TLS key", "0640"),
        ("the TLS key", "own repository (crates/"),
        ("the seed file, which holds client secrets,", "0644"),
    ] {
        assert!(lines.iter().any(|l| l.contains(weakness) && l.contains(more)), "{weakness}: {message}");
    }
    assert_eq!(lines.len(), 12, "{message}");
    assert!(!message.contains("aaaa") && !message.contains("abab") && !message.contains("short"), "{message}");
    // Nothing of this is anybody's business in dev mode.
    config.mode.value = Mode::Dev;
    config.managed_identities.value.clear();
    // That certificate is one of version 1, which no TLS takes.
    config.tls.value = Tls::Auto;
    let running = start(config).await.unwrap();
    running.shutdown().await;
}

#[tokio::test]
async fn behind_a_proxy_the_public_name_has_to_be_known() {
    let (_folder, mut config) = right();
    config.public_urls.value.clear();
    let flags = [("behind-proxy".to_owned(), vec!["10.0.0.0/8".to_owned()])].into();
    config.behind_proxy = Config::load(&Sources { flags, ..Sources::default() }).unwrap().0.behind_proxy;
    let message = fails(config).await;
    assert!(message.contains("one thing is weak") && message.contains("--public-url is not set"), "{message}");
}

#[tokio::test]
async fn a_seed_brings_no_key_or_secret_that_everybody_has() {
    let application = |credential: &str| {
        format!("    applications:\n      - appId: {CLIENT_ID}\n        displayName: Payroll\n        {credential}\n")
    };
    for (credential, words) in [
        (format!("certificateFiles: [{}]", published("payroll.cert.pem").display()), "own repository (crates/"),
        ("passwordCredentials: [{secretText: chosen-by-me-0123456789}]".to_owned(), "own repository (crates/"),
        ("passwordCredentials: [{secretText: q1w2e3}]".to_owned(), "shorter than 16 characters"),
    ] {
        let (_folder, mut config) = right();
        seed(&mut config, &application(&credential), true);
        let message = fails(config.clone()).await;
        assert!(message.contains("line ") && message.contains(words), "{message}");
        assert!(!message.contains("q1w2e3"), "{message}");
        // Nothing of it was kept, and dev mode takes it.
        config.mode.value = Mode::Dev;
        start(config.clone()).await.unwrap().shutdown().await;
        // A store that was filled there does not become fit for production by being there.
        config.mode.value = Mode::Production;
        config.seed.value = None;
        let verdict = start(config).await;
        match verdict {
            Err(message) => assert!(message.contains(CLIENT_ID) && message.contains("own repository"), "{message}"),
            Ok(running) => {
                assert!(words.starts_with("shorter"), "{credential}: it started");
                running.shutdown().await;
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_everybody_has_admits_nobody() {
    let (_folder, config) = right();
    let running = start(config).await.unwrap();
    let read = |name: &str| std::fs::read(published(name)).unwrap();
    let certificate = keyfile::read(&read("payroll.cert.pem"), None).certificates().next().unwrap().clone();
    let known = keyfile::read(&read("payroll.key.pem"), None).private_key().unwrap().clone();
    let own = countersign_testkit::scenario::Scenario::right().signer;
    let mut application = application(CLIENT_ID, APPLICATION);
    application
        .key_credentials
        .push(key(&Identity { key: known, certificate }, "00000000-0000-4000-8000-00000000c001"));
    application.key_credentials.push(key(&own, "00000000-0000-4000-8000-00000000c002"));
    let changes = [Change::CreateApplication(Box::new(application)), principal(CLIENT_ID, PRINCIPAL)];
    running.app.directory.change(changes).await.unwrap();
    let tenant = running.app.directory.tenant(TENANT_ID).await.unwrap().unwrap();
    let client = running.app.directory.client(&tenant, CLIENT_ID).await.unwrap().unwrap();
    let ids: Vec<&str> = client.registration.key_credentials.iter().map(|k| k.key_id.as_str()).collect();
    assert_eq!(ids, ["00000000-0000-4000-8000-00000000c002"]);
    running.shutdown().await;
}
