//! What the service needs of a database, by need: directory, keys, audit, sign-ins, replay.
//!
//! `directory`, `signer`, `journal` and the Graph layer call it; each backend is a folder below. SQL stands nowhere else.
//! A method either does all of what it says or nothing, and what it acknowledged survives kill -9.

pub mod model;
pub mod postgres;
pub mod sqlite;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use countersign_core::time::UnixTime;

use crate::config::{Config, Database};
use model::{
    ApplicationRecord, AuditRecord, RoleAssignmentRecord, ServicePrincipalRecord, SignInRecord, SigningKeyRecord,
    TenantRecord,
};

/// A store method's answer, boxed so that backends can stand behind `dyn`.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something that may exist once is there already.
    #[error("{what} '{value}' is already there")]
    Conflict {
        /// `appId`, `id`, `identifierUris`, `domain` …
        what: &'static str,
        /// The value.
        value: String,
    },
    /// The object is not there (any more).
    #[error("{what} '{id}' is not there")]
    NotFound {
        /// `application`, `servicePrincipal`, …
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The object was changed by somebody else since it was read.
    #[error("{what} '{id}' was changed since it was read")]
    Changed {
        /// `application` or `servicePrincipal`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The disk is full.
    #[error("no space is left for the store")]
    Full,
    /// The database cannot be reached or used at the moment. The cause is for the log, never for the wire.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// A row that this version cannot read.
    #[error("the store holds a record that cannot be read: {0}")]
    Damaged(String),
}

/// One change of the directory. A [`Transaction`] applies any number of them, all or nothing.
#[derive(Clone, Debug)]
pub enum Change {
    /// Creates a tenant, or replaces its names and authorities.
    PutTenant(TenantRecord),
    /// Creates an application; `version` is ignored and becomes 1.
    CreateApplication(Box<ApplicationRecord>),
    /// Replaces an application whose stored `version` equals the record's.
    UpdateApplication(Box<ApplicationRecord>),
    /// Deletes an application with its service principal and assignments, and keeps the mark that it was there.
    DeleteApplication {
        /// The tenant.
        tenant_id: String,
        /// Object id of the application.
        object_id: String,
        /// When.
        time: UnixTime,
    },
    /// Creates a service principal.
    CreateServicePrincipal(Box<ServicePrincipalRecord>),
    /// Replaces a service principal whose stored `version` equals the record's.
    UpdateServicePrincipal(Box<ServicePrincipalRecord>),
    /// Deletes a service principal and the assignments it takes part in.
    DeleteServicePrincipal {
        /// The tenant.
        tenant_id: String,
        /// Its object id.
        object_id: String,
    },
    /// Gives a role.
    CreateRoleAssignment(RoleAssignmentRecord),
    /// Takes a role.
    DeleteRoleAssignment {
        /// The tenant.
        tenant_id: String,
        /// `id` of the assignment.
        id: String,
    },
    /// Notes that an application was there and is deleted (imports), so that no seed brings it back.
    MarkDeleted {
        /// The tenant.
        tenant_id: String,
        /// Its app id.
        app_id: String,
        /// When it was deleted.
        time: UnixTime,
    },
    /// Adds a signing key, or replaces the one of the same `kid`, together with a directory that was signed for by it.
    PutSigningKey(Box<SigningKeyRecord>),
    /// Removes a signing key.
    RemoveSigningKey {
        /// Its id.
        kid: String,
    },
    /// Forgets everything of the directory, marks of deleted applications included (`state reset`).
    Reset,
    /// Adds a row to the audit log, in this transaction.
    Audit(Box<AuditRecord>),
}

/// What a change concerns, so that caches forget it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nothing that a token request reads.
    Nothing,
    /// One application or its service principal; `uris` when its identifier URIs may have changed.
    Application {
        /// The tenant.
        tenant_id: String,
        /// Its app id.
        app_id: String,
        /// Whether identifier URIs came or went.
        uris: bool,
    },
    /// Keys that sign access tokens.
    Keys,
    /// Anything but keys.
    All,
}

/// What other nodes changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The directory's version.
    pub version: u64,
    /// What was touched up to it.
    pub touched: Vec<Touched>,
}

