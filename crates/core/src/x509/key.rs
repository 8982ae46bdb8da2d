//! Public keys as they stand in certificates, key files and JWKs.
//!
//! Used by everything that compares or judges keys; arithmetic with them is [`crate::crypto`]'s business.

use super::der::{self, tag};
use crate::jose::alg::Alg;

/// OBJECT IDENTIFIERs of key kinds and curves (RFC 3279, RFC 5480, RFC 8410).
pub(crate) mod oid {
    pub const RSA: &str = "1.2.840.113549.1.1.1";
    pub const RSA_PSS: &str = "1.2.840.113549.1.1.10";
    pub const EC: &str = "1.2.840.10045.2.1";
    pub const ED25519: &str = "1.3.101.112";
    pub const P256: &str = "1.2.840.10045.3.1.7";
    pub const P384: &str = "1.3.132.0.34";
    pub const P521: &str = "1.3.132.0.35";
}

/// A public key (SubjectPublicKeyInfo, RFC 5280 §4.1.2.7), in a form that compares equal whatever file it came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PublicKey {
    /// RSA, for RS* and PS*.
    Rsa(RsaPublicKey),
    /// An elliptic curve key, for ES*.
    Ec {
        /// The named curve.
        curve: Curve,
        /// The point as encoded in the key (SEC 1 §2.3.3), usually uncompressed.
        point: Vec<u8>,
    },
    /// Ed25519 (RFC 8410); no algorithm of Entra takes it.
    Ed25519(Vec<u8>),
    /// Anything else.
    Other {
        /// Dotted OID of the algorithm.
        oid: String,
        /// The whole SubjectPublicKeyInfo.
        spki: Vec<u8>,
    },
}

/// Modulus and exponent, big endian without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RsaPublicKey {
    /// The modulus.
    pub n: Vec<u8>,
    /// The public exponent.
    pub e: Vec<u8>,
}

/// A named curve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256, `crv` `P-256`.
    P256,
    /// NIST P-384, `crv` `P-384`.
    P384,
    /// NIST P-521, `crv` `P-521`.
    P521,
    /// Another curve, by dotted OID.
    Other(String),
}

impl Curve {
    /// The curve of an OID.
    pub fn from_oid(dotted: &str) -> Self {
        match dotted {
            oid::P256 => Self::P256,
            oid::P384 => Self::P384,
            oid::P521 => Self::P521,
            other => Self::Other(other.to_owned()),
        }
    }

    /// The curve of a JWK's `crv` (RFC 7518 §6.2.1.1).
    pub fn from_jwk(crv: &str) -> Option<Self> {
        match crv {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    /// Dotted OID.
    pub fn oid(&self) -> &str {
        match self {
            Self::P256 => oid::P256,
            Self::P384 => oid::P384,
            Self::P521 => oid::P521,
            Self::Other(oid) => oid,
        }
    }

    /// Octets of a coordinate; `None` for curves without an ES* algorithm.
    pub fn coordinate_length(&self) -> Option<usize> {
        match self {
            Self::P256 => Some(32),
            Self::P384 => Some(48),
            Self::P521 => Some(66),
            Self::Other(_) => None,
        }
    }

    fn bits(&self) -> Option<usize> {
        match self {
            Self::P256 => Some(256),
            Self::P384 => Some(384),
            Self::P521 => Some(521),
            Self::Other(_) => None,
        }
    }
}

/// Bytes that are no SubjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// The outer structure does not fit RFC 5280 §4.1.
    #[error("the bytes are no SubjectPublicKeyInfo (RFC 5280 §4.1)")]
    NotSpki,
    /// The algorithm is known and its key is malformed.
    #[error("the {0} key inside the SubjectPublicKeyInfo is malformed")]
    MalformedKey(&'static str),
}

impl PublicKey {
    /// An RSA key from big-endian numbers; leading zeros are dropped.
    pub fn rsa(n: &[u8], e: &[u8]) -> Self {
        Self::Rsa(RsaPublicKey { n: der::trim_zeros(n).to_vec(), e: der::trim_zeros(e).to_vec() })
    }

    /// Reads a SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`PublicKeyError`] when the bytes are something else, or end early, or go on behind it.
    pub fn from_spki(spki: &[u8]) -> Result<Self, PublicKeyError> {
        let (mut body, mut algorithm, oid) = (|| {
            let mut body = der::exactly_one(spki).filter(|t| t.tag == tag::SEQUENCE)?.reader();
            let mut algorithm = body.sequence()?;
            let oid = algorithm.oid()?;
            Some((body, algorithm, oid))
        })()
        .ok_or(PublicKeyError::NotSpki)?;
        let bits = body.bits().filter(|_| body.is_empty()).ok_or(PublicKeyError::NotSpki)?;
        match oid.as_str() {
            oid::RSA => Self::from_pkcs1(bits).ok_or(PublicKeyError::MalformedKey("RSA")),
            oid::EC => {
                // Explicit curve parameters (a SEQUENCE) are read as an unknown curve: RFC 5480 §2.1.1 forbids them.
                let curve =
                    algorithm.oid().map_or_else(|| Curve::Other("explicit".to_owned()), |o| Curve::from_oid(&o));
                if let Curve::Other(name) = &curve
                    && name == "explicit"
                {
                    return Ok(Self::Other { oid, spki: spki.to_vec() });
                }
                if bits.is_empty() {
                    return Err(PublicKeyError::MalformedKey("EC"));
                }
                Ok(Self::Ec { curve, point: bits.to_vec() })
            }
            oid::ED25519 => Ok(Self::Ed25519(bits.to_vec())),
            _ => Ok(Self::Other { oid, spki: spki.to_vec() }),
        }
    }

    /// Reads an `RSAPublicKey` (RFC 8017 §A.1.1), the contents of PEM `RSA PUBLIC KEY`.
    pub fn from_pkcs1(bytes: &[u8]) -> Option<Self> {
        let mut body = der::exactly_one(bytes).filter(|t| t.tag == tag::SEQUENCE)?.reader();
        let (n, e) = (body.unsigned()?, body.unsigned()?);
        (body.is_empty() && !n.is_empty() && !e.is_empty()).then(|| Self::rsa(n, e))
    }

    /// The SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        let algorithm = |oid: &str, parameters: &[u8]| {
            let oid = der::write_oid(oid).unwrap_or_default();
            der::write(tag::SEQUENCE, &[&oid, parameters])
        };
        match self {
            Self::Rsa(key) => {
                let (n, e) = (der::write_unsigned(&key.n), der::write_unsigned(&key.e));
                let pkcs1 = der::write(tag::SEQUENCE, &[&n, &e]);
                let null = der::write(tag::NULL, &[]);
                let bits = der::write(tag::BIT_STRING, &[&[0], &pkcs1]);
                der::write(tag::SEQUENCE, &[&algorithm(oid::RSA, &null), &bits])
            }
            Self::Ec { curve, point } => {
                let curve = der::write_oid(curve.oid()).unwrap_or_default();
                let bits = der::write(tag::BIT_STRING, &[&[0], point]);
                der::write(tag::SEQUENCE, &[&algorithm(oid::EC, &curve), &bits])
            }
            Self::Ed25519(point) => {
                let bits = der::write(tag::BIT_STRING, &[&[0], point]);
                der::write(tag::SEQUENCE, &[&algorithm(oid::ED25519, &[]), &bits])
            }
            Self::Other { spki, .. } => spki.clone(),
        }
    }

