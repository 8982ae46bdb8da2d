//! The store's conformance suite: the same list for every backend. PostgreSQL is the system's own, in a temporary folder.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_server::store::model::{
    ApplicationRecord, AuditRecord, RoleAssignmentRecord, ServicePrincipalRecord, SignInRecord, SigningKeyRecord,
    TenantRecord,
};
use countersign_server::store::postgres::{PostgresStore, PostgresUrl};
use countersign_server::store::sqlite::SqliteStore;
use countersign_server::store::{Change, Filter, LogQuery, NamePage, Page, Store, StoreError};

#[path = "support/postgres.rs"]
mod support;

use support::postgres_url;

const T: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
const NOW: UnixTime = UnixTime::from_secs(1_781_013_681);

struct Backend {
    _folder: Option<tempfile::TempDir>,
    store: Arc<dyn Store>,
}

async fn sqlite() -> Backend {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("x.db")).await.unwrap();
    Backend::over(Arc::new(store), Some(folder)).await
}

/// On a database of its own; `None` where PostgreSQL is not installed.
async fn postgres() -> Option<Backend> {
    let url = PostgresUrl::parse(&postgres_url()?).unwrap();
    let store = PostgresStore::open(&url, None, 4).await.unwrap();
    Some(Backend::over(Arc::new(store), None).await)
}

/// The list, on each backend.
macro_rules! conformance {
    ($($name:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $name() {
                let Some(backend) = super::postgres().await else { return };
                super::$name(backend).await;
            })*
        }
    };
}

conformance! {
    tenants_are_found_by_id_and_domain,
    a_transaction_is_whole_or_nothing,
    an_update_needs_the_version_that_was_read,
    filters_and_pages,
    deleting_takes_everything_along_and_leaves_a_mark,
    keys_and_settings_are_kept,
    the_first_key_and_setting_are_made_once,
    logs_come_newest_first_and_are_pruned,
    an_assertion_is_used_once_until_it_ends,
    texts_that_a_database_may_not_hold_are_no_fault,
    changes_wait_for_each_other,
    names_are_searched_in_any_case_and_paged_in_their_order,
    credentials_that_end_soon_follow_their_application,
    refused_sign_ins_are_found_by_what_their_error_says,
}

impl Backend {
    async fn over(store: Arc<dyn Store>, folder: Option<tempfile::TempDir>) -> Self {
        let backend = Self { store, _folder: folder };
        backend.apply([Change::PutTenant(tenant(T, &["contoso.example"]))]).await.unwrap();
        backend
    }

    async fn apply<const N: usize>(&self, changes: [Change; N]) -> Result<u64, StoreError> {
        let mut transaction = self.store.begin().await?;
        for change in changes {
            transaction.apply(change).await?;
        }
        transaction.commit().await
    }

    async fn app_ids(&self, filter: &Filter) -> Vec<String> {
        let page = Page { after: "", limit: 100 };
        self.store.applications(T, filter, page).await.unwrap().into_iter().map(|a| a.app_id).collect()
    }
}

fn tenant(id: &str, domains: &[&str]) -> TenantRecord {
    TenantRecord {
        id: id.into(),
        display_name: "Contoso".into(),
        domains: domains.iter().map(|d| (*d).to_owned()).collect(),
        certificate_authorities: Vec::new(),
    }
}

fn application(n: u32, name: &str, uris: &[&str]) -> Box<ApplicationRecord> {
    Box::new(ApplicationRecord {
        tenant_id: T.into(),
        object_id: format!("00000000-0000-4000-8000-{n:012}"),
        app_id: format!("10000000-0000-4000-8000-{n:012}"),
        display_name: name.into(),
        created: NOW,
        enabled: true,
        token_version: 1,
        identifier_uris: uris.iter().map(|u| (*u).to_owned()).collect(),
        ..ApplicationRecord::default()
    })
}

fn principal(n: u32) -> Box<ServicePrincipalRecord> {
    Box::new(ServicePrincipalRecord {
        tenant_id: T.into(),
        object_id: format!("20000000-0000-4000-8000-{n:012}"),
        app_id: format!("10000000-0000-4000-8000-{n:012}"),
        display_name: format!("p{n}"),
        enabled: true,
        created: NOW,
        ..ServicePrincipalRecord::default()
    })
}

