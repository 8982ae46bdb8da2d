//! The journal of token requests: a bounded ring in memory and rows written in batches, off the request path.
//!
//! The token endpoint records, the portal reads the ring, Graph's signIns the store. A record holds no secret and no
//! signature. Up to `QUEUE` rows are lost when the process is killed, and more only while the store is away or behind.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::time::UnixTime;
use tokio::sync::{broadcast, mpsc, watch};

use crate::app::App;
use crate::store::StoreError;
use crate::store::model::SignInRecord;

/// Rows waiting to be written.
const QUEUE: usize = 8_192;
/// Rows in one statement.
const BATCH: usize = 1_024;
/// How long a batch gathers.
const GATHER: Duration = Duration::from_millis(100);
/// Rows kept in memory.
const RING: usize = 200;
/// Rows that somebody who watches may be behind.
const LIVE: usize = 256;
/// Credentials whose last use is remembered; about 5 MiB.
const USES: usize = 50_000;
/// Rows that are removed in one step; a step holds up whoever else writes for some milliseconds.
const PRUNE_STEP: u32 = 5_000;
/// How often a service that gets few requests looks for rows to remove.
const PRUNE_EVERY: Duration = Duration::from_secs(600);
/// Pause between two steps.
const PRUNE_PAUSE: Duration = Duration::from_millis(50);

/// The journal.
#[derive(Debug)]
pub struct Journal {
    ring: Mutex<VecDeque<Arc<SignInRecord>>>,
    queue: mpsc::Sender<Arc<SignInRecord>>,
    queued: AtomicU64,
    handled: watch::Receiver<u64>,
    live: broadcast::Sender<Arc<SignInRecord>>,
    ended: watch::Sender<bool>,
    history: History,
    uses: Arc<Mutex<HashMap<String, i64>>>,
}

/// Steps that [`History`] tells apart, and their length in seconds: a day.
pub const STEPS: usize = 288;
/// See [`STEPS`].
pub const STEP_SECONDS: i64 = 300;

/// Requests counted by time, for the last day. Counting is two atomic operations.
pub struct History([Step; STEPS]);

#[derive(Default)]
struct Step {
    /// Number of the step since the epoch; counts of another one are old.
    number: AtomicU64,
    issued: AtomicU64,
    refused: AtomicU64,
}

impl Default for History {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Step::default()))
    }
}

impl std::fmt::Debug for History {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("History")
    }
}

impl History {
    fn number(micros: i64) -> u64 {
        micros.div_euclid(STEP_SECONDS * 1_000_000).unsigned_abs()
    }

    fn count(&self, micros: i64, refused: bool) {
        let number = Self::number(micros);
        let step = &self.0[number as usize % STEPS];
        if step.number.load(Ordering::Relaxed) != number && step.number.swap(number, Ordering::Relaxed) != number {
            // Requests of the same instant may be lost here: it is a plot.
            step.issued.store(0, Ordering::Relaxed);
            step.refused.store(0, Ordering::Relaxed);
        }
        let counter = if refused { &step.refused } else { &step.issued };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Issued and refused for each of the last `steps`, the eldest first; the last one is under way.
    pub fn last(&self, now: UnixTime, steps: usize) -> Vec<(u64, u64)> {
        let current = Self::number(now.micros());
        let first = current.saturating_sub(steps.min(STEPS) as u64 - 1);
        (first..=current)
            .map(|number| {
                let step = &self.0[number as usize % STEPS];
                let fresh = step.number.load(Ordering::Relaxed) == number;
                let value = |c: &AtomicU64| if fresh { c.load(Ordering::Relaxed) } else { 0 };
                (value(&step.issued), value(&step.refused))
            })
            .collect()
    }
}

/// The other end of the queue; [`Writer::run`] empties it.
#[derive(Debug)]
pub struct Writer {
    queue: mpsc::Receiver<Arc<SignInRecord>>,
    handled: watch::Sender<u64>,
    uses: Arc<Mutex<HashMap<String, i64>>>,
}

impl Journal {
    /// A journal and its writer.
    pub fn new() -> (Self, Writer) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let (handled, seen) = watch::channel(0);
        let ring = Mutex::new(VecDeque::with_capacity(RING));
        let uses = Arc::new(Mutex::new(HashMap::new()));
        let journal = Self {
            ring,
            queue: sender,
            queued: AtomicU64::new(0),
            handled: seen,
            live: broadcast::channel(LIVE).0,
            ended: watch::channel(false).0,
            history: History::default(),
            uses: Arc::clone(&uses),
        };
        (journal, Writer { queue: receiver, handled, uses })
    }

    /// Records a request; never waits. `false` when the row could not be queued for the store.
    pub fn record(&self, row: SignInRecord) -> bool {
        self.history.count(row.time, row.error_code != 0);
        let row = Arc::new(row);
        if self.live.receiver_count() > 0 {
            let _ = self.live.send(Arc::clone(&row));
        }
        {
            let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
            if ring.len() == RING {
                ring.pop_front();
            }
            ring.push_back(Arc::clone(&row));
        }
        let queued = self.queue.try_send(row).is_ok();
        if queued {
            self.queued.fetch_add(1, Ordering::Relaxed);
        }
        queued
    }

