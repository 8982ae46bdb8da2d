//! Exit statuses, the same for every verb, and the error that carries one.

use std::fmt;
use std::process::ExitCode;

/// Why a verb ended as it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A finding of level error, or the token was refused.
    Refused = 1,
    /// Input that cannot be read, or a service that cannot start.
    Unreadable = 2,
    /// The command line or a setting was used wrongly.
    Usage = 3,
    /// No credential was given.
    NoCredential = 4,
    /// The authority cannot be reached, or TLS failed.
    Unreachable = 5,
    /// No answer in time.
    TimedOut = 6,
}

/// A failure: what `main` prints on stderr, and the status.
#[derive(Debug)]
pub struct Failure {
    /// The status.
    pub exit: Exit,
    /// One message naming the value, the rule and the fix; empty when everything was said already.
    pub message: String,
}

impl Failure {
    /// A failure with this message.
    pub fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// A failure of which everything was said already.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, message: String::new() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        // The discriminants are the contract's numbers.
        Self::from(exit as u8)
    }
}

impl From<countersign_client::ClientError> for Failure {
    fn from(error: countersign_client::ClientError) -> Self {
        use countersign_client::{ClientError, TransportError};
        let exit = match &error {
            ClientError::Refused(_) => Exit::Refused,
            ClientError::Transport(TransportError::Proxy(_)) => Exit::Usage,
            ClientError::Credential(e) if e.is_transient() => Exit::Unreachable,
            ClientError::Transport(TransportError::CaFile { .. }) | ClientError::Credential(_) => Exit::Unreadable,
            ClientError::Transport(_) | ClientError::NotATokenResponse { .. } | ClientError::Metadata { .. } => {
                Exit::Unreachable
            }
            ClientError::TimedOut { .. } => Exit::TimedOut,
        };
        Self::new(exit, error)
    }
}
