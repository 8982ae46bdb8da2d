//! Changes of the directory in one transaction: all or nothing, on the disk when committed, and told to all nodes.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use tokio::sync::OwnedMutexGuard;

use super::pool::{Lease, Pool, in_time, within};
use super::{PostgresStore, conflict, failed, json, plain, signed, watch};
use crate::store::model::{ApplicationRecord, AuditRecord, RoleAssignmentRecord, ServicePrincipalRecord, TenantRecord};
use crate::store::{Change, Pending, StoreError, Touched, Transaction};

/// How long one statement of a transaction may take: a reset, or a change of an application with thousands of entries.
const STATEMENT: Duration = Duration::from_secs(60);
/// How long a commit may take; it waits for the disk, and for a synchronous standby.
const COMMIT: Duration = Duration::from_secs(10);
/// How long a change waits for another one of this node.
const TURN: Duration = Duration::from_secs(5);
/// The versions whose changes are kept. A node that is further behind forgets everything.
const CHANGES: i64 = 1_000;
/// Changes in one version beyond which a node forgets everything.
const MOST_TOUCHED: usize = 200;
/// Whoever changes the directory waits for the row that holds its version; versions are thereby counted in the order of
/// commits, over all nodes.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 60000; \
     SELECT version FROM directory WHERE one = 1 FOR UPDATE";

/// A transaction under way; it holds the row of the directory's version. Dropped, it is taken
/// back.
pub(super) struct PostgresTransaction {
    /// `None` once it ended.
    lease: Option<Lease>,
    pool: Arc<Pool>,
    touched: Vec<Touched>,
    _turn: OwnedMutexGuard<()>,
}

impl PostgresStore {
    pub(super) async fn begin_transaction(&self) -> Result<PostgresTransaction, StoreError> {
        // One a node: those that wait in the database hold a connection each, and whoever is at work needs one to read by.
        let turn = tokio::time::timeout(TURN, Arc::clone(&self.turn).lock_owned()).await;
        let turn = turn.map_err(|_| StoreError::Unavailable("another change takes long".to_owned()))?;
        let (mut lease, used) = self.pool.lease().await.map_err(failed)?;
        let mut begun = in_time(sqlx::raw_sql(BEGIN).execute(lease.connection().map_err(failed)?)).await;
        if begun.as_ref().is_err_and(|e| self.pool.judge(e)) && used {
            lease = self.pool.lease().await.map_err(failed)?.0;
            begun = in_time(sqlx::raw_sql(BEGIN).execute(lease.connection().map_err(failed)?)).await;
        }
        // A connection whose transaction is broken is closed with the lease.
        begun.map_err(failed)?;
        Ok(PostgresTransaction { lease: Some(lease), pool: Arc::clone(&self.pool), touched: Vec::new(), _turn: turn })
    }
}

impl Drop for PostgresTransaction {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        // The row must be free at once; without a runtime the closed connection frees it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let done = match lease.connection() {
                    Ok(connection) => in_time(sqlx::raw_sql("ROLLBACK").execute(connection)).await,
                    Err(error) => Err(error),
                };
                lease.give_back(&done);
            });
        }
    }
}

impl PostgresTransaction {
    fn connection(&mut self) -> Result<&mut PgConnection, StoreError> {
        let lease =
            self.lease.as_mut().ok_or_else(|| StoreError::Unavailable("the transaction has ended".to_owned()))?;
        lease.connection().map_err(failed)
    }

    /// Whether there is a signing key, while nobody else can make one.
    pub(super) async fn has_signing_key(&mut self) -> Result<bool, StoreError> {
        let ask = sqlx::query("SELECT kid FROM signing_keys LIMIT 1");
        let found = in_time(ask.fetch_optional(self.connection()?)).await.map_err(failed)?;
        Ok(found.is_some())
    }

