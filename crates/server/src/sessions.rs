//! Who is signed in to the portal, and who tried in vain too often. In memory: a restart signs everybody out.
//!
//! Called by `http::portal`; knows no HTTP type. A session is found by the digest of its cookie; neither cookie, admin token
//! nor access token is kept.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use countersign_core::encoding::encode_base64url;
use countersign_core::thumbprint::sha256;
use countersign_core::time::UnixTime;
use zeroize::Zeroizing;

use crate::admin::Caller;
use crate::secrets;

/// A session ends after this time without a request, in seconds.
const IDLE: i64 = 3_600;
/// A session ends after this time in any case.
const LONGEST: i64 = 8 * 3_600;
/// Sessions at once; the one that was idle longest makes room.
const MOST: usize = 1_000;
/// Vain attempts of one address before it has to wait.
const FREE_ATTEMPTS: u32 = 5;
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Addresses remembered; beyond, the eldest are forgotten.
const MOST_ADDRESSES: usize = 4_096;

/// What is shown once on the next page.
#[derive(Clone)]
pub enum Notice {
    /// Something was done.
    Done(String),
    /// A secret was made: its name and value.
    Secret(String, Zeroizing<String>),
}

/// A session as a request sees it.
#[derive(Clone)]
pub struct Session {
    /// Who signed in.
    pub caller: Caller,
    /// Id of the tenant that is looked at.
    pub tenant_id: String,
    /// What forms must carry.
    pub csrf: String,
    /// By which the store knows it.
    pub id: [u8; 32],
}

struct Kept {
    session: Session,
    notice: Option<Notice>,
    until: UnixTime,
    seen: UnixTime,
}

struct Attempts {
    vain: u32,
    last: Instant,
}

/// All sessions.
#[derive(Default)]
pub struct Sessions {
    kept: Mutex<HashMap<[u8; 32], Kept>>,
    attempts: Mutex<HashMap<IpAddr, Attempts>>,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("open", &self.lock().len()).finish_non_exhaustive()
    }
}

impl Sessions {
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, HashMap<IpAddr, Attempts>> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a session and answers what its cookie holds; `None` when the system gives no random bytes.
    pub fn open(&self, caller: Caller, tenant_id: String, until: Option<UnixTime>, now: UnixTime) -> Option<String> {
        let cookie = encode_base64url(&secrets::random::<32>().ok()?);
        let csrf = encode_base64url(&secrets::random::<32>().ok()?);
        let id = sha256(cookie.as_bytes());
        let mut kept = self.lock();
        kept.retain(|_, k| is_open(k, now));
        if kept.len() >= MOST
            && let Some(eldest) = kept.iter().min_by_key(|(_, k)| k.seen).map(|(id, _)| *id)
        {
            kept.remove(&eldest);
        }
        let longest = now.plus_secs(LONGEST);
        let until = until.map_or(longest, |u| u.min(longest));
        let session = Session { caller, tenant_id, csrf, id };
        kept.insert(id, Kept { session, notice: None, until, seen: now });
        Some(cookie)
    }

    /// The session of a cookie.
    pub fn find(&self, cookie: &str, now: UnixTime) -> Option<Session> {
        self.touch(&sha256(cookie.as_bytes()), now, true)
    }

    /// Whether a session is still open; looking does not prolong it.
    pub fn is_open(&self, id: &[u8; 32], now: UnixTime) -> bool {
        self.touch(id, now, false).is_some()
    }

    fn touch(&self, id: &[u8; 32], now: UnixTime, prolong: bool) -> Option<Session> {
        let mut kept = self.lock();
        let found = kept.get_mut(id)?;
        if !is_open(found, now) {
            kept.remove(id);
            return None;
        }
        if prolong {
            found.seen = now;
        }
        Some(found.session.clone())
    }

    /// Ends a session.
    pub fn close(&self, id: &[u8; 32]) {
        self.lock().remove(id);
    }

    /// Looks at another tenant from now on.
    pub fn choose_tenant(&self, id: &[u8; 32], tenant_id: &str) {
        if let Some(kept) = self.lock().get_mut(id) {
            tenant_id.clone_into(&mut kept.session.tenant_id);
        }
    }

    /// Keeps something for the next page.
    pub fn tell(&self, id: &[u8; 32], notice: Notice) {
        if let Some(kept) = self.lock().get_mut(id) {
            kept.notice = Some(notice);
        }
    }

