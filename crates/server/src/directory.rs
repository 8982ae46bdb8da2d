//! The directory as the service uses it: reads through a cache, changes through a transaction that forgets what it touched.
//!
//! `issue` reads clients, tenants and resources here; the Graph layer, seed and state change it through [`Directory::edit`].
//! A committed change is in force for every request that begins after the commit was acknowledged.

mod client;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_core::authority::{Tenant as TenantNames, is_guid};
use countersign_core::crypto::Provider;
use countersign_core::x509::certificate::Certificate;
use quick_cache::sync::Cache;
use tokio::sync::watch;

use crate::metrics::Counter;
use crate::nodes::Freshness;
use crate::store::model::{TenantRecord, TokenAlg};
use crate::store::{Change, Store, StoreError, Touched, Transaction};
use crate::well_known;

pub use client::{Client, issuer_key};

/// Cached clients; one takes about 8 KiB, most of it the parsed public key.
const CLIENTS: usize = 12_000;
/// Cached tenants and resources.
const SMALL: usize = 4_000;
/// Slots for invalidation marks. Two clients in one slot only cost a needless reload.
const SLOTS: usize = 4_096;

/// A tenant with what the rules need of it.
#[derive(Debug)]
pub struct Tenant {
    /// Its id and names.
    pub names: TenantNames,
    /// Roots that trusted subjects refer to, by id.
    pub authorities: Vec<(String, Certificate)>,
    key: u128,
}

/// A resource in a tenant, without what depends on the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceEntry {
    /// Its app id.
    pub app_id: String,
    /// Object id of its service principal.
    pub object_id: String,
    /// Display name.
    pub display_name: String,
    /// Whether its service principal is enabled.
    pub enabled: bool,
    /// Version of its access tokens.
    pub token_version: u8,
    /// How they are signed.
    pub token_alg: TokenAlg,
    /// Whether a client needs a role.
    pub assignment_required: bool,
}

/// The directory.
pub struct Directory {
    store: Arc<dyn Store>,
    crypto: Arc<dyn Provider>,
    clients: Cache<(u128, u128), Cached<Arc<Client>>>,
    tenants: Cache<String, Cached<Option<Arc<Tenant>>>>,
    resources: Cache<(u128, String), Cached<Found>>,
    marks: Marks,
    /// Whether a resource was seen whose tokens are signed by ES256.
    es256: watch::Sender<bool>,
    /// Whether what is cached may still be relied on.
    pub freshness: Freshness,
    refusing_published: bool,
    /// Clients that were found in the cache.
    pub cached: Counter,
    /// Clients that were read from the store, or are not there.
    pub read: Counter,
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Cached<T> {
    value: T,
    /// The generation when its reading began.
    read_at: u64,
}

/// A resource, or that there is none; and on what that knowledge rests.
#[derive(Clone)]
struct Found {
    entry: Option<Arc<ResourceEntry>>,
    /// Slot of the application, where one is known.
    slot: Option<usize>,
    /// Whether the knowledge rests on the table of identifier URIs.
    by_uri: bool,
}

/// When what was changed last, as generations. A value read at generation *g* is good as long as no mark that concerns it
/// is above *g*: a reader that was overtaken by a change caches something that is never used.
struct Marks {
    generation: AtomicU64,
    slots: Box<[AtomicU64]>,
    uris: AtomicU64,
    all: AtomicU64,
}

impl Marks {
    fn new() -> Self {
        Self {
            generation: AtomicU64::new(1),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            uris: AtomicU64::new(0),
            all: AtomicU64::new(0),
        }
    }

