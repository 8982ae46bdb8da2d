//! One request for a token: where to, with which proof, and what the answer says. Also how long to wait between requests.
//!
//! Called by `token_client`, which decides when and how often. Keeps the server's metadata, nothing else.

use std::time::Duration;

use countersign_core::UnixTime;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::now;
use crate::authority::{Authority, AuthorizationServer, Issuer};
use crate::credential::{Candidate, Credential};
use crate::error::{ClientError, Refusal, Sent};
use crate::response::Token;
use crate::transport::{Answer, Form, Transport};

/// Requests for one token, the first included.
pub(super) const ATTEMPTS: u32 = 4;
/// Metadata are fetched again after a day, as MSAL does.
const METADATA_LIFE: Duration = Duration::from_secs(86_400);
/// Longest pause between two calls that fail one after the other.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sends requests for one client.
#[derive(Debug)]
pub(super) struct Asker {
    pub server: AuthorizationServer,
    pub client_id: String,
    credential: Credential,
    transport: Box<dyn Transport>,
    discovered: tokio::sync::Mutex<Option<(Instant, Authority)>>,
}

impl Asker {
    pub fn new(
        server: AuthorizationServer,
        client_id: String,
        credential: Credential,
        transport: Box<dyn Transport>,
    ) -> Self {
        Self { server, client_id, credential, transport, discovered: tokio::sync::Mutex::default() }
    }

    #[cfg(test)]
    pub fn set_credential(&mut self, credential: Credential) {
        self.credential = credential;
    }

    /// One token; more than one request only where the server does not know the newest certificate yet.
    pub async fn ask(&self, scope: &str, claims: Option<&str>) -> Result<Token, ClientError> {
        let authority = self.authority().await?;
        let candidates = self.credential.candidates(now()).await?;
        let mut left = candidates.len();
        for candidate in &candidates {
            left -= 1;
            let at = now();
            match self.ask_with(&authority, candidate, scope, claims, at).await {
                Ok(token) => {
                    self.credential.accepted(candidate);
                    return Ok(token);
                }
                Err(ClientError::Refused(refusal)) if refusal.certificate_unknown() => {
                    self.credential.unknown(candidate, at);
                    if left == 0 {
                        return Err(ClientError::Refused(refusal));
                    }
                    tracing::warn!(
                        certificate = candidate.certificate().map_or("", |c| c.subject()),
                        code = refusal.code(),
                        "the server does not know this certificate yet; the next older one is used"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        // `candidates` is never empty; were it so, no credential is the truth.
        Err(crate::CredentialError::Key("there is none to sign with".to_owned()).into())
    }

    async fn ask_with(
        &self,
        authority: &Authority,
        candidate: &Candidate,
        scope: &str,
        claims: Option<&str>,
        at: UnixTime,
    ) -> Result<Token, ClientError> {
        let url = authority.token_endpoint();
        let proof = candidate.parameters(&self.client_id, authority.audience(), at).await?;
        let mut form =
            vec![("grant_type", "client_credentials"), ("client_id", self.client_id.as_str()), ("scope", scope)];
        form.extend(claims.map(|c| ("claims", c)));
        form.extend(proof.iter().map(|(name, value)| (*name, value.expose_secret())));
        let request_id = uuid::Uuid::new_v4().to_string();
        let answer = self.transport.post(url, Form { parameters: &form, request_id: &request_id }).await?;
        let failed = |why| not_a_token(url.as_str(), &answer, why);
        if answer.status == 200 {
            return Token::read(&answer.body, at).map_err(failed);
        }
        let sent = Sent {
            assertion: proof.iter().find(|(name, _)| *name == "client_assertion").map(|(_, v)| v.clone()),
            at,
            client_id: self.client_id.clone(),
            endpoint: url.to_string(),
            is_entra: authority.is_entra(),
            certificate: candidate.certificate().cloned(),
        };
        match Refusal::read(&answer.body, answer.status, answer.retry_after, sent) {
            Some(refusal) => Err(ClientError::Refused(Box::new(refusal))),
            None => Err(failed("the body is no JSON with an `error`")),
        }
    }

    /// The token endpoint: as given, or from metadata that are no older than a day where fresh ones can be had.
    async fn authority(&self) -> Result<Authority, ClientError> {
        let issuer = match &self.server {
            AuthorizationServer::Authority(authority) => return Ok(authority.clone()),
            AuthorizationServer::Issuer(issuer) => issuer,
        };
        let mut known = self.discovered.lock().await;
        if let Some((since, authority)) = &*known
            && since.elapsed() < METADATA_LIFE
        {
            return Ok(authority.clone());
        }
        match (self.discover(issuer).await, &mut *known) {
            (Ok(authority), known) => {
                *known = Some((Instant::now(), authority.clone()));
                Ok(authority)
            }
            (Err(error), Some((_, old))) => {
                tracing::warn!(%error, "the server's metadata could not be read again; the old ones serve");
                Ok(old.clone())
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn discover(&self, issuer: &Issuer) -> Result<Authority, ClientError> {
        let url = issuer.metadata_url();
        let answer = self.transport.get(url).await?;
        if answer.status != 200 {
            return Err(not_a_token(url.as_str(), &answer, "expected its metadata"));
        }
        let wrong = |why: String| ClientError::Metadata { url: url.to_string(), why };
        let json = serde_json::from_slice(&answer.body).map_err(|_| wrong("its metadata are no JSON".to_owned()))?;
        issuer.authority(&json).map_err(wrong)
    }
}

fn not_a_token(url: &str, answer: &Answer, why: &'static str) -> ClientError {
    ClientError::NotATokenResponse { url: url.to_owned(), status: answer.status, why, retry_after: answer.retry_after }
}

/// Half a second, doubled each time, and up to as much again by chance, so that many clients do not come back at once.
pub(super) fn back_off(attempt: u32) -> Duration {
    let base = 250_u32 << attempt.min(7);
    Duration::from_millis(u64::from(base + chance(base)))
}

/// How long nobody asks after a call that failed for want of a server: longer with each one, bounded, or as the server says.
pub(super) fn again_after(failures: u32, retry_after: Option<Duration>) -> Duration {
    let pause = back_off(failures).min(LONGEST_PAUSE);
    retry_after.map_or(pause, |asked| asked.max(pause))
}

/// Some number up to this one.
pub(super) fn chance(most: u32) -> u32 {
    let random = uuid::Uuid::new_v4().as_u128() as u32;
    random % most.max(1)
}
