//! Connections to PostgreSQL: a bounded number, each to the host that can be written, given up when it does not answer.
//!
//! Used by the other files of this folder. Several hosts are tried in order and the read-write one is kept, so that a fail-over
//! needs no restart: the first connection that breaks, or that finds itself read-only, makes all others be opened anew.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::{Connection as _, Row as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::PostgresUrl;

/// How long a statement may wait for a free connection.
const ACQUIRE: Duration = Duration::from_secs(2);
/// How long one statement may take, the way there and back included; the database itself stops it a little earlier.
const STATEMENT: Duration = Duration::from_secs(5);
/// A connection that was not used for so long is closed.
const IDLE: Duration = Duration::from_secs(300);
/// A connection is replaced after this time, so that nodes come to use hosts that were added.
const LIFETIME: Duration = Duration::from_secs(1_800);
/// For so long after no host could be reached nobody tries again.
const PAUSE: Duration = Duration::from_millis(100);
/// What each connection is told first; the last statement asks whether the host can be written.
const SESSION: &str = "SET statement_timeout = 4500; SET lock_timeout = 4000; \
     SET idle_in_transaction_session_timeout = 30000; SHOW transaction_read_only";

/// A query with its values.
pub(super) type Asked<'q> = Query<'q, Postgres, PgArguments>;

/// The connections.
pub(super) struct Pool {
    url: PostgresUrl,
    permits: Arc<Semaphore>,
    size: usize,
    idle: Mutex<Vec<Kept>>,
    /// Connections of an earlier generation are closed instead of used.
    generation: AtomicU64,
    /// The host that could be written last.
    leader: AtomicUsize,
    closed: AtomicBool,
    /// When no host could be reached, and why.
    away: Mutex<Option<(Instant, String)>>,
    /// Connections that were made: an attempt that began before the last of them says nothing of the time after it.
    made: AtomicU64,
}

struct Kept {
    connection: PgConnection,
    generation: u64,
    made: Instant,
    since: Instant,
}

/// A connection in use. Dropped without [`Lease::give_back`] it is closed: whoever had it went away in the middle.
pub(super) struct Lease {
    pool: Arc<Pool>,
    connection: Option<PgConnection>,
    generation: u64,
    made: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(url: PostgresUrl, size: usize) -> Arc<Self> {
        Arc::new(Self {
            url,
            permits: Arc::new(Semaphore::new(size)),
            size,
            idle: Mutex::new(Vec::new()),
            generation: AtomicU64::new(0),
            leader: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            away: Mutex::new(None),
            made: AtomicU64::new(0),
        })
    }

    /// Connections in use, and how many there may be.
    pub(super) fn usage(&self) -> (usize, usize) {
        (self.size.saturating_sub(self.permits.available_permits()), self.size)
    }

    /// The host that could be written last.
    pub(super) fn leader(&self) -> PgConnectOptions {
        let hosts = self.url.hosts();
        // A URL names one host at least.
        hosts.get(self.leader.load(Ordering::Relaxed)).or(hosts.first()).cloned().unwrap_or_default()
    }