fn role(n: u32, principal: u32, resource: u32, value: &str) -> RoleAssignmentRecord {
    RoleAssignmentRecord {
        id: format!("assignment-{n}"),
        tenant_id: T.into(),
        principal_id: format!("20000000-0000-4000-8000-{principal:012}"),
        resource_id: format!("20000000-0000-4000-8000-{resource:012}"),
        app_role_id: value.into(),
        value: value.into(),
        created: NOW,
    }
}

async fn tenants_are_found_by_id_and_domain(b: Backend) {
    let found = b.store.tenant("contoso.example").await.unwrap().unwrap();
    assert_eq!(b.store.tenant(T).await.unwrap().unwrap(), found);
    assert_eq!(b.store.tenant("nowhere.example").await.unwrap(), None);
    let other = "5f2c1a7e-0000-4000-8000-0000000000b2";
    let twice = b.apply([Change::PutTenant(tenant(other, &["contoso.example"]))]).await;
    assert!(matches!(twice, Err(StoreError::Conflict { what: "domain", .. })));
    b.apply([Change::PutTenant(tenant(other, &["fabrikam.example"])), Change::PutTenant(tenant(T, &["contoso.test"]))])
        .await
        .unwrap();
    assert_eq!(b.store.tenant("contoso.example").await.unwrap(), None, "domains are replaced");
    assert_eq!(b.store.tenants().await.unwrap().iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), [T, other]);
}

async fn a_transaction_is_whole_or_nothing(b: Backend) {
    let before = b.store.directory_version().await.unwrap();
    let mut dropped = b.store.begin().await.unwrap();
    dropped.apply(Change::CreateApplication(application(1, "a", &["api://a"]))).await.unwrap();
    drop(dropped);
    let refused = b
        .apply([
            Change::CreateApplication(application(1, "a", &[])),
            Change::CreateApplication(application(1, "b", &[])),
        ])
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict { what: "appId", .. })));
    assert!(b.app_ids(&Filter::All).await.is_empty());
    assert_eq!(b.store.app_id_of_uri(T, "api://a").await.unwrap(), None);
    assert_eq!(b.store.directory_version().await.unwrap(), before);
    let version = b.apply([Change::CreateApplication(application(1, "a", &[]))]).await.unwrap();
    assert!(version > before);
    assert_eq!(b.store.directory_version().await.unwrap(), version);
}

async fn an_update_needs_the_version_that_was_read(b: Backend) {
    b.apply([Change::CreateApplication(application(1, "a", &["api://a", "api://b"]))]).await.unwrap();
    let mut read = b.store.application(T, &application(1, "", &[]).object_id).await.unwrap().unwrap();
    assert_eq!(read.version, 1);
    read.display_name = "renamed".into();
    read.identifier_uris = vec!["api://b".into(), "api://c".into()];
    b.apply([Change::UpdateApplication(Box::new(read.clone()))]).await.unwrap();
    assert!(matches!(
        b.apply([Change::UpdateApplication(Box::new(read.clone()))]).await,
        Err(StoreError::Changed { .. })
    ));
    read.object_id = "none".into();
    assert!(matches!(b.apply([Change::UpdateApplication(Box::new(read))]).await, Err(StoreError::NotFound { .. })));
    assert_eq!(b.store.app_id_of_uri(T, "api://a").await.unwrap(), None);
    assert!(b.store.app_id_of_uri(T, "api://c").await.unwrap().is_some());
    assert_eq!(b.app_ids(&Filter::DisplayName("renamed".into())).await.len(), 1);
    let taken = b.apply([Change::CreateApplication(application(2, "x", &["api://c"]))]).await;
    assert!(matches!(taken, Err(StoreError::Conflict { what: "identifierUris", .. })));
}

