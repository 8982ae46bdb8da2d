//! The provider for builds without C code (the browser's): RSA and ECDSA by the RustCrypto crates, verifying only.
//!
//! Passed to whoever verifies; gives the same answer as `aws_lc` for every key, message and signature, which
//! `tests/providers.rs` holds it to. It must not sign: pure Rust RSA with a private key is not what servers should
//! run, and nothing in a browser build has one to use. Needs no randomness.

use std::sync::Arc;

use p256::ecdsa::signature::hazmat::PrehashVerifier;

use super::rsa_only::{Hash, RsaVerifier};
use super::{KeyError, Provider, Sign, Verify, VerifyError, check_strength};
use crate::jose::alg::Alg;
use crate::keyfile::PrivateKey;
use crate::x509::der::{self, tag};
use crate::x509::key::{Curve, PublicKey};

/// The RustCrypto provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl Provider for RustCrypto {
    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn Verify>, KeyError> {
        check_strength(key)?;
        match key {
            PublicKey::Rsa(rsa) => RsaVerifier::new(rsa).map(|v| Arc::new(v) as _),
            PublicKey::Ec { curve, point } => EcVerifier::new(curve, point)
                .map(|v| Arc::new(v) as _)
                .map_err(|e| e.unwrap_or(KeyError::Unsupported(key.kind()))),
            PublicKey::Ed25519(_) | PublicKey::Other { .. } => Err(KeyError::Unsupported(key.kind())),
        }
    }

    /// Always refused, see the head of this file.
    fn signer(&self, _key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        Err(KeyError::Unsupported("signing, in this build,"))
    }
}

/// The public point of an EC private key whose file leaves it out (RFC 5915 §3 makes it optional).
#[cfg(not(feature = "aws-lc"))]
pub(crate) fn ec_public_point(curve: &Curve, pkcs8: &[u8]) -> Option<Vec<u8>> {
    use p256::elliptic_curve::sec1::ToSec1Point;
    let mut body = der::exactly_one(pkcs8).filter(|t| t.tag == tag::SEQUENCE)?.reader();
    body.u64()?;
    body.sequence()?;
    let mut sec1 = der::exactly_one(body.octets()?).filter(|t| t.tag == tag::SEQUENCE)?.reader();
    sec1.u64()?;
    let scalar = sec1.octets()?;
    let point = match curve {
        Curve::P256 => {
            let key = p256::SecretKey::from_slice(scalar).ok()?;
            key.public_key().to_sec1_point(false).as_bytes().to_vec()
        }
        Curve::P384 => {
            let key = p384::SecretKey::from_slice(scalar).ok()?;
            key.public_key().to_sec1_point(false).as_bytes().to_vec()
        }
        Curve::P521 => {
            let key = p521::SecretKey::from_slice(scalar).ok()?;
            key.public_key().to_sec1_point(false).as_bytes().to_vec()
        }
        Curve::Other(_) => return None,
    };
    Some(point)
}

/// A parsed point of one of the three curves.
#[derive(Debug)]
enum EcKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

/// An EC public key, parsed once.
#[derive(Debug)]
pub(crate) struct EcVerifier {
    key: EcKey,
    /// Octets of a coordinate.
    coordinate: usize,
}

