//! Starts the service in an order in which every mistake is found before anything is promised, and ends it again.
//!
//! `countersign serve`, `demo`, `run` and the tests call [`Server::start`]; `state` calls [`Server::open`], which stops
//! short of listening.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::time::UnixTime;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::admin::{AdminToken, AdminTokenError};
use crate::app::App;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Database, Mode};
use crate::directory::Directory;
use crate::files;
use crate::http::connections;
use crate::identities::Identities;
use crate::issuers::Issuers;
use crate::journal::{self, Journal};
use crate::load::Load;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::nodes::{self, Freshness};
use crate::production::{self, Weaknesses};
use crate::secrets::{Secrets, SecretsError};
use crate::seed::{self, FileError};
use crate::sessions::Sessions;
use crate::signals::{Signals, Told};
use crate::store::model::TenantRecord;
use crate::store::{self, Change, OpenError, StoreError, Watch};
use crate::supervisor;
use crate::tls::{self, TlsError, Wanted, renewal};
use crate::token::rollover;
use crate::token::signer::{Signer, SignerError};
use crate::traces::Traces;
use crate::traces::export::Exporter;

/// Id of the tenant that `serve` makes when there is none and no seed: the same everywhere, so that it can be written into
/// a configuration.
pub const DEFAULT_TENANT: &str = "c0de5167-0000-4000-8000-000000000001";
/// Its name. It has no domain, which a seed could want for a tenant of its own later.
const DEFAULT_TENANT_NAME: &str = "Contoso";
/// Name of the setting by which a store knows the master key it was made under.
const KEY_CHECK: &str = "master key check";
/// 2024-01-01: this program did not exist before.
const EARLIEST: UnixTime = UnixTime::from_secs(1_704_067_200);
/// A clock may be this far behind what is stored; more is no jump but a fault.
const CLOCK_SLACK: i64 = 86_400;
/// How long a start waits at most for the directory to be confirmed; requests are answered with 503 until it is.
const CONFIRMATION: Duration = Duration::from_secs(5);

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("the data folder {} cannot be used: {cause}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Another process uses the data folder.
    #[error("the data folder {} is in use by another countersign process; stop it, or name another folder with --data", .0.display())]
    InUse(PathBuf),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {cause} (--listen)")]
    Listen {
        /// The address.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The store was made under another master key.
    #[error(
        "the store {store} was made under another master key than the one in {}; bring the right one back from a backup. Nodes \
         on one database need the same one (--master-key-file)", key.display()
    )]
    OtherKey {
        /// The store, without the password of a URL.
        store: String,
        /// The key file.
        key: PathBuf,
    },
    /// The clock is far off.
    #[error("the clock says {now}, which cannot be right: {why}; set the clock")]
    Clock {
        /// What it says.
        now: String,
        /// Why it cannot be.
        why: String,
    },
    /// The set-up is not fit for production.
    #[error(transparent)]
    Weak(#[from] Weaknesses),
    /// No tenant, in production.
    #[error("there is no tenant yet, and mode is production: name a seed file with at least one tenant (--seed)")]
    NoTenant,
    /// The ready file cannot be written.
    #[error("the ready file {} cannot be written: {cause} (--ready-file)", path.display())]
    ReadyFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The master key.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The signing keys.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The admin token.
    #[error(transparent)]
    AdminToken(#[from] AdminTokenError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The seed.
    #[error(transparent)]
    Seed(#[from] FileError),
}

/// What others need to know of a running service: the ready file, the banner, `--format json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadyInfo {
    /// Process id.
    pub pid: u32,
    /// Base URL.
    pub url: String,
    /// `url` and the first tenant.
    pub authority: String,
    /// Id of the first tenant.
    pub tenant: String,
    /// Base of the Graph subset.
    pub graph: String,
    /// The portal.
    pub portal: String,
    /// Our CA's certificate; `None` without TLS, and with files that were given.
    pub ca_file: Option<PathBuf>,
    /// File with the administrator's token.
    pub admin_token_file: PathBuf,
    /// Metrics.
    pub metrics: String,
}

/// The service.
#[derive(Debug)]
pub struct Server;

/// A service that is running.
#[derive(Debug)]
pub struct Running {
    /// What others need to know of it.
    pub ready: ReadyInfo,
    /// Where it listens.
    pub address: std::net::SocketAddr,
    /// Its insides, for whoever embeds it.
    pub app: Arc<App>,
    reload: renewal::Reload,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
    stop_journal: watch::Sender<bool>,
    journal: JoinHandle<()>,
    traces: Option<JoinHandle<()>>,
    _lock: DataLock,
}

/// Keeps other processes out of the data folder while it lives.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// A service that does not listen: for `state`.
pub struct Opened {
    /// Its insides.
    pub app: Arc<App>,
    journal: journal::Writer,
    traces: Option<Exporter>,
    /// Looks out for what other nodes change, since the version that was there before anything was cached.
    others: Option<(Box<dyn Watch>, u64)>,
    lock: DataLock,
}

impl Server {
    /// Starts a service and answers when the first token could be issued.
    ///
    /// # Errors
    /// [`StartError`] naming what is wrong; nothing is left running then.
    pub async fn start(config: Config) -> Result<Running, StartError> {
        Self::start_at(config, Arc::new(SystemClock)).await
    }

    /// Starts a service, says so, and runs it until the process is told to end (SIGTERM, SIGINT). A signal that comes before
    /// the service is ready ends it as well. SIGHUP reads certificate files anew.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn serve(config: Config, ready: impl FnOnce(&ReadyInfo)) -> Result<(), StartError> {
        let mut signals = Signals::listen();
        let running = tokio::select! {
            started = Self::start(config) => started?,
            () = signals.end() => return Ok(()),
        };
        ready(&running.ready);
        supervisor::tell(supervisor::State::Ready);
        while signals.next().await == Told::Reload {
            // The log has what went wrong; what served before still does.
            let _ = running.reload_certificates().await;
        }
        tracing::info!("ending");
        supervisor::tell(supervisor::State::Stopping);
        running.shutdown().await;
        Ok(())
    }

    /// As [`Self::start`], by another clock.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start_at(config: Config, clock: Arc<dyn Clock>) -> Result<Running, StartError> {
        let listen = config.listen.value.to_string();
        let refused = |cause| StartError::Listen { address: listen.clone(), cause };
        if let Some(file) = &config.ready_file.value {
            // One that was left speaks of another process.
            let _ = std::fs::remove_file(file);
        }
        production::check(&config)?;
        prepare_folder(&config.data.value)?;
        let listener =
            TcpListener::bind((config.listen.value.host.as_str(), config.listen.value.port)).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let Opened { app, journal, traces, others, lock } = Self::open_at(config, clock, address.port()).await?;
        if app.config.mode.value == Mode::Production {
            production::check_store(app.store(), &app.secrets).await??;
        }
        // Before the files are read: one that changes meanwhile is read again.
        let seen = renewal::Stamp::of(&app.config, app.now().secs());
        let tls = tls::prepare(&app.config, &app.names, app.now(), Wanted::ToStart)?;
        if let Some(tls) = &tls {
            renewal::note(&app, tls);
        }
        let tenant = first_tenant(&app).await?;
        let ready = ready_info(&app, tenant, tls.as_ref().and_then(|t| t.ca_file.clone()));

        let certificates = Arc::new(ArcSwapOption::from(tls.map(|t| t.config)));
        let (stop, stopping) = watch::channel(false);
        let (stop_journal, journal_stopping) = watch::channel(false);
        // Both end when all requests are answered.
        let traces = traces.map(|t| tokio::spawn(t.run(Arc::clone(&app), journal_stopping.clone())));
        let journal = tokio::spawn(journal.run(Arc::clone(&app), journal_stopping));
        if let Some((watch, version)) = others {
            tokio::spawn(nodes::run(Arc::clone(&app), watch, version, stopping.clone()));
            // A long start may have outlived what was confirmed at its beginning.
            let _ = tokio::time::timeout(CONFIRMATION, app.directory.freshness.until_it_holds()).await;
        }
        tokio::spawn(rollover::run(Arc::clone(&app), stopping.clone()));
        let reload = renewal::start(Arc::clone(&app), Arc::clone(&certificates), seen, stopping.clone());
        let serving = tokio::spawn(connections::serve(Arc::clone(&app), listener, certificates, stopping));
        let running =
            Running { ready, address, app, reload, stop, serving, stop_journal, journal, traces, _lock: lock };
        if let Err(error) = running.write_ready_file() {
            running.shutdown().await;
            return Err(error);
        }
        Ok(running)
    }

    /// Opens everything below the listener, seed included.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn open(config: Config) -> Result<Opened, StartError> {
        prepare_folder(&config.data.value)?;
        let port = config.listen.value.port;
        Self::open_at(config, Arc::new(SystemClock), port).await
    }

    async fn open_at(mut config: Config, clock: Arc<dyn Clock>, port: u16) -> Result<Opened, StartError> {
        let data = &mut config.data.value;
        let unusable = |cause| StartError::Data { path: data.clone(), cause };
        // Absolute, for the ready file and for messages.
        *data = std::fs::canonicalize(&*data).map_err(unusable)?;
        let data = data.clone();
        let lock = lock(&data)?;
        let now = clock.now();
        check_clock(now, None)?;
        let (store, secrets) = match config.sqlite_file() {
            // A key that is missing is told before a store is touched.
            Some(file) => {
                let secrets = Secrets::open(&config.master_key.value, &data, is_new(&file))?;
                (store::open(&config).await?, secrets)
            }
            None => {
                let store = store::open(&config).await?;
                let new = store.setting(KEY_CHECK).await?.is_none();
                (store, Secrets::open(&config.master_key.value, &data, new)?)
            }
        };
        let check = match store.setting(KEY_CHECK).await? {
            Some(check) => check,
            // Another node may start on the same database at this moment.
            None => store.put_first_setting(KEY_CHECK, &secrets.key_check()).await?,
        };
        if check != secrets.key_check() {
            let store = match &config.database.value {
                Some(Database::Postgres(url)) => url.to_string(),
                Some(Database::Sqlite(_)) | None => config.sqlite_file().unwrap_or_default().display().to_string(),
            };
            return Err(StartError::OtherKey { store, key: config.master_key.value.place(&data) });
        }
        check_clock(now, store.newest_time().await?)?;
        let watch = store.watch();
        let freshness = if watch.is_some() { Freshness::shared(config.stale_for()) } else { Freshness::own() };
        // Before anything is cached.
        let version = store.directory_version().await?;
        let signer = Signer::open(&*store, &secrets, now).await?;
        let production = config.mode.value == Mode::Production;
        let admin = AdminToken::open(&data, config.admin_token_file.value.as_deref(), production)?;
        let identities = Identities::open(&data, &config.managed_identities.value)?;
        let crypto = Arc::new(AwsLc);
        let (journal, writer) = Journal::new();
        let (traces, exporter) = Traces::new(&config);
        let app = Arc::new(App {
            names: Names::new(&config, port),
            profile: config.profile.value,
            directory: Arc::new(
                Directory::shared(store, Arc::clone(&crypto) as _, freshness).refusing_published(production),
            ),
            issuers: Issuers::new(Arc::clone(&crypto) as _, config.private_issuers.value),
            load: Load::new(config.limit_per_address.value, config.limit_per_client.value),
            config,
            clock,
            crypto,
            secrets,
            signer,
            journal,
            diagnoses: crate::diagnosis::Allowance::default(),
            metrics: Metrics::default(),
            traces,
            admin,
            sessions: Sessions::default(),
            started: now,
            identities,
        });
        if let Some(seed) = app.config.seed.value.clone() {
            let done = seed::apply(&app.directory, &app.secrets, &seed, &default_tenant(), now).await?;
            for warning in &done.warnings {
                tracing::warn!("{warning}");
            }
            tracing::info!(tenants = done.tenants, applications = done.applications, left = done.left, "seed applied");
        }
        Ok(Opened { app, journal: writer, traces: exporter, others: watch.map(|w| (w, version)), lock })
    }
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("app", &self.app).finish_non_exhaustive()
    }
}

