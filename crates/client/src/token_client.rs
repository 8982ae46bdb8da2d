//! Gets tokens, keeps them until they are about to end, and asks once however many tasks want the same one.
//!
//! The public face of this crate. It prints no secret; what a refused request sent stands in the refusal, behind a type that
//! does not print.

mod ask;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_core::UnixTime;
use tokio::time::Instant;

use self::ask::{Asker, again_after};
use crate::authority::{Authority, AuthorizationServer};
use crate::cache::{Failure, Flight, Refresh, Slot, Slots};
use crate::challenge;
use crate::credential::Credential;
use crate::disk::{self, DiskCache};
use crate::error::ClientError;
use crate::response::Token;
use crate::transport::{Https, Transport, TransportOptions};

/// Seconds that a failed refresh is not tried again for while the old token still serves, and up to as many again by chance. Less
/// where the token ends before.
const REFRESH_PAUSE: u32 = 30;

/// Gets tokens for one client at one authorization server. Cheap to clone; clones share the cache.
#[derive(Clone, Debug)]
pub struct TokenClient {
    inner: Arc<Inner>,
}

/// What can be set besides authority, client and credential.
#[derive(Clone, Debug)]
pub struct TokenClientOptions {
    /// How the authority is reached.
    pub transport: TransportOptions,
    /// Longest time for a whole call, retries and waiting for others included.
    pub deadline: Duration,
    /// Keep tokens between runs in this encrypted file.
    pub disk_cache: Option<DiskCache>,
    /// Tell Entra ID that this program reacts to claims challenges (client capability `cp1`): tokens then live longer and can be
    /// revoked at once. Set it only when [`ClaimsChallenge`](crate::ClaimsChallenge) is acted upon.
    pub handles_claims_challenges: bool,
}

impl Default for TokenClientOptions {
    fn default() -> Self {
        Self {
            transport: TransportOptions::default(),
            deadline: Duration::from_secs(30),
            disk_cache: None,
            handles_claims_challenges: false,
        }
    }
}

#[derive(Debug)]
struct Inner {
    asker: Asker,
    deadline: Duration,
    disk_cache: Option<DiskCache>,
    handles_claims_challenges: bool,
    slots: Slots,
    /// The server asked for a pause from this client, whatever the token.
    throttled: Mutex<Option<(Instant, ClientError)>>,
}