impl EcVerifier {
    /// Checks that the point is on the curve. `Err(None)`: no such curve here.
    pub(crate) fn new(curve: &Curve, point: &[u8]) -> Result<Self, Option<KeyError>> {
        let off_curve = Some(KeyError::Malformed);
        let key = match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(EcKey::P256).map_err(|_| off_curve)?,
            Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map(EcKey::P384).map_err(|_| off_curve)?,
            Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map(EcKey::P521).map_err(|_| off_curve)?,
            Curve::Other(_) => return Err(None),
        };
        Ok(Self { key, coordinate: curve.coordinate_length().ok_or(None)? })
    }

    /// `signature` is `r || s`.
    fn check(&self, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let digest = hash.digest(message);
        // FIPS 186-5 §6.4.2: the leftmost bits of the digest count, as a number. The library refuses digests shorter
        // than half the field (SHA-256 on P-521); zeros in front leave the number as it is.
        let missing = self.coordinate.saturating_sub(digest.len());
        let digest = [vec![0; missing], digest].concat();
        let verified = match &self.key {
            EcKey::P256(key) => {
                p256::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify_prehash(&digest, &s).is_ok())
            }
            EcKey::P384(key) => {
                p384::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify_prehash(&digest, &s).is_ok())
            }
            EcKey::P521(key) => {
                p521::ecdsa::Signature::from_slice(signature).is_ok_and(|s| key.verify_prehash(&digest, &s).is_ok())
            }
        };
        if verified { Ok(()) } else { Err(VerifyError::Mismatch) }
    }

    /// As certificates carry it: an `Ecdsa-Sig-Value` (RFC 3279 §2.2.3).
    pub(crate) fn check_der(&self, hash: Hash, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let fixed = self.fixed(signature).ok_or(VerifyError::Mismatch)?;
        self.check(hash, message, &fixed)
    }

    /// `r || s` of an `Ecdsa-Sig-Value`, when it is the one DER encoding of its numbers.
    fn fixed(&self, signature: &[u8]) -> Option<Vec<u8>> {
        let mut body = der::exactly_one(signature).filter(|t| t.tag == tag::SEQUENCE)?.reader();
        let (r, s) = (body.unsigned()?, body.unsigned()?);
        let canonical = der::write(tag::SEQUENCE, &[&der::write_unsigned(r), &der::write_unsigned(s)]);
        if !body.is_empty() || canonical != signature {
            return None;
        }
        let mut fixed = vec![0; 2 * self.coordinate];
        for (half, number) in fixed.chunks_exact_mut(self.coordinate).zip([r, s]) {
            let start = self.coordinate.checked_sub(number.len())?;
            half.get_mut(start..)?.copy_from_slice(number);
        }
        Some(fixed)
    }
}

impl Verify for EcVerifier {
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let hash = match (&self.key, alg) {
            (EcKey::P256(_), Alg::Es256) => Hash::Sha256,
            (EcKey::P384(_), Alg::Es384) => Hash::Sha384,
            (EcKey::P521(_), Alg::Es512) => Hash::Sha512,
            _ => return Err(VerifyError::AlgKeyMismatch),
        };
        if signature.len() != 2 * self.coordinate {
            return Err(VerifyError::WrongLength { expected: 2 * self.coordinate, received: signature.len() });
        }
        self.check(hash, message, signature)
    }

    fn verify_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        // RFC 5758 §3.2: any hash may meet any curve.
        let hash = match oid {
            "1.2.840.10045.4.3.2" => Hash::Sha256,
            "1.2.840.10045.4.3.3" => Hash::Sha384,
            "1.2.840.10045.4.3.4" => Hash::Sha512,
            _ => return Err(VerifyError::AlgKeyMismatch),
        };
        self.check_der(hash, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_signed() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = PrivateKey::from_pkcs8_der(&pair.serialize_der()).unwrap();
        let refused = RustCrypto.signer(&key).err().unwrap();
        assert_eq!(refused.to_string(), "signing, in this build, is not supported");
    }

    #[test]
    fn a_point_off_the_curve_is_no_key() {
        let mut point = vec![4; 65];
        point[1..].fill(7);
        let key = PublicKey::Ec { curve: Curve::P256, point };
        assert_eq!(RustCrypto.verifier(&key).err(), Some(KeyError::Malformed));
    }

    #[test]
    fn ecdsa_numbers_have_one_encoding() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let key = PrivateKey::from_pkcs8_der(&pair.serialize_der()).unwrap();
        let PublicKey::Ec { curve, point } = key.public_key() else { panic!("rcgen's default is P-256") };
        let verifier = EcVerifier::new(curve, point).unwrap();
        assert_eq!(verifier.fixed(&[0x30, 6, 2, 1, 5, 2, 1, 6]).map(|f| (f[31], f[63])), Some((5, 6)));
        // A superfluous zero, a negative number, bytes behind, a long length.
        for bad in [
            &[0x30, 7, 2, 2, 0, 5, 2, 1, 6][..],
            &[0x30, 6, 2, 1, 0x85, 2, 1, 6],
            &[0x30, 6, 2, 1, 5, 2, 1, 6, 0],
            &[0x30, 0x81, 6, 2, 1, 5, 2, 1, 6],
        ] {
            assert_eq!(verifier.fixed(bad), None, "{bad:02x?}");
        }
    }
}