    /// What was kept for this page; it is told once.
    pub fn told(&self, id: &[u8; 32]) -> Option<Notice> {
        self.lock().get_mut(id)?.notice.take()
    }

    /// How long an address has to wait before it may try to sign in again.
    pub fn wait(&self, address: IpAddr) -> Option<Duration> {
        let attempts = self.attempts();
        let known = attempts.get(&prefix(address))?;
        let over = known.vain.checked_sub(FREE_ATTEMPTS)?;
        let wait = Duration::from_secs(1 << over.min(9)).min(LONGEST_WAIT);
        wait.checked_sub(known.last.elapsed()).filter(|left| !left.is_zero())
    }

    /// Notes a vain attempt.
    pub fn failed(&self, address: IpAddr) {
        let mut attempts = self.attempts();
        if attempts.len() >= MOST_ADDRESSES {
            attempts.retain(|_, a| a.last.elapsed() < LONGEST_WAIT);
            if attempts.len() >= MOST_ADDRESSES
                && let Some(eldest) = attempts.iter().min_by_key(|(_, a)| a.last).map(|(ip, _)| *ip)
            {
                attempts.remove(&eldest);
            }
        }
        let entry = attempts.entry(prefix(address)).or_insert_with(|| Attempts { vain: 0, last: Instant::now() });
        if entry.last.elapsed() > LONGEST_WAIT {
            entry.vain = 0;
        }
        entry.vain = entry.vain.saturating_add(1);
        entry.last = Instant::now();
    }

    /// Forgets the vain attempts of an address that signed in.
    pub fn succeeded(&self, address: IpAddr) {
        self.attempts().remove(&prefix(address));
    }
}

fn is_open(kept: &Kept, now: UnixTime) -> bool {
    now < kept.until && now.secs_since(kept.seen) < IDLE
}

/// One customer of an IPv6 provider has a /64.
fn prefix(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(std::net::Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    #[test]
    fn sessions_end_by_themselves_and_when_told() {
        let sessions = Sessions::default();
        let open = |until| sessions.open(Caller::Administrator, "t".into(), until, NOW).unwrap();
        let (a, b) = (open(None), open(Some(NOW.plus_secs(60))));
        assert_ne!(a, b);
        assert!(sessions.find(&a, NOW).is_some() && sessions.find("x", NOW).is_none());
        assert!(sessions.find(&b, NOW.plus_secs(61)).is_none(), "its token has ended");
        for minutes in (0..8 * 60).step_by(30) {
            assert!(sessions.find(&a, NOW.plus_secs(minutes * 60)).is_some());
        }
        assert!(sessions.find(&a, NOW.plus_secs(LONGEST)).is_none());
        let c = open(None);
        assert!(sessions.find(&c, NOW.plus_secs(IDLE)).is_none(), "idle");
        let d = open(None);
        sessions.close(&sha256(d.as_bytes()));
        assert!(sessions.find(&d, NOW).is_none());
    }

    #[test]
    fn a_secret_is_told_once() {
        let sessions = Sessions::default();
        let cookie = sessions.open(Caller::Administrator, "t".into(), None, NOW).unwrap();
        let id = sha256(cookie.as_bytes());
        sessions.tell(&id, Notice::Secret("x".into(), Zeroizing::new("s".into())));
        assert!(matches!(sessions.told(&id), Some(Notice::Secret(..))));
        assert!(sessions.told(&id).is_none());
    }

    #[test]
    fn an_address_that_guesses_has_to_wait() {
        let sessions = Sessions::default();
        let (guesser, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..FREE_ATTEMPTS - 1 {
            sessions.failed(guesser);
        }
        assert!(sessions.wait(guesser).is_none());
        for _ in 0..4 {
            sessions.failed(guesser);
        }
        assert!(sessions.wait(guesser).unwrap() > Duration::from_secs(5));
        assert!(sessions.wait(other).is_none());
        sessions.succeeded(guesser);
        assert!(sessions.wait(guesser).is_none());
        for i in 0..MOST_ADDRESSES as u32 + 10 {
            sessions.failed(IpAddr::V4(std::net::Ipv4Addr::from(i)));
        }
        assert!(sessions.attempts().len() <= MOST_ADDRESSES);
    }
}