impl TokenClient {
    /// A client with the system's roots and a deadline of 30 s.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn new(
        server: impl Into<AuthorizationServer>,
        client_id: impl Into<String>,
        credential: Credential,
    ) -> Result<Self, ClientError> {
        Self::with_options(server, client_id, credential, &TokenClientOptions::default())
    }

    /// A client with these options.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn with_options(
        server: impl Into<AuthorizationServer>,
        client_id: impl Into<String>,
        credential: Credential,
        options: &TokenClientOptions,
    ) -> Result<Self, ClientError> {
        let server = server.into();
        let mut transport = options.transport.clone();
        // No proxy leads to this machine's own loopback addresses.
        transport.direct |= server.is_loopback();
        let transport = Box::new(Https::new(&transport)?);
        Ok(Self::over(server, client_id, credential, transport, options))
    }

    /// A client over a transport of one's own.
    pub fn with_transport(
        server: impl Into<AuthorizationServer>,
        client_id: impl Into<String>,
        credential: Credential,
        transport: Box<dyn Transport>,
        deadline: Duration,
    ) -> Self {
        let options = TokenClientOptions { deadline, ..TokenClientOptions::default() };
        Self::over(server.into(), client_id, credential, transport, &options)
    }

    fn over(
        server: AuthorizationServer,
        client_id: impl Into<String>,
        credential: Credential,
        transport: Box<dyn Transport>,
        options: &TokenClientOptions,
    ) -> Self {
        let asker = Asker::new(server, client_id.into(), credential, transport);
        let inner = Inner {
            asker,
            deadline: options.deadline,
            disk_cache: options.disk_cache.clone(),
            handles_claims_challenges: options.handles_claims_challenges,
            slots: Slots::default(),
            throttled: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A token for this scope, from the cache while it is good.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn token(&self, scope: &str) -> Result<Arc<Token>, ClientError> {
        self.token_with_claims(scope, None).await
    }

    /// A token for this scope that satisfies a claims challenge (the `claims` of a refusal or of a `WWW-Authenticate`, see
    /// [`ClaimsChallenge`](crate::ClaimsChallenge)). It takes the place of the one that was challenged.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn token_with_claims(&self, scope: &str, claims: Option<&str>) -> Result<Arc<Token>, ClientError> {
        match self.cached(scope, claims) {
            Some(token) => Ok(token),
            None => self.inner.wait_for(scope, claims).await,
        }
    }

    /// The token that is in memory and good, without waiting. Within a tokio runtime it also starts a refresh when one is due.
    pub fn cached(&self, scope: &str, claims: Option<&str>) -> Option<Arc<Token>> {
        let now = now();
        let (token, refresh) = self.inner.slots.with(scope, claims, |slot| {
            let token = slot.good(now)?;
            let refresh = if now < token.refresh_on { None } else { slot.begin_refresh(now) };
            Some((token, refresh))
        })?;
        if let Some(refresh) = refresh {
            self.refresh_in_background(refresh, scope, claims);
        }
        Some(token)
    }

    fn refresh_in_background(&self, refresh: Refresh, scope: &str, claims: Option<&str>) {
        // Outside a runtime nobody could wait for it; the token is asked for when it has ended.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let (inner, scope, claims) = (Arc::clone(&self.inner), scope.to_owned(), claims.map(str::to_owned));
        runtime.spawn(async move { inner.refresh(&refresh, &scope, claims.as_deref()).await });
    }

    /// The authority, unless the server is known by its issuer only.
    pub fn authority(&self) -> Option<&Authority> {
        match &self.inner.asker.server {
            AuthorizationServer::Authority(authority) => Some(authority),
            AuthorizationServer::Issuer(_) => None,
        }
    }

    /// Whose tokens they are.
    pub fn client_id(&self) -> &str {
        &self.inner.asker.client_id
    }
}

impl Inner {
    fn timed_out(&self) -> ClientError {
        ClientError::TimedOut { url: self.asker.server.url().to_string(), limit: self.deadline }
    }

    /// No good token is at hand: wait for whoever asks for it, or ask.
    async fn wait_for(&self, scope: &str, claims: Option<&str>) -> Result<Arc<Token>, ClientError> {
        let began = Instant::now();
        let slot = self.slots.slot(scope, claims);
        let failures = slot.failures.load(Ordering::Acquire);
        let Ok(mut flight) = tokio::time::timeout(self.deadline, slot.flight.lock()).await else {
            return Err(self.timed_out());
        };
        if let Some(token) = slot.good(now()) {
            return Ok(token);
        }
        if let Some(failure) = &flight.failure
            && slot.failures.load(Ordering::Acquire) != failures
        {
            return Err(failure.error.clone());
        }
        if let Some(token) = self.read_disk(scope, claims).await {
            slot.set(Arc::clone(&token));
            return Ok(token);
        }
        // After an outage the first request waits its turn, and everybody else for it: no storm.
        if let Some(failure) = &flight.failure
            && let wait = failure.again.saturating_duration_since(Instant::now())
            && !wait.is_zero()
        {
            if began.elapsed() + wait >= self.deadline {
                return Err(failure.error.clone());
            }
            tokio::time::sleep(wait).await;
        }
        self.ask(&slot, &mut flight, scope, claims, began).await
    }

    async fn refresh(&self, refresh: &Refresh, scope: &str, claims: Option<&str>) {
        let slot = refresh.slot();
        let mut flight = slot.flight.lock().await;
        if slot.token().is_some_and(|token| now() < token.refresh_on) {
            return;
        }
        if let Err(error) = self.ask(slot, &mut flight, scope, claims, Instant::now()).await {
            let left = slot.token().map_or(0, |token| token.expires_on.secs_since(now()));
            let most = u32::try_from(left / 4).unwrap_or_default().clamp(1, REFRESH_PAUSE);
            let asked = error.retry_after().map_or(0, |wait| i64::try_from(wait.as_secs()).unwrap_or(i64::MAX));
            let pause = i64::from(most + ask::chance(most)).max(asked);
            tracing::warn!(%error, retry_in_s = pause, "the token could not be refreshed yet; the old one serves until it ends");
            slot.pause_refresh(now().plus_secs(pause));
        }
    }

