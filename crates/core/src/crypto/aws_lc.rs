//! The provider for servers and command lines: RSA and ECDSA by aws-lc-rs.
//!
//! Passed to whoever verifies or signs; made nowhere else. Keys are parsed once: verifying RSA-2048 then costs about
//! 16 µs. Randomness comes from the library and is used for signing and key generation only.

use std::sync::{Arc, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self as lib, EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair as _, ParsedPublicKey,
    RsaEncoding, RsaKeyPair, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::{KeyError, Provider, Sign, SignError, Verify, VerifyError, check_strength, rsa_only};
use crate::jose::alg::Alg;
use crate::keyfile::PrivateKey;
use crate::x509::key::{Curve, PublicKey};

/// The aws-lc-rs provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Provider for AwsLc {
    fn verifier(&self, key: &PublicKey) -> Result<Arc<dyn Verify>, KeyError> {
        check_strength(key)?;
        match key {
            PublicKey::Rsa(rsa) if !rsa_only::RsaVerifier::has_common_exponent(rsa) => {
                rsa_only::RsaVerifier::new(rsa).map(|v| Arc::new(v) as _)
            }
            PublicKey::Rsa(_) => RsaVerifier::new(key).map(|v| Arc::new(v) as _),
            PublicKey::Ec { .. } => EcVerifier::new(key).map(|v| Arc::new(v) as _),
            PublicKey::Ed25519(_) | PublicKey::Other { .. } => Err(KeyError::Unsupported(key.kind())),
        }
    }

    fn signer(&self, key: &PrivateKey) -> Result<Box<dyn Sign>, KeyError> {
        check_strength(key.public_key())?;
        match key.public_key() {
            PublicKey::Rsa(rsa) if !rsa_only::RsaVerifier::has_common_exponent(rsa) => {
                Err(KeyError::Unsupported("signing with an RSA exponent of more than 33 bits"))
            }
            PublicKey::Rsa(_) => {
                let pair = RsaKeyPair::from_pkcs8(key.pkcs8_der()).map_err(|_| KeyError::Malformed)?;
                // A file can claim any public key; the one that counts belongs to the private numbers.
                if PublicKey::from_pkcs1(pair.public_key().as_ref()).as_ref() != Some(key.public_key()) {
                    return Err(KeyError::Malformed);
                }
                Ok(Box::new(RsaSigner { pair, public: key.public_key().clone(), random: SystemRandom::new() }))
            }
            PublicKey::Ec { curve, .. } => {
                let algorithm = signing_algorithm(curve).ok_or(KeyError::Unsupported(key.public_key().kind()))?;
                let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.pkcs8_der()).map_err(|_| KeyError::Malformed)?;
                Ok(Box::new(EcSigner { pair, public: key.public_key().clone(), random: SystemRandom::new() }))
            }
            PublicKey::Ed25519(_) | PublicKey::Other { .. } => Err(KeyError::Unsupported(key.public_key().kind())),
        }
    }
}

impl AwsLc {
    /// Makes an RSA key of 2048, 3072, 4096 or 8192 bits.
    ///
    /// # Errors
    /// [`KeyError::TooSmall`] below 2048 bits, [`KeyError::Unsupported`] for other sizes or when the library failed.
    pub fn generate_rsa(&self, bits: usize) -> Result<PrivateKey, KeyError> {
        let size = match bits {
            0..2048 => return Err(KeyError::TooSmall { bits }),
            2048 => KeySize::Rsa2048,
            3072 => KeySize::Rsa3072,
            4096 => KeySize::Rsa4096,
            8192 => KeySize::Rsa8192,
            _ => {
                return Err(KeyError::Unsupported("an RSA key of another size than 2048, 3072, 4096 or 8192 bits"));
            }
        };
        let failed = KeyError::Unsupported("making a key on this machine");
        let pair = RsaKeyPair::generate(size).map_err(|_| failed)?;
        let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| failed)?;
        PrivateKey::from_pkcs8_der(der.as_ref()).map_err(|_| KeyError::Malformed)
    }

    /// Makes an elliptic curve key.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] for curves without an ES* algorithm or when the library failed.
    pub fn generate_ec(&self, curve: &Curve) -> Result<PrivateKey, KeyError> {
        let algorithm = signing_algorithm(curve).ok_or(KeyError::Unsupported("EC on another curve"))?;
        let failed = KeyError::Unsupported("making a key on this machine");
        let pair = EcdsaKeyPair::generate(algorithm).map_err(|_| failed)?;
        let der = pair.to_pkcs8v1().map_err(|_| failed)?;
        PrivateKey::from_pkcs8_der(der.as_ref()).map_err(|_| KeyError::Malformed)
    }
}

