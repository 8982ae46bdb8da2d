//! Why there is no token: typed, with Entra's code and ids, without any secret in what prints.
//!
//! Every variant can be cloned, since tasks that wait for the same request share its outcome.

use std::time::Duration;

use countersign_core::UnixTime;
use secrecy::SecretString;

use crate::credential::CredentialError;
use crate::transport::TransportError;

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// The authorization server refused (RFC 6749 §5.2).
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// It cannot be reached, or TLS failed.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No answer within the deadline.
    #[error("no answer from {url} within {} s", limit.as_secs_f64())]
    TimedOut {
        /// Where.
        url: String,
        /// The deadline.
        limit: Duration,
    },
    /// An answer that is no token response.
    #[error("{url} answered {status} with what is no token response: {why}")]
    NotATokenResponse {
        /// Where.
        url: String,
        /// HTTP status.
        status: u16,
        /// What is missing.
        why: &'static str,
        /// `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The credential cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

/// An error response of an authorization server.
#[derive(Clone, Debug, Default)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// `error`
    pub error: String,
    /// `error_description`
    pub description: String,
    /// AADSTS numbers, the first one counts: `error_codes`, else those in the description.
    pub codes: Vec<u32>,
    /// `trace_id`
    pub trace_id: Option<String>,
    /// `correlation_id`
    pub correlation_id: Option<String>,
    /// `claims` (claims challenge)
    pub claims: Option<String>,
    /// `Retry-After`
    pub retry_after: Option<Duration>,
    /// The body as received.
    pub body: String,
    /// What was sent, for whoever explains the refusal.
    pub sent: Sent,
}

/// How a refused request proved its client.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    /// The assertion, when there was one.
    pub assertion: Option<SecretString>,
    /// When it was sent.
    pub at: UnixTime,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "refused ({} {}): {}", self.status, self.error, self.description)
    }
}

impl ClientError {
    /// Whether the same request may succeed later: no connection, 429 and 5xx.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => is_transient(refusal.status),
            Self::NotATokenResponse { status, .. } => is_transient(*status),
            Self::Transport(TransportError::Unreachable { .. }) | Self::TimedOut { .. } => true,
            Self::Transport(TransportError::CaFile { .. } | TransportError::SetUp(_)) | Self::Credential(_) => false,
        }
    }

    /// `Retry-After`, when the answer had one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::NotATokenResponse { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::TimedOut { .. } | Self::Credential(_) => None,
        }
    }
}

fn is_transient(status: u16) -> bool {
    status == 429 || status >= 500
}
