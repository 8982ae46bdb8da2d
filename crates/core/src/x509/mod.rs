//! X.509 as far as client assertions need it: certificates, their public keys, and chains to a trusted issuer.
//!
//! Used by key files, registration and the checks. Reading tolerates imperfect certificates and notes what is odd;
//! whether one is acceptable is decided by the checks.

pub mod certificate;
pub mod chain;
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod chain_algorithms;
pub(crate) mod der;
pub mod key;
mod name;

pub use certificate::{Certificate, CertificateError};
pub use key::{Curve, PublicKey};