    fn now(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    fn mark(&self, mark: &AtomicU64) {
        let next = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        mark.fetch_max(next, Ordering::SeqCst);
    }

    fn good(&self, read_at: u64, slot: Option<usize>, by_uri: bool) -> bool {
        let not_after = |mark: &AtomicU64| mark.load(Ordering::SeqCst) <= read_at;
        not_after(&self.all) && slot.is_none_or(|s| not_after(&self.slots[s])) && (!by_uri || not_after(&self.uris))
    }
}

fn slot_of(tenant: u128, app: u128) -> usize {
    // Both are random GUIDs, as a rule; the multiplication spreads those that were counted up by hand.
    let mixed = (tenant ^ app.rotate_left(64)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (mixed >> 112) as usize % SLOTS
}

/// The number a GUID stands for; `None` for other texts.
fn guid_key(text: &str) -> Option<u128> {
    if !is_guid(text) {
        return None;
    }
    let digits = text.bytes().filter(|b| *b != b'-');
    Some(digits.fold(0, |n, b| n << 4 | u128::from((b as char).to_digit(16).unwrap_or(0))))
}

impl Directory {
    /// A directory over a store.
    pub fn new(store: Arc<dyn Store>, crypto: Arc<dyn Provider>) -> Self {
        Self::shared(store, crypto, Freshness::own())
    }

    /// A directory over a store that other nodes change, too.
    pub fn shared(store: Arc<dyn Store>, crypto: Arc<dyn Provider>, freshness: Freshness) -> Self {
        Self {
            freshness,
            store,
            crypto,
            clients: Cache::new(CLIENTS),
            tenants: Cache::new(SMALL),
            resources: Cache::new(SMALL),
            marks: Marks::new(),
            es256: watch::Sender::new(false),
            refusing_published: false,
            cached: Counter::default(),
            read: Counter::default(),
        }
    }

    /// The same, in which keys that everybody has admit nobody.
    pub fn refusing_published(mut self, refusing: bool) -> Self {
        self.refusing_published = refusing;
        self
    }

    /// Whether keys and secrets that everybody has are refused.
    pub fn refuses_published(&self) -> bool {
        self.refusing_published
    }

    /// Clients in the cache.
    pub fn cached_clients(&self) -> usize {
        self.clients.len()
    }

    /// Whether a resource was seen, when it was changed or asked for, whose tokens are signed by ES256.
    pub fn es256_wanted(&self) -> watch::Receiver<bool> {
        self.es256.subscribe()
    }

    fn want(&self, alg: TokenAlg) {
        if alg == TokenAlg::Es256 {
            self.es256.send_if_modified(|wanted| !std::mem::replace(wanted, true));
        }
    }

    /// The store behind it, for reads that need no cache.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The tenant that a path segment names, by id or verified domain, in any letter case.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn tenant(&self, segment: &str) -> Result<Option<Arc<Tenant>>, StoreError> {
        let lower = lower(segment);
        if let Some(cached) = self.tenants.get(&*lower)
            && self.marks.good(cached.read_at, None, false)
        {
            return Ok(cached.value);
        }
        let read_at = self.marks.now();
        let value = self.store.tenant(&lower).await?.map(|t| Arc::new(Tenant::of(t)));
        self.tenants.insert(lower.into_owned(), Cached { value: value.clone(), read_at });
        Ok(value)
    }

    /// A client of a tenant, by app id in any letter case.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn client(&self, tenant: &Tenant, app_id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        // What is no GUID was never given to an application.
        let Some(app) = guid_key(app_id) else { return Ok(None) };
        let key = (tenant.key, app);
        let slot = Some(slot_of(tenant.key, app));
        if let Some(cached) = self.clients.get(&key)
            && self.marks.good(cached.read_at, slot, false)
        {
            self.cached.count();
            return Ok(Some(cached.value));
        }
        self.read.count();
        let read_at = self.marks.now();
        let Some(record) = self.store.client(&tenant.names.id, &lower(app_id)).await? else {
            // Not remembered: requests with made-up client ids would push good entries out.
            self.clients.remove(&key);
            return Ok(None);
        };
        let mut client = Client::of(record, tenant, &*self.crypto);
        if self.refusing_published {
            client.leave_out_published();
        }
        let value = Arc::new(client);
        self.clients.insert(key, Cached { value: Arc::clone(&value), read_at });
        Ok(Some(value))
    }