    /// Asks until there is a token, no hope, or the deadline; keeps what came of it.
    async fn ask(
        &self,
        slot: &Slot,
        flight: &mut Flight,
        scope: &str,
        claims: Option<&str>,
        began: Instant,
    ) -> Result<Arc<Token>, ClientError> {
        let sent_claims = if self.handles_claims_challenges {
            Some(challenge::with_capability(claims))
        } else {
            claims.map(str::to_owned)
        };
        match self.ask_patiently(scope, sent_claims.as_deref(), began).await {
            Ok(token) => {
                let token = Arc::new(token);
                slot.set(Arc::clone(&token));
                flight.failure = None;
                if claims.is_some() {
                    // The token that was challenged is of no use any more.
                    self.slots.slot(scope, None).set(Arc::clone(&token));
                    self.write_disk(scope, None, &token).await;
                }
                self.write_disk(scope, claims, &token).await;
                Ok(token)
            }
            Err(error) => {
                slot.failures.fetch_add(1, Ordering::AcqRel);
                let now = Instant::now();
                let count = flight.failure.as_ref().map_or(0, |f| f.count).saturating_add(1);
                let again = if error.is_transient() { now + again_after(count, error.retry_after()) } else { now };
                flight.failure = Some(Failure { error: error.clone(), again, count });
                Err(error)
            }
        }
    }

    async fn ask_patiently(&self, scope: &str, claims: Option<&str>, began: Instant) -> Result<Token, ClientError> {
        let mut attempt = 1;
        loop {
            self.let_throttle_pass(began).await?;
            let left = self.deadline.checked_sub(began.elapsed()).ok_or_else(|| self.timed_out())?;
            let asked = tokio::time::timeout(left, self.asker.ask(scope, claims)).await;
            let error = match asked.map_err(|_| self.timed_out())? {
                Ok(token) => return Ok(token),
                Err(error) => error,
            };
            if !error.is_transient() {
                return Err(error);
            }
            if let Some(wait) = error.retry_after() {
                let mut throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner);
                *throttled = Some((Instant::now() + wait, error.clone()));
            }
            let pause = error.retry_after().unwrap_or_default().max(ask::back_off(attempt));
            // A pause that outlasts the deadline helps nobody: the caller gets the reason instead.
            if attempt == ask::ATTEMPTS || began.elapsed() + pause >= self.deadline {
                return Err(error);
            }
            tracing::debug!(attempt, pause_ms = pause.as_millis(), "asking for the token again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// Waits as long as the server asked this client to, if the deadline allows.
    async fn let_throttle_pass(&self, began: Instant) -> Result<(), ClientError> {
        let throttled = self.throttled.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some((until, error)) = throttled else { return Ok(()) };
        let wait = until.saturating_duration_since(Instant::now());
        if began.elapsed() + wait >= self.deadline {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }

    async fn read_disk(&self, scope: &str, claims: Option<&str>) -> Option<Arc<Token>> {
        let cache = self.disk_cache.clone()?;
        let id = self.disk_id(scope, claims);
        let read = tokio::task::spawn_blocking(move || cache.load(&id, now())).await;
        read.ok().flatten().map(Arc::new)
    }

    async fn write_disk(&self, scope: &str, claims: Option<&str>, token: &Arc<Token>) {
        let Some(cache) = self.disk_cache.clone() else { return };
        let (id, token) = (self.disk_id(scope, claims), Arc::clone(token));
        if tokio::task::spawn_blocking(move || cache.store(&id, &token, now())).await.is_err() {
            tracing::warn!("writing the token cache was interrupted");
        }
    }

    fn disk_id(&self, scope: &str, claims: Option<&str>) -> String {
        disk::token_id(self.asker.server.url().as_str(), &self.asker.client_id, scope, claims)
    }
}

pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