    async fn end(&mut self) -> Result<i64, sqlx::Error> {
        let touched = watch::write(&self.touched);
        let connection = self.lease.as_mut().ok_or(sqlx::Error::PoolClosed)?.connection()?;
        let version: i64 = sqlx::query("UPDATE directory SET version = version + 1 WHERE one = 1 RETURNING version")
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        sqlx::query("INSERT INTO directory_changes (version, touched) VALUES ($1, $2)")
            .bind(version)
            .bind(touched)
            .execute(&mut *connection)
            .await?;
        sqlx::query("DELETE FROM directory_changes WHERE version <= $1")
            .bind(version - CHANGES)
            .execute(&mut *connection)
            .await?;
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        Ok(version)
    }
}

impl Transaction for PostgresTransaction {
    fn apply(&mut self, change: Change) -> Pending<'_, Touched> {
        Box::pin(async move {
            let connection = self.connection()?;
            let touched = tokio::time::timeout(STATEMENT, apply(connection, change)).await.unwrap_or_else(|_| {
                Err(StoreError::Unavailable(format!("a change took longer than {} s", STATEMENT.as_secs())))
            })?;
            match &touched {
                Touched::Nothing => {}
                _ if self.touched.len() >= MOST_TOUCHED => self.touched = vec![Touched::All, Touched::Keys],
                other => self.touched.push(other.clone()),
            }
            Ok(touched)
        })
    }

    fn commit(mut self: Box<Self>) -> Pending<'static, u64> {
        Box::pin(async move {
            let done = within(COMMIT, self.end()).await;
            let Some(mut lease) = self.lease.take() else {
                return Err(StoreError::Unavailable("the transaction has ended".to_owned()));
            };
            match done {
                Ok(version) => {
                    // After the commit, and by itself: an engine without notifications must not undo the change for it.
                    let told = match lease.connection() {
                        Ok(connection) => in_time(watch::tell(connection)).await,
                        Err(error) => Err(error),
                    };
                    lease.give_back(&told);
                    Ok(version.unsigned_abs())
                }
                Err(error) => {
                    self.pool.judge(&error);
                    Err(failed(error))
                }
            }
        })
    }
}

async fn apply(to: &mut PgConnection, change: Change) -> Result<Touched, StoreError> {
    match change {
        Change::PutTenant(tenant) => put_tenant(to, &tenant).await,
        Change::CreateApplication(mut application) => {
            application.version = 1;
            create_application(to, &application).await
        }
        Change::UpdateApplication(mut application) => update_application(to, &mut application).await,
        Change::DeleteApplication { tenant_id, object_id, time } => {
            delete_application(to, &tenant_id, &object_id, time).await
        }
        Change::CreateServicePrincipal(mut principal) => {
            principal.version = 1;
            create_service_principal(to, &principal).await
        }
        Change::UpdateServicePrincipal(mut principal) => update_service_principal(to, &mut principal).await,
        Change::DeleteServicePrincipal { tenant_id, object_id } => {
            delete_service_principal(to, &tenant_id, &object_id).await
        }
        Change::CreateRoleAssignment(assignment) => create_role_assignment(to, &assignment).await,
        Change::DeleteRoleAssignment { tenant_id, id } => delete_role_assignment(to, &tenant_id, &id).await,
        Change::MarkDeleted { tenant_id, app_id, time } => {
            mark_deleted(to, &tenant_id, &app_id, time).await?;
            Ok(Touched::Nothing)
        }
        Change::PutSigningKey(key) => {
            super::keys::put(to, &key).await?;
            Ok(Touched::Keys)
        }
        Change::RemoveSigningKey { kid } => {
            sqlx::query("DELETE FROM signing_keys WHERE kid = $1").bind(&kid).execute(to).await.map_err(failed)?;
            Ok(Touched::Keys)
        }
        Change::Reset => reset(to).await,
        Change::Audit(audit) => put_audit(to, &audit).await,
    }
}

/// Runs a statement of two values; how many rows it changed.
async fn run(to: &mut PgConnection, sql: &'static str, a: &str, b: &str) -> Result<u64, StoreError> {
    sqlx::query(sql).bind(plain(a)).bind(plain(b)).execute(to).await.map(|done| done.rows_affected()).map_err(failed)
}

/// The one text of the row that a statement of two values finds.
async fn text(to: &mut PgConnection, sql: &'static str, a: &str, b: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(sql).bind(plain(a)).bind(plain(b)).fetch_optional(to).await.map_err(failed)?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed)
}

