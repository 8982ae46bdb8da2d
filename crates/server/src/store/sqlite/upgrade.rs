//! Tests: a store of every earlier schema, filled with rows as its program wrote them, opened by this one.
//!
//! The rows below are frozen text and are never written anew from today's records: what an earlier program left must be read as it
//! was left. A migration that is added is tried against them without being named here.

use std::path::Path;

use countersign_core::time::UnixTime;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};

use super::open::MIGRATIONS;
use super::{OpenError, SqliteStore};
use crate::store::{
    Audit as _, Directory as _, Filter, Journal as _, Keys as _, LogQuery, NamePage, Page, Replay as _, Store as _,
};

const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const OBJECT: &str = "00000000-0000-4000-8000-00000000a001";
const PRINCIPAL: &str = "00000000-0000-4000-8000-00000000b001";

/// One row at least in every table of the first schema.
const ROWS: &str = r#"
PRAGMA application_id = 1129531214;
UPDATE directory SET version = 17;
INSERT INTO settings VALUES ('master key check', x'0102');
INSERT INTO tenants (id, record) VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1',
  '{"id":"5f2c1a7e-0000-4000-8000-0000000000a1","display_name":"Contoso","domains":["contoso.example"]}');
INSERT INTO domains VALUES ('contoso.example', '5f2c1a7e-0000-4000-8000-0000000000a1');
INSERT INTO applications VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef',
  '00000000-0000-4000-8000-00000000a001', 'Payroll daemon', 3,
  '{"tenant_id":"5f2c1a7e-0000-4000-8000-0000000000a1","object_id":"00000000-0000-4000-8000-00000000a001","app_id":"8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef","display_name":"Payroll daemon","created":"2026-06-09T14:01:21Z","version":3,"enabled":true,"is_public":false,"token_version":2,"identifier_uris":["api://payroll"],"key_credentials":[{"key_id":"00000000-0000-4000-8000-00000000c001","kind":"AsymmetricX509Cert","usage":"Verify","display_name":"CN=payroll","custom_key_identifier":"AQI=","start":"2026-01-01T00:00:00Z","end":"2027-01-01T00:00:00Z","der":"MAA="}],"password_credentials":[{"key_id":"00000000-0000-4000-8000-00000000c002","display_name":"old","hint":"abc","start":"2026-01-01T00:00:00Z","end":"2027-06-01T00:00:00Z"}],"federated_credentials":[{"id":"00000000-0000-4000-8000-00000000f001","name":"ci","issuer":"https://issuer.example","subject":"repo:a/b","audiences":["api://AzureADTokenExchange"]}],"app_roles":[{"id":"00000000-0000-4000-8000-00000000d001","value":"Run","display_name":"Run","description":"","enabled":true,"allowed_member_types":["Application"]}],"document":{"notes":"kept"}}');
INSERT INTO identifier_uris VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', 'api://payroll', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef');
INSERT INTO deleted_applications VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', '8b76b6d9-0000-4000-8000-00000000dead', 1781013681000000);
INSERT INTO service_principals VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef',
  '00000000-0000-4000-8000-00000000b001', 'Payroll daemon', 1,
  '{"tenant_id":"5f2c1a7e-0000-4000-8000-0000000000a1","object_id":"00000000-0000-4000-8000-00000000b001","app_id":"8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef","display_name":"Payroll daemon","enabled":true,"assignment_required":false,"created":"2026-06-09T14:01:21Z","version":1}');
INSERT INTO role_assignments VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-00000000e001',
  '00000000-0000-4000-8000-00000000b001', '00000000-0000-4000-8000-00000000b001', '00000000-0000-4000-8000-00000000d001', 'Run', 1781013681000000);
