//! Reading the directory.

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::{PostgresStore, failed, plain, record};
use crate::store::model::{ApplicationRecord, RoleAssignmentRecord, ServicePrincipalRecord, TenantRecord};
use crate::store::{
    ClientRecord, Directory, EndingCredential, Filter, NamePage, Page, Pending, StoreError, Transaction,
};

/// A text as `LIKE` takes it literally, for a backslash as escape.
fn literal(text: &str) -> String {
    plain(text).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The statement and the value of a filter. `$1` is the tenant, `$2` the value, `$3` the id to begin after.
fn clause(filter: &Filter) -> (usize, String) {
    match filter {
        Filter::All => (0, String::new()),
        Filter::AppId(v) => (1, plain(v).into_owned()),
        Filter::ObjectId(v) => (2, plain(v).into_owned()),
        Filter::DisplayName(v) => (3, plain(v).into_owned()),
        Filter::DisplayNamePrefix(v) => (4, format!("{}%", literal(v))),
        Filter::IdentifierUri(v) => (5, plain(v).into_owned()),
    }
}

// Names compare without regard to letter case, as Graph compares them: by what `lower` makes of them in this database.
const APPLICATIONS: [&str; 6] = [
    "SELECT record FROM applications WHERE tenant_id = $1 AND $2::text IS NOT NULL AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM applications WHERE tenant_id = $1 AND app_id = $2 AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM applications WHERE tenant_id = $1 AND object_id = $2 AND object_id > $3 LIMIT $4",
    "SELECT record FROM applications WHERE tenant_id = $1 AND lower(display_name) = lower($2) AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM applications WHERE tenant_id = $1 AND lower(display_name) LIKE lower($2) AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT a.record AS record FROM identifier_uris u JOIN applications a ON a.tenant_id = u.tenant_id AND a.app_id = u.app_id WHERE u.tenant_id = $1 AND u.uri = $2 AND a.object_id > $3 LIMIT $4",
];
const COUNT_APPLICATIONS: [&str; 6] = [
    "SELECT count(*) FROM applications WHERE tenant_id = $1 AND $2::text IS NOT NULL",
    "SELECT count(*) FROM applications WHERE tenant_id = $1 AND app_id = $2",
    "SELECT count(*) FROM applications WHERE tenant_id = $1 AND object_id = $2",
    "SELECT count(*) FROM applications WHERE tenant_id = $1 AND lower(display_name) = lower($2)",
    "SELECT count(*) FROM applications WHERE tenant_id = $1 AND lower(display_name) LIKE lower($2)",
    "SELECT count(*) FROM identifier_uris WHERE tenant_id = $1 AND uri = $2",
];
const SERVICE_PRINCIPALS: [&str; 6] = [
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND $2::text IS NOT NULL AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND app_id = $2 AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND object_id = $2 AND object_id > $3 LIMIT $4",
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND lower(display_name) = lower($2) AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND lower(display_name) LIKE lower($2) AND object_id > $3 ORDER BY object_id LIMIT $4",
    "SELECT record FROM service_principals WHERE tenant_id = $1 AND $2::text IS NULL AND object_id > $3 LIMIT $4",
];

impl PostgresStore {
    async fn one<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        a: &str,
        b: &str,
    ) -> Result<Option<T>, StoreError> {
        let row = self.pool.one(|| sqlx::query(sql).bind(plain(a)).bind(plain(b))).await.map_err(failed)?;
        row.map(|r| record(&r, "record")).transpose()
    }

    async fn page<T: serde::de::DeserializeOwned>(
        &self,
        sql: &'static str,
        tenant_id: &str,
        value: &str,
        page: Page<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self
            .pool
            .all(|| {
                sqlx::query(sql).bind(plain(tenant_id)).bind(value).bind(plain(page.after)).bind(i64::from(page.limit))
            })
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
        let rows = self.pool.all(|| sqlx::query(sql).bind(plain(tenant_id)).bind(plain(id))).await.map_err(failed)?;
        rows.iter().map(|r| assignment(r).map_err(failed)).collect()
    }
}

/// The one value of a statement that always has a row.
fn first<T>(row: Option<PgRow>) -> Result<T, StoreError>
where
    T: for<'a> sqlx::Decode<'a, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.ok_or(sqlx::Error::RowNotFound).and_then(|r| r.try_get(0)).map_err(failed)
}

