//! From a file's values to changes of the directory, in one transaction.
//!
//! Used by seeds and by `state import`. Applications are written as they are read, so that a file of a million never
//! stands in memory; roles are given at the end, when every resource is there.

use std::collections::{HashMap, HashSet};
use std::path::Path as FilePath;
use std::sync::Arc;

use countersign_core::UnixTime;
use serde_json::json;

use super::document::{Shape, Source, shape};
use super::means::FileMeans;
use super::{Summary, located};
use crate::directory::{Directory, Edit};
use crate::resources::application::{self, FromFile};
use crate::resources::fault::{Fault, Path, shown};
use crate::resources::fields::Fields;
use crate::resources::roles::{self, Grant};
use crate::resources::tree::{Node, Value};
use crate::resources::{Origin, Reading, service_principal, trust};
use crate::secrets::Secrets;
use crate::store::model::{AppRoleRecord, AuditRecord, TenantRecord};
use crate::store::{Change, StoreError};
use crate::well_known;

/// How a file meets what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// What was ever there is left alone.
    Seed,
    /// The file replaces the whole directory.
    Import,
}

/// Why loading stopped.
#[derive(Debug)]
pub enum LoadError {
    /// Something in the file is wrong.
    Fault(Fault),
    /// The file cannot be read.
    Read(std::io::Error),
    /// The store cannot be used.
    Store(StoreError),
}

impl From<Fault> for LoadError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<std::io::Error> for LoadError {
    fn from(error: std::io::Error) -> Self {
        Self::Read(error)
    }
}

impl From<StoreError> for LoadError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Audit rows that one file writes; a seed of a million applications is one act, not a million.
const MOST_AUDITS: u64 = 1_000;
/// Warnings that are kept; the rest is counted.
const MOST_WARNINGS: usize = 50;

/// A load under way. Dropping it undoes everything.
pub struct Loader<'a> {
    pub(super) directory: &'a Arc<Directory>,
    secrets: &'a Secrets,
    path: &'a FilePath,
    pub(super) mode: Mode,
    fallback: &'a TenantRecord,
    pub(super) now: UnixTime,
    edit: Option<Edit>,
    changed: bool,
    tenants: HashMap<String, Known>,
    applications: HashSet<(u32, u128)>,
    grants: Vec<(String, String, Grant)>,
    pub(super) offers: HashMap<(String, String), Arc<Offer>>,
    summary: Summary,
    more_warnings: u64,
}

/// A tenant that the file named.
struct Known {
    number: u32,
    record: TenantRecord,
    /// It was created by this load: nothing of it can have been there before.
    new: bool,
}

/// Roles that an application of this file offers.
pub(super) struct Offer {
    pub(super) principal_id: String,
    pub(super) roles: Vec<AppRoleRecord>,
}