    /// The newest records, newest first.
    pub fn recent(&self) -> Vec<Arc<SignInRecord>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
    }

    /// Every record from now on, and whether the service ends; whoever is too slow misses some and is told so.
    pub fn watch(&self) -> (broadcast::Receiver<Arc<SignInRecord>>, watch::Receiver<bool>) {
        (self.live.subscribe(), self.ended.subscribe())
    }

    /// Tells whoever watches that the service ends.
    pub fn end_watching(&self) {
        self.ended.send_replace(true);
    }

    /// When a credential was last used since the start, in microseconds, by its id.
    pub fn last_use(&self, key_id: &str) -> Option<i64> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).get(key_id).copied()
    }

    /// Rows that wait to be written.
    pub fn waiting(&self) -> u64 {
        self.queued.load(Ordering::Relaxed).saturating_sub(*self.handled.borrow())
    }

    /// How many tokens were issued and refused, by time, since the start.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Waits until everything recorded before was handed to the store, so that a reader of the log finds its own request;
    /// at most two seconds.
    pub async fn settle(&self) {
        let queued = self.queued.load(Ordering::Relaxed);
        let mut handled = self.handled.clone();
        let _ = tokio::time::timeout(Duration::from_secs(2), handled.wait_for(|n| *n >= queued)).await;
    }
}

impl Writer {
    /// Writes batches until `stop` says so, then what is left, and prunes now and then.
    pub async fn run(mut self, app: Arc<App>, mut stop: watch::Receiver<bool>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut since_prune = 0u64;
        let first = tokio::time::Instant::now() + PRUNE_EVERY / 10;
        let mut by_time = tokio::time::interval_at(first, PRUNE_EVERY);
        by_time.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = self.queue.recv_many(&mut batch, BATCH) => {}
                _ = by_time.tick() => {
                    // Rows go on coming in meanwhile; the queue takes them.
                    prune_all(&app, &stop).await;
                    continue;
                }
                _ = stop.changed() => {
                    while let Ok(row) = self.queue.try_recv() {
                        batch.push(row);
                    }
                    self.write(&app, &mut batch).await;
                    return;
                }
            }
            if batch.is_empty() {
                return;
            }
            since_prune += batch.len() as u64;
            let full = batch.len() >= BATCH;
            self.write(&app, &mut batch).await;
            if since_prune >= u64::from(PRUNE_STEP) {
                since_prune = 0;
                let _ = prune(&app).await;
            }
            // Whoever is behind does not wait for more.
            if full {
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                _ = stop.changed() => stop.mark_changed(),
            }
        }
    }

    /// Off the token path: once for a batch.
    fn note_uses(&self, batch: &[Arc<SignInRecord>]) {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        for row in batch.iter().filter(|r| r.error_code == 0) {
            let key =
                if row.credential_key_id.is_empty() { &row.federated_credential_id } else { &row.credential_key_id };
            let room = uses.len() < USES;
            match uses.get_mut(key) {
                Some(last) => *last = row.time.max(*last),
                None if room && !key.is_empty() => {
                    uses.insert(key.clone(), row.time);
                }
                None => {}
            }
        }
    }

    async fn write(&self, app: &App, batch: &mut Vec<Arc<SignInRecord>>) {
        let rows = batch.len() as u64;
        self.note_uses(batch);
        if rows > 0 {
            match app.store().put_sign_ins(batch).await {
                Ok(()) => app.metrics.sign_ins_written.add(rows),
                Err(error) => {
                    // The journal may lose rows, and must not grow while the store is away or the disk is full.
                    app.metrics.sign_ins_dropped.add(rows);
                    tracing::warn!(%error, rows, "sign-in rows could not be written and are lost");
                }
            }
            batch.clear();
        }
        self.handled.send_modify(|n| *n += rows);
    }
}

/// Removes step by step what is too old or too many, at most a queue's worth of time.
async fn prune_all(app: &App, stop: &watch::Receiver<bool>) {
    for _ in 0..20 {
        if *stop.borrow() || prune(app).await < u64::from(2 * PRUNE_STEP) {
            return;
        }
        tokio::time::sleep(PRUNE_PAUSE).await;
    }
}

/// Removes a step of rows that are too old or too many, and used assertions that have ended; answers how many.
async fn prune(app: &App) -> u64 {
    let now = app.now();
    let (keep, most) = (app.config.signins_keep.value, app.config.signins_max.value);
    let pruned = async {
        let rows = app.store().prune_sign_ins(now.plus_secs(-keep), most, 2 * PRUNE_STEP).await?;
        Ok::<u64, StoreError>(rows.max(app.store().forget_uses(now, 2 * PRUNE_STEP).await?))
    };
    pruned.await.unwrap_or_else(|error| {
        tracing::warn!(%error, "old journal rows could not be removed");
        0
    })
}
