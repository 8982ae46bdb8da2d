//! Reading the directory.

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::{SqliteStore, failed, record};
use crate::store::model::{ApplicationRecord, RoleAssignmentRecord, ServicePrincipalRecord, TenantRecord};
use crate::store::{
    ClientRecord, Directory, EndingCredential, Filter, NamePage, Page, Pending, StoreError, Transaction,
};

/// The end of the range of texts that begin with a prefix: no character is above U+10FFFF.
fn prefix_end(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

/// The statement and the value of a filter. `?1` is the tenant, `?2` the value, `?3` the end of a prefix.
fn clause(filter: &Filter) -> (usize, &str) {
    match filter {
        Filter::All => (0, ""),
        Filter::AppId(v) => (1, v),
        Filter::ObjectId(v) => (2, v),
        Filter::DisplayName(v) => (3, v),
        Filter::DisplayNamePrefix(v) => (4, v),
        Filter::IdentifierUri(v) => (5, v),
    }
}

// Names compare without regard to letter case, as Graph compares them; SQLite does so for ASCII letters.
const APPLICATIONS: [&str; 6] = [
    "SELECT record FROM applications WHERE tenant_id = ?1 AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM applications WHERE tenant_id = ?1 AND app_id = ?2 AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM applications WHERE tenant_id = ?1 AND object_id = ?2 AND object_id > ?4 LIMIT ?5",
    "SELECT record FROM applications WHERE tenant_id = ?1 AND display_name = ?2 COLLATE NOCASE AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM applications WHERE tenant_id = ?1 AND display_name >= ?2 COLLATE NOCASE AND display_name < ?3 COLLATE NOCASE AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT a.record AS record FROM identifier_uris u JOIN applications a ON a.tenant_id = u.tenant_id AND a.app_id = u.app_id WHERE u.tenant_id = ?1 AND u.uri = ?2 AND a.object_id > ?4 LIMIT ?5",
];
const COUNT_APPLICATIONS: [&str; 6] = [
    "SELECT count(*) FROM applications WHERE tenant_id = ?1",
    "SELECT count(*) FROM applications WHERE tenant_id = ?1 AND app_id = ?2",
    "SELECT count(*) FROM applications WHERE tenant_id = ?1 AND object_id = ?2",
    "SELECT count(*) FROM applications WHERE tenant_id = ?1 AND display_name = ?2 COLLATE NOCASE",
    "SELECT count(*) FROM applications WHERE tenant_id = ?1 AND display_name >= ?2 COLLATE NOCASE AND display_name < ?3 COLLATE NOCASE",
    "SELECT count(*) FROM identifier_uris WHERE tenant_id = ?1 AND uri = ?2",
];
const SERVICE_PRINCIPALS: [&str; 6] = [
    "SELECT record FROM service_principals WHERE tenant_id = ?1 AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM service_principals WHERE tenant_id = ?1 AND app_id = ?2 AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM service_principals WHERE tenant_id = ?1 AND object_id = ?2 AND object_id > ?4 LIMIT ?5",
    "SELECT record FROM service_principals WHERE tenant_id = ?1 AND display_name = ?2 COLLATE NOCASE AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM service_principals WHERE tenant_id = ?1 AND display_name >= ?2 COLLATE NOCASE AND display_name < ?3 COLLATE NOCASE AND object_id > ?4 ORDER BY object_id LIMIT ?5",
    "SELECT record FROM service_principals WHERE 0",
];

impl SqliteStore {
    async fn one<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        a: &str,
        b: &str,
    ) -> Result<Option<T>, StoreError> {
        let row = sqlx::query(sql).bind(a).bind(b).fetch_optional(&self.readers).await.map_err(failed)?;
        row.map(|r| record(&r, "record")).transpose()
    }

    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        tenant_id: &str,
        value: &str,
        page: Page<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = sqlx::query(sql)
            .bind(tenant_id)
            .bind(value)
            .bind(prefix_end(value))
            .bind(page.after)
            .bind(i64::from(page.limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
        rows.iter().map(|r| record(r, "record")).collect()
    }

    async fn assignments(
        &self,
        sql: &'static str,
        tenant_id: &str,
        id: &str,
    ) -> Result<Vec<RoleAssignmentRecord>, StoreError> {
        let rows = sqlx::query(sql).bind(tenant_id).bind(id).fetch_all(&self.readers).await.map_err(failed)?;
        rows.iter().map(|r| assignment(r).map_err(failed)).collect()
    }
}

fn assignment(row: &SqliteRow) -> Result<RoleAssignmentRecord, sqlx::Error> {
    Ok(RoleAssignmentRecord {
        id: row.try_get("id")?,
        tenant_id: row.try_get("tenant_id")?,
        principal_id: row.try_get("principal_id")?,
        resource_id: row.try_get("resource_id")?,
        app_role_id: row.try_get("app_role_id")?,
        value: row.try_get("value")?,
        created: UnixTime::from_micros(row.try_get("created")?),
    })
}

impl Directory for SqliteStore {
    fn directory_version(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let version: i64 = sqlx::query("SELECT version FROM directory WHERE one = 1")
                .fetch_one(&self.readers)
                .await
                .and_then(|r| r.try_get(0))
                .map_err(failed)?;
            Ok(version.unsigned_abs())
        })
    }

    fn begin(&self) -> Pending<'_, Box<dyn Transaction>> {
        Box::pin(async move { Ok(Box::new(self.begin_transaction().await?) as Box<dyn Transaction>) })
    }

    fn tenant<'a>(&'a self, id_or_domain: &'a str) -> Pending<'a, Option<TenantRecord>> {
        Box::pin(self.one(
            "SELECT record FROM tenants WHERE id = ?1 OR id = (SELECT tenant_id FROM domains WHERE name = ?2)",
            id_or_domain,
            id_or_domain,
        ))
    }

    fn tenants(&self) -> Pending<'_, Vec<TenantRecord>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT record FROM tenants ORDER BY position")
                .fetch_all(&self.readers)
                .await
                .map_err(failed)?;
            rows.iter().map(|r| record(r, "record")).collect()
        })
    }

    fn client<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, Option<ClientRecord>> {
        Box::pin(async move {
            // One statement, so that the parts belong together, and because each costs a change of threads.
            let row = sqlx::query(
                "SELECT a.record AS application, s.record AS principal, \
                 (SELECT json_group_array(json_array(r.resource_id, r.value)) FROM role_assignments r \
                  WHERE r.tenant_id = s.tenant_id AND r.principal_id = s.object_id) AS roles \
                 FROM applications a LEFT JOIN service_principals s ON s.tenant_id = a.tenant_id AND s.app_id = a.app_id \
                 WHERE a.tenant_id = ?1 AND a.app_id = ?2",
            )
            .bind(tenant_id)
            .bind(app_id)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed)?;
            let Some(row) = row else { return Ok(None) };
            let principal: Option<&str> = row.try_get("principal").map_err(failed)?;
            let service_principal = principal
                .map(serde_json::from_str)
                .transpose()
                .map_err(|e| StoreError::Damaged(format!("principal: {e}")))?;
            Ok(Some(ClientRecord {
                application: record(&row, "application")?,
                service_principal,
                roles: record(&row, "roles")?,
            }))
        })
    }

    fn application<'a>(&'a self, tenant_id: &'a str, object_id: &'a str) -> Pending<'a, Option<ApplicationRecord>> {
        Box::pin(self.one(
            "SELECT record FROM applications WHERE tenant_id = ?1 AND object_id = ?2",
            tenant_id,
            object_id,
        ))
    }

    fn applications<'a>(
        &'a self,
        tenant_id: &'a str,
        filter: &'a Filter,
        page: Page<'a>,
    ) -> Pending<'a, Vec<ApplicationRecord>> {
        let (n, value) = clause(filter);
        Box::pin(self.page(APPLICATIONS[n], tenant_id, value, page))
    }

    fn applications_by_name<'a>(
        &'a self,
        tenant_id: &'a str,
        text: &'a str,
        page: NamePage<'a>,
    ) -> Pending<'a, Vec<ApplicationRecord>> {
        Box::pin(async move {
            // The inner list is read from the index alone; records are fetched for one page.
            let rows = sqlx::query(
                "SELECT a.record AS record FROM (SELECT tenant_id, object_id, display_name FROM applications \
                   INDEXED BY applications_by_any_case WHERE tenant_id = ?1 \
                   AND (display_name, object_id) > (?2 COLLATE NOCASE, ?3) \
                   AND (?4 = '' OR display_name LIKE ?5 ESCAPE '\\') \
                   ORDER BY display_name COLLATE NOCASE, object_id LIMIT ?6) AS n \
                 JOIN applications a ON a.tenant_id = n.tenant_id AND a.object_id = n.object_id \
                 ORDER BY n.display_name COLLATE NOCASE, n.object_id",
            )
            .bind(tenant_id)
            .bind(page.after.0)
            .bind(page.after.1)
            .bind(text)
            .bind(format!("%{}%", text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")))
            .bind(i64::from(page.limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
            rows.iter().map(|r| record(r, "record")).collect()
        })
    }

    fn ending_credentials<'a>(
        &'a self,
        tenant_id: &'a str,
        from: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Pending<'a, Vec<EndingCredential>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT a.display_name AS name, e.object_id AS object_id, e.kind AS kind, e.key_id AS key_id, e.time AS time \
                 FROM credential_ends e JOIN applications a ON a.tenant_id = e.tenant_id AND a.object_id = e.object_id \
                 WHERE e.tenant_id = ?1 AND e.time >= ?2 AND e.time < ?3 ORDER BY e.time LIMIT ?4",
            )
            .bind(tenant_id)
            .bind(from.micros())
            .bind(until.micros())
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
            rows.iter()
                .map(|r| {
                    Ok(EndingCredential {
                        name: r.try_get("name")?,
                        object_id: r.try_get("object_id")?,
                        kind: r.try_get("kind")?,
                        key_id: r.try_get("key_id")?,
                        end: UnixTime::from_micros(r.try_get("time")?),
                    })
                })
                .collect::<Result<_, sqlx::Error>>()
                .map_err(failed)
        })
    }

    fn count_applications<'a>(&'a self, tenant_id: &'a str, filter: &'a Filter) -> Pending<'a, u64> {
        let (n, value) = clause(filter);
        Box::pin(async move {
            let count: i64 = sqlx::query(COUNT_APPLICATIONS[n])
                .bind(tenant_id)
                .bind(value)
                .bind(prefix_end(value))
                .fetch_one(&self.readers)
                .await
                .and_then(|r| r.try_get(0))
                .map_err(failed)?;
            Ok(count.unsigned_abs())
        })
    }

    fn app_id_of_uri<'a>(&'a self, tenant_id: &'a str, uri: &'a str) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            sqlx::query("SELECT app_id FROM identifier_uris WHERE tenant_id = ?1 AND uri = ?2")
                .bind(tenant_id)
                .bind(uri)
                .fetch_optional(&self.readers)
                .await
                .and_then(|row| row.map(|r| r.try_get(0)).transpose())
                .map_err(failed)
        })
    }

    fn was_application<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            sqlx::query(
                "SELECT EXISTS (SELECT 1 FROM applications WHERE tenant_id = ?1 AND app_id = ?2) \
                 OR EXISTS (SELECT 1 FROM deleted_applications WHERE tenant_id = ?1 AND app_id = ?2)",
            )
            .bind(tenant_id)
            .bind(app_id)
            .fetch_one(&self.readers)
            .await
            .and_then(|r| r.try_get(0))
            .map_err(failed)
        })
    }

    fn deleted_applications<'a>(&'a self, tenant_id: &'a str, page: Page<'a>) -> Pending<'a, Vec<(String, UnixTime)>> {
        Box::pin(async move {
            let rows = sqlx::query(
                "SELECT app_id, time FROM deleted_applications WHERE tenant_id = ?1 AND app_id > ?2 ORDER BY app_id LIMIT ?3",
            )
            .bind(tenant_id)
            .bind(page.after)
            .bind(i64::from(page.limit))
            .fetch_all(&self.readers)
            .await
            .map_err(failed)?;
            rows.iter()
                .map(|r| Ok((r.try_get("app_id")?, UnixTime::from_micros(r.try_get("time")?))))
                .collect::<Result<_, sqlx::Error>>()
                .map_err(failed)
        })
    }

    fn service_principal<'a>(
        &'a self,
        tenant_id: &'a str,
        object_id: &'a str,
    ) -> Pending<'a, Option<ServicePrincipalRecord>> {
        Box::pin(self.one(
            "SELECT record FROM service_principals WHERE tenant_id = ?1 AND object_id = ?2",
            tenant_id,
            object_id,
        ))
    }

    fn service_principal_of<'a>(
        &'a self,
        tenant_id: &'a str,
        app_id: &'a str,
    ) -> Pending<'a, Option<ServicePrincipalRecord>> {
        Box::pin(self.one(
            "SELECT record FROM service_principals WHERE tenant_id = ?1 AND app_id = ?2",
            tenant_id,
            app_id,
        ))
    }

    fn service_principals<'a>(
        &'a self,
        tenant_id: &'a str,
        filter: &'a Filter,
        page: Page<'a>,
    ) -> Pending<'a, Vec<ServicePrincipalRecord>> {
        let (n, value) = clause(filter);
        Box::pin(self.page(SERVICE_PRINCIPALS[n], tenant_id, value, page))
    }

    fn roles_of<'a>(&'a self, tenant_id: &'a str, principal_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>> {
        Box::pin(self.assignments(
            "SELECT * FROM role_assignments WHERE tenant_id = ?1 AND principal_id = ?2 ORDER BY created, id",
            tenant_id,
            principal_id,
        ))
    }

    fn roles_for<'a>(&'a self, tenant_id: &'a str, resource_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>> {
        Box::pin(self.assignments(
            "SELECT * FROM role_assignments WHERE tenant_id = ?1 AND resource_id = ?2 ORDER BY created, id",
            tenant_id,
            resource_id,
        ))
    }
}