impl Opened {
    /// Closes the store.
    ///
    /// # Errors
    /// [`StoreError`] when it could not be closed cleanly.
    pub async fn close(self) -> Result<(), StoreError> {
        drop(self.journal);
        let closed = self.app.store().close().await;
        drop(self.lock);
        closed
    }
}

impl Running {
    /// Reads the files of `--tls CERT,KEY` anew at once, or renews the leaf of our own CA where its end is near. Connections
    /// stay as they are.
    ///
    /// # Errors
    /// [`TlsError`] naming the file; the certificate before stays in force.
    pub async fn reload_certificates(&self) -> Result<(), TlsError> {
        self.reload.now().await
    }

    /// Ends the service: no more connections, requests in flight are finished, what is queued is written.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        self.app.journal.end_watching();
        let _ = self.serving.await;
        let _ = self.stop_journal.send(true);
        let _ = self.journal.await;
        if let Some(traces) = self.traces {
            let _ = traces.await;
        }
        if let Err(error) = self.app.store().close().await {
            tracing::warn!(%error, "the store could not be closed cleanly");
        }
    }

    fn write_ready_file(&self) -> Result<(), StartError> {
        let Some(path) = &self.app.config.ready_file.value else { return Ok(()) };
        let failed = |cause| StartError::ReadyFile { path: path.clone(), cause };
        let mut text = serde_json::to_string(&self.ready).map_err(|e| failed(std::io::Error::other(e)))?;
        text.push('\n');
        files::write_public(path, text.as_bytes()).map_err(failed)
    }
}