    /// The kind in words: `RSA`, `EC P-256`, …
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Ec { curve, .. } => match curve {
                Curve::P256 => "EC P-256",
                Curve::P384 => "EC P-384",
                Curve::P521 => "EC P-521",
                Curve::Other(_) => "EC on another curve",
            },
            Self::Ed25519(_) => "Ed25519",
            Self::Other { oid, .. } => match oid.as_str() {
                oid::RSA_PSS => "RSASSA-PSS",
                "1.2.840.10040.4.1" => "DSA",
                "1.3.101.113" => "Ed448",
                _ => "of another kind",
            },
        }
    }

    /// Size of modulus or curve in bits, where that is known.
    pub fn bits(&self) -> Option<usize> {
        match self {
            Self::Rsa(key) => Some(bit_length(&key.n)),
            Self::Ec { curve, .. } => curve.bits(),
            Self::Ed25519(_) => Some(256),
            Self::Other { .. } => None,
        }
    }

    /// The RSA public exponent; `None` for other kinds and beyond 64 bits.
    pub fn exponent(&self) -> Option<u64> {
        match self {
            Self::Rsa(key) => der::to_u64(&key.e),
            _ => None,
        }
    }

    /// Whether a signature of this `alg` can be made with a key of this kind (RFC 7518 §3.3 to §3.5).
    pub fn fits(&self, alg: Alg) -> bool {
        match alg {
            Alg::Rs256 | Alg::Rs384 | Alg::Rs512 | Alg::Ps256 | Alg::Ps384 | Alg::Ps512 => {
                matches!(self, Self::Rsa(_))
            }
            Alg::Es256 => matches!(self, Self::Ec { curve: Curve::P256, .. }),
            Alg::Es384 => matches!(self, Self::Ec { curve: Curve::P384, .. }),
            Alg::Es512 => matches!(self, Self::Ec { curve: Curve::P521, .. }),
        }
    }
}

fn bit_length(magnitude: &[u8]) -> usize {
    let magnitude = der::trim_zeros(magnitude);
    magnitude.first().map_or(0, |b| magnitude.len() * 8 - b.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rsa_round_trips_and_counts_bits() {
        let mut n = vec![0x80; 256];
        n[255] = 1;
        let key = PublicKey::rsa(&[&[0, 0], n.as_slice()].concat(), &[1, 0, 1]);
        assert_eq!(key.bits(), Some(2048));
        assert_eq!(key.exponent(), Some(65537));
        assert_eq!(PublicKey::from_spki(&key.spki()), Ok(key.clone()));
        assert_eq!(key.kind(), "RSA");
        let PublicKey::Rsa(inner) = &key else { panic!() };
        assert_eq!(inner.n, n);
    }

    #[test]
    fn trailing_bytes_and_negative_numbers_are_refused() {
        let mut spki = PublicKey::rsa(&[0x7F; 256], &[1, 0, 1]).spki();
        spki.push(0);
        assert_eq!(PublicKey::from_spki(&spki), Err(PublicKeyError::NotSpki));
        let negative = der::write(tag::SEQUENCE, &[&der::write(tag::INTEGER, &[&[0x80]]), &der::write_unsigned(&[3])]);
        assert_eq!(PublicKey::from_pkcs1(&negative), None);
    }

    #[test]
    fn algorithms_fit_their_kind_only() {
        let rsa = PublicKey::rsa(&[0x80; 256], &[1, 0, 1]);
        let ec = PublicKey::Ec { curve: Curve::P256, point: vec![4; 65] };
        assert!(rsa.fits(Alg::Ps256) && rsa.fits(Alg::Rs512) && !rsa.fits(Alg::Es256));
        assert!(ec.fits(Alg::Es256) && !ec.fits(Alg::Es384) && !ec.fits(Alg::Rs256));
        assert_eq!(PublicKey::from_spki(&ec.spki()), Ok(ec));
    }
}