/// Looks out for changes of other nodes.
pub trait Watch: Send {
    /// What was touched since a version; nothing when it still stands. May name more than was touched.
    fn news(&mut self, since: u64) -> Pending<'_, News>;
    /// Ends when there may be news; may end in vain, and may never end.
    fn hint(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Changes under way. Dropping it undoes them.
pub trait Transaction: Send {
    /// Applies one change.
    fn apply(&mut self, change: Change) -> Pending<'_, Touched>;
    /// Writes them to the disk; the answer is the directory's version after it.
    fn commit(self: Box<Self>) -> Pending<'static, u64>;
}

/// What a token request needs to know of a client, read in one go.
#[derive(Clone, Debug)]
pub struct ClientRecord {
    /// The application.
    pub application: ApplicationRecord,
    /// Its service principal in the tenant.
    pub service_principal: Option<ServicePrincipalRecord>,
    /// The roles it holds: object id of the resource's service principal, and value.
    pub roles: Vec<(String, String)>,
}

/// Which applications or service principals a list asks for; more conditions are the caller's to apply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All of the tenant.
    #[default]
    All,
    /// `appId eq '…'`
    AppId(String),
    /// `id eq '…'`
    ObjectId(String),
    /// `displayName eq '…'`, in any letter case (ASCII letters).
    DisplayName(String),
    /// `startswith(displayName,'…')`, likewise.
    DisplayNamePrefix(String),
    /// `identifierUris/any(u:u eq '…')`; applications only.
    IdentifierUri(String),
}

/// A part of a list, in the order of object ids.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Object id of the last element of the page before; empty for the first page.
    pub after: &'a str,
    /// At most so many.
    pub limit: u32,
}

/// A part of a list, in the order of names.
#[derive(Clone, Copy, Debug)]
pub struct NamePage<'a> {
    /// Name and object id of the last element of the page before; both empty for the first page.
    pub after: (&'a str, &'a str),
    /// At most so many.
    pub limit: u32,
}

/// A certificate or secret that is about to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndingCredential {
    /// Display name of the application.
    pub name: String,
    /// Its object id.
    pub object_id: String,
    /// `certificate` or `secret`.
    pub kind: String,
    /// `keyId`.
    pub key_id: String,
    /// When.
    pub end: UnixTime,
}

/// Tenants, applications, service principals and roles.
pub trait Directory: Send + Sync {
    /// Counts every committed change; a cache that saw this number knows whether it is behind.
    fn directory_version(&self) -> Pending<'_, u64>;
    /// Begins a transaction; one at a time, others wait.
    fn begin(&self) -> Pending<'_, Box<dyn Transaction>>;
    /// The tenant with this id or domain (lower case).
    fn tenant<'a>(&'a self, id_or_domain: &'a str) -> Pending<'a, Option<TenantRecord>>;
    /// All tenants in the order in which they were made.
    fn tenants(&self) -> Pending<'_, Vec<TenantRecord>>;
    /// A client with all that a token request needs; ids in lower case.
    fn client<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, Option<ClientRecord>>;
    /// An application by object id.
    fn application<'a>(&'a self, tenant_id: &'a str, object_id: &'a str) -> Pending<'a, Option<ApplicationRecord>>;
    /// Applications.
    fn applications<'a>(
        &'a self,
        tenant_id: &'a str,
        filter: &'a Filter,
        page: Page<'a>,
    ) -> Pending<'a, Vec<ApplicationRecord>>;
    /// Applications whose name contains `text` in any letter case, in the order of their names.
    fn applications_by_name<'a>(
        &'a self,
        tenant_id: &'a str,
        text: &'a str,
        page: NamePage<'a>,
    ) -> Pending<'a, Vec<ApplicationRecord>>;
    /// Applications with a certificate or secret that ends between two times: name, object id, what, end; soonest first.
    fn ending_credentials<'a>(
        &'a self,
        tenant_id: &'a str,
        from: UnixTime,
        until: UnixTime,
        limit: u32,
    ) -> Pending<'a, Vec<EndingCredential>>;
    /// How many applications there are.
    fn count_applications<'a>(&'a self, tenant_id: &'a str, filter: &'a Filter) -> Pending<'a, u64>;
    /// The app id of the application with this identifier URI.
    fn app_id_of_uri<'a>(&'a self, tenant_id: &'a str, uri: &'a str) -> Pending<'a, Option<String>>;
    /// Whether an application with this app id is, or ever was, in the tenant (since the last reset).
    fn was_application<'a>(&'a self, tenant_id: &'a str, app_id: &'a str) -> Pending<'a, bool>;
    /// App ids and times of deleted applications, for a lossless export.
    fn deleted_applications<'a>(&'a self, tenant_id: &'a str, page: Page<'a>) -> Pending<'a, Vec<(String, UnixTime)>>;
    /// A service principal by object id.
    fn service_principal<'a>(
        &'a self,
        tenant_id: &'a str,
        object_id: &'a str,
    ) -> Pending<'a, Option<ServicePrincipalRecord>>;
    /// A service principal by app id.
    fn service_principal_of<'a>(
        &'a self,
        tenant_id: &'a str,
        app_id: &'a str,
    ) -> Pending<'a, Option<ServicePrincipalRecord>>;
    /// Service principals; [`Filter::IdentifierUri`] finds none.
    fn service_principals<'a>(
        &'a self,
        tenant_id: &'a str,
        filter: &'a Filter,
        page: Page<'a>,
    ) -> Pending<'a, Vec<ServicePrincipalRecord>>;
    /// Roles held by a service principal.
    fn roles_of<'a>(&'a self, tenant_id: &'a str, principal_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>>;
    /// Roles given for a resource (`appRoleAssignedTo`).
    fn roles_for<'a>(&'a self, tenant_id: &'a str, resource_id: &'a str) -> Pending<'a, Vec<RoleAssignmentRecord>>;
}

