//! RSA signatures verified in Rust alone, by the `rsa` crate: public keys, no secrets, no randomness.
//!
//! `rustcrypto` verifies every RSA signature with it; `aws_lc` those of keys whose public exponent is beyond what its
//! library takes. It must not sign.

use rsa::BoxedUint;
use sha1::Sha1;
#[cfg(feature = "rustcrypto")]
use sha2::Digest as _;
use sha2::{Sha256, Sha384, Sha512};

use super::{KeyError, MAX_RSA_BITS, MIN_RSA_BITS, Verify, VerifyError};
use crate::jose::alg::Alg;
use crate::x509::der;
use crate::x509::key::{PublicKey, RsaPublicKey};

/// Bits of the longest public exponent that aws-lc and the `rsa` crate verify with by default.
pub(crate) const COMMON_EXPONENT_BITS: u32 = 33;

/// How an RSA signature is padded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    Pkcs1,
    /// RSASSA-PSS with a salt as long as the digest and MGF1 over the same hash (RFC 7518 §3.5).
    Pss,
}

/// The hashes that signatures are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

#[cfg(feature = "rustcrypto")]
impl Hash {
    pub(super) fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }
}

/// An RSA public key, parsed once.
#[derive(Debug)]
pub(crate) struct RsaVerifier {
    key: rsa::PublicKey,
    /// Octets of the modulus.
    length: usize,
}

impl RsaVerifier {
    /// Takes any odd modulus of 2048 to 8192 bits and any odd exponent from 3 to 64 bits;
    /// [`super::check_strength`] narrows that for assertions. 64 bits cost about four times what 17 do.
    pub(crate) fn new(key: &RsaPublicKey) -> Result<Self, KeyError> {
        let public = PublicKey::rsa(&key.n, &key.e);
        let bits = public.bits().unwrap_or(0);
        if bits < MIN_RSA_BITS {
            return Err(KeyError::TooSmall { bits });
        }
        if bits > MAX_RSA_BITS {
            return Err(KeyError::TooLarge { bits });
        }
        if public.exponent().is_none_or(|e| e < 3 || e.is_multiple_of(2)) {
            return Err(KeyError::BadExponent);
        }
        if key.n.last().is_none_or(|b| b.is_multiple_of(2)) {
            return Err(KeyError::Malformed);
        }
        // The library's own constructor stops at 33 bits of exponent. This one panics for an even modulus alone.
        let parsed = rsa::PublicKey::new_unchecked(
            BoxedUint::from_be_slice_vartime(&key.n),
            BoxedUint::from_be_slice_vartime(&key.e),
        );
        Ok(Self { key: parsed, length: der::trim_zeros(&key.n).len() })
    }

    /// Whether both libraries take the exponent.
    pub(crate) fn has_common_exponent(key: &RsaPublicKey) -> bool {
        der::to_u64(&key.e).is_some_and(|e| e >> COMMON_EXPONENT_BITS == 0)
    }

    /// Whether the signature matches; the encodings are compared as a whole (PKCS#1 v1.5) or step by step (PSS).
    pub(crate) fn check(
        &self,
        padding: Padding,
        hash: Hash,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if signature.len() != self.length {
            return Err(VerifyError::WrongLength { expected: self.length, received: signature.len() });
        }
        let key = &self.key;
        match (padding, hash) {
            (Padding::Pkcs1, Hash::Sha1) => key.pkcs1v15_verify::<Sha1>(message, signature),
            (Padding::Pkcs1, Hash::Sha256) => key.pkcs1v15_verify::<Sha256>(message, signature),
            (Padding::Pkcs1, Hash::Sha384) => key.pkcs1v15_verify::<Sha384>(message, signature),
            (Padding::Pkcs1, Hash::Sha512) => key.pkcs1v15_verify::<Sha512>(message, signature),
            (Padding::Pss, Hash::Sha256) => key.pss_verify::<Sha256>(message, signature),
            (Padding::Pss, Hash::Sha384) => key.pss_verify::<Sha384>(message, signature),
            (Padding::Pss, Hash::Sha512) => key.pss_verify::<Sha512>(message, signature),
            // No algorithm of RFC 7518 or RFC 4055 §3.1 that is still trusted.
            (Padding::Pss, Hash::Sha1) => return Err(VerifyError::AlgKeyMismatch),
        }
        .map_err(|_| VerifyError::Mismatch)
    }
}

impl Verify for RsaVerifier {
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let (padding, hash) = match alg {
            Alg::Rs256 => (Padding::Pkcs1, Hash::Sha256),
            Alg::Rs384 => (Padding::Pkcs1, Hash::Sha384),
            Alg::Rs512 => (Padding::Pkcs1, Hash::Sha512),
            Alg::Ps256 => (Padding::Pss, Hash::Sha256),
            Alg::Ps384 => (Padding::Pss, Hash::Sha384),
            Alg::Ps512 => (Padding::Pss, Hash::Sha512),
            Alg::Es256 | Alg::Es384 | Alg::Es512 => return Err(VerifyError::AlgKeyMismatch),
        };
        self.check(padding, hash, message, signature)
    }

    fn verify_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        // RFC 4055 §5; SHA-1 certificates of old internal authorities still turn up in chains people hand in.
        let hash = match oid {
            "1.2.840.113549.1.1.11" => Hash::Sha256,
            "1.2.840.113549.1.1.12" => Hash::Sha384,
            "1.2.840.113549.1.1.13" => Hash::Sha512,
            "1.2.840.113549.1.1.5" => Hash::Sha1,
            _ => return Err(VerifyError::AlgKeyMismatch),
        };
        self.check(Padding::Pkcs1, hash, message, signature)
    }
}
