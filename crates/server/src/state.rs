//! The directory as one file: export, import, reset.
//!
//! Called by `countersign state …` on a data folder that no service is using ([`crate::start::Opened`]). The file is a seed
//! file with everything in it; signing keys and the master key are in it only when asked for, encrypted under a passphrase.

mod keys;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use countersign_core::UnixTime;
use serde_json::{Map, Value as Json, json};

use crate::directory::Directory;
use crate::resources::{application, service_principal, trust};
use crate::secrets::Secrets;
use crate::seed::document::Source;
use crate::seed::{APPLIED, FileError, Loader, Mode, Summary};
use crate::start::default_tenant;
use crate::store::model::{ApplicationRecord, TenantRecord};
use crate::store::{Change, Filter, Page, Store, StoreError};
use crate::well_known;

pub use keys::{Keys, KeysError};

/// How an export is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// One JSON document.
    #[default]
    Json,
    /// One value a line, for directories that no program should read as a whole.
    JsonLines,
}

/// What an export wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Tenants.
    pub tenants: u64,
    /// Applications.
    pub applications: u64,
    /// Secrets that went without their digest: they cannot be checked where the file is imported.
    pub secrets_left_out: u64,
}

/// Why there is no export or import.
#[derive(Debug)]
pub enum StateError {
    /// The output cannot be written.
    Write(std::io::Error),
    /// The store cannot be used.
    Store(StoreError),
    /// Somebody changed the directory meanwhile; the file is not to be used.
    Changed,
    /// The file was not taken.
    File(FileError),
    /// The directory is not empty and was not to be replaced.
    NotEmpty,
    /// The keys cannot be sealed or opened.
    Keys(KeysError),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(cause) => write!(f, "the state cannot be written: {cause}"),
            Self::Store(error) => error.fmt(f),
            Self::Changed => f.write_str("the directory was changed during the export; the file is not whole, export again"),
            Self::File(error) => error.fmt(f),
            Self::NotEmpty => f.write_str(
                "there are applications in this directory already; an import replaces everything: use state reset first, or say that it may replace them",
            ),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StateError {}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<std::io::Error> for StateError {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<KeysError> for StateError {
    fn from(error: KeysError) -> Self {
        Self::Keys(error)
    }
}

const STEP: u32 = 500;

/// Writes the whole directory. `keys` is what [`Keys::seal`] made, for an export with keys; without it, digests of secrets
/// are left out, since they are of no use under another master key.
///
/// # Errors
/// [`StateError`]; what was written until then is not to be used.
pub async fn export(
    store: &dyn Store,
    out: &mut (dyn Write + Send),
    form: Form,
    keys: Option<&Json>,
    now: UnixTime,
) -> Result<Exported, StateError> {
    let version = store.directory_version().await?;
    let mut writer = Writer { out, form, with_digests: keys.is_some(), done: Exported::default() };
    writer.begin(now)?;
    for tenant in store.tenants().await? {
        writer.tenant(store, &tenant).await?;
    }
    writer.end(keys)?;
    if store.directory_version().await? != version {
        return Err(StateError::Changed);
    }
    Ok(writer.done)
}

struct Writer<'a> {
    out: &'a mut (dyn Write + Send),
    form: Form,
    with_digests: bool,
    done: Exported,
}

impl Writer<'_> {
    fn begin(&mut self, now: UnixTime) -> Result<(), StateError> {
        if self.form == Form::Json {
            write!(self.out, "{{\"countersign\":{},\n\"tenants\":[", about(now))?;
        }
        Ok(())
    }

    fn end(&mut self, keys: Option<&Json>) -> Result<(), StateError> {
        match (self.form, keys) {
            (Form::Json, None) => writeln!(self.out, "\n]}}")?,
            (Form::Json, Some(keys)) => writeln!(self.out, "\n],\n\"keys\":{keys}}}")?,
            (Form::JsonLines, None) => {}
            (Form::JsonLines, Some(keys)) => writeln!(self.out, "{}", json!({"keys": keys}))?,
        }
        self.out.flush()?;
        Ok(())
    }

    async fn tenant(&mut self, store: &dyn Store, tenant: &TenantRecord) -> Result<(), StateError> {
        let mut head = Map::new();
        head.insert("tenantId".to_owned(), tenant.id.clone().into());
        head.insert("displayName".to_owned(), tenant.display_name.clone().into());
        head.insert("domains".to_owned(), tenant.domains.clone().into());
        head.insert("certificateAuthorities".to_owned(), trust::export_authorities(&tenant.certificate_authorities));
        let built_in = built_in(store, &tenant.id).await?;
        if !built_in.is_empty() {
            head.insert("servicePrincipals".to_owned(), built_in.into());
        }
        let head = Json::Object(head).to_string();
        match self.form {
            Form::Json => {
                let comma = if self.done.tenants > 0 { "," } else { "" };
                // Open, for the applications.
                let open = head.strip_suffix('}').unwrap_or(&head);
                write!(self.out, "{comma}\n{open},\"applications\":[")?;
            }
            Form::JsonLines => writeln!(self.out, "{head}")?,
        }
        self.done.tenants += 1;
        let mut first = true;
        let mut after = String::new();
        loop {
            let page = Page { after: &after, limit: STEP };
            let records = store.applications(&tenant.id, &Filter::All, page).await?;
            let Some(last) = records.last() else { break };
            let next = last.object_id.clone();
            for record in &records {
                let item = self.application(store, record).await?;
                self.item(&item, &mut first)?;
                self.done.applications += 1;
            }
            after = next;
        }
        self.deleted(store, tenant, &mut first).await?;
        if self.form == Form::Json {
            write!(self.out, "]}}")?;
        }
        Ok(())
    }