INSERT INTO signing_keys VALUES ('kid-1', 'RS256', x'3000', x'0a0b0c', 1781013681000000, 1781013682000000, NULL);
INSERT INTO signing_keys VALUES ('kid-0', 'RS256', x'3001', x'0d', 1780000000000000, 1780000000000000, 1781100000000000);
INSERT INTO audits VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1', 1781013681000000, '00000000-0000-4000-8000-000000000a0d', 'c-1',
  '00000000-0000-4000-8000-00000000a001',
  '{"id":"00000000-0000-4000-8000-000000000a0d","tenant_id":"5f2c1a7e-0000-4000-8000-0000000000a1","time":"2026-06-09T14:01:21Z","correlation_id":"c-1","activity":"Add application","category":"ApplicationManagement","actor":"administrator","target_id":"00000000-0000-4000-8000-00000000a001","target_name":"Payroll daemon"}');
INSERT INTO sign_ins (tenant_id, time, id, correlation_id, app_id, record) VALUES
 ('5f2c1a7e-0000-4000-8000-0000000000a1', 1781013681000000, 't-1', 'c-2', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef',
  '{"id":"t-1","tenant_id":"5f2c1a7e-0000-4000-8000-0000000000a1","time":1781013681000000,"correlation_id":"c-2","app_id":"8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef","app_name":"Payroll daemon","service_principal_id":"00000000-0000-4000-8000-00000000b001","credential_key_id":"00000000-0000-4000-8000-00000000c001","credential_thumbprint":"","federated_credential_id":"","credential_type":"certificate","resource":"","resource_id":"","error_code":0,"failure_reason":"","token_id":"t","ip_address":"127.0.0.1","assertion":""}'),
 ('5f2c1a7e-0000-4000-8000-0000000000a1', 1781013682000000, 't-2', 'c-3', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef',
  '{"id":"t-2","tenant_id":"5f2c1a7e-0000-4000-8000-0000000000a1","time":1781013682000000,"correlation_id":"c-3","app_id":"8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef","app_name":"Payroll daemon","service_principal_id":"00000000-0000-4000-8000-00000000b001","credential_key_id":"","credential_thumbprint":"","federated_credential_id":"","credential_type":"certificate","resource":"","resource_id":"","error_code":700027,"failure_reason":"AADSTS700027","token_id":"","ip_address":"127.0.0.1","assertion":""}');
INSERT INTO used_assertions VALUES ('5f2c1a7e-0000-4000-8000-0000000000a1/8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef', 'jti-1', 1781100000000000);
"#;

/// A store at a version of the schema, with the rows of the first.
async fn earlier(path: &Path, version: i64) {
    let mut connection =
        SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(true).connect().await.unwrap();
    let first = MIGRATIONS.iter().map(|m| m.version).min().unwrap();
    MIGRATIONS.run_direct(Some(first), &mut connection, false).await.unwrap();
    connection.execute(sqlx::raw_sql(ROWS)).await.unwrap();
    MIGRATIONS.run_direct(Some(version), &mut connection, false).await.unwrap();
    connection.close().await.unwrap();
}

fn query(refused: bool) -> LogQuery {
    LogQuery { tenant_id: TENANT.into(), limit: 10, refused, ..LogQuery::default() }
}

#[tokio::test]
async fn every_earlier_schema_is_brought_up_to_date_with_everything_in_it() {
    let versions: Vec<i64> = MIGRATIONS.iter().map(|m| m.version).collect();
    assert!(versions.len() >= 2);
    for version in &versions {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.db");
        earlier(&path, *version).await;
        let store = SqliteStore::open(&path).await.unwrap();
        everything_is_there(&store, *version).await;
        store.close().await.unwrap();
        // And once more: what is up to date stays as it is.
        let store = SqliteStore::open(&path).await.unwrap();
        assert_eq!(store.directory_version().await.unwrap(), 17);
        store.close().await.unwrap();
    }
}

