//! Changes of the directory in one transaction: all or nothing, on the disk when committed.

use countersign_core::time::UnixTime;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::OwnedMutexGuard;

use super::{SqliteStore, Writers, conflict, failed, json};
use crate::store::model::{ApplicationRecord, AuditRecord, RoleAssignmentRecord, ServicePrincipalRecord, TenantRecord};
use crate::store::{Change, Pending, StoreError, Touched, Transaction};

/// A transaction under way; it holds the gate of all writers.
pub(super) struct SqliteTransaction {
    /// `None` once it ended.
    writers: Option<OwnedMutexGuard<Writers>>,
}

impl SqliteStore {
    pub(super) async fn begin_transaction(&self) -> Result<SqliteTransaction, StoreError> {
        let mut writers = self.writers().await?;
        // Set before the statement is sent: a caller that goes away meanwhile leaves a transaction behind.
        writers.abandoned = true;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut writers.directory).await.map_err(failed)?;
        Ok(SqliteTransaction { writers: Some(writers) })
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        let Some(mut writers) = self.writers.take() else { return };
        // The lock in the file must go at once, not only when the next writer comes.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = writers.roll_back_abandoned().await;
            });
        }
    }
}

impl Transaction for SqliteTransaction {
    fn apply(&mut self, change: Change) -> Pending<'_, Touched> {
        Box::pin(async move {
            let Some(writers) = self.writers.as_mut() else {
                return Err(StoreError::Unavailable("the transaction has ended".to_owned()));
            };
            apply(&mut writers.directory, change).await
        })
    }

    fn commit(mut self: Box<Self>) -> Pending<'static, u64> {
        Box::pin(async move {
            let Some(writers) = self.writers.as_mut() else {
                return Err(StoreError::Unavailable("the transaction has ended".to_owned()));
            };
            let version: i64 =
                sqlx::query("UPDATE directory SET version = version + 1 WHERE one = 1 RETURNING version")
                    .fetch_one(&mut writers.directory)
                    .await
                    .and_then(|row| row.try_get(0))
                    .map_err(failed)?;
            sqlx::query("COMMIT").execute(&mut writers.directory).await.map_err(failed)?;
            writers.abandoned = false;
            self.writers = None;
            Ok(version.unsigned_abs())
        })
    }
}

async fn apply(to: &mut SqliteConnection, change: Change) -> Result<Touched, StoreError> {
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
            super::keys::remove(to, &kid).await?;
            Ok(Touched::Keys)
        }
        Change::Reset => reset(to).await,
        Change::Audit(audit) => put_audit(to, &audit).await,
    }
}

/// Runs a statement of two values; how many rows it changed.
async fn run(to: &mut SqliteConnection, sql: &'static str, a: &str, b: &str) -> Result<u64, StoreError> {
    sqlx::query(sql).bind(a).bind(b).execute(to).await.map(|done| done.rows_affected()).map_err(failed)
}

/// The one text of the row that a statement of two values finds.
async fn text(to: &mut SqliteConnection, sql: &'static str, a: &str, b: &str) -> Result<Option<String>, StoreError> {
    let row = sqlx::query(sql).bind(a).bind(b).fetch_optional(to).await.map_err(failed)?;
    row.map(|row| row.try_get(0)).transpose().map_err(failed)
}

/// Why an update met no row of the version that was read.
fn not_updated(what: &'static str, id: &str, there: bool) -> StoreError {
    let id = id.to_owned();
    if there { StoreError::Changed { what, id } } else { StoreError::NotFound { what, id } }
}

async fn put_tenant(to: &mut SqliteConnection, tenant: &TenantRecord) -> Result<Touched, StoreError> {
    sqlx::query(
        "INSERT INTO tenants (id, record) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET record = excluded.record",
    )
    .bind(&tenant.id)
    .bind(json(tenant)?)
    .execute(&mut *to)
    .await
    .map_err(failed)?;
    sqlx::query("DELETE FROM domains WHERE tenant_id = ?1").bind(&tenant.id).execute(&mut *to).await.map_err(failed)?;
    for domain in &tenant.domains {
        sqlx::query("INSERT INTO domains (name, tenant_id) VALUES (?1, ?2)")
            .bind(domain)
            .bind(&tenant.id)
            .execute(&mut *to)
            .await
            .map_err(conflict("domain", domain))?;
    }
    Ok(Touched::All)
}

