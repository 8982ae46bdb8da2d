//! Why there is no token: typed, with Entra's code and ids, without any secret in what prints.
//!
//! Every variant can be cloned, since tasks that wait for the same request share its outcome.

use std::time::Duration;

use countersign_core::UnixTime;
use countersign_core::x509::certificate::Certificate;
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
    /// The server's metadata cannot be used (OpenID Connect Discovery §4.3).
    #[error("{url}: {why}")]
    Metadata {
        /// Where.
        url: String,
        /// The rule it breaks.
        why: String,
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
    /// The client.
    pub client_id: String,
    /// The token endpoint.
    pub endpoint: String,
    /// Whether it is one of Entra's form, as far as the caller said.
    pub is_entra: bool,
    /// The certificate that signed the assertion.
    pub certificate: Option<Certificate>,
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
            Self::Credential(error) => error.is_transient(),
            Self::Transport(TransportError::CaFile { .. } | TransportError::Proxy(_) | TransportError::SetUp(_))
            | Self::Metadata { .. } => false,
        }
    }

    /// `Retry-After`, when the answer had one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused(refusal) => refusal.retry_after,
            Self::NotATokenResponse { retry_after, .. } => *retry_after,
            Self::Transport(_) | Self::TimedOut { .. } | Self::Metadata { .. } | Self::Credential(_) => None,
        }
    }
}

impl Refusal {
    /// The first AADSTS number, the one that counts.
    pub fn code(&self) -> Option<u32> {
        self.codes.first().copied()
    }

    /// Whether the server does not know the certificate, which a certificate just registered may change: AADSTS700027, elsewhere
    /// the general `invalid_client`.
    pub fn certificate_unknown(&self) -> bool {
        match self.code() {
            Some(code) => code == CERTIFICATE_UNKNOWN,
            None => self.error == "invalid_client",
        }
    }
}

/// "The certificate with identifier used to sign the client assertion is not registered on application."
const CERTIFICATE_UNKNOWN: u32 = 700_027;

fn is_transient(status: u16) -> bool {
    status == 429 || status >= 500
}