    /// The resource that an identifier names: a built-in one, or a registered application by identifier URI, app id or
    /// `api://` and app id, with or without one slash at the end.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn resource(&self, tenant: &Tenant, identifier: &str) -> Result<Option<Arc<ResourceEntry>>, StoreError> {
        let key = (tenant.key, identifier);
        if let Some(cached) = self.resources.get(&KeyRef(&key))
            && self.marks.good(cached.read_at, cached.value.slot, cached.value.by_uri)
        {
            return Ok(cached.value.entry);
        }
        let read_at = self.marks.now();
        let found = self.find_resource(tenant, identifier).await?;
        let entry = found.entry.clone();
        self.resources.insert((tenant.key, identifier.to_owned()), Cached { value: found, read_at });
        Ok(entry)
    }

    async fn find_resource(&self, tenant: &Tenant, identifier: &str) -> Result<Found, StoreError> {
        let id = &tenant.names.id;
        if let Some(known) = well_known::by_identifier(identifier) {
            let stored = self.store.service_principal_of(id, known.app_id).await?;
            let entry = ResourceEntry {
                app_id: known.app_id.to_owned(),
                object_id: stored.as_ref().map_or_else(|| known.object_id(id), |s| s.object_id.clone()),
                display_name: known.display_name.to_owned(),
                enabled: stored.as_ref().is_none_or(|s| s.enabled),
                token_version: known.token_version,
                token_alg: TokenAlg::default(),
                assignment_required: stored.is_some_and(|s| s.assignment_required),
            };
            let slot = guid_key(known.app_id).map(|app| slot_of(tenant.key, app));
            return Ok(Found { entry: Some(Arc::new(entry)), slot, by_uri: false });
        }
        let trimmed = identifier.strip_suffix('/').unwrap_or(identifier);
        let mut by_uri = true;
        let mut app_id = self.store.app_id_of_uri(id, identifier).await?;
        if app_id.is_none() && trimmed != identifier {
            app_id = self.store.app_id_of_uri(id, trimmed).await?;
        }
        if app_id.is_none() {
            let bare = trimmed.strip_prefix("api://").unwrap_or(trimmed);
            if is_guid(bare) {
                app_id = Some(bare.to_ascii_lowercase());
                // A URI registered later could still take precedence.
                by_uri = trimmed != bare;
            }
        }
        let Some(app_id) = app_id else { return Ok(Found { entry: None, slot: None, by_uri }) };
        let slot = guid_key(&app_id).map(|app| slot_of(tenant.key, app));
        let entry = self.store.client(id, &app_id).await?.and_then(|c| {
            let principal = c.service_principal?;
            self.want(c.application.token_alg);
            Some(Arc::new(ResourceEntry {
                app_id: c.application.app_id,
                object_id: principal.object_id,
                display_name: c.application.display_name,
                enabled: principal.enabled,
                token_version: c.application.token_version,
                token_alg: c.application.token_alg,
                assignment_required: principal.assignment_required,
            }))
        });
        Ok(Found { entry, slot, by_uri })
    }

    /// Begins a change of the directory.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    pub async fn edit(self: &Arc<Self>) -> Result<Edit, StoreError> {
        let transaction = self.store.begin().await?;
        Ok(Edit { directory: Arc::clone(self), transaction, touched: Vec::new(), token_alg: TokenAlg::default() })
    }

    /// Applies changes in one transaction and commits it.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then.
    pub async fn change(
        self: &Arc<Self>,
        changes: impl IntoIterator<Item = Change, IntoIter: Send> + Send,
    ) -> Result<u64, StoreError> {
        let mut edit = self.edit().await?;
        for change in changes {
            edit.apply(change).await?;
        }
        edit.commit().await
    }

    /// Forgets what a change touched.
    pub fn forget(&self, touched: &Touched) {
        match touched {
            // Keys are the signer's.
            Touched::Nothing | Touched::Keys => {}
            Touched::Application { tenant_id, app_id, uris } => {
                match (guid_key(tenant_id), guid_key(app_id)) {
                    (Some(tenant), Some(app)) => self.marks.mark(&self.marks.slots[slot_of(tenant, app)]),
                    _ => self.marks.mark(&self.marks.all),
                }
                if *uris {
                    self.marks.mark(&self.marks.uris);
                }
            }
            Touched::All => self.marks.mark(&self.marks.all),
        }
    }
}