fn prepare_folder(data: &Path) -> Result<(), StartError> {
    files::create_private_folder(data).map_err(|cause| StartError::Data { path: data.to_owned(), cause })
}

/// One process a folder: caches in two of them would not know of each other's changes.
fn lock(data: &Path) -> Result<DataLock, StartError> {
    let path = data.join("lock");
    let unusable = |cause| StartError::Data { path: data.to_owned(), cause };
    files::create_private(&path).map_err(unusable)?;
    let file = File::options().write(true).open(&path).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(DataLock { _file: file }),
        Err(std::fs::TryLockError::WouldBlock) => Err(StartError::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(cause)) => Err(unusable(cause)),
    }
}

/// Whether a store file is yet to be made.
fn is_new(file: &Path) -> bool {
    std::fs::metadata(file).map_or_else(|e| e.kind() == std::io::ErrorKind::NotFound, |m| m.len() == 0)
}

fn check_clock(now: UnixTime, newest: Option<UnixTime>) -> Result<(), StartError> {
    let wrong = |why: String| StartError::Clock { now: now.rfc3339(), why };
    if now < EARLIEST {
        return Err(wrong(format!("it is before {}", EARLIEST.rfc3339())));
    }
    match newest {
        Some(newest) if newest.secs_since(now) > CLOCK_SLACK => {
            Err(wrong(format!("the store was last written at {}", newest.rfc3339())))
        }
        _ => Ok(()),
    }
}