/// Keys that sign access tokens, and small values of the service itself.
pub trait Keys: Send + Sync {
    /// All signing keys, the eldest first.
    fn signing_keys(&self) -> Pending<'_, Vec<SigningKeyRecord>>;
    /// Adds a key, or replaces the one of the same `kid`.
    fn put_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()>;
    /// Adds a key if there is none at all, whoever else tries so at the same moment.
    fn put_first_signing_key<'a>(&'a self, key: &'a SigningKeyRecord) -> Pending<'a, ()>;
    /// Removes a key.
    fn remove_signing_key<'a>(&'a self, kid: &'a str) -> Pending<'a, ()>;
    /// A value of the service itself.
    fn setting<'a>(&'a self, name: &'a str) -> Pending<'a, Option<Vec<u8>>>;
    /// Keeps such a value if there is none of the name; answers what is kept then.
    fn put_first_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, Vec<u8>>;
    /// Keeps such a value.
    fn put_setting<'a>(&'a self, name: &'a str, value: &'a [u8]) -> Pending<'a, ()>;
}

/// Which rows of a log, newest first.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Only rows of this tenant.
    pub tenant_id: String,
    /// Only rows before this `(time, id)`, for the next page.
    pub before: Option<(UnixTime, String)>,
    /// Only rows at or after this time.
    pub since: Option<UnixTime>,
    /// Only rows of this application (sign-ins) or target (audits).
    pub subject: Option<String>,
    /// Only the row of this correlation id.
    pub correlation_id: Option<String>,
    /// Only refused requests (sign-ins).
    pub refused: bool,
    /// With a subject: only among the newest 10,000 rows (sign-ins), which is quick on a long journal.
    pub newest: bool,
    /// At most so many.
    pub limit: u32,
}

/// Changes of the directory; written by [`Change::Audit`].
pub trait Audit: Send + Sync {
    /// Reads rows, the newest first.
    fn audits<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<AuditRecord>>;
}

/// Token requests.
pub trait Journal: Send + Sync {
    /// Writes a batch of rows.
    fn put_sign_ins<'a>(&'a self, rows: &'a [Arc<SignInRecord>]) -> Pending<'a, ()>;
    /// Reads rows, the newest first.
    fn sign_ins<'a>(&'a self, query: &'a LogQuery) -> Pending<'a, Vec<SignInRecord>>;
    /// The row with this trace id: a refused one by an index; an issued one only among the newest of its tenant's rows, or
    /// at the time given.
    fn sign_in<'a>(&'a self, id: &'a str, hint: Option<(&'a str, UnixTime)>) -> Pending<'a, Option<SignInRecord>>;
    /// Removes at most `step` rows that are older than `before` or beyond the newest `keep`; answers how many.
    fn prune_sign_ins(&self, before: UnixTime, keep: u64, step: u32) -> Pending<'_, u64>;
}

/// Assertions that were used (profiles that remember `jti`, RFC 7519 §4.1.7).
pub trait Replay: Send + Sync {
    /// Notes a use until `until`; `false` when it was noted before and has not ended. One atomic insert.
    fn use_once<'a>(&'a self, client: &'a str, jti: &'a str, until: UnixTime, now: UnixTime) -> Pending<'a, bool>;
    /// Removes at most `step` uses that ended before `now`; answers how many.
    fn forget_uses(&self, now: UnixTime, step: u32) -> Pending<'_, u64>;
}

/// A database behind the service.
pub trait Store: Directory + Keys + Audit + Journal + Replay {
    /// The newest time stored anywhere, to tell a clock that is far off; `None` in an empty store.
    fn newest_time(&self) -> Pending<'_, Option<UnixTime>>;
    /// How this node learns what others change; `None` where it is the only one.
    fn watch(&self) -> Option<Box<dyn Watch>> {
        None
    }
    /// Connections in use, and how many there may be, where they are bounded.
    fn connections(&self) -> Option<(usize, usize)> {
        None
    }
    /// Whether the database answers.
    fn ping(&self) -> Pending<'_, ()>;
    /// Writes what is left and closes.
    fn close(&self) -> Pending<'_, ()>;
}

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An SQLite file.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// A PostgreSQL database.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// Opens the store that the settings name, making it where it is not there.
///
/// # Errors
/// [`OpenError`], naming the store and the cause.
pub async fn open(config: &Config) -> Result<Arc<dyn Store>, OpenError> {
    Ok(match &config.database.value {
        Some(Database::Postgres(url)) => {
            let (listen, connections) = (config.database_listen.value.as_ref(), config.database_connections.value);
            Arc::new(postgres::PostgresStore::open(url, listen, connections).await?)
        }
        Some(Database::Sqlite(path)) => Arc::new(sqlite::SqliteStore::open(path).await?),
        None => Arc::new(sqlite::SqliteStore::open(&config.default_sqlite_file()).await?),
    })
}
