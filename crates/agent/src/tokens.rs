//! Gets a token for a caller and says what went wrong in words that a caller may read; the log gets the rest, with the
//! doctor's first finding for a refused assertion.
//!
//! The one place where the agent asks `countersign-client`. It logs no token, secret or assertion.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use countersign_client::{ClientError, Refusal, Token, TokenClient};

use crate::metrics::Metrics;
use crate::respond::Outcome;

/// The same refusal is taken apart for the log no more often than this.
const DIAGNOSE_EVERY: Duration = Duration::from_secs(60);
/// Scopes that are asked for at the start, so that the first caller need not wait.
const WARM: usize = 16;
/// How long `/readyz` waits for the authority.
const PROBE: Duration = Duration::from_secs(5);

/// Why a caller gets no token.
#[derive(Clone, Debug)]
pub enum NoToken {
    /// The authority refused.
    Refused(Box<Refusal>),
    /// It does not answer, or not with a token.
    Away {
        /// What is said of it.
        message: String,
        /// Seconds it asked for.
        retry_after: Option<u64>,
    },
    /// The credential of the agent cannot be used.
    Broken,
}

impl NoToken {
    /// What the caller is told.
    pub fn message(&self) -> String {
        match self {
            Self::Refused(refusal) => refusal.description.clone(),
            Self::Away { message, .. } => message.clone(),
            Self::Broken => "the agent's own credential cannot be used; its log says why".to_owned(),
        }
    }

    /// HTTP status and OAuth error (RFC 6749 §5.2) where the form has none of its own.
    pub fn status(&self) -> (u16, &str) {
        match self {
            Self::Refused(refusal) => (502, &refusal.error),
            Self::Away { .. } => (503, "temporarily_unavailable"),
            Self::Broken => (500, "server_error"),
        }
    }

    /// As metrics count it.
    pub const fn outcome(&self) -> Outcome {
        match self {
            Self::Refused(_) => Outcome::Refused,
            Self::Away { .. } => Outcome::Unavailable,
            Self::Broken => Outcome::Failed,
        }
    }

    /// Seconds after which to come again.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Away { retry_after, .. } => Some(retry_after.unwrap_or(5).max(1)),
            Self::Refused(_) | Self::Broken => None,
        }
    }
}

/// Tokens, and what was last seen of the authority.
#[derive(Debug)]
pub struct Tokens {
    client: TokenClient,
    tenant: Option<String>,
    /// The scope for which there was no token, and why; `None` after a token.
    trouble: Mutex<Option<(String, String)>>,
    diagnosed: Mutex<Option<(Option<u32>, Instant)>>,
}

impl Tokens {
    pub fn new(client: TokenClient, tenant: Option<String>) -> Self {
        Self { client, tenant, trouble: Mutex::default(), diagnosed: Mutex::default() }
    }

    /// Whose tokens they are.
    pub fn client_id(&self) -> &str {
        self.client.client_id()
    }

    /// The client.
    pub const fn client(&self) -> &TokenClient {
        &self.client
    }

    /// A token that is good now.
    pub async fn get(
        &self,
        caller: &str,
        scope: &str,
        claims: Option<&str>,
        metrics: &Metrics,
    ) -> Result<Arc<Token>, NoToken> {
        match self.client.token_with_claims(scope, claims).await {
            Ok(token) => {
                metrics.token(scope, token.expires_on.secs());
                *self.trouble() = None;
                Ok(token)
            }
            Err(error) => {
                metrics.upstream_error(&kind(&error));
                let no_token = self.no_token(caller, scope, error);
                *self.trouble() = Some((scope.to_owned(), no_token.message()));
                Err(no_token)
            }
        }
    }

    /// Asks for the first scopes of the list.
    pub async fn warm(&self, scopes: Vec<String>, metrics: &Metrics) {
        for scope in scopes.iter().take(WARM) {
            let _ = self.get("-", scope, None, metrics).await;
        }
    }

    /// Whether callers get tokens. After trouble the authority is asked again, since nobody else might.
    ///
    /// # Errors
    /// Why not.
    pub async fn ready(&self, scopes: &[String], metrics: &Metrics) -> Result<(), String> {
        let Some((scope, why)) = self.trouble().clone() else { return Ok(()) };
        // One scope that is refused says nothing of the others: a good token at hand is one that can be had.
        if scopes.iter().any(|other| *other != scope && self.client.cached(other, None).is_some()) {
            return Ok(());
        }
        match tokio::time::timeout(PROBE, self.get("-", &scope, None, metrics)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(no_token)) => Err(no_token.message()),
            Err(_) => Err(why),
        }
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<(String, String)>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error in a caller's words; the log says who asked for what, and why there is nothing.
    pub fn no_token(&self, caller: &str, scope: &str, error: ClientError) -> NoToken {
        let retry_after = error.retry_after().map(|wait| wait.as_secs());
        let transient = error.is_transient();
        match error {
            ClientError::Refused(refusal) if !transient => {
                self.log_refusal(caller, scope, &refusal);
                NoToken::Refused(refusal)
            }
            ClientError::Credential(error) if !transient => {
                tracing::error!(caller, scope, %error, "the credential cannot be used");
                NoToken::Broken
            }
            error => {
                tracing::warn!(caller, scope, %error, "no token at the moment");
                NoToken::Away { message: format!("no token at the moment: {error}"), retry_after }
            }
        }
    }

    /// The refusal with its ids, and the doctor's first finding where there is one.
    fn log_refusal(&self, caller: &str, scope: &str, refusal: &Refusal) {
        let (code, ids) = (refusal.code(), (refusal.trace_id.as_deref(), refusal.correlation_id.as_deref()));
        let again = {
            let mut diagnosed = self.diagnosed.lock().unwrap_or_else(PoisonError::into_inner);
            let again = diagnosed.is_some_and(|(c, when)| c == code && when.elapsed() < DIAGNOSE_EVERY);
            if !again {
                *diagnosed = Some((code, Instant::now()));
            }
            again
        };
        let (error, trace_id, correlation_id) = (refusal.error.as_str(), ids.0, ids.1);
        if again {
            tracing::warn!(caller, scope, code, error, trace_id, correlation_id, "the authority refused, as before");
            return;
        }
        let description = printable(&refusal.description);
        tracing::warn!(caller, scope, code, error, trace_id, correlation_id, description, "the authority refused");
        let report = refusal.diagnose(self.tenant.as_deref());
        match report.findings.first() {
            Some(finding) => {
                let (title, fix) = (printable(&finding.title), printable(&finding.fix));
                tracing::warn!(finding = finding.code, certainty = ?finding.certainty, title, fix, "why it was refused");
            }
            None => {
                let more = code.map(|code| format!("countersign explain {code}"));
                tracing::warn!(
                    needed = report.needed.join(", "),
                    more,
                    "the request alone does not show why it was refused"
                );
            }
        }
    }
}

/// What an error counts as.
fn kind(error: &ClientError) -> String {
    match error {
        ClientError::Refused(refusal) => match refusal.code() {
            Some(code) => format!("AADSTS{code}"),
            None => "refused".to_owned(),
        },
        ClientError::Transport(_) => "unreachable".to_owned(),
        ClientError::TimedOut { .. } => "timed_out".to_owned(),
        ClientError::NotATokenResponse { .. } | ClientError::Metadata { .. } => "not_a_token_response".to_owned(),
        ClientError::Credential(_) => "credential".to_owned(),
    }
}

/// Text from elsewhere on one line of a log.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1_000).collect()
}

/// Seconds since 1970.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