async fn filters_and_pages(b: Backend) {
    for n in 1..=5 {
        b.apply([Change::CreateApplication(application(
            n,
            if n < 4 { "pay roll" } else { "other" },
            &[&format!("api://{n}")],
        ))])
        .await
        .unwrap();
    }
    let id = |n: u32| application(n, "", &[]).app_id;
    assert_eq!(b.app_ids(&Filter::All).await.len(), 5);
    assert_eq!(b.app_ids(&Filter::AppId(id(2))).await, [id(2)]);
    assert_eq!(b.app_ids(&Filter::ObjectId(application(3, "", &[]).object_id)).await, [id(3)]);
    assert_eq!(b.app_ids(&Filter::DisplayName("pay roll".into())).await.len(), 3);
    assert_eq!(b.app_ids(&Filter::DisplayNamePrefix("pay".into())).await.len(), 3);
    assert_eq!(b.app_ids(&Filter::DisplayName("PAY Roll".into())).await.len(), 3);
    assert_eq!(b.app_ids(&Filter::DisplayNamePrefix("OT".into())).await.len(), 2);
    assert_eq!(b.app_ids(&Filter::DisplayNamePrefix(String::new())).await.len(), 5);
    assert_eq!(b.app_ids(&Filter::IdentifierUri("api://4".into())).await, [id(4)]);
    assert!(b.app_ids(&Filter::AppId("' OR '1'='1".into())).await.is_empty());
    for (filter, count) in
        [(Filter::All, 5), (Filter::DisplayNamePrefix("o".into()), 2), (Filter::IdentifierUri("api://4".into()), 1)]
    {
        assert_eq!(b.store.count_applications(T, &filter).await.unwrap(), count);
    }
    let mut after = String::new();
    let mut seen = Vec::new();
    loop {
        let page = b.store.applications(T, &Filter::All, Page { after: &after, limit: 2 }).await.unwrap();
        let Some(last) = page.last() else { break };
        after.clone_from(&last.object_id);
        seen.extend(page.into_iter().map(|a| a.app_id));
    }
    assert_eq!(seen, (1..=5).map(id).collect::<Vec<_>>());
}

async fn deleting_takes_everything_along_and_leaves_a_mark(b: Backend) {
    b.apply([
        Change::CreateApplication(application(1, "client", &[])),
        Change::CreateServicePrincipal(principal(1)),
        Change::CreateApplication(application(2, "api", &["api://x"])),
        Change::CreateServicePrincipal(principal(2)),
        Change::CreateRoleAssignment(role(1, 1, 2, "Run")),
    ])
    .await
    .unwrap();
    let client = b.store.client(T, &application(1, "", &[]).app_id).await.unwrap().unwrap();
    assert_eq!(client.roles, [(principal(2).object_id, "Run".to_owned())]);
    assert_eq!(client.service_principal.unwrap().object_id, principal(1).object_id);
    assert!(matches!(
        b.apply([Change::CreateRoleAssignment(role(2, 1, 2, "Run"))]).await,
        Err(StoreError::Conflict { .. })
    ));
    assert_eq!(b.store.roles_for(T, &principal(2).object_id).await.unwrap().len(), 1);
    let object_id = application(2, "", &[]).object_id;
    b.apply([Change::DeleteApplication { tenant_id: T.into(), object_id: object_id.clone(), time: NOW }])
        .await
        .unwrap();
    assert!(b.store.client(T, &application(1, "", &[]).app_id).await.unwrap().unwrap().roles.is_empty());
    assert_eq!(b.store.service_principal(T, &principal(2).object_id).await.unwrap(), None);
    assert_eq!(b.store.app_id_of_uri(T, "api://x").await.unwrap(), None);
    assert!(b.store.was_application(T, &application(2, "", &[]).app_id).await.unwrap());
    assert!(!b.store.was_application(T, &application(3, "", &[]).app_id).await.unwrap());
    let marks = b.store.deleted_applications(T, Page { after: "", limit: 10 }).await.unwrap();
    assert_eq!(marks, [(application(2, "", &[]).app_id, NOW)]);
    let again = b.apply([Change::DeleteApplication { tenant_id: T.into(), object_id, time: NOW }]).await;
    assert!(matches!(again, Err(StoreError::NotFound { .. })));
    b.apply([Change::Reset]).await.unwrap();
    assert!(!b.store.was_application(T, &application(2, "", &[]).app_id).await.unwrap());
    assert!(b.store.tenants().await.unwrap().is_empty());
}

async fn keys_and_settings_are_kept(b: Backend) {
    let mut key = SigningKeyRecord {
        kid: "k".into(),
        alg: "RS256".into(),
        certificate: vec![1],
        sealed_key: vec![2],
        created: NOW,
        signs_from: NOW,
        published_until: None,
    };
    b.store.put_signing_key(&key).await.unwrap();
    key.published_until = Some(NOW.plus_secs(60));
    b.store.put_signing_key(&key).await.unwrap();
    assert_eq!(b.store.signing_keys().await.unwrap(), [key]);
    b.store.remove_signing_key("k").await.unwrap();
    assert!(b.store.signing_keys().await.unwrap().is_empty());
    b.store.put_setting("a", b"1").await.unwrap();
    b.store.put_setting("a", b"2").await.unwrap();
    assert_eq!(b.store.setting("a").await.unwrap(), Some(b"2".to_vec()));
    assert_eq!(b.store.setting("b").await.unwrap(), None);
}

