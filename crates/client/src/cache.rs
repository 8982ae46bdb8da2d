//! One slot for each token of a client: what is good now, readable by every task at once, and who may ask for the next.
//!
//! Used by `token_client` only. A client's tenant and id are fixed, so scope and claims are the whole key here; on disk all four
//! count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use countersign_core::UnixTime;
use tokio::time::Instant;

use crate::error::ClientError;
use crate::response::Token;

/// Tokens kept for the claims challenges of one scope; each challenge has claims of its own.
const MAX_CHALLENGES: usize = 8;

/// The tokens of one client.
#[derive(Debug, Default)]
pub(crate) struct Slots(RwLock<HashMap<String, Scope>>);

#[derive(Debug, Default)]
struct Scope {
    plain: Arc<Slot>,
    /// In order of arrival.
    challenges: Vec<(String, Arc<Slot>)>,
}

impl Scope {
    fn find(&self, claims: Option<&str>) -> Option<&Arc<Slot>> {
        match claims {
            None => Some(&self.plain),
            Some(claims) => self.challenges.iter().find(|(known, _)| known == claims).map(|(_, slot)| slot),
        }
    }
}

/// One token.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    current: ArcSwapOption<Token>,
    /// Held while the authority is asked, so that there is one request at a time.
    pub flight: tokio::sync::Mutex<Flight>,
    /// Failures so far, to be read before waiting for `flight`.
    pub failures: AtomicU64,
    refreshing: AtomicBool,
    refresh_not_before: AtomicI64,
}

/// What is known of the requests for one token.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    /// The latest failure: whoever began to wait before it shares it instead of asking again.
    pub failure: Option<Failure>,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub error: ClientError,
    /// Nobody asks before this.
    pub again: Instant,
    /// Failures in a row.
    pub count: u32,
}

impl Slots {
    /// Looks at a slot that is there, without making one.
    pub fn with<T>(&self, scope: &str, claims: Option<&str>, look: impl FnOnce(&Arc<Slot>) -> Option<T>) -> Option<T> {
        let scopes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        look(scopes.get(scope)?.find(claims)?)
    }

    /// The slot, made if need be.
    pub fn slot(&self, scope: &str, claims: Option<&str>) -> Arc<Slot> {
        let mut scopes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let entry = scopes.entry(scope.to_owned()).or_default();
        if let Some(slot) = entry.find(claims) {
            return Arc::clone(slot);
        }
        let slot = Arc::<Slot>::default();
        if entry.challenges.len() >= MAX_CHALLENGES {
            entry.challenges.remove(0);
        }
        entry.challenges.push((claims.unwrap_or_default().to_owned(), Arc::clone(&slot)));
        slot
    }
}

impl Slot {
    /// The token, good or not.
    pub fn token(&self) -> Option<Arc<Token>> {
        self.current.load_full()
    }

    /// The token, if it can be used now.
    pub fn good(&self, now: UnixTime) -> Option<Arc<Token>> {
        self.token().filter(|token| token.is_good(now))
    }

    pub fn set(&self, token: Arc<Token>) {
        self.current.store(Some(token));
        self.refresh_not_before.store(0, Ordering::Relaxed);
    }

    /// No refresh before this.
    pub fn pause_refresh(&self, until: UnixTime) {
        self.refresh_not_before.store(until.secs(), Ordering::Relaxed);
    }

    /// The right to refresh in the background, for one task at a time.
    pub fn begin_refresh(self: &Arc<Self>, now: UnixTime) -> Option<Refresh> {
        if now.secs() < self.refresh_not_before.load(Ordering::Relaxed) {
            return None;
        }
        let taken = self.refreshing.swap(true, Ordering::AcqRel);
        if taken { None } else { Some(Refresh(Arc::clone(self))) }
    }
}

/// The right to refresh; given back when dropped, also by a task that panics or is stopped.
#[derive(Debug)]
pub(crate) struct Refresh(Arc<Slot>);

impl Refresh {
    pub fn slot(&self) -> &Arc<Slot> {
        &self.0
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        self.0.refreshing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_slots_of_their_own_and_do_not_pile_up() {
        let slots = Slots::default();
        let plain = slots.slot("a", None);
        assert!(Arc::ptr_eq(&plain, &slots.slot("a", None)));
        assert!(!Arc::ptr_eq(&plain, &slots.slot("a", Some("{}"))));
        assert!(!Arc::ptr_eq(&plain, &slots.slot("b", None)));
        for n in 0..100 {
            slots.slot("a", Some(&n.to_string()));
        }
        assert_eq!(slots.0.read().unwrap()["a"].challenges.len(), MAX_CHALLENGES);
        assert!(slots.with("a", Some("99"), |_| Some(())).is_some());
        assert!(slots.with("a", Some("{}"), |_| Some(())).is_none());
    }

    #[test]
    fn one_refresh_at_a_time_and_none_in_a_pause() {
        let slot = Arc::<Slot>::default();
        let now = UnixTime::from_secs(1_000);
        let first = slot.begin_refresh(now).unwrap();
        assert!(slot.begin_refresh(now).is_none());
        drop(first);
        slot.pause_refresh(now.plus_secs(30));
        assert!(slot.begin_refresh(now).is_none());
        assert!(slot.begin_refresh(now.plus_secs(30)).is_some());
    }
}
