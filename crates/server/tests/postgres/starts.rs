//! Starts: empty databases, several nodes at once, wrong keys, databases that are none of ours.

use countersign_core::profile::ENTRA;
use countersign_server::config::Database;
use countersign_server::secrets::MasterKey;
use countersign_server::store::Store as _;
use countersign_server::store::postgres::{OpenError, PostgresStore, PostgresUrl};
use countersign_server::{Server, store};

use crate::cluster::{postgres_url, shared};
use crate::node::*;
use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_at_once_on_an_empty_database_end_with_one_set_of_keys() {
    let Some(url) = postgres_url() else { return };
    let (a, b, c) = tokio::join!(another(&url, &ENTRA), another(&url, &ENTRA), another(&url, &ENTRA));
    let keys = a.running.app.store().signing_keys().await.unwrap();
    assert_eq!(keys.iter().filter(|k| k.signs_from <= NOW).count(), 1, "{keys:?}");
    for node in [&a, &b, &c] {
        assert_eq!(node.running.app.signer.active(NOW).unwrap().kid, keys[0].kid);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_apply_one_seed_at_once_create_it_once() {
    let Some(url) = postgres_url() else { return };
    let folder = tempfile::tempdir().unwrap();
    let seed = folder.path().join("seed.yaml");
    let applications: String = (0..50)
        .map(|n| format!("      - {{ appId: 8b76b6d9-4732-4558-a4b5-{n:012}, displayName: app {n}, identifierUris: ['api://{n}'] }}\n"))
        .collect();
    std::fs::write(
        &seed,
        format!("tenants:\n  - tenantId: {TENANT_ID}\n    displayName: Contoso\n    applications:\n{applications}"),
    )
    .unwrap();
    let start = || {
        Service::with(|c| {
            settings(c, &url);
            c.seed.value = Some(seed.clone());
        })
    };
    let (a, b, c) = tokio::join!(start(), start(), start());
    let count = a.running.app.store().count_applications(TENANT_ID, &store::Filter::All).await.unwrap();
    assert_eq!(count, 50);
    drop((b, c));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_master_key_is_refused() {
    let Some(url) = postgres_url() else { return };
    let _first = another(&url, &ENTRA).await;
    let folder = tempfile::tempdir().unwrap();
    let mut other = config(&folder);
    settings(&mut other, &url.replace("countersign@", "countersign:s3cret@"));
    other.master_key.value = MasterKey::given(&"a5".repeat(32)).unwrap();
    let text = Server::start(other).await.unwrap_err().to_string();
    assert!(text.contains("another master key") && text.contains("--master-key-file"), "{text}");
    assert!(!text.contains("s3cret") && !text.contains("a5a5"), "{text}");
    // Without a key of its own a node does not make one, either.
    let mut none = config(&folder);
    settings(&mut none, &url);
    none.master_key.value = MasterKey::Folder;
    let text = Server::start(none).await.unwrap_err().to_string();
    assert!(text.contains("master.key"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_database_of_ours_is_refused_with_its_reason() {
    let Some(cluster) = shared() else { return };
    let open = async |url: &str| PostgresStore::open(&PostgresUrl::parse(url).unwrap(), None, 2).await.unwrap_err();
    let missing = open(&cluster.url("nowhere").replace("countersign@", "countersign:s3cret@")).await.to_string();
    assert!(
        missing.contains("nowhere") && missing.contains("does not exist") && !missing.contains("s3cret"),
        "{missing}"
    );
    let refused = open("postgres://u@127.0.0.1:1/d").await.to_string();
    assert!(refused.contains("127.0.0.1:1") && refused.contains("--database"), "{refused}");
    cluster.sql("postgres", "CREATE DATABASE latin TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
    assert!(matches!(open(&cluster.url("latin")).await, OpenError::Encoding { .. }));
    let foreign = cluster.database("foreign");
    cluster.sql("foreign", "CREATE TABLE tenants (id INT)");
    let text = open(&foreign).await.to_string();
    assert!(text.contains("tenants") && text.contains("already exists"), "{text}");
    let later = cluster.database("later");
    PostgresStore::open(&PostgresUrl::parse(&later).unwrap(), None, 2).await.unwrap().close().await.unwrap();
    cluster.sql(
        "later",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', true, '\\x00', 0)",
    );
    assert!(matches!(open(&later).await, OpenError::TooNew(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_the_right_to_make_tables_suffices_once_they_are_there() {
    let Some(cluster) = shared() else { return };
    let url = cluster.database("least");
    PostgresStore::open(&PostgresUrl::parse(&url).unwrap(), None, 2).await.unwrap().close().await.unwrap();
    cluster.sql(
        "least",
        "CREATE ROLE least LOGIN; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO least",
    );
    let node = first(&url.replace("countersign@", "least@"), &ENTRA).await;
    assert_eq!(by_secret(&node).await.status, 200);
    assert!(matches!(node.running.app.config.database.value, Some(Database::Postgres(_))));
}
