//! Several nodes on one database: what others changed is forgotten within a moment, and what could not be confirmed for too
//! long is no longer relied on.
//!
//! `start` runs [`run`] where the store has other nodes; `issue` asks [`Freshness::holds`] before it relies on what is cached.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::app::App;
use crate::store::{News, StoreError, Touched, Watch};
use crate::token::signer::SignerError;

/// How often the directory's version is asked for when no notification came. A change is in force everywhere within this and
/// the time of one question.
pub const EVERY: Duration = Duration::from_millis(250);
/// For so long what a node knows counts as confirmed.
pub const CONFIRMED: Duration = Duration::from_secs(1);

/// Until when what this node knows may be relied on.
#[derive(Debug)]
pub struct Freshness {
    origin: Instant,
    /// Microseconds between `origin` and the beginning of the last question that was answered.
    confirmed: AtomicU64,
    /// `None`: nobody else changes this directory.
    limit: Option<Duration>,
}

impl Freshness {
    /// For a node that is alone.
    pub fn own() -> Self {
        Self { origin: Instant::now(), confirmed: AtomicU64::new(0), limit: None }
    }

    /// For one of several nodes, that issues from cache for `stale_for` beyond [`CONFIRMED`]. It counts as confirmed now.
    pub fn shared(stale_for: Duration) -> Self {
        Self { limit: Some(CONFIRMED + stale_for), ..Self::own() }
    }

    /// What was known at that instant is confirmed.
    pub fn confirm(&self, at: Instant) {
        let micros = u64::try_from(at.saturating_duration_since(self.origin).as_micros()).unwrap_or(u64::MAX);
        self.confirmed.fetch_max(micros, Ordering::SeqCst);
    }

    /// How long ago it was confirmed.
    pub fn age(&self) -> Duration {
        self.origin.elapsed().saturating_sub(Duration::from_micros(self.confirmed.load(Ordering::SeqCst)))
    }

    /// Whether it may be relied on.
    pub fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.age() <= limit)
    }

    /// Waits until it may be relied on.
    pub async fn until_it_holds(&self) {
        while !self.holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether there are other nodes.
    pub fn is_shared(&self) -> bool {
        self.limit.is_some()
    }
}

/// Why news could not be taken in.
#[derive(Debug, thiserror::Error)]
enum Missed {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keys(#[from] SignerError),
}

/// Takes in what other nodes change until `stop` says so. `known` is the version that was there before anything was cached.
pub async fn run(app: Arc<App>, mut watch: Box<dyn Watch>, mut known: u64, mut stop: watch::Receiver<bool>) {
    let mut away = false;
    loop {
        let began = Instant::now();
        let asked = async {
            let news = watch.news(known).await?;
            if let Err(error) = take_in(&app, &news).await {
                // What was told once may not be told again. Below a version beyond all others everything is told.
                known = u64::MAX;
                return Err(Missed::from(error));
            }
            Ok::<u64, Missed>(news.version)
        };
        let asked = tokio::select! {
            asked = asked => asked,
            _ = stop.changed() => return,
        };
        match asked {
            Ok(version) => {
                known = version;
                app.directory.freshness.confirm(began);
                if std::mem::take(&mut away) {
                    tracing::info!(version, "the directory is confirmed again");
                }
            }
            Err(error) if !std::mem::replace(&mut away, true) => {
                tracing::warn!(%error, "the directory cannot be confirmed; it is tried again");
            }
            Err(error) => tracing::debug!(%error, "the directory cannot be confirmed"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = watch.hint() => {}
            _ = stop.changed() => return,
        }
    }
}

async fn take_in(app: &App, news: &News) -> Result<(), SignerError> {
    for touched in &news.touched {
        app.directory.forget(touched);
    }
    if news.touched.contains(&Touched::Keys) {
        app.signer.reload(app.store(), &app.secrets).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_confirmed_for_too_long_does_not_hold() {
        assert!(Freshness::own().holds());
        let fresh = Freshness::shared(Duration::ZERO);
        assert!(fresh.holds() && fresh.is_shared());
        let old = Freshness {
            origin: Instant::now().checked_sub(Duration::from_secs(5)).unwrap(),
            ..Freshness::shared(Duration::ZERO)
        };
        assert!(!old.holds());
        old.confirm(Instant::now());
        assert!(old.holds());
        // An older answer that comes late takes nothing back.
        old.confirm(old.origin);
        assert!(old.holds());
        let patient = Freshness { limit: Some(Duration::from_secs(61)), ..Freshness::shared(Duration::ZERO) };
        assert!(patient.holds());
    }
}