/// Why an update met no row of the version that was read.
fn not_updated(what: &'static str, id: &str, there: bool) -> StoreError {
    let id = id.to_owned();
    if there { StoreError::Changed { what, id } } else { StoreError::NotFound { what, id } }
}

async fn put_tenant(to: &mut PgConnection, tenant: &TenantRecord) -> Result<Touched, StoreError> {
    sqlx::query(
        "INSERT INTO tenants (id, position, record) VALUES ($1, (SELECT COALESCE(max(position), 0) + 1 FROM tenants), $2) \
         ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    )
    .bind(&tenant.id)
    .bind(json(tenant)?)
    .execute(&mut *to)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM domains WHERE tenant_id = $1").bind(&tenant.id).execute(&mut *to).await.map_err(failed)?;
    for domain in &tenant.domains {
        sqlx::query("INSERT INTO domains (name, tenant_id) VALUES ($1, $2)")
            .bind(plain(domain))
            .bind(&tenant.id)
            .execute(&mut *to)
            .await
            .map_err(conflict("domain", domain))?;
    }
    Ok(Touched::All)
}

async fn create_application(to: &mut PgConnection, application: &ApplicationRecord) -> Result<Touched, StoreError> {
    let a = application;
    sqlx::query(
        "INSERT INTO applications (tenant_id, app_id, object_id, display_name, version, record) VALUES ($1, $2, $3, $4, 1, $5)",
    )
    .bind(&a.tenant_id)
    .bind(&a.app_id)
    .bind(&a.object_id)
    .bind(plain(&a.display_name))
    .bind(json(a)?)
    .execute(&mut *to)
    .await
    .map_err(conflict("appId", &a.app_id))?;
    let uris = put_uris(to, a).await?;
    put_ends(to, a).await?;
    Ok(touched(&a.tenant_id, &a.app_id, uris))
}

async fn update_application(to: &mut PgConnection, application: &mut ApplicationRecord) -> Result<Touched, StoreError> {
    let read = application.version;
    application.version += 1;
    let a = &*application;
    let done = sqlx::query(
        "UPDATE applications SET display_name = $1, version = $2, record = $3 \
         WHERE tenant_id = $4 AND app_id = $5 AND object_id = $6 AND version = $7",
    )
    .bind(plain(&a.display_name))
    .bind(signed(a.version))
    .bind(json(a)?)
    .bind(&a.tenant_id)
    .bind(&a.app_id)
    .bind(&a.object_id)
    .bind(signed(read))
    .execute(&mut *to)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 0 {
        let there = app_id_of(to, &a.tenant_id, &a.object_id).await?.is_some();
        return Err(not_updated("application", &a.object_id, there));
    }
    let removed =
        run(to, "DELETE FROM identifier_uris WHERE tenant_id = $1 AND app_id = $2", &a.tenant_id, &a.app_id).await?;
    let added = put_uris(to, a).await?;
    run(to, "DELETE FROM credential_ends WHERE tenant_id = $1 AND app_id = $2", &a.tenant_id, &a.app_id).await?;
    put_ends(to, a).await?;
    Ok(touched(&a.tenant_id, &a.app_id, added || removed > 0))
}

async fn put_uris(to: &mut PgConnection, a: &ApplicationRecord) -> Result<bool, StoreError> {
    for uri in &a.identifier_uris {
        sqlx::query("INSERT INTO identifier_uris (tenant_id, uri, app_id) VALUES ($1, $2, $3)")
            .bind(&a.tenant_id)
            .bind(plain(uri))
            .bind(&a.app_id)
            .execute(&mut *to)
            .await
            .map_err(conflict("identifierUris", uri))?;
    }
    Ok(!a.identifier_uris.is_empty())
}

/// Notes when each credential ends, for the list of those about to.
async fn put_ends(to: &mut PgConnection, a: &ApplicationRecord) -> Result<(), StoreError> {
    let certificates = a.key_credentials.iter().map(|k| ("certificate", &k.key_id, k.end));
    let secrets = a.password_credentials.iter().map(|p| ("secret", &p.key_id, p.end));
    for (kind, key_id, end) in certificates.chain(secrets) {
        // Files may hold the same id twice; the later end is the one to know of.
        sqlx::query(
            "INSERT INTO credential_ends (tenant_id, app_id, object_id, kind, key_id, time) VALUES ($1, $2, $3, $4, $5, $6) \
             ON CONFLICT (tenant_id, app_id, key_id, kind) \
             DO UPDATE SET time = GREATEST(credential_ends.time, excluded.time)",
        )
        .bind(&a.tenant_id)
        .bind(&a.app_id)
        .bind(&a.object_id)
        .bind(kind)
        .bind(key_id)
        .bind(end.micros())
        .execute(&mut *to)
        .await
        .map_err(failed)?;
    }
    Ok(())
}

async fn app_id_of(to: &mut PgConnection, tenant_id: &str, object_id: &str) -> Result<Option<String>, StoreError> {
    text(to, "SELECT app_id FROM applications WHERE tenant_id = $1 AND object_id = $2", tenant_id, object_id).await
}

async fn delete_application(
    to: &mut PgConnection,
    tenant_id: &str,
    object_id: &str,
    time: UnixTime,
) -> Result<Touched, StoreError> {
    let app_id = app_id_of(to, tenant_id, object_id)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "application", id: object_id.to_owned() })?;
    let principal: Option<String> =
        text(to, "SELECT object_id FROM service_principals WHERE tenant_id = $1 AND app_id = $2", tenant_id, &app_id)
            .await?;
    if let Some(principal) = principal {
        delete_service_principal(to, tenant_id, &principal).await?;
    }
    run(to, "DELETE FROM applications WHERE tenant_id = $1 AND app_id = $2", tenant_id, &app_id).await?;
    mark_deleted(to, tenant_id, &app_id, time).await?;
    Ok(touched(tenant_id, &app_id, true))
}