/// A change under way. Dropping it undoes it.
pub struct Edit {
    directory: Arc<Directory>,
    transaction: Box<dyn Transaction>,
    touched: Vec<Touched>,
    /// ES256 when a changed resource wants it.
    token_alg: TokenAlg,
}

impl Edit {
    /// Applies one change.
    ///
    /// # Errors
    /// [`StoreError`]; the edit must then be dropped.
    pub async fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        if let Change::CreateApplication(record) | Change::UpdateApplication(record) = &change
            && record.token_alg != TokenAlg::default()
        {
            self.token_alg = record.token_alg;
        }
        let touched = self.transaction.apply(change).await?;
        match touched {
            Touched::Nothing | Touched::Keys => {}
            // Beyond some thousand it is cheaper to forget everything.
            _ if self.touched.len() >= SLOTS => self.touched = vec![Touched::All],
            other => self.touched.push(other),
        }
        Ok(())
    }

    /// Commits; when this answers, the change is on the disk and in force. Runs to its end even if the caller goes away.
    ///
    /// # Errors
    /// [`StoreError`]; nothing was changed then.
    pub async fn commit(self) -> Result<u64, StoreError> {
        let Self { directory, transaction, touched, token_alg } = self;
        let committing = tokio::spawn(async move {
            let version = transaction.commit().await;
            // Also after an error: whether a failed commit took effect is not always known.
            for touched in &touched {
                directory.forget(touched);
            }
            if version.is_ok() {
                directory.want(token_alg);
            }
            version
        });
        match committing.await {
            Ok(version) => version,
            Err(_) => Err(StoreError::Unavailable("the commit did not end".to_owned())),
        }
    }
}

impl Tenant {
    /// Reads a record. Certificates of authorities were checked when they were stored; one that cannot be read is no anchor.
    pub fn of(record: TenantRecord) -> Self {
        let authorities = record
            .certificate_authorities
            .into_iter()
            .filter_map(|a| Certificate::from_der(&a.der).ok().map(|c| (a.id, c)))
            .collect();
        let key = guid_key(&record.id).unwrap_or_default();
        let names = TenantNames { id: record.id, display_name: record.display_name, domains: record.domains };
        Self { names, authorities, key }
    }
}

fn lower(text: &str) -> std::borrow::Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}

/// A borrowed key of the resources' cache.
#[derive(Hash)]
struct KeyRef<'a>(&'a (u128, &'a str));

impl quick_cache::Equivalent<(u128, String)> for KeyRef<'_> {
    fn equivalent(&self, key: &(u128, String)) -> bool {
        self.0.0 == key.0 && self.0.1 == key.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_numbers_in_any_letter_case() {
        assert_eq!(guid_key("00000000-0000-0000-0000-0000000000fF"), Some(255));
        assert_eq!(guid_key("00000000-0000-0000-0000-0000000000fg"), None);
        assert_eq!(guid_key("5F2C1A7E-0000-4000-8000-0000000000a1"), guid_key("5f2c1a7e-0000-4000-8000-0000000000A1"));
    }

    #[test]
    fn a_reader_that_was_overtaken_by_a_change_is_not_believed() {
        let marks = Marks::new();
        let read_at = marks.now();
        assert!(marks.good(read_at, Some(3), true));
        marks.mark(&marks.slots[3]);
        assert!(!marks.good(read_at, Some(3), false));
        assert!(marks.good(read_at, Some(4), true));
        assert!(marks.good(marks.now(), Some(3), true));
        marks.mark(&marks.all);
        assert!(!marks.good(read_at, Some(4), false));
    }

    #[test]
    fn borrowed_keys_hash_as_owned_ones() {
        use std::hash::{BuildHasher as _, RandomState};
        let state = RandomState::new();
        assert_eq!(state.hash_one(KeyRef(&(7, "https://x"))), state.hash_one((7u128, "https://x".to_owned())));
    }
}