fn assignment(row: &PgRow) -> Result<RoleAssignmentRecord, sqlx::Error> {
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

impl Directory for PostgresStore {
    fn directory_version(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let row =
                self.pool.one(|| sqlx::query("SELECT version FROM directory WHERE one = 1")).await.map_err(failed)?;
            first::<i64>(row).map(i64::unsigned_abs)
        })
    }

    fn begin(&self) -> Pending<'_, Box<dyn Transaction>> {
        Box::pin(async move { Ok(Box::new(self.begin_transaction().await?) as Box<dyn Transaction>) })
    }

    fn tenant<'a>(&'a self, id_or_domain: &'a str) -> Pending<'a, Option<TenantRecord>> {
        Box::pin(self.one(
            "SELECT record FROM tenants WHERE id = $1 OR id = (SELECT tenant_id FROM domains WHERE name = $2)",
            id_or_domain,
            id_or_domain,
        ))
    }

    fn tenants(&self) -> Pending<'_, Vec<TenantRecord>> {
        Box::pin(async move {
            let rows =
                self.pool.all(|| sqlx::query("SELECT record FROM tenants ORDER BY position")).await.map_err(failed)?;
            rows.iter().map(|r| record(r, "record")).collect()
        })
    }

    fn client<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, Option<ClientRecord>> {
        Box::pin(async move {
            // One statement, so that the parts belong together, and because each costs a way to the database and back.
            let row = self
                .pool
                .one(|| {
                    sqlx::query(
                        "SELECT a.record AS application, s.record AS principal, \
                         COALESCE((SELECT json_agg(json_build_array(r.resource_id, r.value))::text FROM role_assignments r \
                          WHERE r.tenant_id = s.tenant_id AND r.principal_id = s.object_id), '[]') AS roles \
                         FROM applications a LEFT JOIN service_principals s \
                         ON s.tenant_id = a.tenant_id AND s.app_id = a.app_id \
                         WHERE a.tenant_id = $1 AND a.app_id = $2",
                    )
                    .bind(plain(tenant_id))
                    .bind(plain(app_id))
                })
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
            "SELECT record FROM applications WHERE tenant_id = $1 AND object_id = $2",
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
        Box::pin(async move { self.page(APPLICATIONS[n], tenant_id, &value, page).await })
    }

    fn applications_by_name<'a>(
        &'a self,
        tenant_id: &'a str,
        text: &'a str,
        page: NamePage<'a>,
    ) -> Pending<'a, Vec<ApplicationRecord>> {
        Box::pin(async move {
            // The inner list is read from the index; records are fetched for one page.
            let rows = self
                .pool
                .all(|| {
                    sqlx::query(
                        "SELECT a.record AS record FROM (SELECT object_id, lower(display_name) AS name FROM applications \
                           WHERE tenant_id = $1 AND (lower(display_name), object_id) > (lower($2), $3) \
                           AND ($4 = '' OR lower(display_name) LIKE lower($5)) \
                           ORDER BY lower(display_name), object_id LIMIT $6) AS n \
                         JOIN applications a ON a.tenant_id = $1 AND a.object_id = n.object_id \
                         ORDER BY n.name, n.object_id",
                    )
                    .bind(plain(tenant_id))
                    .bind(plain(page.after.0))
                    .bind(plain(page.after.1))
                    .bind(plain(text))
                    .bind(format!("%{}%", literal(text)))
                    .bind(i64::from(page.limit))
                })
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
            let rows = self
                .pool
                .all(|| {
                    sqlx::query(
                        "SELECT a.display_name AS name, e.object_id AS object_id, e.kind AS kind, e.key_id AS key_id, \
                         e.time AS time FROM credential_ends e \
                         JOIN applications a ON a.tenant_id = e.tenant_id AND a.object_id = e.object_id \
                         WHERE e.tenant_id = $1 AND e.time >= $2 AND e.time < $3 ORDER BY e.time LIMIT $4",
                    )
                    .bind(plain(tenant_id))
                    .bind(from.micros())
                    .bind(until.micros())
                    .bind(i64::from(limit))
                })
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
            let row = self
                .pool
                .one(|| sqlx::query(COUNT_APPLICATIONS[n]).bind(plain(tenant_id)).bind(&value))
                .await
                .map_err(failed)?;
            first::<i64>(row).map(i64::unsigned_abs)
        })
    }

    fn app_id_of_uri<'a>(&'a self, tenant_id: &'a str, uri: &'a str) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            let row = self
                .pool
                .one(|| {
                    sqlx::query("SELECT app_id FROM identifier_uris WHERE tenant_id = $1 AND uri = $2")
                        .bind(plain(tenant_id))
                        .bind(plain(uri))
                })
                .await
                .map_err(failed)?;
            row.map(|r| r.try_get(0)).transpose().map_err(failed)
        })
    }

    fn was_application<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let row = self
                .pool
                .one(|| {
                    sqlx::query(
                        "SELECT EXISTS (SELECT 1 FROM applications WHERE tenant_id = $1 AND app_id = $2) \
                         OR EXISTS (SELECT 1 FROM deleted_applications WHERE tenant_id = $1 AND app_id = $2)",
                    )
                    .bind(plain(tenant_id))
                    .bind(plain(app_id))
                })
                .await
                .map_err(failed)?;
            first(row)
        })
    }

    fn deleted_applications<'a>(&'a self, tenant_id: &'a str, page: Page<'a>) -> Pending<'a, Vec<(String, UnixTime)>> {
        Box::pin(async move {
            let rows = self
                .pool
                .all(|| {
                    sqlx::query(
                        "SELECT app_id, time FROM deleted_applications WHERE tenant_id = $1 AND app_id > $2 \
                         ORDER BY app_id LIMIT $3",
                    )
                    .bind(plain(tenant_id))
                    .bind(plain(page.after))
                    .bind(i64::from(page.limit))
                })
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
            "SELECT record FROM service_principals WHERE tenant_id = $1 AND object_id = $2",
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
            "SELECT record FROM service_principals WHERE tenant_id = $1 AND app_id = $2",
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
        Box::pin(async move { self.page(SERVICE_PRINCIPALS[n], tenant_id, &value, page).await })
    }

    fn roles_of<'a>(&'a self, tenant_id: &'a str, principal_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>> {
        Box::pin(self.assignments(
            "SELECT * FROM role_assignments WHERE tenant_id = $1 AND principal_id = $2 ORDER BY created, id",
            tenant_id,
            principal_id,
        ))
    }

    fn roles_for<'a>(&'a self, tenant_id: &'a str, resource_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>> {
        Box::pin(self.assignments(
            "SELECT * FROM role_assignments WHERE tenant_id = $1 AND resource_id = $2 ORDER BY created, id",
            tenant_id,
            resource_id,
        ))
    }
}