/// The public point of an EC private key whose file leaves it out (RFC 5915 §3 makes it optional).
pub(crate) fn ec_public_point(curve: &Curve, pkcs8: &[u8]) -> Option<Vec<u8>> {
    let pair = EcdsaKeyPair::from_pkcs8(signing_algorithm(curve)?, pkcs8).ok()?;
    Some(pair.public_key().as_ref().to_vec())
}

fn signing_algorithm(curve: &Curve) -> Option<&'static EcdsaSigningAlgorithm> {
    match curve {
        Curve::P256 => Some(&lib::ECDSA_P256_SHA256_FIXED_SIGNING),
        Curve::P384 => Some(&lib::ECDSA_P384_SHA384_FIXED_SIGNING),
        Curve::P521 => Some(&lib::ECDSA_P521_SHA512_FIXED_SIGNING),
        Curve::Other(_) => None,
    }
}

/// Index into the parsed keys, and the library's name, of each RSA algorithm.
///
/// All of them compare the PKCS#1 v1.5 encoding instead of parsing it, and take a PSS salt of exactly the digest's
/// length with MGF1 over the same hash (RFC 7518 §3.5).
fn rsa_parameters(alg: Alg) -> Option<(usize, &'static RsaParameters)> {
    Some(match alg {
        Alg::Rs256 => (0, &lib::RSA_PKCS1_2048_8192_SHA256),
        Alg::Rs384 => (1, &lib::RSA_PKCS1_2048_8192_SHA384),
        Alg::Rs512 => (2, &lib::RSA_PKCS1_2048_8192_SHA512),
        Alg::Ps256 => (3, &lib::RSA_PSS_2048_8192_SHA256),
        Alg::Ps384 => (4, &lib::RSA_PSS_2048_8192_SHA384),
        Alg::Ps512 => (5, &lib::RSA_PSS_2048_8192_SHA512),
        Alg::Es256 | Alg::Es384 | Alg::Es512 => return None,
    })
}

fn rsa_encoding(alg: Alg) -> Option<&'static dyn RsaEncoding> {
    Some(match alg {
        Alg::Rs256 => &lib::RSA_PKCS1_SHA256,
        Alg::Rs384 => &lib::RSA_PKCS1_SHA384,
        Alg::Rs512 => &lib::RSA_PKCS1_SHA512,
        Alg::Ps256 => &lib::RSA_PSS_SHA256,
        Alg::Ps384 => &lib::RSA_PSS_SHA384,
        Alg::Ps512 => &lib::RSA_PSS_SHA512,
        Alg::Es256 | Alg::Es384 | Alg::Es512 => return None,
    })
}

#[derive(Debug)]
struct RsaVerifier {
    n: Vec<u8>,
    e: Vec<u8>,
    /// The library binds a parsed key to one algorithm; a client uses one or two of the six.
    parsed: [OnceLock<ParsedPublicKey>; 6],
}

impl RsaVerifier {
    fn new(key: &PublicKey) -> Result<Self, KeyError> {
        let PublicKey::Rsa(rsa) = key else {
            return Err(KeyError::Unsupported(key.kind()));
        };
        let verifier = Self { n: rsa.n.clone(), e: rsa.e.clone(), parsed: Default::default() };
        verifier.key(0, &lib::RSA_PKCS1_2048_8192_SHA256).ok_or(KeyError::Malformed)?;
        Ok(verifier)
    }

    fn key(&self, index: usize, parameters: &'static RsaParameters) -> Option<&ParsedPublicKey> {
        let cell = self.parsed.get(index)?;
        if let Some(key) = cell.get() {
            return Some(key);
        }
        let components = RsaPublicKeyComponents { n: self.n.as_slice(), e: self.e.as_slice() };
        let key = components.to_parsed_public_key(parameters).ok()?;
        Some(cell.get_or_init(|| key))
    }

    fn check_length(&self, signature: &[u8]) -> Result<(), VerifyError> {
        if signature.len() == self.n.len() {
            Ok(())
        } else {
            Err(VerifyError::WrongLength { expected: self.n.len(), received: signature.len() })
        }
    }
}

