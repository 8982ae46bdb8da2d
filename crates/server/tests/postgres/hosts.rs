//! Several hosts in one URL, connections over TLS, over a Unix socket.

use std::os::unix::fs::PermissionsExt as _;

use countersign_core::profile::ENTRA;
use countersign_server::store::model::TenantRecord;
use countersign_server::store::postgres::{PostgresStore, PostgresUrl};
use countersign_server::store::{Change, Directory as _, Store as _};
use countersign_testkit::postgres::{Cluster, ROLE};

use crate::cluster::shared;
use crate::node::*;
use crate::support::*;

async fn open(url: &str) -> Result<PostgresStore, String> {
    PostgresStore::open(&PostgresUrl::parse(url).unwrap(), None, 4).await.map_err(|e| e.to_string())
}

fn tenant(name: &str) -> Change {
    Change::PutTenant(TenantRecord { id: TENANT_ID.into(), display_name: name.into(), ..TenantRecord::default() })
}

async fn change(store: &PostgresStore, name: &str) -> Result<u64, countersign_server::store::StoreError> {
    let mut transaction = store.begin().await?;
    transaction.apply(tenant(name)).await?;
    transaction.commit().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_that_can_be_written_is_kept_and_followed() {
    let Some(primary) = Cluster::start("") else { return };
    primary.database("d");
    let standby = Cluster::standby_of(&primary, "").unwrap();
    // The standby stands first, and a host that is not there before it.
    let places = format!("127.0.0.1:1,127.0.0.1:{},127.0.0.1:{}", standby.port, primary.port);
    let store = open(&format!("postgres://{ROLE}@{places}/d")).await.unwrap();
    let version = change(&store, "one").await.unwrap();
    // Followed before the primary goes: without a synchronous standby that would be luck.
    let began = std::time::Instant::now();
    while standby.sql("d", "SELECT version FROM directory WHERE one = 1") != version.to_string() {
        assert!(began.elapsed().as_secs() < 30);
    }
    primary.crash();
    standby.promote();
    let began = std::time::Instant::now();
    let version = loop {
        match change(&store, "two").await {
            Ok(version) => break version,
            Err(error) => assert!(began.elapsed().as_secs() < 30, "{error}"),
        }
    };
    assert_eq!(store.directory_version().await.unwrap(), version);
    assert_eq!(store.tenants().await.unwrap()[0].display_name, "two");
    store.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unix_socket_is_a_host_as_well() {
    let Some(cluster) = shared() else { return };
    cluster.database("by_socket");
    let folder = cluster.sockets();
    let store =
        open(&format!("postgres:///by_socket?host={}&port={}&user={ROLE}", folder.display(), cluster.port)).await;
    store.unwrap().ping().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_works_through_pgbouncer_and_listens_past_it() {
    let Some(cluster) = shared() else { return };
    let Some(bouncer) = cluster.bouncer() else { return };
    let direct = cluster.database("pooled");
    let pooled = format!("postgres://{ROLE}@127.0.0.1:{}/pooled", bouncer.port);
    let a = first(&pooled, &ENTRA).await;
    let b = Service::with(|c| {
        settings(c, &pooled);
        c.database_listen.value = Some(PostgresUrl::parse(&direct).unwrap());
    })
    .await;
    assert_eq!(until(&b, "a token", |t| t.status == 200).await.status, 200);
    let gone = Change::DeleteApplication { tenant_id: TENANT_ID.into(), object_id: APPLICATION.into(), time: NOW };
    a.change([gone]).await;
    until(&b, "deleted", |t| t.status == 400).await;
    for node in [a, b] {
        node.running.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified_when_the_url_says_so() {
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (ca, other) = (authority(), authority());
    let key = rcgen::KeyPair::generate().unwrap();
    let mut leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "127.0.0.1");
    let certificate = leaf.signed_by(&key, &ca.1).unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (ca, other) = (write("ca.pem", &ca.0), write("other.pem", &other.0));
    let Some(cluster) = Cluster::start("") else { return };
    let data = cluster.data();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&data).unwrap());
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = data.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(owner), None).unwrap();
    }
    cluster.sql("postgres", "ALTER SYSTEM SET ssl = on");
    std::fs::write(
        data.join("pg_hba.conf"),
        "hostssl all all 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n",
    )
    .unwrap();
    cluster.sql("postgres", &format!("ALTER ROLE {ROLE} PASSWORD 'p@ss:w/rd'"));
    let url = cluster.database("d");
    cluster.crash();
    cluster.resume();

    let with =
        |parameters: &str| format!("{}?{parameters}", url.replace("countersign@", "countersign:p%40ss%3Aw%2Frd@"));
    let good = open(&with(&format!("sslmode=verify-full&sslrootcert={}", ca.display()))).await.unwrap();
    good.ping().await.unwrap();
    for (wrong, parameters) in [
        ("another CA", format!("sslmode=verify-full&sslrootcert={}", other.display())),
        ("the CAs of the web", "sslmode=verify-ca".to_owned()),
    ] {
        let text = open(&with(&parameters)).await.expect_err(wrong);
        assert!(text.contains("certificate") && !text.contains("p@ss") && !text.contains("p%40"), "{wrong}: {text}");
    }
    let name = with(&format!("sslmode=verify-full&sslrootcert={}", ca.display())).replace("127.0.0.1", "localhost");
    assert!(open(&name).await.is_err(), "its certificate is for another name");
    let text = open(&with("sslmode=require").replace("p%40ss", "wrong")).await.unwrap_err();
    assert!(text.contains("password authentication failed") && !text.contains("wrong"), "{text}");
    open(&url.replace("/d", "/d?sslmode=disable")).await.unwrap();
}

/// A CA of its own: its certificate, and what signs with it.
fn authority() -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "CA of a database");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), rcgen::Issuer::new(params, key))
}
