//! What every request handler may reach: settings, clock, directory, keys, journal. Made once at the start.
//!
//! Handlers get it as `Arc<App>`; it holds no state of a single request.

use std::sync::Arc;

use countersign_core::authority::Authority;
use countersign_core::crypto::Provider;
use countersign_core::profile::Profile;
use countersign_core::time::UnixTime;

use crate::admin::AdminToken;
use crate::clock::Clock;
use crate::config::Config;
use crate::diagnosis::Allowance;
use crate::directory::Directory;
use crate::identities::Identities;
use crate::issuers::Issuers;
use crate::journal::Journal;
use crate::load::Load;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::secrets::Secrets;
use crate::sessions::Sessions;
use crate::store::Store;
use crate::token::signer::Signer;
use crate::traces::Traces;

/// The service.
#[derive(Debug)]
pub struct App {
    /// Settings.
    pub config: Config,
    /// Which rules are in force.
    pub profile: &'static Profile,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Cryptography.
    pub crypto: Arc<dyn Provider>,
    /// The directory, cached; all changes go through it.
    pub directory: Arc<Directory>,
    /// Digests and encryption under the master key.
    pub secrets: Secrets,
    /// Keys that sign access tokens.
    pub signer: Signer,
    /// Keys of external issuers (workload identity federation).
    pub issuers: Issuers,
    /// Token requests.
    pub journal: Journal,
    /// How much is taken at once.
    pub load: Load,
    /// How many refused requests may be diagnosed at the moment.
    pub diagnoses: Allowance,
    /// Counters.
    pub metrics: Metrics,
    /// Traces of requests.
    pub traces: Traces,
    /// The names that are ours.
    pub names: Names,
    /// The token of the administrator.
    pub admin: AdminToken,
    /// Who is signed in to the portal.
    pub sessions: Sessions,
    /// When the service was started.
    pub started: UnixTime,
    /// Managed identities of this machine.
    pub identities: Identities,
}

impl App {
    /// Now.
    pub fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The store, for reads that need no cache.
    pub fn store(&self) -> &dyn Store {
        self.directory.store()
    }

    /// All our names, as the rules compare `aud` with them.
    pub fn authority(&self) -> &Authority {
        self.names.authority()
    }
}