async fn create_application(to: &mut SqliteConnection, application: &ApplicationRecord) -> Result<Touched, StoreError> {
    let a = application;
    sqlx::query(
        "INSERT INTO applications (tenant_id, app_id, object_id, display_name, version, record) VALUES (?1, ?2, ?3, ?4, 1, ?5)",
    )
    .bind(&a.tenant_id)
    .bind(&a.app_id)
    .bind(&a.object_id)
    .bind(&a.display_name)
    .bind(json(a)?)
    .execute(&mut *to)
    .await
    .map_err(conflict("appId", &a.app_id))?;
    let uris = put_uris(to, a).await?;
    put_ends(to, a).await?;
    Ok(touched(&a.tenant_id, &a.app_id, uris))
}

async fn update_application(
    to: &mut SqliteConnection,
    application: &mut ApplicationRecord,
) -> Result<Touched, StoreError> {
    let read = application.version;
    application.version += 1;
    let a = &*application;
    let done = sqlx::query(
        "UPDATE applications SET display_name = ?1, version = ?2, record = ?3 \
         WHERE tenant_id = ?4 AND app_id = ?5 AND object_id = ?6 AND version = ?7",
    )
    .bind(&a.display_name)
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
        run(to, "DELETE FROM identifier_uris WHERE tenant_id = ?1 AND app_id = ?2", &a.tenant_id, &a.app_id).await?;
    let added = put_uris(to, a).await?;
    run(to, "DELETE FROM credential_ends WHERE tenant_id = ?1 AND app_id = ?2", &a.tenant_id, &a.app_id).await?;
    put_ends(to, a).await?;
    Ok(touched(&a.tenant_id, &a.app_id, added || removed > 0))
}

async fn put_uris(to: &mut SqliteConnection, a: &ApplicationRecord) -> Result<bool, StoreError> {
    for uri in &a.identifier_uris {
        sqlx::query("INSERT INTO identifier_uris (tenant_id, uri, app_id) VALUES (?1, ?2, ?3)")
            .bind(&a.tenant_id)
            .bind(uri)
            .bind(&a.app_id)
            .execute(&mut *to)
            .await
            .map_err(conflict("identifierUris", uri))?;
    }
    Ok(!a.identifier_uris.is_empty())
}

