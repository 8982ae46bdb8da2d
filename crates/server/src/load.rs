//! How much the service takes at once: a bounded number of requests, whose turn it is to sign, and what one address or client
//! may ask for in a second.
//!
//! The router asks before it does any work. Whoever is turned away is told at once, and when to come again: latency does not
//! grow with the load. Limits of rate are off unless somebody sets them.
//!
//! Signing is what takes long, and it takes a thread that also reads sockets. So only as many sign at a time as there are
//! processors, and between two signatures a thread looks at its sockets: whoever is turned away never stands behind those
//! who wait to be served.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests that may be under way for each processor: a burst of a quarter of a second of tokens is worked off, not refused.
const UNDER_WAY: usize = 1_000;
/// Requests that may wait to be signed for each processor once the queue does not empty any more: 30 ms of tokens. A queue
/// that stands adds to every answer's time and to nobody's rate.
const STANDING: usize = 100;
/// How long a queue may go without having been empty before it counts as standing.
const BURST_LASTS: Duration = Duration::from_millis(500);
/// What may come at once, in seconds of the rate.
const BURST: f64 = 2.0;
/// Callers remembered by each limit; beyond that those at rest are forgotten, then all.
const REMEMBERED: usize = 50_000;

/// The limits of a service.
#[derive(Debug)]
pub struct Load {
    under_way: AtomicUsize,
    waiting: AtomicUsize,
    processors: usize,
    turns: Semaphore,
    began: Instant,
    /// When nobody had to wait, in milliseconds since `began`.
    rested: AtomicU64,
    addresses: Option<Rate<IpAddr>>,
    clients: Option<Rate<String>>,
}

/// A place among the requests under way; dropping it makes room.
#[derive(Debug)]
pub struct Place<'a>(&'a AtomicUsize);

/// A processor for a while; dropping it gives it to who has waited longest.
#[derive(Debug)]
pub struct Turn<'a> {
    _permit: Option<SemaphorePermit<'a>>,
    _waiting: Place<'a>,
}

impl<'a> Place<'a> {
    fn of(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Load {
    /// For the processors at hand and these rates.
    pub fn new(per_address: Option<u32>, per_client: Option<u32>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            under_way: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            processors,
            turns: Semaphore::new(processors),
            began: Instant::now(),
            rested: AtomicU64::new(0),
            addresses: per_address.map(Rate::new),
            clients: per_client.map(Rate::new),
        }
    }

    /// A place for a request that is about to be worked on; `None` when there is no room.
    pub fn enter(&self) -> Option<Place<'_>> {
        self.enter_at(Instant::now())
    }

    fn enter_at(&self, now: Instant) -> Option<Place<'_>> {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let now = millis(now.saturating_duration_since(self.began));
        let waiting = self.waiting.load(Ordering::Relaxed);
        if waiting <= self.processors {
            self.rested.store(now, Ordering::Relaxed);
        } else if waiting >= STANDING * self.processors
            && now.saturating_sub(self.rested.load(Ordering::Relaxed)) > millis(BURST_LASTS)
        {
            return None;
        }
        let place = Place::of(&self.under_way);
        (self.under_way.load(Ordering::Relaxed) <= UNDER_WAY * self.processors).then_some(place)
    }

    /// Waits for a processor that may be used for some hundred microseconds. Whatever had come to the sockets by then has been
    /// looked at.
    pub async fn turn(&self) -> Turn<'_> {
        let waiting = Place::of(&self.waiting);
        // Never closed.
        let permit = self.turns.acquire().await.ok();
        // The runtime goes on with a task that yields when it has asked for events and run what they woke.
        tokio::task::yield_now().await;
        Turn { _permit: permit, _waiting: waiting }
    }

    /// Requests under way: those that wait, for a processor or for the store, and those that are worked on.
    pub fn waiting(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Whether an address may ask once more, and else in how many seconds.
    ///
    /// # Errors
    /// Seconds to wait, at least 1.
    pub fn of_address(&self, address: IpAddr) -> Result<(), u32> {
        self.addresses.as_ref().map_or(Ok(()), |rate| rate.take(&address, Instant::now()))
    }

    /// The same for a client that has proved who it is; who has not cannot use up what is another's.
    ///
    /// # Errors
    /// Seconds to wait, at least 1.
    pub fn of_client(&self, tenant_id: &str, app_id: &str) -> Result<(), u32> {
        self.clients.as_ref().map_or(Ok(()), |rate| rate.take(&format!("{tenant_id}/{app_id}"), Instant::now()))
    }
}

/// So many a second for each key, some at once (a leaky bucket that remembers only when it is empty again).
#[derive(Debug)]
struct Rate<K> {
    each: Duration,
    slack: Duration,
    free_at: Mutex<HashMap<K, Instant>>,
}