async fn the_first_key_and_setting_are_made_once(b: Backend) {
    let key = |kid: &str| SigningKeyRecord {
        kid: kid.into(),
        alg: "RS256".into(),
        certificate: vec![1],
        sealed_key: vec![2],
        created: NOW,
        signs_from: NOW,
        published_until: None,
    };
    let (one, two) = (key("one"), key("two"));
    let (a, c) = tokio::join!(b.store.put_first_signing_key(&one), b.store.put_first_signing_key(&two));
    a.and(c).unwrap();
    let kept = b.store.signing_keys().await.unwrap();
    assert_eq!(kept.len(), 1, "{kept:?}");
    b.apply([Change::RemoveSigningKey { kid: kept[0].kid.clone() }]).await.unwrap();
    assert!(b.store.signing_keys().await.unwrap().is_empty());
    let (x, y) = tokio::join!(b.store.put_first_setting("s", b"x"), b.store.put_first_setting("s", b"y"));
    assert_eq!(x.unwrap(), y.unwrap());
}

async fn texts_that_a_database_may_not_hold_are_no_fault(b: Backend) {
    let long = "j".repeat(60_000);
    for jti in ["a\0b", "a\u{fffd}b", &long] {
        assert!(b.store.use_once("c", jti, NOW.plus_secs(60), NOW).await.unwrap());
        assert!(!b.store.use_once("c", jti, NOW.plus_secs(60), NOW).await.unwrap());
    }
    // Something is there that a wildcard would find.
    b.apply([Change::CreateApplication(application(2, "plain", &[]))]).await.unwrap();
    for text in ["a\0b", "' OR '1'='1", "%", &long] {
        assert_eq!(b.store.tenant(text).await.unwrap(), None);
        assert!(b.store.client(T, text).await.unwrap().is_none());
        assert_eq!(b.store.app_id_of_uri(T, text).await.unwrap(), None);
        assert!(b.store.sign_in(text, None).await.unwrap().is_none());
        assert!(b.app_ids(&Filter::DisplayNamePrefix(text.into())).await.is_empty());
    }
    b.apply([Change::CreateApplication(application(1, "a\0b", &["api://\0"]))]).await.unwrap();
    let read = b.store.application(T, &application(1, "", &[]).object_id).await.unwrap().unwrap();
    assert_eq!((read.display_name.as_str(), read.identifier_uris[0].as_str()), ("a\0b", "api://\0"));
    assert_eq!(b.app_ids(&Filter::DisplayName("A\0b".into())).await.len(), 1);
    assert!(b.store.app_id_of_uri(T, "api://\0").await.unwrap().is_some());
}

async fn changes_wait_for_each_other(b: Backend) {
    let before = b.store.directory_version().await.unwrap();
    let b = Arc::new(b);
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let b = Arc::clone(&b);
            tokio::spawn(async move { b.apply([Change::CreateApplication(application(n, "x", &[]))]).await.unwrap() })
        })
        .collect();
    let mut versions = Vec::new();
    for task in tasks {
        versions.push(task.await.unwrap());
    }
    versions.sort_unstable();
    assert_eq!(versions, (before + 1..=before + 20).collect::<Vec<_>>());
    // Whoever reads does not wait for whoever changes.
    let mut open = b.store.begin().await.unwrap();
    open.apply(Change::CreateApplication(application(99, "y", &[]))).await.unwrap();
    assert_eq!(b.app_ids(&Filter::All).await.len(), 20);
}

