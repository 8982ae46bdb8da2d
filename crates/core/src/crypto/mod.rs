//! Signing and verifying, behind three small traits, so that core knows no cryptographic library.
//!
//! A [`Provider`] is passed in by the caller and never global. `aws_lc` is the one for servers and command lines;
//! `rustcrypto`, which only verifies, the one for the browser. Nothing here decides about an assertion: see
//! [`crate::checks`].

#[cfg(feature = "aws-lc")]
pub mod aws_lc;
#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
pub(crate) mod rsa_only;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

use std::fmt::Debug;
use std::sync::Arc;

use crate::jose::alg::Alg;
use crate::keyfile::PrivateKey;
use crate::x509::key::{Curve, PublicKey};

/// A public key, parsed once, that verifies any number of signatures.
pub trait Verify: Send + Sync + Debug {
    /// Whether `signature` is the signature of `message` under `alg` (RFC 7518 §3.3 to §3.5; ES* as `r || s`).
    ///
    /// # Errors
    /// [`VerifyError`]; every variant means "not verified".
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError>;

    /// Whether `signature` is the signature of `message` as certificates carry it (RFC 3279, RFC 4055, RFC 5758),
    /// `oid` being the dotted signature algorithm; ECDSA signatures are DER here.
    ///
    /// # Errors
    /// [`VerifyError::AlgKeyMismatch`] when the algorithm is unknown or does not fit the key.
    fn verify_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError>;
}

/// A private key that signs.
pub trait Sign: Send + Sync {
    /// The signature of `message` under `alg`; ES* as `r || s`, PS* with a salt as long as the digest.
    ///
    /// # Errors
    /// [`SignError`] when the algorithm does not fit the key or the library failed.
    fn sign(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The public half.
    fn public_key(&self) -> &PublicKey;
}

/// A cryptographic library.
pub trait Provider: Send + Sync + Debug {
    /// Parses a public key.
    ///
    /// # Errors
    /// [`KeyError`] when the key is too weak, too large, malformed or of a kind this provider does not know.
    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn Verify>, KeyError>;

    /// Parses a private key.
    ///
    /// # Errors
    /// [`KeyError`], as for [`Provider::verifier`].
    fn signer(&self, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError>;
}

/// Why a signature was not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The signature has the right length and is not one of this key over these bytes.
    #[error("the signature does not match")]
    Mismatch,
    /// The signature cannot be one of this key: it has the wrong length (RFC 8017 §8.1.2 and §8.2.2, step 1).
    #[error("the signature has {received} bytes, a signature of this key has {expected}")]
    WrongLength {
        /// Bytes a signature of this key has.
        expected: usize,
        /// Bytes received.
        received: usize,
    },
    /// The algorithm is for keys of another kind.
    #[error("the algorithm is for keys of another kind")]
    AlgKeyMismatch,
}

/// Why nothing was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The algorithm is for keys of another kind.
    #[error("the algorithm is for keys of another kind than {key}")]
    AlgKeyMismatch {
        /// The kind of the key at hand.
        key: &'static str,
    },
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to sign")]
    Failed,
}

/// Why a key is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An RSA modulus below [`MIN_RSA_BITS`].
    #[error("an RSA key of {bits} bits is too small; at least 2048 are needed")]
    TooSmall {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA modulus above [`MAX_RSA_BITS`].
    #[error("an RSA key of {bits} bits is too large; at most 8192 are taken")]
    TooLarge {
        /// Bits of the modulus.
        bits: usize,
    },
    /// An RSA exponent that is even, below 65537 or longer than 64 bits.
    #[error("the RSA public exponent must be odd, at least 65537, and have at most 64 bits")]
    BadExponent,
    /// A kind of key without an algorithm here.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// Numbers that form no key of their kind.
    #[error("the key is malformed")]
    Malformed,
}

/// The smallest RSA modulus taken (NIST SP 800-131A; Entra, seen 2026-08).
pub const MIN_RSA_BITS: usize = 2048;
/// The largest RSA modulus taken: verifying cost grows with its square.
pub const MAX_RSA_BITS: usize = 8192;

/// Whether a public key is one this project uses at all, by its kind and numbers.
///
/// # Errors
/// [`KeyError`] naming the rule that is broken.
pub fn check_strength(key: &PublicKey) -> Result<(), KeyError> {
    match key {
        PublicKey::Rsa(rsa) => {
            let bits = key.bits().unwrap_or(0);
            if bits < MIN_RSA_BITS {
                return Err(KeyError::TooSmall { bits });
            }
            if bits > MAX_RSA_BITS {
                return Err(KeyError::TooLarge { bits });
            }
            // `exponent` is nothing beyond 64 bits: verifying costs as much as the exponent is long. Real keys have 65537.
            if !key.exponent().is_some_and(|e| e >= 65537 && e % 2 == 1) {
                return Err(KeyError::BadExponent);
            }
            // A product of two odd primes is odd.
            if rsa.n.last().is_none_or(|b| b % 2 == 0) {
                return Err(KeyError::Malformed);
            }
            Ok(())
        }
        PublicKey::Ec { curve: Curve::Other(_), .. } | PublicKey::Ed25519(_) | PublicKey::Other { .. } => {
            Err(KeyError::Unsupported(key.kind()))
        }
        PublicKey::Ec { curve, point } => {
            let length = curve.coordinate_length().unwrap_or(0);
            // SEC 1 §2.3.3: uncompressed or compressed.
            let fits = match point.first() {
                Some(4) => point.len() == 1 + 2 * length,
                Some(2 | 3) => point.len() == 1 + length,
                _ => false,
            };
            if fits { Ok(()) } else { Err(KeyError::Malformed) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bytes: usize, e: &[u8]) -> PublicKey {
        PublicKey::rsa(&vec![0xC1; bytes], e)
    }

    #[test]
    fn strength_has_both_bounds() {
        assert_eq!(check_strength(&rsa(256, &[1, 0, 1])), Ok(()));
        assert_eq!(check_strength(&rsa(1024, &[1, 0, 1])), Ok(()));
        assert_eq!(check_strength(&rsa(128, &[1, 0, 1])), Err(KeyError::TooSmall { bits: 1024 }));
        assert_eq!(check_strength(&rsa(1025, &[1, 0, 1])), Err(KeyError::TooLarge { bits: 8200 }));
        assert_eq!(check_strength(&PublicKey::Ed25519(vec![0; 32])), Err(KeyError::Unsupported("Ed25519")));
    }

    #[test]
    fn exponents_are_odd_and_of_a_decent_size() {
        for bad in [&[1][..], &[3], &[1, 0, 0], &[1, 0, 2], &[1; 9]] {
            assert_eq!(check_strength(&rsa(256, bad)), Err(KeyError::BadExponent), "{bad:?}");
        }
        for good in [&[1, 0, 1][..], &[1, 0xFF, 0xFF, 0xFF, 0xFF], &[2, 0, 0, 0, 1], &[0xFF; 8]] {
            assert_eq!(check_strength(&rsa(256, good)), Ok(()), "{good:?}");
        }
    }
}