impl<'a> Loader<'a> {
    /// Starts loading; `path` names the file in warnings and its folder is where other files are looked for.
    pub fn new(
        directory: &'a Arc<Directory>,
        secrets: &'a Secrets,
        path: &'a FilePath,
        mode: Mode,
        fallback: &'a TenantRecord,
        now: UnixTime,
    ) -> Self {
        Self {
            directory,
            secrets,
            path,
            mode,
            fallback,
            now,
            edit: None,
            changed: false,
            tenants: HashMap::new(),
            applications: HashSet::new(),
            grants: Vec::new(),
            offers: HashMap::new(),
            summary: Summary::default(),
            more_warnings: 0,
        }
    }

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`LoadError`]; the loader must then be dropped.
    pub async fn read(&mut self, source: Source) -> Result<(), LoadError> {
        if self.mode == Mode::Import {
            self.write(Change::Reset).await?;
        } else if self.directory.freshness.is_shared() {
            // Before it is looked what is there: another node may apply the same file at this moment.
            self.edit = Some(self.directory.edit().await?);
        }
        match source {
            Source::Whole(node) => self.whole(&node).await,
            Source::Lines(mut lines) => {
                let mut current = None;
                while let Some(node) = lines.next_value()? {
                    self.line(&node, &mut current).await?;
                }
                Ok(())
            }
        }
    }

    /// One more change in the same transaction.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn write(&mut self, change: Change) -> Result<(), StoreError> {
        let edit = match &mut self.edit {
            Some(edit) => edit,
            none => none.insert(self.directory.edit().await?),
        };
        self.changed = true;
        edit.apply(change).await
    }

    /// Gives the roles, writes everything and answers what was done.
    ///
    /// # Errors
    /// [`LoadError`]; nothing was written then.
    pub async fn finish(mut self) -> Result<Summary, LoadError> {
        for (tenant_id, principal_id, grant) in std::mem::take(&mut self.grants) {
            let record = self.assignment(tenant_id, principal_id, &grant).await?;
            match self.write(Change::CreateRoleAssignment(record)).await {
                Err(StoreError::Conflict { .. }) => {
                    return Err(roles::grant_fault(&grant, "role", "the role is given twice".to_owned()).into());
                }
                other => other?,
            }
        }
        if let Some(edit) = self.edit.take().filter(|_| self.changed) {
            edit.commit().await?;
        }
        if self.more_warnings > 0 {
            self.summary.warnings.push(format!("{}: {} more warnings", self.path.display(), self.more_warnings));
        }
        Ok(self.summary)
    }

    async fn whole(&mut self, node: &Node) -> Result<(), LoadError> {
        let root = Path::root();
        if let Value::List(items) = &node.value {
            return self.bare_list(items, &root).await;
        }
        match shape(node)? {
            Shape::Tenants => {
                let fields = Fields::of(node, &root)?;
                fields.only(&["tenants", "keys", "countersign"])?;
                let list = root.member("tenants");
                for (i, item) in fields.list("tenants", 100_000)?.unwrap_or_default().iter().enumerate() {
                    self.tenant(item, &list.index(i)).await?;
                }
                // `keys` are opened before anything else, with a passphrase (see `state::Keys`).
                Ok(())
            }
            Shape::Tenant => self.tenant(node, &root).await.map(drop),
            Shape::Application => {
                let tenant_id = self.first_tenant().await?;
                self.application(&tenant_id, node, &root).await
            }
            Shape::Listing => {
                let list = root.member("value");
                match node.get("value").map(|n| &n.value) {
                    Some(Value::List(items)) => self.bare_list(items, &list).await,
                    _ => Err(Fault::at(node.at, &list, "not a list".to_owned()).into()),
                }
            }
            Shape::Keys => Err(Fault::at(node.at, &root, "keys alone; a list `tenants` is expected".to_owned()).into()),
        }
    }

    async fn bare_list(&mut self, items: &[Node], list: &Path<'_>) -> Result<(), LoadError> {
        let tenant_id = self.first_tenant().await?;
        for (i, item) in items.iter().enumerate() {
            self.application(&tenant_id, item, &list.index(i)).await?;
        }
        Ok(())
    }

    async fn line(&mut self, node: &Node, current: &mut Option<String>) -> Result<(), LoadError> {
        let root = Path::root();
        match shape(node)? {
            Shape::Tenant => *current = Some(self.tenant(node, &root).await?),
            Shape::Application => {
                let named = Fields::of(node, &root)?.guid("tenantId")?;
                let tenant_id = match (named, &*current) {
                    (Some(id), _) if self.tenants.contains_key(&id) => id,
                    (Some(id), _) => self.known_tenant(&id, node, &root).await?,
                    (None, Some(id)) => id.clone(),
                    (None, None) => self.first_tenant().await?,
                };
                self.application(&tenant_id, node, &root).await?;
            }
            // Opened before anything else, with a passphrase (see `state::Keys`).
            Shape::Keys => {}
            // A document on one line.
            Shape::Tenants | Shape::Listing => self.whole(node).await?,
        }
        Ok(())
    }

    /// A tenant that is named by an application alone must be there.
    async fn known_tenant(&mut self, id: &str, node: &Node, path: &Path<'_>) -> Result<String, LoadError> {
        match self.directory.store().tenant(id).await? {
            Some(record) if self.mode == Mode::Seed => Ok(self.know(record, false)),
            _ => {
                let fields = Fields::of(node, path)?;
                let message = format!("`{id}` is no tenant; give it a line of its own before this one");
                Err(fields.fault("tenantId", message).into())
            }
        }
    }

    fn know(&mut self, record: TenantRecord, new: bool) -> String {
        let id = record.id.clone();
        let number = self.tenants.len() as u32;
        self.tenants.insert(id.clone(), Known { number, record, new });
        id
    }

    /// The tenant of applications that name none.
    async fn first_tenant(&mut self) -> Result<String, LoadError> {
        if let Some(first) = self.tenants.values().find(|t| t.number == 0) {
            return Ok(first.record.id.clone());
        }
        let there = match self.mode {
            Mode::Seed => self.directory.store().tenants().await?.into_iter().next(),
            Mode::Import => None,
        };
        if let Some(record) = there {
            return Ok(self.know(record, false));
        }
        self.write(Change::PutTenant(self.fallback.clone())).await?;
        self.summary.tenants += 1;
        Ok(self.know(self.fallback.clone(), true))
    }

    async fn tenant(&mut self, node: &Node, path: &Path<'_>) -> Result<String, LoadError> {
        let fields = Fields::of(node, path)?;
        fields.only(&[
            "tenantId",
            "displayName",
            "domains",
            "certificateAuthorities",
            "applications",
            "servicePrincipals",
            "countersign",
        ])?;
        let id = fields.guid("tenantId")?.ok_or_else(|| fields.fault("tenantId", "missing; it is required"))?;
        if self.tenants.contains_key(&id) {
            return Err(fields.fault("tenantId", format!("`{id}` stands twice in this file")).into());
        }
        let mut means = FileMeans::new(self.secrets, self.path, self.directory.refuses_published());
        let mut reading = Reading::new(Origin::File, self.now, &mut means);
        let record = TenantRecord {
            display_name: fields.text("displayName", 256)?.unwrap_or(&id).to_owned(),
            domains: domains(&fields)?,
            certificate_authorities: trust::authorities(&fields, &mut reading)?,
            id,
        };
        let there = match self.mode {
            Mode::Seed => self.directory.store().tenant(&record.id).await?,
            Mode::Import => None,
        };
        let (record, new) = match there {
            None => {
                self.put_tenant(&record, &fields).await?;
                self.summary.tenants += 1;
                (record, true)
            }
            Some(mut there) => {
                // A root that was never there is created, too; names and domains are left.
                let before = there.certificate_authorities.len();
                for authority in record.certificate_authorities {
                    if !there.certificate_authorities.contains(&authority) {
                        there.certificate_authorities.push(authority);
                    }
                }
                if there.certificate_authorities.len() > before {
                    self.put_tenant(&there, &fields).await?;
                }
                (there, false)
            }
        };
        let id = self.know(record, new);
        let list = path.member("applications");
        for (i, item) in fields.list("applications", 10_000_000)?.unwrap_or_default().iter().enumerate() {
            self.application(&id, item, &list.index(i)).await?;
        }
        let list = path.member("servicePrincipals");
        for (i, item) in fields.list("servicePrincipals", 1_000)?.unwrap_or_default().iter().enumerate() {
            self.built_in(&id, item, &list.index(i)).await?;
        }
        Ok(id)
    }

    async fn put_tenant(&mut self, record: &TenantRecord, fields: &Fields<'_>) -> Result<(), LoadError> {
        match self.write(Change::PutTenant(record.clone())).await {
            Err(StoreError::Conflict { value, .. }) => {
                Err(fields.fault("domains", format!("`{}` belongs to another tenant", shown(&value))).into())
            }
            other => Ok(other?),
        }
    }

    /// State of a built-in resource that was changed (switched off, say).
    async fn built_in(&mut self, tenant_id: &str, node: &Node, path: &Path<'_>) -> Result<(), LoadError> {
        let fields = Fields::of(node, path)?;
        let app_id = fields.guid("appId")?.ok_or_else(|| fields.fault("appId", "missing; it is required"))?;
        let Some(known) = well_known::ALL.into_iter().find(|w| w.app_id == app_id) else {
            let message = "no resource that every tenant has; other service principals stand on their application";
            return Err(fields.fault("appId", message).into());
        };
        if self.mode == Mode::Seed && self.directory.store().service_principal_of(tenant_id, &app_id).await?.is_some() {
            return Ok(());
        }
        let stand_in = crate::store::model::ApplicationRecord {
            tenant_id: tenant_id.to_owned(),
            app_id,
            display_name: known.display_name.to_owned(),
            created: self.now,
            ..Default::default()
        };
        let mut means = FileMeans::new(self.secrets, self.path, self.directory.refuses_published());
        let mut reading = Reading::new(Origin::File, self.now, &mut means);
        let mut record = service_principal::from_file(node, path, &stand_in, &mut reading)?;
        // Assignments to it name the computed id.
        record.object_id = known.object_id(tenant_id);
        match self.write(Change::CreateServicePrincipal(Box::new(record))).await {
            Err(StoreError::Conflict { .. }) => Err(fields.fault("appId", "stands twice in this list").into()),
            other => Ok(other?),
        }
    }

    async fn application(&mut self, tenant_id: &str, node: &Node, path: &Path<'_>) -> Result<(), LoadError> {
        let fields = Fields::of(node, path)?;
        let app_id = fields.guid("appId")?.ok_or_else(|| fields.fault("appId", "missing; it is required"))?;
        let Some(known) = self.tenants.get(tenant_id) else {
            return Err(fields.fault("tenantId", "no tenant of this file").into());
        };
        let (number, new, tenant) = (known.number, known.new, known.record.clone());
        let key = u128::from_str_radix(&app_id.replace('-', ""), 16).unwrap_or_default();
        if !self.applications.insert((number, key)) {
            return Err(fields.fault("appId", format!("`{app_id}` stands twice in this tenant")).into());
        }
        if let Some(time) = fields.time("deletedDateTime")? {
            return Ok(self.write(Change::MarkDeleted { tenant_id: tenant.id, app_id, time }).await?);
        }
        let mut means = FileMeans::new(self.secrets, self.path, self.directory.refuses_published());
        let mut reading = Reading::new(Origin::File, self.now, &mut means);
        // What will be left alone is read all the same: a file that is wrong is wrong at every start.
        let read = application::from_file(node, path, &tenant, &mut reading)?;
        let warnings = std::mem::take(&mut reading.warnings);
        if !new && self.mode == Mode::Seed && self.directory.store().was_application(&tenant.id, &app_id).await? {
            self.summary.left += 1;
            return Ok(());
        }
        for warning in &warnings {
            self.warn(warning);
        }
        self.create(read, &fields).await
    }

    async fn create(&mut self, read: FromFile, fields: &Fields<'_>) -> Result<(), LoadError> {
        let FromFile { application, principal, grants } = read;
        let (tenant_id, object_id, name) =
            (application.tenant_id.clone(), application.object_id.clone(), application.display_name.clone());
        let offer = principal.as_ref().filter(|_| !application.app_roles.is_empty()).map(|p| {
            let names = application.identifier_uris.iter().cloned().chain([application.app_id.clone()]);
            (
                names.collect::<Vec<_>>(),
                Arc::new(Offer { principal_id: p.object_id.clone(), roles: application.app_roles.clone() }),
            )
        });
        match self.write(Change::CreateApplication(Box::new(application))).await {
            Err(StoreError::Conflict { what: "identifierUris", value }) => {
                let message = format!("`{}` belongs to another application of the tenant", shown(&value));
                return Err(fields.fault("identifierUris", message).into());
            }
            Err(StoreError::Conflict { .. }) => {
                return Err(fields
                    .fault("id", format!("`{object_id}` is the id of another application of the tenant"))
                    .into());
            }
            other => other?,
        }
        if let Some((names, offer)) = offer {
            for name in names {
                self.offers.insert((tenant_id.clone(), name), Arc::clone(&offer));
            }
        }
        if let Some(principal) = principal {
            let principal_id = principal.object_id.clone();
            match self.write(Change::CreateServicePrincipal(Box::new(principal))).await {
                Err(StoreError::Conflict { .. }) => {
                    let message = format!("its id `{principal_id}` is that of another service principal of the tenant");
                    return Err(fields.fault("servicePrincipal", message).into());
                }
                other => other?,
            }
            self.grants.extend(grants.into_iter().map(|grant| (tenant_id.clone(), principal_id.clone(), grant)));
        }
        self.summary.applications += 1;
        if self.summary.applications <= MOST_AUDITS {
            self.write(self.audit(tenant_id, object_id, name)).await?;
        }
        Ok(())
    }

    fn audit(&self, tenant_id: String, object_id: String, name: String) -> Change {
        let id = uuid::Uuid::now_v7().to_string();
        Change::Audit(Box::new(AuditRecord {
            correlation_id: id.clone(),
            id,
            tenant_id,
            time: self.now,
            activity: "Add application".to_owned(),
            category: "ApplicationManagement".to_owned(),
            actor: match self.mode {
                Mode::Seed => "seed".to_owned(),
                Mode::Import => "state import".to_owned(),
            },
            target_id: object_id,
            target_name: name,
            details: json!({"type": "Application", "modifiedProperties": []}),
        }))
    }

    fn warn(&mut self, warning: &Fault) {
        if self.summary.warnings.len() < MOST_WARNINGS {
            self.summary.warnings.push(located(self.path, warning));
        } else {
            self.more_warnings += 1;
        }
    }
}

fn domains(fields: &Fields<'_>) -> Result<Vec<String>, Fault> {
    let list = fields.path.member("domains");
    let mut read: Vec<String> = Vec::new();
    for (i, domain) in fields.texts("domains", 1_000, 253)?.unwrap_or_default().iter().enumerate() {
        let domain = domain.to_ascii_lowercase();
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        let at = fields.present("domains").map_or(fields.node.at, |n| n.at);
        if !domain.contains('.') || !domain.split('.').all(label) {
            return Err(Fault::at(
                at,
                &list.index(i),
                format!("`{}` is no domain name like contoso.example", shown(&domain)),
            ));
        }
        if read.contains(&domain) {
            return Err(Fault::at(at, &list.index(i), format!("`{domain}` stands twice in this list")));
        }
        read.push(domain);
    }
    Ok(read)
}