/// Notes when each credential ends, for the list of those about to.
async fn put_ends(to: &mut SqliteConnection, a: &ApplicationRecord) -> Result<(), StoreError> {
    let certificates = a.key_credentials.iter().map(|k| ("certificate", &k.key_id, k.end));
    let secrets = a.password_credentials.iter().map(|p| ("secret", &p.key_id, p.end));
    for (kind, key_id, end) in certificates.chain(secrets) {
        // Files may hold the same id twice; the later end is the one to know of.
        sqlx::query(
            "INSERT INTO credential_ends (tenant_id, app_id, object_id, kind, key_id, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT DO UPDATE SET time = max(time, excluded.time)",
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

async fn app_id_of(to: &mut SqliteConnection, tenant_id: &str, object_id: &str) -> Result<Option<String>, StoreError> {
    text(to, "SELECT app_id FROM applications WHERE tenant_id = ?1 AND object_id = ?2", tenant_id, object_id).await
}

async fn delete_application(
    to: &mut SqliteConnection,
    tenant_id: &str,
    object_id: &str,
    time: UnixTime,
) -> Result<Touched, StoreError> {
    let app_id = app_id_of(to, tenant_id, object_id)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "application", id: object_id.to_owned() })?;
    let principal: Option<String> =
        text(to, "SELECT object_id FROM service_principals WHERE tenant_id = ?1 AND app_id = ?2", tenant_id, &app_id)
            .await?;
    if let Some(principal) = principal {
        delete_service_principal(to, tenant_id, &principal).await?;
    }
    run(to, "DELETE FROM applications WHERE tenant_id = ?1 AND app_id = ?2", tenant_id, &app_id).await?;
    mark_deleted(to, tenant_id, &app_id, time).await?;
    Ok(touched(tenant_id, &app_id, true))
}

async fn mark_deleted(
    to: &mut SqliteConnection,
    tenant_id: &str,
    app_id: &str,
    time: UnixTime,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO deleted_applications (tenant_id, app_id, time) VALUES (?1, ?2, ?3) \
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
    to: &mut SqliteConnection,
    principal: &ServicePrincipalRecord,
) -> Result<Touched, StoreError> {
    let p = principal;
    sqlx::query(
        "INSERT INTO service_principals (tenant_id, app_id, object_id, display_name, version, record) \
         VALUES (?1, ?2, ?3, ?4, 1, ?5)",
    )
    .bind(&p.tenant_id)
    .bind(&p.app_id)
    .bind(&p.object_id)
    .bind(&p.display_name)
    .bind(json(p)?)
    .execute(to)
    .await
    .map_err(conflict("servicePrincipal of appId", &p.app_id))?;
    // As a resource the application may have been missing until this moment.
    Ok(touched(&p.tenant_id, &p.app_id, true))
}

async fn update_service_principal(
    to: &mut SqliteConnection,
    principal: &mut ServicePrincipalRecord,
) -> Result<Touched, StoreError> {
    let read = principal.version;
    principal.version += 1;
    let p = &*principal;
    let done = sqlx::query(
        "UPDATE service_principals SET display_name = ?1, version = ?2, record = ?3 \
         WHERE tenant_id = ?4 AND app_id = ?5 AND object_id = ?6 AND version = ?7",
    )
    .bind(&p.display_name)
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
    to: &mut SqliteConnection,
    tenant_id: &str,
    object_id: &str,
) -> Result<Option<String>, StoreError> {
    text(to, "SELECT app_id FROM service_principals WHERE tenant_id = ?1 AND object_id = ?2", tenant_id, object_id)
        .await
}

async fn delete_service_principal(
    to: &mut SqliteConnection,
    tenant_id: &str,
    object_id: &str,
) -> Result<Touched, StoreError> {
    let app_id = principal_app_id(to, tenant_id, object_id)
        .await?
        .ok_or_else(|| StoreError::NotFound { what: "servicePrincipal", id: object_id.to_owned() })?;
    let as_resource =
        run(to, "DELETE FROM role_assignments WHERE tenant_id = ?1 AND resource_id = ?2", tenant_id, object_id).await?;
    run(to, "DELETE FROM role_assignments WHERE tenant_id = ?1 AND principal_id = ?2", tenant_id, object_id).await?;
    run(to, "DELETE FROM service_principals WHERE tenant_id = ?1 AND object_id = ?2", tenant_id, object_id).await?;
    // Others held roles there: their entries change too.
    Ok(if as_resource > 0 { Touched::All } else { touched(tenant_id, &app_id, true) })
}

async fn create_role_assignment(
    to: &mut SqliteConnection,
    assignment: &RoleAssignmentRecord,
) -> Result<Touched, StoreError> {
    let a = assignment;
    sqlx::query(
        "INSERT INTO role_assignments (tenant_id, id, principal_id, resource_id, app_role_id, value, created) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .bind(&a.tenant_id)
    .bind(&a.id)
    .bind(&a.principal_id)
    .bind(&a.resource_id)
    .bind(&a.app_role_id)
    .bind(&a.value)
    .bind(a.created.micros())
    .execute(&mut *to)
    .await
    .map_err(conflict("appRoleAssignment", &a.app_role_id))?;
    touched_principal(to, &a.tenant_id, &a.principal_id).await
}

async fn delete_role_assignment(to: &mut SqliteConnection, tenant_id: &str, id: &str) -> Result<Touched, StoreError> {
    let principal: Option<String> =
        text(to, "DELETE FROM role_assignments WHERE tenant_id = ?1 AND id = ?2 RETURNING principal_id", tenant_id, id)
            .await?;
    match principal {
        Some(principal) => touched_principal(to, tenant_id, &principal).await,
        None => Err(StoreError::NotFound { what: "appRoleAssignment", id: id.to_owned() }),
    }
}

async fn touched_principal(
    to: &mut SqliteConnection,
    tenant_id: &str,
    principal_id: &str,
) -> Result<Touched, StoreError> {
    Ok(match principal_app_id(to, tenant_id, principal_id).await? {
        Some(app_id) => touched(tenant_id, &app_id, false),
        None => Touched::All,
    })
}

async fn reset(to: &mut SqliteConnection) -> Result<Touched, StoreError> {
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

async fn put_audit(to: &mut SqliteConnection, audit: &AuditRecord) -> Result<Touched, StoreError> {
    sqlx::query(
        "INSERT INTO audits (tenant_id, time, id, correlation_id, target_id, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .bind(&audit.tenant_id)
    .bind(audit.time.micros())
    .bind(&audit.id)
    .bind(&audit.correlation_id)
    .bind(&audit.target_id)
    .bind(json(audit)?)
    .execute(to)
    .await
    .map_err(conflict("audit", &audit.id))?;
    Ok(Touched::Nothing)
}

fn touched(tenant_id: &str, app_id: &str, uris: bool) -> Touched {
    Touched::Application { tenant_id: tenant_id.to_owned(), app_id: app_id.to_owned(), uris }
}

/// Versions count changes and stay far below 2⁶³.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}