async fn mark_deleted(to: &mut PgConnection, tenant_id: &str, app_id: &str, time: UnixTime) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO deleted_applications (tenant_id, app_id, time) VALUES ($1, $2, $3) \
         ON CONFLICT (tenant_id, app_id) DO UPDATE SET time = excluded.time",
    )
    .bind(tenant_id)
    .bind(app_id)
    .bind(time.micros())
    .execute(to)
    .await
    .map_err(failed)?;
    Ok(())
}

async fn create_service_principal(
    to: &mut PgConnection,
    principal: &ServicePrincipalRecord,
) -> Result<Touched, StoreError> {
    let p = principal;
    sqlx::query(
        "INSERT INTO service_principals (tenant_id, app_id, object_id, display_name, version, record) \
         VALUES ($1, $2, $3, $4, 1, $5)",
    )
    .bind(&p.tenant_id)
    .bind(&p.app_id)
    .bind(&p.object_id)
    .bind(plain(&p.display_name))
    .bind(json(p)?)
    .execute(to)
    .await
    .map_err(conflict("servicePrincipal of appId", &p.app_id))?;
    // As a resource the application may have been missing until this moment.
    Ok(touched(&p.tenant_id, &p.app_id, true))
}

async fn update_service_principal(
    to: &mut PgConnection,
    principal: &mut ServicePrincipalRecord,
) -> Result<Touched, StoreError> {
    let read = principal.version;
    principal.version += 1;
    let p = &*principal;
    let done = sqlx::query(
        "UPDATE service_principals SET display_name = $1, version = $2, record = $3 \
         WHERE tenant_id = $4 AND app_id = $5 AND object_id = $6 AND version = $7",
    )
    .bind(plain(&p.display_name))
    .bind(signed(p.version))
    .bind(json(p)?)
    .bind(&p.tenant_id)
    .bind(&p.app_id)
    .bind(&p.object_id)
    .bind(signed(read))
    .execute(&mut *to)
    .await
    .map_err(failed)?;
    if done.rows_affected() == 0 {
        let there = principal_app_id(to, &p.tenant_id, &p.object_id).await?.is_some();
        return Err(not_updated("servicePrincipal", &p.object_id, there));
    }
    Ok(touched(&p.tenant_id, &p.app_id, false))
}

