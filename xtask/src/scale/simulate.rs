//! What no formula says exactly: how often a client is found in a cache, and how many rows a journal loses.
//!
//! Called by `scale`. Pseudo-random with a fixed start: two runs say the same.

use std::collections::HashMap;

/// Requests that are drawn after the cache is warm.
const DRAWS: usize = 60_000;
/// Beyond so many entries the simulation shrinks cache and applications alike.
const MOST_ENTRIES: f64 = 20_000.0;

/// Marsaglia's xorshift64*: good enough to draw clients.
struct Random(u64);

impl Random {
    /// In [0, 1).
    fn draw(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A cache that forgets by the clock algorithm: what was used since the hand passed stays.
struct Clock {
    slots: Vec<(u64, bool)>,
    place: HashMap<u64, usize>,
    hand: usize,
}

impl Clock {
    /// Full of the clients that ask most often.
    fn warm(size: usize) -> Self {
        let slots: Vec<_> = (1..=size as u64).map(|client| (client, false)).collect();
        let place = slots.iter().enumerate().map(|(i, (client, _))| (*client, i)).collect();
        Self { slots, place, hand: 0 }
    }

    /// Whether the client is there; afterwards it is.
    fn find(&mut self, client: u64) -> bool {
        if let Some(&slot) = self.place.get(&client) {
            self.slots[slot].1 = true;
            return true;
        }
        while std::mem::take(&mut self.slots[self.hand].1) {
            self.hand = (self.hand + 1) % self.slots.len();
        }
        self.place.remove(&self.slots[self.hand].0);
        self.slots[self.hand] = (client, false);
        self.place.insert(client, self.hand);
        self.hand = (self.hand + 1) % self.slots.len();
        false
    }
}

/// Share of requests whose client a cache of this size holds, when the client of rank k asks 1/k as often as the first
/// (Zipf's law with exponent 1).
pub fn hit_ratio(clients: f64, cache: f64) -> f64 {
    if cache >= clients {
        return 1.0;
    }
    // With exponent 1 what counts is the ratio of logarithms; the tail of a large cache is simulated at its true size as
    // far as memory and time allow, else clients and cache shrink together by a root, which keeps that ratio.
    let shrink = if cache > MOST_ENTRIES { MOST_ENTRIES.ln() / cache.ln() } else { 1.0 };
    let (clients, cache) = (clients.powf(shrink), cache.powf(shrink).max(1.0));
    let (mut random, mut clock) = (Random(0x9e37_79b9_7f4a_7c15), Clock::warm(cache as usize));
    let mut draw = || (random.draw() * (clients + 1.0).ln()).exp().floor().max(1.0) as u64;
    for _ in 0..DRAWS {
        clock.find(draw());
    }
    (0..DRAWS).filter(|_| clock.find(draw())).count() as f64 / DRAWS as f64
}

/// Share of rows that a node loses: they come evenly, wait in a bounded queue, and leave in batches that take their time.
pub fn rows_lost(a_second: f64, queue: f64, batch: f64, batch_ms: f64) -> f64 {
    let (mut waiting, mut lost) = (0.0, 0.0);
    let step = batch_ms / 1e3;
    let steps = (60.0 / step) as usize;
    for _ in 0..steps {
        let came = a_second * step;
        let taken = f64::min(came, queue - waiting);
        lost += came - taken;
        waiting += taken;
        waiting -= f64::min(waiting, batch);
    }
    lost / (a_second * step * steps as f64).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_that_holds_the_popular_ones_is_about_as_good_as_the_law_says() {
        // Of all requests, those for the first c of n clients: ln(c) / ln(n). A clock forgets some of them.
        for (clients, cache) in [(1e6, 1e3), (1e7, 12_000.0), (1e7, 1.2e6)] {
            let (law, simulated) = (f64::ln(cache) / f64::ln(clients), hit_ratio(clients, cache));
            assert!(simulated > law - 0.2 && simulated < law + 0.02, "{clients} {cache}: {simulated} of {law}");
        }
        assert_eq!(hit_ratio(1_000.0, 1_000.0), 1.0);
        assert!(hit_ratio(1e7, 100_000.0) > hit_ratio(1e7, 1_000.0));
    }

    #[test]
    fn a_full_clock_forgets_what_was_not_used() {
        let mut clock = Clock::warm(2);
        assert!(clock.find(1) && !clock.find(3), "2 was not used and goes");
        assert!(clock.find(1) && !clock.find(2));
    }

    #[test]
    fn rows_are_lost_beyond_what_the_writer_writes() {
        assert_eq!(rows_lost(10_000.0, 8_192.0, 1_024.0, 100.0), 0.0);
        // 1,024 in 0.1 s are 10,240 a second; of twice that, half is lost, less what waits at the end.
        let lost = rows_lost(20_480.0, 8_192.0, 1_024.0, 100.0);
        assert!((0.49..0.5).contains(&lost), "{lost}");
    }
}