    fn item(&mut self, item: &Json, first: &mut bool) -> Result<(), StateError> {
        match self.form {
            Form::Json => write!(self.out, "{}\n{item}", if *first { "" } else { "," })?,
            Form::JsonLines => writeln!(self.out, "{item}")?,
        }
        *first = false;
        Ok(())
    }

    async fn application(&mut self, store: &dyn Store, record: &ApplicationRecord) -> Result<Json, StateError> {
        let mut item = application::export(record, self.with_digests);
        if !self.with_digests {
            self.done.secrets_left_out +=
                record.password_credentials.iter().filter(|p| p.digest.is_some()).count() as u64;
        }
        // One question for each application; roles are asked for where there are some.
        let client = store.client(&record.tenant_id, &record.app_id).await?;
        let (principal, held) = client.map_or((None, false), |c| (c.service_principal, !c.roles.is_empty()));
        let shown = principal.as_ref().map_or(Json::Null, service_principal::export);
        item.insert("servicePrincipal".to_owned(), shown);
        if let Some(principal) = principal.filter(|_| held) {
            let grants = self.grants(store, &record.tenant_id, &principal.object_id).await?;
            item.insert("grantedRoles".to_owned(), grants.into());
        }
        Ok(item.into())
    }

    async fn grants(&self, store: &dyn Store, tenant_id: &str, principal_id: &str) -> Result<Vec<Json>, StateError> {
        let mut grants = Vec::new();
        for role in store.roles_of(tenant_id, principal_id).await? {
            let resource = match well_known::by_object_id(tenant_id, &role.resource_id) {
                Some(known) => Some(known.app_id.to_owned()),
                None => store.service_principal(tenant_id, &role.resource_id).await?.map(|p| p.app_id),
            };
            // A built-in resource takes any value; what a tenant's own application offers is named by id.
            let by_value = well_known::by_object_id(tenant_id, &role.resource_id).is_some() && !role.value.is_empty();
            let named = if by_value { role.value } else { role.app_role_id };
            if let Some(resource) = resource {
                grants.push(json!({"resource": resource, "role": named, "id": role.id, "createdDateTime": role.created.rfc3339()}));
            }
        }
        Ok(grants)
    }

    /// Applications that were deleted: no seed may bring them back.
    async fn deleted(&mut self, store: &dyn Store, tenant: &TenantRecord, first: &mut bool) -> Result<(), StateError> {
        let mut after = String::new();
        loop {
            let rows = store.deleted_applications(&tenant.id, Page { after: &after, limit: STEP }).await?;
            let Some((last, _)) = rows.last() else { return Ok(()) };
            let next = last.clone();
            for (app_id, time) in &rows {
                self.item(&json!({"appId": app_id, "deletedDateTime": time.rfc3339()}), first)?;
            }
            after = next;
        }
    }
}

/// What wrote the file and when; nothing reads it.
fn about(now: UnixTime) -> Json {
    json!({"version": env!("CARGO_PKG_VERSION"), "exported": now.rfc3339()})
}

/// Built-in resources that were changed in this tenant.
async fn built_in(store: &dyn Store, tenant_id: &str) -> Result<Vec<Json>, StateError> {
    let mut changed = Vec::new();
    for known in well_known::ALL {
        if let Some(record) = store.service_principal_of(tenant_id, known.app_id).await? {
            let mut shown = Map::new();
            shown.insert("appId".to_owned(), known.app_id.into());
            if let Json::Object(rest) = service_principal::export(&record) {
                shown.extend(rest);
            }
            changed.push(shown.into());
        }
    }
    Ok(changed)
}

/// Replaces the whole directory by a file's, all of it or nothing. `keys` are those of the file, once opened; the data
/// folder must have their master key ([`Keys::install_master`]).
///
/// # Errors
/// [`StateError`]; nothing was changed then.
pub async fn import(
    directory: &Arc<Directory>,
    secrets: &Secrets,
    path: &Path,
    keys: Option<&Keys>,
    replace: bool,
    now: UnixTime,
) -> Result<Summary, StateError> {
    let store = directory.store();
    if !replace {
        for tenant in store.tenants().await? {
            if store.count_applications(&tenant.id, &Filter::All).await? > 0 {
                return Err(StateError::NotEmpty);
            }
        }
    }
    let refused = |error| StateError::File(FileError::of(path, error));
    let source = Source::open(path).map_err(refused)?;
    store.put_setting(APPLIED, b"").await?;
    let fallback = default_tenant();
    let mut loader = Loader::new(directory, secrets, path, Mode::Import, &fallback, now);
    loader.read(source).await.map_err(refused)?;
    for key in keys.into_iter().flat_map(|k| k.signing.iter()) {
        let record = key.sealed(secrets)?;
        loader.write(Change::PutSigningKey(Box::new(record))).await?;
    }
    loader.finish().await.map_err(refused)
}

/// Forgets the whole directory, deleted applications included, so that a seed creates everything again. Signing keys stay.
///
/// # Errors
/// [`StoreError`]; nothing was changed then.
pub async fn reset(directory: &Arc<Directory>) -> Result<(), StoreError> {
    // First: a seed that is looked at once too often does no harm, one that is skipped would.
    directory.store().put_setting(APPLIED, b"").await?;
    directory.change([Change::Reset]).await?;
    Ok(())
}

#[cfg(test)]
mod tests;
