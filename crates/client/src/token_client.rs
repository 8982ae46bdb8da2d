//! Gets tokens, keeps them until they are about to end, and asks once however many tasks want the same one.
//!
//! The public face of this crate. It prints no secret; what a refused request sent stands in the refusal, behind a type that
//! does not print.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_core::UnixTime;
use secrecy::ExposeSecret as _;

use crate::authority::Authority;
use crate::credential::Credential;
use crate::error::{ClientError, Refusal, Sent};
use crate::response::Token;
use crate::transport::{Form, Https, Transport, TransportOptions};

/// Requests for one token, the first included.
const ATTEMPTS: u32 = 4;
/// A refused refresh is not tried again for so long while the old token still serves.
const REFRESH_PAUSE: i64 = 30;

/// Gets tokens for one client at one authority. Cheap to clone; clones share the cache.
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
}

impl Default for TokenClientOptions {
    fn default() -> Self {
        Self { transport: TransportOptions::default(), deadline: Duration::from_secs(30) }
    }
}

#[derive(Debug)]
struct Inner {
    transport: Box<dyn Transport>,
    authority: Authority,
    client_id: String,
    credential: Credential,
    deadline: Duration,
    slots: Mutex<HashMap<Key, Slot>>,
}

/// What one cached token is for, within a client: `scope`, and `claims` of a challenge.
type Key = (String, Option<String>);
type Slot = Arc<tokio::sync::Mutex<Cached>>;

/// The state of one token. Its lock is held while the authority is asked, so that there is one request at a time.
#[derive(Debug, Default)]
struct Cached {
    token: Option<Token>,
    /// The latest failure and when it was known: whoever began to wait before shares it instead of asking again.
    failure: Option<(Instant, ClientError)>,
    refresh_not_before: UnixTime,
}

impl TokenClient {
    /// A client with the system's roots and a deadline of 30 s.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn new(
        authority: Authority,
        client_id: impl Into<String>,
        credential: Credential,
    ) -> Result<Self, ClientError> {
        Self::with_options(authority, client_id, credential, &TokenClientOptions::default())
    }

    /// A client with these options.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn with_options(
        authority: Authority,
        client_id: impl Into<String>,
        credential: Credential,
        options: &TokenClientOptions,
    ) -> Result<Self, ClientError> {
        let mut transport = options.transport.clone();
        // No proxy leads to this machine's own loopback addresses.
        transport.direct |= authority.is_loopback();
        let transport = Box::new(Https::new(&transport)?);
        Ok(Self::with_transport(authority, client_id, credential, transport, options.deadline))
    }

    /// A client over a transport of one's own.
    pub fn with_transport(
        authority: Authority,
        client_id: impl Into<String>,
        credential: Credential,
        transport: Box<dyn Transport>,
        deadline: Duration,
    ) -> Self {
        let (client_id, slots) = (client_id.into(), Mutex::default());
        Self { inner: Arc::new(Inner { transport, authority, client_id, credential, deadline, slots }) }
    }

    /// A token for this scope, from the cache while it is good.
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn token(&self, scope: &str) -> Result<Token, ClientError> {
        self.token_with_claims(scope, None).await
    }

    /// A token for this scope that satisfies a claims challenge (the `claims` of a refusal or of a `WWW-Authenticate`).
    ///
    /// # Errors
    /// [`ClientError`]
    pub async fn token_with_claims(&self, scope: &str, claims: Option<&str>) -> Result<Token, ClientError> {
        let began = Instant::now();
        let slot = {
            let mut slots = self.inner.slots.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(slots.entry((scope.to_owned(), claims.map(str::to_owned))).or_default())
        };
        // Held while asking: whoever wants the same token waits for the one request in flight.
        let Ok(mut cached) = tokio::time::timeout(self.inner.deadline, slot.lock()).await else {
            return Err(self.inner.timed_out());
        };
        let now = now();
        let usable = cached.token.clone().filter(|t| now < t.expires_on);
        if let Some(token) = &usable
            && (now < token.refresh_on || now < cached.refresh_not_before)
        {
            return Ok(token.clone());
        }
        if let Some((known, failure)) = &cached.failure
            && *known >= began
            && usable.is_none()
        {
            return Err(failure.clone());
        }
        match (self.inner.ask(scope, claims, began).await, usable) {
            (Ok(token), _) => {
                cached.token = Some(token.clone());
                cached.failure = None;
                Ok(token)
            }
            // The old token still serves while the authority is out of reach.
            (Err(error), Some(token)) if error.is_transient() => {
                tracing::warn!(%error, "the token could not be refreshed yet; the old one is still good");
                cached.refresh_not_before = now.plus_secs(REFRESH_PAUSE);
                Ok(token)
            }
            (Err(error), _) => {
                cached.token = None;
                cached.failure = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Where tokens come from.
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// Whose tokens they are.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }
}

impl Inner {
    fn timed_out(&self) -> ClientError {
        ClientError::TimedOut { url: self.authority.token_endpoint().to_string(), limit: self.deadline }
    }

    /// Asks, and again where that can help, until the deadline.
    async fn ask(&self, scope: &str, claims: Option<&str>, began: Instant) -> Result<Token, ClientError> {
        let mut attempt = 1;
        loop {
            let left = self.deadline.checked_sub(began.elapsed()).ok_or_else(|| self.timed_out())?;
            let outcome =
                tokio::time::timeout(left, self.ask_once(scope, claims)).await.map_err(|_| self.timed_out())?;
            let pause = match &outcome {
                Err(error) if error.is_transient() => error.retry_after().unwrap_or_else(|| back_off(attempt)),
                _ => return outcome,
            };
            // A pause that outlasts the deadline helps nobody: the caller gets the reason instead.
            if attempt == ATTEMPTS || began.elapsed() + pause >= self.deadline {
                return outcome;
            }
            tracing::debug!(attempt, pause_ms = pause.as_millis(), "asking for the token again");
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn ask_once(&self, scope: &str, claims: Option<&str>) -> Result<Token, ClientError> {
        let url = self.authority.token_endpoint();
        let at = now();
        let proof = self.credential.parameters(&self.client_id, self.authority.audience(), at)?;
        let mut form =
            vec![("grant_type", "client_credentials"), ("client_id", self.client_id.as_str()), ("scope", scope)];
        form.extend(claims.map(|c| ("claims", c)));
        form.extend(proof.iter().map(|(name, value)| (*name, value.expose_secret())));
        let request_id = uuid::Uuid::new_v4().to_string();
        let answer = self.transport.post(url, Form { parameters: &form, request_id: &request_id }).await?;
        let failed = |why| ClientError::NotATokenResponse {
            url: url.to_string(),
            status: answer.status,
            why,
            retry_after: answer.retry_after,
        };
        if answer.status == 200 {
            return Token::read(&answer.body, at).map_err(failed);
        }
        let assertion = proof.iter().find(|(name, _)| *name == "client_assertion").map(|(_, v)| v.clone());
        match Refusal::read(&answer.body, answer.status, answer.retry_after, Sent { assertion, at }) {
            Some(refusal) => Err(ClientError::Refused(Box::new(refusal))),
            None => Err(failed("the body is no JSON with an `error`")),
        }
    }
}

/// Half a second, doubled each time, and up to as much again by chance, so that many clients do not come back at once.
fn back_off(attempt: u32) -> Duration {
    let base = 250_u64 << attempt.min(7);
    let chance = u64::from(uuid::Uuid::new_v4().as_bytes()[0]);
    Duration::from_millis(base + base * chance / 255)
}

fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
