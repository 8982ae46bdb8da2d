//! The service's clock. Asked once per request; tests pass a fixed one.
//!
//! Only this file reads the system's time for judging and stamping; durations are measured with `Instant` elsewhere.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use countersign_core::time::UnixTime;

/// Tells the time.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Now.
    fn now(&self) -> UnixTime;
}

/// The system's clock. It may jump either way; nothing remembers an earlier reading.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        let micros = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |m| -m),
        };
        UnixTime::from_micros(micros)
    }
}

/// A clock that stands until it is set.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that stands at this time.
    pub fn at(time: UnixTime) -> Self {
        Self(AtomicI64::new(time.micros()))
    }

    /// Sets it.
    pub fn set(&self, time: UnixTime) {
        self.0.store(time.micros(), Ordering::Relaxed);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_micros(self.0.load(Ordering::Relaxed))
    }
}