async fn principal_app_id(
    to: &mut PgConnection,
    tenant_id: &str,
    object_id: &str,
) -> Result<Option<String>, StoreError> {
    text(to, "SELECT app_id FROM service_principals WHERE tenant_id = $1 AND object_id = $2", tenant_id, object_id)
        .await
}

async fn delete_service_principal(
    to: &mut PgConnection,
    tenant_id: &str,
    object_id: &str,
) -> Result<Touched, StoreError> {
    let app_id = principal_app_id(to, tenant_id, object_id)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "servicePrincipal", id: object_id.to_owned() })?;
    let as_resource =
        run(to, "DELETE FROM role_assignments WHERE tenant_id = $1 AND resource_id = $2", tenant_id, object_id).await?;
    run(to, "DELETE FROM role_assignments WHERE tenant_id = $1 AND principal_id = $2", tenant_id, object_id).await?;
    run(to, "DELETE FROM service_principals WHERE tenant_id = $1 AND object_id = $2", tenant_id, object_id).await?;
    // Others held roles there: their entries change too.
    Ok(if as_resource > 0 { Touched::All } else { touched(tenant_id, &app_id, true) })
}

async fn create_role_assignment(
    to: &mut PgConnection,
    assignment: &RoleAssignmentRecord,
) -> Result<Touched, StoreError> {
    let a = assignment;
    sqlx::query(
        "INSERT INTO role_assignments (tenant_id, id, principal_id, resource_id, app_role_id, value, created) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&a.tenant_id)
    .bind(&a.id)
    .bind(&a.principal_id)
    .bind(&a.resource_id)
    .bind(plain(&a.app_role_id))
    .bind(plain(&a.value))
    .bind(a.created.micros())
    .execute(&mut *to)
    .await
    .map_err(conflict("appRoleAssignment", &a.app_role_id))?;
    touched_principal(to, &a.tenant_id, &a.principal_id).await
}

async fn delete_role_assignment(to: &mut PgConnection, tenant_id: &str, id: &str) -> Result<Touched, StoreError> {
    let principal: Option<String> =
        text(to, "DELETE FROM role_assignments WHERE tenant_id = $1 AND id = $2 RETURNING principal_id", tenant_id, id)
            .await?;
    match principal {
        Some(principal) => touched_principal(to, tenant_id, &principal).await,
        None => Err(StoreError::NotFound { what: "appRoleAssignment", id: id.to_owned() }),
    }
}

async fn touched_principal(to: &mut PgConnection, tenant_id: &str, principal_id: &str) -> Result<Touched, StoreError> {
    Ok(match principal_app_id(to, tenant_id, principal_id).await? {
        Some(app_id) => touched(tenant_id, &app_id, false),
        None => Touched::All,
    })
}

async fn reset(to: &mut PgConnection) -> Result<Touched, StoreError> {
    // Children first; the sign-in and audit rows tell of what is gone and go with it.
    for statement in [
        "DELETE FROM role_assignments",
        "DELETE FROM service_principals",
        "DELETE FROM identifier_uris",
        "DELETE FROM credential_ends",
        "DELETE FROM applications",
        "DELETE FROM deleted_applications",
        "DELETE FROM domains",
        "DELETE FROM tenants",
        "DELETE FROM audits",
        "DELETE FROM sign_ins",
        "DELETE FROM used_assertions",
    ] {
        sqlx::query(statement).execute(&mut *to).await.map_err(failed)?;
    }
    Ok(Touched::All)
}

async fn put_audit(to: &mut PgConnection, audit: &AuditRecord) -> Result<Touched, StoreError> {
    sqlx::query(
        "INSERT INTO audits (tenant_id, time, id, correlation_id, target_id, record) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(&audit.tenant_id)
    .bind(audit.time.micros())
    .bind(plain(&audit.id))
    .bind(plain(&audit.correlation_id))
    .bind(plain(&audit.target_id))
    .bind(json(audit)?)
    .execute(to)
    .await
    .map_err(conflict("audit", &audit.id))?;
    Ok(Touched::Nothing)
}

fn touched(tenant_id: &str, app_id: &str, uris: bool) -> Touched {
    Touched::Application { tenant_id: tenant_id.to_owned(), app_id: app_id.to_owned(), uris }
}