impl<K: Hash + Eq + Clone> Rate<K> {
    fn new(a_second: u32) -> Self {
        let each = Duration::from_secs(1) / a_second.max(1);
        // With one a second, one at once.
        let slack = Duration::from_secs_f64(BURST).saturating_sub(each);
        Self { each, slack, free_at: Mutex::new(HashMap::new()) }
    }

    fn take(&self, key: &K, now: Instant) -> Result<(), u32> {
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let at = free_at.get(key).copied().unwrap_or(now).max(now);
        let ahead = at.saturating_duration_since(now);
        if ahead > self.slack {
            let wait = (ahead - self.slack).as_secs_f64().ceil();
            // At most the slack and one more request: small.
            return Err((wait as u32).max(1));
        }
        if free_at.len() >= REMEMBERED && !free_at.contains_key(key) {
            free_at.retain(|_, at| *at > now);
            if free_at.len() >= REMEMBERED {
                free_at.clear();
            }
        }
        free_at.insert(key.clone(), at + self.each);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[test]
    fn as_many_are_under_way_as_may_and_places_come_back() {
        let load = Load { processors: 1, ..Load::new(None, None) };
        let mut places: Vec<_> = std::iter::from_fn(|| load.enter()).collect();
        assert_eq!((places.len(), load.waiting()), (UNDER_WAY, UNDER_WAY));
        places.pop();
        assert!(load.enter().is_some());
        drop(places);
        assert_eq!(load.waiting(), 0);
    }

    #[test]
    fn a_burst_may_wait_and_a_queue_that_stands_is_short() {
        let load = Load { processors: 1, ..Load::new(None, None) };
        let at = |ms: u64| load.began + Duration::from_millis(ms);
        assert!(load.enter_at(at(10_000)).is_some());
        let waiting: Vec<_> = (0..2 * STANDING).map(|_| Place::of(&load.waiting)).collect();
        assert!(load.enter_at(at(10_500)).is_some(), "it was empty half a second ago");
        assert!(load.enter_at(at(10_501)).is_none(), "it has not been empty since");
        let rest: Vec<_> = waiting.into_iter().take(STANDING - 1).collect();
        assert!(load.enter_at(at(10_502)).is_some(), "room in the short queue");
        let more: Vec<_> = (0..STANDING).map(|_| Place::of(&load.waiting)).collect();
        assert!(load.enter_at(at(10_503)).is_none(), "still standing: it was not empty in between");
        drop((rest, more));
        assert!(load.enter_at(at(60_000)).is_some(), "empty: bursts may wait again");
        let _waiting: Vec<_> = (0..2 * STANDING).map(|_| Place::of(&load.waiting)).collect();
        assert!(load.enter_at(at(60_400)).is_some());
    }

    #[tokio::test]
    async fn turns_are_taken_in_order_and_sockets_are_looked_at_between_two() {
        let load = Arc::new(Load { processors: 1, turns: Semaphore::new(1), ..Load::new(None, None) });
        let done = Arc::new(Mutex::new(Vec::new()));
        let (mut ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|n| {
                let (load, done) = (Arc::clone(&load), Arc::clone(&done));
                tokio::spawn(async move {
                    let _turn = load.turn().await;
                    done.lock().unwrap().push(n);
                })
            })
            .collect();
        let reader = tokio::spawn({
            let done = Arc::clone(&done);
            async move {
                theirs.read_u8().await.unwrap();
                done.lock().unwrap().push(9);
            }
        });
        ours.write_u8(1).await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        reader.await.unwrap();
        let done = done.lock().unwrap();
        assert_eq!(done.iter().filter(|n| **n != 9).copied().collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(done[..2].contains(&9), "what came to a socket does not wait for all turns: {done:?}");
        assert_eq!(load.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_rate_lets_a_burst_through_and_then_so_many_a_second() {
        let (rate, start) = (Rate::new(10), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert_eq!((0..100).filter(|_| rate.take(&1, start).is_ok()).count(), 20);
        assert_eq!(rate.take(&1, start), Err(1));
        assert_eq!(rate.take(&2, start), Ok(()), "others are not held up");
        assert_eq!((0..100).filter(|_| rate.take(&1, at(1000)).is_ok()).count(), 10);
        assert_eq!((0..100).filter(|_| rate.take(&1, at(60_000)).is_ok()).count(), 20);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (rate, now) = (Rate::new(1), Instant::now());
        for caller in 0..3 * REMEMBERED {
            assert!(rate.take(&caller, now).is_ok());
        }
        assert!(rate.free_at.lock().unwrap().len() <= REMEMBERED);
    }
}