impl Verify for RsaVerifier {
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let (index, parameters) = rsa_parameters(alg).ok_or(VerifyError::AlgKeyMismatch)?;
        self.check_length(signature)?;
        let key = self.key(index, parameters).ok_or(VerifyError::Mismatch)?;
        key.verify_sig(message, signature).map_err(|_| VerifyError::Mismatch)
    }

    fn verify_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        // RFC 4055 §5; SHA-1 certificates of old internal authorities still turn up in chains people hand in.
        let parameters = match oid {
            "1.2.840.113549.1.1.11" => &lib::RSA_PKCS1_2048_8192_SHA256,
            "1.2.840.113549.1.1.12" => &lib::RSA_PKCS1_2048_8192_SHA384,
            "1.2.840.113549.1.1.13" => &lib::RSA_PKCS1_2048_8192_SHA512,
            "1.2.840.113549.1.1.5" => &lib::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            _ => return Err(VerifyError::AlgKeyMismatch),
        };
        self.check_length(signature)?;
        let components = RsaPublicKeyComponents { n: self.n.as_slice(), e: self.e.as_slice() };
        components.verify(parameters, message, signature).map_err(|_| VerifyError::Mismatch)
    }
}

#[derive(Debug)]
struct EcVerifier {
    curve: Curve,
    alg: Alg,
    length: usize,
    parsed: ParsedPublicKey,
}

impl EcVerifier {
    fn new(key: &PublicKey) -> Result<Self, KeyError> {
        let unsupported = KeyError::Unsupported(key.kind());
        let PublicKey::Ec { curve, point } = key else {
            return Err(unsupported);
        };
        let (alg, algorithm): (Alg, &'static EcdsaVerificationAlgorithm) = match curve {
            Curve::P256 => (Alg::Es256, &lib::ECDSA_P256_SHA256_FIXED),
            Curve::P384 => (Alg::Es384, &lib::ECDSA_P384_SHA384_FIXED),
            Curve::P521 => (Alg::Es512, &lib::ECDSA_P521_SHA512_FIXED),
            Curve::Other(_) => return Err(unsupported),
        };
        let parsed = ParsedPublicKey::new(algorithm, point).map_err(|_| KeyError::Malformed)?;
        let length = 2 * curve.coordinate_length().ok_or(unsupported)?;
        Ok(Self { curve: curve.clone(), alg, length, parsed })
    }
}

impl Verify for EcVerifier {
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        if alg != self.alg {
            return Err(VerifyError::AlgKeyMismatch);
        }
        if signature.len() != self.length {
            return Err(VerifyError::WrongLength { expected: self.length, received: signature.len() });
        }
        self.parsed.verify_sig(message, signature).map_err(|_| VerifyError::Mismatch)
    }

    fn verify_certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        // RFC 5758 §3.2: any hash may meet any curve.
        let algorithm: &'static EcdsaVerificationAlgorithm = match (&self.curve, oid) {
            (Curve::P256, "1.2.840.10045.4.3.2") => &lib::ECDSA_P256_SHA256_ASN1,
            (Curve::P256, "1.2.840.10045.4.3.3") => &lib::ECDSA_P256_SHA384_ASN1,
            (Curve::P256, "1.2.840.10045.4.3.4") => &lib::ECDSA_P256_SHA512_ASN1,
            (Curve::P384, "1.2.840.10045.4.3.2") => &lib::ECDSA_P384_SHA256_ASN1,
            (Curve::P384, "1.2.840.10045.4.3.3") => &lib::ECDSA_P384_SHA384_ASN1,
            (Curve::P384, "1.2.840.10045.4.3.4") => &lib::ECDSA_P384_SHA512_ASN1,
            (Curve::P521, "1.2.840.10045.4.3.2") => &lib::ECDSA_P521_SHA256_ASN1,
            (Curve::P521, "1.2.840.10045.4.3.3") => &lib::ECDSA_P521_SHA384_ASN1,
            (Curve::P521, "1.2.840.10045.4.3.4") => &lib::ECDSA_P521_SHA512_ASN1,
            _ => return Err(VerifyError::AlgKeyMismatch),
        };
        UnparsedPublicKey::new(algorithm, self.parsed.as_ref())
            .verify(message, signature)
            .map_err(|_| VerifyError::Mismatch)
    }
}

struct RsaSigner {
    pair: RsaKeyPair,
    public: PublicKey,
    random: SystemRandom,
}

impl Sign for RsaSigner {
    fn sign(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let encoding = rsa_encoding(alg).ok_or(SignError::AlgKeyMismatch { key: self.public.kind() })?;
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &self.random, message, &mut signature).map_err(|_| SignError::Failed)?;
        Ok(signature)
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

struct EcSigner {
    pair: EcdsaKeyPair,
    public: PublicKey,
    random: SystemRandom,
}

impl Sign for EcSigner {
    fn sign(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, SignError> {
        if !self.public.fits(alg) {
            return Err(SignError::AlgKeyMismatch { key: self.public.kind() });
        }
        let signature = self.pair.sign(&self.random, message).map_err(|_| SignError::Failed)?;
        Ok(signature.as_ref().to_vec())
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }
}