async fn everything_is_there(store: &SqliteStore, version: i64) {
    let at = UnixTime::from_secs(1_781_013_681);
    assert_eq!(store.directory_version().await.unwrap(), 17, "from {version}");
    assert_eq!(store.setting("master key check").await.unwrap(), Some(vec![1, 2]));
    let tenant = store.tenant("contoso.example").await.unwrap().unwrap();
    assert_eq!((tenant.id.as_str(), tenant.display_name.as_str()), (TENANT, "Contoso"));
    let client = store.client(TENANT, APP).await.unwrap().unwrap();
    let application = &client.application;
    assert_eq!((application.version, application.token_version, application.enabled), (3, 2, true));
    assert_eq!(application.key_credentials[0].der.as_deref(), Some(&[0x30, 0][..]));
    assert_eq!(application.password_credentials[0].hint, "abc");
    assert_eq!(application.federated_credentials[0].subject, "repo:a/b");
    assert_eq!(application.app_roles[0].value, "Run");
    assert_eq!(application.document["notes"], "kept");
    assert_eq!(client.service_principal.unwrap().object_id, PRINCIPAL);
    assert_eq!(client.roles, [(PRINCIPAL.to_owned(), "Run".to_owned())]);
    assert_eq!(store.app_id_of_uri(TENANT, "api://payroll").await.unwrap().as_deref(), Some(APP));
    assert!(store.was_application(TENANT, "8b76b6d9-0000-4000-8000-00000000dead").await.unwrap());
    let page = Page { after: "", limit: 10 };
    let by_name = Filter::DisplayName("payroll DAEMON".into());
    assert_eq!(store.applications(TENANT, &by_name, page).await.unwrap().len(), 1);
    let page = NamePage { after: ("", ""), limit: 10 };
    assert_eq!(store.applications_by_name(TENANT, "DAEM", page).await.unwrap()[0].object_id, OBJECT);
    // What later schemas search for was made of the rows that were there.
    let far = at.plus_secs(2 * 365 * 86_400);
    let ends = store.ending_credentials(TENANT, at, far, 10).await.unwrap();
    let ends: Vec<String> = ends.iter().map(|e| format!("{} {}", e.kind, &e.end.rfc3339()[..10])).collect();
    assert_eq!(ends, ["certificate 2027-01-01", "secret 2027-06-01"], "from {version}");
    let keys = store.signing_keys().await.unwrap();
    let mut keys: Vec<_> = keys.iter().map(|k| (k.kid.as_str(), k.sealed_key.as_slice(), k.published_until)).collect();
    keys.sort();
    let until = Some(UnixTime::from_secs(1_781_100_000));
    assert_eq!(keys, [("kid-0", &[0x0d][..], until), ("kid-1", &[0x0a, 0x0b, 0x0c][..], None)]);
    assert_eq!(store.audits(&query(false)).await.unwrap()[0].activity, "Add application");
    let ids = |rows: Vec<crate::store::model::SignInRecord>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(ids(store.sign_ins(&query(false)).await.unwrap()), ["t-2", "t-1"]);
    assert_eq!(ids(store.sign_ins(&query(true)).await.unwrap()), ["t-2"], "from {version}");
    let client = format!("{TENANT}/{APP}");
    assert!(!store.use_once(&client, "jti-1", at.plus_secs(600), at).await.unwrap(), "a used assertion is new again");
    assert_eq!(store.newest_time().await.unwrap(), Some(at.plus_secs(1)));
}

#[tokio::test]
async fn a_later_schema_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    let newest = MIGRATIONS.iter().map(|m| m.version).max().unwrap();
    earlier(&path, newest).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = options.connect().await.unwrap();
    connection
        .execute("INSERT INTO _sqlx_migrations SELECT 9000, 'later', installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1")
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert!(matches!(SqliteStore::open(&path).await, Err(OpenError::TooNew(_))));
    let mut connection = options.connect().await.unwrap();
    let row = connection.fetch_one("SELECT count(*), max(version) FROM _sqlx_migrations").await.unwrap();
    assert_eq!((row.get::<i64, _>(0), row.get::<i64, _>(1)), (newest + 1, 9000));
}
