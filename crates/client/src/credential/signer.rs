//! Keys that sign somewhere else: a key vault, an HSM, a service of one's own.
//!
//! The client hands over the bytes to sign and gets a signature back; it never sees the key.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use countersign_core::jose::alg::Alg;

/// A key that is not in this process.
///
/// ```
/// use countersign_client::{Alg, Signer, SignerError, Signing};
///
/// /// A signing service that this process reaches by some means of its own.
/// #[derive(Debug)]
/// struct Remote;
///
/// impl Signer for Remote {
///     fn sign<'a>(&'a self, alg: Alg, message: &'a [u8]) -> Signing<'a> {
///         Box::pin(async move {
///             let _ = (alg, message);
///             Err(SignerError::new("the signing service is not connected").transient())
///         })
///     }
/// }
/// ```
pub trait Signer: Send + Sync + Debug {
    /// The signature of `message` under `alg` as a JWS carries it (RFC 7518 §3.3 to §3.5): ES* as `r || s`, PS* with a salt as
    /// long as the digest.
    fn sign<'a>(&'a self, alg: Alg, message: &'a [u8]) -> Signing<'a>;
}

/// A signature to come.
pub type Signing<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, SignerError>> + Send + 'a>>;

/// Why a signer elsewhere gave no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct SignerError {
    /// Who refused what, and what to do; no secret.
    pub what: String,
    /// Whether the same call may succeed later.
    pub is_transient: bool,
}

impl SignerError {
    /// An error that stays.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_transient: false }
    }

    /// The same, worth another try.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.is_transient = true;
        self
    }
}