/// The first tenant; in dev mode one is made when there is none.
async fn first_tenant(app: &App) -> Result<String, StartError> {
    if let Some(first) = app.store().tenants().await?.into_iter().next() {
        return Ok(first.id);
    }
    if app.config.mode.value == Mode::Production {
        return Err(StartError::NoTenant);
    }
    app.directory.change([Change::PutTenant(default_tenant())]).await?;
    Ok(DEFAULT_TENANT.to_owned())
}

/// The tenant that is made when there is none, and that takes applications of a file without tenants.
pub(crate) fn default_tenant() -> TenantRecord {
    TenantRecord {
        id: DEFAULT_TENANT.to_owned(),
        display_name: DEFAULT_TENANT_NAME.to_owned(),
        domains: Vec::new(),
        certificate_authorities: Vec::new(),
    }
}

fn ready_info(app: &App, tenant: String, ca_file: Option<PathBuf>) -> ReadyInfo {
    let url = app.names.first().to_string();
    let token = &app.admin.file;
    ReadyInfo {
        pid: std::process::id(),
        authority: format!("{url}/{tenant}"),
        tenant,
        graph: format!("{url}/v1.0"),
        portal: format!("{url}/portal/"),
        ca_file,
        admin_token_file: std::fs::canonicalize(token).unwrap_or_else(|_| token.clone()),
        metrics: format!("{url}/metrics"),
        url,
    }
}
