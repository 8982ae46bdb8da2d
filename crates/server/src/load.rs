//! How much the service takes at once: a bounded number of requests that wait for a processor, and what one address or client
//! may ask for in a second.
//!
//! The router asks before it does any work. Whoever is turned away is told at once, and when to come again: latency does not
//! grow with the load. Limits of rate are off unless somebody sets them.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Requests that may wait for each processor: about a quarter of a second of tokens.
const WAITING: usize = 1_000;
/// What may come at once, in seconds of the rate.
const BURST: f64 = 2.0;
/// Callers remembered by each limit; beyond that those at rest are forgotten, then all.
const REMEMBERED: usize = 50_000;

/// The limits of a service.
#[derive(Debug)]
pub struct Load {
    waiting: AtomicUsize,
    most: usize,
    addresses: Option<Rate<IpAddr>>,
    clients: Option<Rate<String>>,
}

/// A place in the queue; dropping it makes room.
#[derive(Debug)]
pub struct Place<'a>(&'a AtomicUsize);

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
            waiting: AtomicUsize::new(0),
            most: WAITING * processors,
            addresses: per_address.map(Rate::new),
            clients: per_client.map(Rate::new),
        }
    }

    /// A place for a request that is about to be worked on; `None` when as many wait as may.
    pub fn enter(&self) -> Option<Place<'_>> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= self.most {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Place(&self.waiting))
    }

    /// Requests that wait or are worked on.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
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
    use super::*;

    #[test]
    fn as_many_wait_as_may_and_places_come_back() {
        let load = Load { most: 2, ..Load::new(None, None) };
        let (a, b) = (load.enter(), load.enter());
        assert!(a.is_some() && b.is_some() && load.enter().is_none());
        drop(a);
        assert!(load.enter().is_some());
        assert_eq!(load.waiting(), 1);
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
