//! Starts: what they leave behind, and the ones that must not succeed.

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::profile::ENTRA;
use countersign_server::clock::FixedClock;
use countersign_server::config::{Config, Mode, Tls};
use countersign_server::{Server, StartError};

use crate::support::*;

async fn start(config: Config, now: UnixTime) -> Result<countersign_server::Running, StartError> {
    Server::start_at(config, Arc::new(FixedClock::at(now))).await
}

/// The message of a start that fails.
async fn fails(config: Config) -> String {
    match start(config, NOW).await {
        Ok(running) => {
            running.shutdown().await;
            panic!("it started");
        }
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn keys_tokens_and_registrations_outlive_a_restart() {
    let service = Service::with_client(&ENTRA).await;
    let keys = service.get("/common/discovery/v2.0/keys").await.json();
    let admin = std::fs::read_to_string(&service.running.ready.admin_token_file).unwrap();
    let Service { folder, running, clock } = service;
    running.shutdown().await;
    let running = Server::start_at(config(&folder), Arc::clone(&clock) as _).await.unwrap();
    let service = Service { folder, clock, running };
    let kids = |v: &serde_json::Value| v["keys"][0]["kid"].clone();
    assert_eq!(kids(&service.get("/common/discovery/v2.0/keys").await.json()), kids(&keys));
    assert_eq!(std::fs::read_to_string(&service.running.ready.admin_token_file).unwrap(), admin);
    assert_eq!(service.ask(&service.right()).await.status, 200);
}

#[tokio::test]
async fn ready_file_tells_where_and_is_never_a_stale_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready.json");
    let mut right = config(&folder);
    right.ready_file.value = Some(file.clone());
    right.tls.value = Tls::Auto;
    let running = start(right, NOW).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let names: Vec<&String> = ready.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        ["pid", "url", "authority", "tenant", "graph", "portal", "ca_file", "admin_token_file", "metrics"]
    );
    let url = format!("https://127.0.0.1:{}", running.address.port());
    assert_eq!(ready["url"], url);
    assert_eq!(ready["authority"], format!("{url}/{}", countersign_server::start::DEFAULT_TENANT));
    assert!(std::path::Path::new(ready["ca_file"].as_str().unwrap()).is_file());
    running.shutdown().await;
    let mut wrong = config(&folder);
    wrong.ready_file.value = Some(file.clone());
    wrong.admin_token_file.value = Some(folder.path().join("none"));
    assert!(fails(wrong).await.contains("none"));
    assert!(!file.exists(), "a start that failed left the ready file of an earlier one");
}

#[cfg(unix)]
#[tokio::test]
async fn files_with_secrets_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let service = Service::with(|c| c.tls.value = Tls::Auto).await;
    let mut seen = Vec::new();
    let mut folders = vec![service.folder.path().join("data")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            let public = matches!(name.as_str(), "ca.pem" | "server.pem");
            assert_eq!(mode, if public { 0o644 } else { 0o600 }, "{name}");
            seen.push(name);
        }
    }
    for wanted in
        ["countersign.db", "countersign.db-wal", "countersign.db-shm", "master.key", "admin-token", "ca.key.pem"]
    {
        assert!(seen.iter().any(|n| n == wanted), "{wanted} is missing in {seen:?}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.listen.value.port = taken.local_addr().unwrap().port();
    let address = config.listen.value.to_string();
    assert!(fails(config).await.contains(&address));
}

#[tokio::test]
async fn a_folder_has_one_service() {
    let service = Service::empty(&ENTRA).await;
    assert!(fails(config(&service.folder)).await.contains("in use by another"));
}

#[tokio::test]
async fn damaged_files_are_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    start(config(&folder), NOW).await.unwrap().shutdown().await;
    let data = folder.path().join("data");
    let key = std::fs::read(data.join("master.key")).unwrap();
    std::fs::write(data.join("master.key"), b"\0").unwrap();
    assert!(fails(config(&folder)).await.contains("master.key"));
    std::fs::remove_file(data.join("master.key")).unwrap();
    assert!(fails(config(&folder)).await.contains("master.key"));
    let text = String::from_utf8(key.clone()).unwrap();
    let other = format!("{}\n{}\n", text.lines().next().unwrap(), "ab".repeat(32));
    countersign_server::files::write_private(&data.join("master.key"), other.as_bytes()).unwrap();
    assert!(fails(config(&folder)).await.contains("another master key"));
    countersign_server::files::write_private(&data.join("master.key"), &key).unwrap();
    start(config(&folder), NOW).await.unwrap().shutdown().await;
    let rubbish = b"this is no database ".repeat(500);
    std::fs::write(data.join("countersign.db"), &rubbish).unwrap();
    let message = fails(config(&folder)).await;
    assert!(
        message.contains("countersign.db") && message.contains("damaged") && !message.contains("SELECT"),
        "{message}"
    );
    assert_eq!(std::fs::read(data.join("countersign.db")).unwrap(), rubbish);
}

#[tokio::test]
async fn a_clock_far_off_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [0, 1_600_000_000] {
        let error = start(config(&folder), UnixTime::from_secs(wrong)).await.unwrap_err();
        assert!(matches!(error, StartError::Clock { .. }));
    }
    start(config(&folder), NOW).await.unwrap().shutdown().await;
    let error = start(config(&folder), later(-90_000)).await.unwrap_err();
    assert!(error.to_string().contains("last written"), "{error}");
    start(config(&folder), later(-3_600)).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn data_folder_that_is_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("data"), "I am a file").unwrap();
    assert!(fails(config(&folder)).await.contains(folder.path().join("data").to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(folder.path().join("data")).unwrap(), "I am a file");
}

#[tokio::test]
async fn production_needs_a_tenant() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(&folder);
    config.mode.value = Mode::Production;
    assert!(fails(config).await.contains("--seed"));
}