async fn logs_come_newest_first_and_are_pruned(b: Backend) {
    let audit = |n: i64| {
        Change::Audit(Box::new(AuditRecord {
            id: format!("audit-{n}"),
            tenant_id: T.into(),
            time: NOW.plus_secs(n),
            target_id: format!("target-{}", n % 2),
            ..AuditRecord::default()
        }))
    };
    b.apply([audit(1), audit(2), audit(3)]).await.unwrap();
    let rows: Vec<_> = (1..=10)
        .map(|n| {
            Arc::new(SignInRecord {
                id: format!("{n:02}"),
                tenant_id: T.into(),
                time: NOW.plus_secs(n).micros(),
                app_id: format!("app-{}", n % 2),
                ..SignInRecord::default()
            })
        })
        .collect();
    b.store.put_sign_ins(&rows).await.unwrap();
    let query = LogQuery { tenant_id: T.into(), limit: 2, ..LogQuery::default() };
    let audits = b.store.audits(&query).await.unwrap();
    assert_eq!(audits.iter().map(|a| a.id.as_str()).collect::<Vec<_>>(), ["audit-3", "audit-2"]);
    let target = LogQuery { subject: Some("target-1".into()), limit: 9, ..query.clone() };
    assert_eq!(b.store.audits(&target).await.unwrap().len(), 2);
    let mut next = query.clone();
    let mut seen = Vec::new();
    loop {
        let page = b.store.sign_ins(&next).await.unwrap();
        let Some(last) = page.last() else { break };
        next.before = Some((UnixTime::from_micros(last.time), last.id.clone()));
        seen.extend(page.into_iter().map(|r| r.id));
    }
    assert_eq!(seen, (1..=10).rev().map(|n| format!("{n:02}")).collect::<Vec<_>>());
    let all = LogQuery { limit: 100, ..query };
    assert_eq!(b.store.sign_ins(&LogQuery { subject: Some("app-1".into()), ..all.clone() }).await.unwrap().len(), 5);
    assert_eq!(b.store.sign_ins(&LogQuery { since: Some(NOW.plus_secs(9)), ..all.clone() }).await.unwrap().len(), 2);
    assert_eq!(b.store.prune_sign_ins(NOW.plus_secs(3), 1000, 1).await.unwrap(), 1, "one step");
    assert_eq!(b.store.prune_sign_ins(NOW.plus_secs(3), 1000, 100).await.unwrap(), 1, "too old");
    assert_eq!(b.store.prune_sign_ins(NOW, 5, 100).await.unwrap(), 3, "too many");
    assert_eq!(b.store.sign_ins(&all).await.unwrap().len(), 5);
    assert_eq!(b.store.newest_time().await.unwrap(), None, "no signing key yet");
}

async fn an_assertion_is_used_once_until_it_ends(b: Backend) {
    let until = NOW.plus_secs(60);
    assert!(b.store.use_once("c", "j", until, NOW).await.unwrap());
    assert!(!b.store.use_once("c", "j", until, NOW).await.unwrap());
    assert!(b.store.use_once("d", "j", until, NOW).await.unwrap(), "of another client");
    assert!(b.store.use_once("c", "j", NOW.plus_secs(200), NOW.plus_secs(61)).await.unwrap(), "after its end");
    let mut at_once = Vec::new();
    for _ in 0..20 {
        let store = Arc::clone(&b.store);
        at_once.push(tokio::spawn(async move { store.use_once("e", "j", until, NOW).await.unwrap() }));
    }
    let mut first = 0;
    for one in at_once {
        first += usize::from(one.await.unwrap());
    }
    assert_eq!(first, 1);
    assert_eq!(b.store.forget_uses(NOW.plus_secs(100), 10).await.unwrap(), 2);
}

#[tokio::test]
async fn foreign_and_damaged_files_are_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.db");
    std::fs::write(&path, "no database at all, just text").unwrap();
    assert!(SqliteStore::open(&path).await.unwrap_err().to_string().contains("x.db"));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("no database"));
    let mut cut = b"SQLite format 3\0".to_vec();
    cut.extend([0xff; 3000]);
    std::fs::write(&path, &cut).unwrap();
    assert!(SqliteStore::open(&path).await.unwrap_err().to_string().contains("x.db"));
    assert!(SqliteStore::open(folder.path()).await.is_err(), "a folder");
}