    /// A connection of one's own to the host that can be written, beside the bounded ones.
    pub(super) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        if let Some((when, why)) = &*self.away.lock().unwrap_or_else(PoisonError::into_inner)
            && when.elapsed() < PAUSE
        {
            return Err(away(why.clone()));
        }
        let hosts = self.url.hosts();
        let leader = self.leader.load(Ordering::Relaxed);
        let made = self.made.load(Ordering::Relaxed);
        let mut faults = Vec::new();
        for n in std::iter::once(leader).chain((0..hosts.len()).filter(|n| *n != leader)) {
            let Some(host) = hosts.get(n) else { continue };
            let fault = match tokio::time::timeout(self.url.connect_timeout(), open(host)).await {
                Ok(Ok(Some(connection))) => {
                    if n != leader {
                        self.leader.store(n, Ordering::Relaxed);
                        self.renew();
                        tracing::info!(host = place(host), "another host of the database is in use");
                    }
                    let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
                    self.made.fetch_add(1, Ordering::Relaxed);
                    *away = None;
                    return Ok(connection);
                }
                Ok(Ok(None)) => "it is read-only".to_owned(),
                Ok(Err(error)) => said(&error),
                Err(_) => format!("no answer within {} ms", self.url.connect_timeout().as_millis()),
            };
            faults.push(format!("{}: {fault}", place(host)));
        }
        let why = faults.join("; ");
        let mut noted = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        // Else one late failure would hold up everybody just after the database came back.
        if self.made.load(Ordering::Relaxed) == made {
            *noted = Some((Instant::now(), why.clone()));
        }
        Err(away(why))
    }

    /// A connection out of the bounded number; the flag says whether it was used before.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<(Lease, bool), sqlx::Error> {
        let permit = tokio::time::timeout(ACQUIRE, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| sqlx::Error::PoolTimedOut)?
            .map_err(|_| sqlx::Error::PoolClosed)?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(sqlx::Error::PoolClosed);
        }
        let generation = self.generation.load(Ordering::Relaxed);
        if let Some(kept) = self.take_idle(generation) {
            let lease = Lease {
                pool: Arc::clone(self),
                connection: Some(kept.connection),
                generation,
                made: kept.made,
                _permit: permit,
            };
            return Ok((lease, true));
        }
        let connection = self.connect().await?;
        // Read anew: connecting may have found another host.
        let generation = self.generation.load(Ordering::Relaxed);
        let made = Instant::now();
        Ok((Lease { pool: Arc::clone(self), connection: Some(connection), generation, made, _permit: permit }, false))
    }

    fn take_idle(&self, generation: u64) -> Option<Kept> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|k| k.generation == generation && k.since.elapsed() < IDLE && k.made.elapsed() < LIFETIME);
        // The one that was used last: others can grow old.
        idle.pop()
    }

    /// Makes all connections be opened anew.
    pub(super) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Notes how a statement on any connection ended; answers whether the connection is of use no more.
    pub(super) fn judge(&self, error: &sqlx::Error) -> bool {
        let broken = is_broken(error);
        if broken {
            self.renew();
        }
        broken
    }

    /// Closes what is idle; nothing is opened any more.
    pub(super) async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for kept in idle {
            let _ = tokio::time::timeout(Duration::from_secs(1), kept.connection.close()).await;
        }
    }

    /// Runs a statement that reads. `ask` makes it, and once more when a connection turns out to be broken.
    pub(super) async fn all<'q>(
        self: &Arc<Self>,
        ask: impl Fn() -> Asked<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, sqlx::Error> {
        let (mut lease, used) = self.lease().await?;
        let done = in_time(ask().fetch_all(lease.connection()?)).await;
        if lease.give_back(&done) && used {
            let (mut lease, _) = self.lease().await?;
            let done = in_time(ask().fetch_all(lease.connection()?)).await;
            lease.give_back(&done);
            return done;
        }
        done
    }

    /// As [`Self::all`], for one row at most.
    pub(super) async fn one<'q>(
        self: &Arc<Self>,
        ask: impl Fn() -> Asked<'q> + Send + Sync,
    ) -> Result<Option<PgRow>, sqlx::Error> {
        Ok(self.all(ask).await?.into_iter().next())
    }

    /// Runs a statement that writes, once.
    pub(super) async fn run(self: &Arc<Self>, ask: Asked<'_>) -> Result<PgQueryResult, sqlx::Error> {
        let (mut lease, _) = self.lease().await?;
        let done = in_time(ask.execute(lease.connection()?)).await;
        lease.give_back(&done);
        done
    }
}

impl Lease {
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Ends the use after a statement; answers whether the connection turned out to be broken.
    pub(super) fn give_back<T>(mut self, done: &Result<T, sqlx::Error>) -> bool {
        let broken = done.as_ref().err().is_some_and(|e| self.pool.judge(e));
        let Some(connection) = self.connection.take().filter(|_| !broken) else { return broken };
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if self.generation == self.pool.generation.load(Ordering::Relaxed) && !self.pool.closed.load(Ordering::Relaxed)
        {
            let (generation, made) = (self.generation, self.made);
            idle.push(Kept { connection, generation, made, since: Instant::now() });
        }
        broken
    }
}

/// Bounds a statement in time.
pub(super) async fn in_time<T>(
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, sqlx::Error> {
    within(STATEMENT, statement).await
}

/// As [`in_time`], with another bound.
pub(super) async fn within<T>(
    time: Duration,
    statement: impl Future<Output = Result<T, sqlx::Error>> + Send,
) -> Result<T, sqlx::Error> {
    tokio::time::timeout(time, statement).await.unwrap_or_else(|_| {
        let why = format!("the database did not answer within {} s", time.as_secs());
        Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
    })
}

/// A connection that can be written, or `None` when the host is read-only.
async fn open(host: &PgConnectOptions) -> Result<Option<PgConnection>, sqlx::Error> {
    let mut connection = PgConnection::connect_with(host).await?;
    let row = sqlx::raw_sql(SESSION).fetch_one(&mut connection).await?;
    let read_only: String = row.try_get(0)?;
    Ok((read_only != "on").then_some(connection))
}

fn place(host: &PgConnectOptions) -> String {
    match host.get_socket() {
        Some(folder) => format!("{}:{}", folder.display(), host.get_port()),
        None => format!("{}:{}", host.get_host(), host.get_port()),
    }
}

pub(super) fn away(why: String) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::NotConnected, why))
}

/// What a database or the system said, without the library's own words around it.
pub(super) fn said(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(e) => e.message().to_owned(),
        sqlx::Error::Io(e) => e.to_string(),
        sqlx::Error::Configuration(e) | sqlx::Error::Tls(e) => e.to_string(),
        other => other.to_string(),
    }
}

/// Whether a connection is of no use after this error: it broke, or its host was shut down or became a standby.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(e) => e.code().is_some_and(|c| {
            // Class 08: connection exception; 57P01 to 57P05: shut down, crashed, starting, dropped, idle; 25006: read-only.
            c.starts_with("08") || c.starts_with("57P") || matches!(&*c, "25006" | "25P03")
        }),
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        _ => false,
    }
}