async fn names_are_searched_in_any_case_and_paged_in_their_order(b: Backend) {
    for (n, name) in ["beta", "Alpha 100%", "gamma_x", "ALPHA two", "alpha"].into_iter().enumerate() {
        b.apply([Change::CreateApplication(application(n as u32, name, &[]))]).await.unwrap();
    }
    let names = async |text: &str, after: (&str, &str), limit| {
        let page = NamePage { after, limit };
        let found = b.store.applications_by_name(T, text, page).await.unwrap();
        found.into_iter().map(|a| (a.display_name, a.object_id)).collect::<Vec<_>>()
    };
    let only = |found: Vec<(String, String)>| found.into_iter().map(|f| f.0).collect::<Vec<_>>();
    assert_eq!(only(names("", ("", ""), 9).await), ["alpha", "Alpha 100%", "ALPHA two", "beta", "gamma_x"]);
    assert_eq!(only(names("LPHA", ("", ""), 9).await), ["alpha", "Alpha 100%", "ALPHA two"]);
    assert_eq!(only(names("0%", ("", ""), 9).await), ["Alpha 100%"]);
    assert_eq!(only(names("a_", ("", ""), 9).await), ["gamma_x"], "wildcards are text");
    let first = names("", ("", ""), 2).await;
    let last = first.last().unwrap();
    assert_eq!(only(names("", (&last.0, &last.1), 9).await), ["ALPHA two", "beta", "gamma_x"]);
}

async fn credentials_that_end_soon_follow_their_application(b: Backend) {
    use countersign_server::store::model::PasswordCredentialRecord;
    let mut a = application(1, "one", &[]);
    let secret = |key_id: &str, days: i64| PasswordCredentialRecord {
        key_id: key_id.into(),
        end: NOW.plus_secs(days * 86_400),
        ..Default::default()
    };
    a.password_credentials = vec![secret("late", 20), secret("soon", 2), secret("far", 400), secret("over", -1)];
    b.apply([Change::CreateApplication(a.clone())]).await.unwrap();
    let ending = async || {
        let found = b.store.ending_credentials(T, NOW, NOW.plus_secs(30 * 86_400), 10).await.unwrap();
        found.into_iter().map(|e| e.key_id).collect::<Vec<_>>()
    };
    assert_eq!(ending().await, ["soon", "late"]);
    a.version = 1;
    a.password_credentials.remove(1);
    b.apply([Change::UpdateApplication(a.clone())]).await.unwrap();
    assert_eq!(ending().await, ["late"]);
    let gone = Change::DeleteApplication { tenant_id: T.into(), object_id: a.object_id.clone(), time: NOW };
    b.apply([gone]).await.unwrap();
    assert!(ending().await.is_empty());
}

async fn refused_sign_ins_are_found_by_what_their_error_says(b: Backend) {
    let rows: Vec<Arc<SignInRecord>> = (0..40)
        .map(|n| {
            Arc::new(SignInRecord {
                id: format!("id-{n}"),
                tenant_id: T.into(),
                time: NOW.micros() + n,
                correlation_id: format!("c-{n}"),
                app_id: format!("app-{}", n % 4),
                error_code: if n % 10 == 0 { 700_027 } else { 0 },
                ..SignInRecord::default()
            })
        })
        .collect();
    b.store.put_sign_ins(&rows).await.unwrap();
    let ask = async |query: LogQuery| {
        let found = b.store.sign_ins(&LogQuery { tenant_id: T.into(), limit: 100, ..query }).await.unwrap();
        found.into_iter().map(|r| r.id).collect::<Vec<_>>()
    };
    let refused = LogQuery { refused: true, ..LogQuery::default() };
    assert_eq!(ask(refused.clone()).await, ["id-30", "id-20", "id-10", "id-0"]);
    assert_eq!(ask(LogQuery { correlation_id: Some("c-20".into()), ..refused.clone() }).await, ["id-20"]);
    for newest in [false, true] {
        let of_app = LogQuery { subject: Some("app-2".into()), newest, ..LogQuery::default() };
        assert_eq!(ask(of_app.clone()).await.len(), 10);
        assert_eq!(ask(LogQuery { refused: true, ..of_app }).await, ["id-30", "id-10"]);
    }
    let id = async |id: &str, hint| b.store.sign_in(id, hint).await.unwrap().map(|r| r.id);
    assert_eq!(id("id-10", None).await.as_deref(), Some("id-10"));
    assert_eq!(id("id-11", None).await.as_deref(), Some("id-11"), "new enough");
    assert_eq!(id("id-11", Some((T, UnixTime::from_micros(NOW.micros() + 11)))).await.as_deref(), Some("id-11"));
    assert_eq!(id("id-11", Some((T, NOW))).await, None);
    assert_eq!(id("none", None).await, None);
}
