//! A private key, whatever format it came in, kept as PKCS#8 in memory that is wiped.
//!
//! Made by [`super::read`] and by whoever generates keys; used by [`crate::crypto`]. It never prints its contents.

use std::fmt;

use zeroize::Zeroizing;

use crate::x509::certificate::Certificate;
use crate::x509::der::{self, Reader, tag};
use crate::x509::key::{Curve, PublicKey, oid};

/// A private key and its public half.
#[derive(Clone)]
pub struct PrivateKey {
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

/// Bytes that are no private key of the format tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrivateKeyError {
    /// The structure is not that of the format.
    #[error("the bytes are no private key in {0}")]
    NotThisFormat(&'static str),
    /// A kind of key without a use here.
    #[error("private keys {0} are not supported")]
    UnsupportedKind(&'static str),
    /// An EC key without its public point, and no provider at hand to compute it.
    #[error("the EC private key does not contain its public point")]
    NoPublicPoint,
}

impl PrivateKey {
    /// Reads `PrivateKeyInfo` or `OneAsymmetricKey` (RFC 5958 §2).
    ///
    /// # Errors
    /// [`PrivateKeyError`] when the bytes are something else or the key is of a kind without an algorithm here.
    pub fn from_pkcs8_der(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        let wrong = PrivateKeyError::NotThisFormat("PKCS#8");
        let (mut body, mut algorithm, kind, inner) = (|| {
            let mut body = der::exactly_one(bytes).filter(|t| t.tag == tag::SEQUENCE)?.reader();
            body.u64().filter(|version| *version <= 1)?;
            let mut algorithm = body.sequence()?;
            let kind = algorithm.oid()?;
            let inner = body.octets()?;
            Some((body, algorithm, kind, inner))
        })()
        .ok_or(wrong)?;
        let public = match kind.as_str() {
            oid::RSA => rsa_public(inner).ok_or(PrivateKeyError::NotThisFormat("PKCS#1"))?,
            oid::EC => {
                let curve = algorithm.oid().map(|o| Curve::from_oid(&o)).ok_or(wrong)?;
                let stored = ec_public(inner).or_else(|| outer_public(&mut body));
                let point = match stored {
                    Some(point) => point,
                    None => compute_point(&curve, bytes).ok_or(PrivateKeyError::NoPublicPoint)?,
                };
                PublicKey::Ec { curve, point }
            }
            oid::RSA_PSS => {
                return Err(PrivateKeyError::UnsupportedKind("restricted to RSASSA-PSS"));
            }
            oid::ED25519 => return Err(PrivateKeyError::UnsupportedKind("of Ed25519")),
            _ => {
                return Err(PrivateKeyError::UnsupportedKind("of other kinds than RSA and EC"));
            }
        };
        Ok(Self { pkcs8: Zeroizing::new(bytes.to_vec()), public })
    }

    /// Reads `RSAPrivateKey` (RFC 8017 §A.1.2), the contents of PEM `RSA PRIVATE KEY`.
    ///
    /// # Errors
    /// [`PrivateKeyError::NotThisFormat`] when the bytes are something else.
    pub fn from_pkcs1_der(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        rsa_public(bytes).ok_or(PrivateKeyError::NotThisFormat("PKCS#1"))?;
        Self::wrap(oid::RSA, &der::write(tag::NULL, &[]), bytes)
    }

    /// Reads `ECPrivateKey` (RFC 5915 §3), the contents of PEM `EC PRIVATE KEY`; it must name its curve.
    ///
    /// # Errors
    /// [`PrivateKeyError`] when the bytes are something else or the public point is neither there nor computable.
    pub fn from_sec1_der(bytes: &[u8]) -> Result<Self, PrivateKeyError> {
        let wrong = PrivateKeyError::NotThisFormat("SEC 1");
        let curve = sec1_body(bytes)
            .and_then(|mut b| b.expect(tag::CONTEXT_0))
            .map(|parameters| parameters.value)
            .ok_or(wrong)?;
        Reader(curve).oid().ok_or(wrong)?;
        Self::wrap(oid::EC, curve, bytes)
    }

    /// Builds an RSA key from the numbers of a JWK (RFC 7518 §6.3), in the order of `RSAPrivateKey`.
    pub(super) fn from_rsa_numbers(numbers: &[Zeroizing<Vec<u8>>; 8]) -> Result<Self, PrivateKeyError> {
        let parts: Vec<Zeroizing<Vec<u8>>> = numbers.iter().map(|n| Zeroizing::new(der::write_unsigned(n))).collect();
        let version = der::write_unsigned(&[]);
        let mut contents: Vec<&[u8]> = vec![&version];
        contents.extend(parts.iter().map(|p| p.as_slice()));
        let pkcs1 = Zeroizing::new(der::write(tag::SEQUENCE, &contents));
        Self::from_pkcs1_der(&pkcs1)
    }

    /// Builds an EC key from scalar and point.
    pub(super) fn from_ec_parts(curve: &Curve, scalar: &[u8], point: &[u8]) -> Result<Self, PrivateKeyError> {
        let wrong = PrivateKeyError::NotThisFormat("JWK");
        let bits = der::write(tag::BIT_STRING, &[&[0], point]);
        let scalar = Zeroizing::new(der::write(tag::OCTET_STRING, &[scalar]));
        let sec1 = Zeroizing::new(der::write(
            tag::SEQUENCE,
            &[&der::write_unsigned(&[1]), &scalar, &der::write(tag::CONTEXT_1, &[&bits])],
        ));
        Self::wrap(oid::EC, &der::write_oid(curve.oid()).ok_or(wrong)?, &sec1)
    }

    fn wrap(algorithm: &str, parameters: &[u8], inner: &[u8]) -> Result<Self, PrivateKeyError> {
        let oid = der::write_oid(algorithm).ok_or(PrivateKeyError::NotThisFormat("PKCS#8"))?;
        let algorithm = der::write(tag::SEQUENCE, &[&oid, parameters]);
        let octets = Zeroizing::new(der::write(tag::OCTET_STRING, &[inner]));
        let pkcs8 = Zeroizing::new(der::write(tag::SEQUENCE, &[&der::write_unsigned(&[]), &algorithm, &octets]));
        Self::from_pkcs8_der(&pkcs8)
    }

    /// The key as unencrypted PKCS#8 DER. Whoever copies it must wipe the copy.
    pub fn pkcs8_der(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Whether the certificate is one of this key.
    pub fn matches(&self, certificate: &Certificate) -> bool {
        same_key(&self.public, certificate.public_key())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.kind())
    }
}

impl PartialEq for PrivateKey {
    /// Two private keys are the same when their public halves are.
    fn eq(&self, other: &Self) -> bool {
        same_key(&self.public, &other.public)
    }
}

impl Eq for PrivateKey {}

/// Equal, or the same EC point in compressed and uncompressed form as far as its x coordinate and parity tell.
fn same_key(a: &PublicKey, b: &PublicKey) -> bool {
    if let (PublicKey::Ec { curve: c1, point: p1 }, PublicKey::Ec { curve: c2, point: p2 }) = (a, b) {
        return c1 == c2 && compressed(p1) == compressed(p2);
    }
    a == b
}

/// SEC 1 §2.3.3: `02` or `03` by the parity of y, then x.
fn compressed(point: &[u8]) -> Vec<u8> {
    match point.split_first() {
        Some((4, xy)) if xy.len() % 2 == 0 && !xy.is_empty() => {
            let (x, y) = xy.split_at(xy.len() / 2);
            let parity = y.last().map_or(0, |b| b & 1);
            [&[2 | parity], x].concat()
        }
        _ => point.to_vec(),
    }
}

fn rsa_public(pkcs1: &[u8]) -> Option<PublicKey> {
    let mut body = der::exactly_one(pkcs1).filter(|t| t.tag == tag::SEQUENCE)?.reader();
    body.u64().filter(|version| *version <= 1)?;
    let (n, e) = (body.unsigned()?, body.unsigned()?);
    // d, p, q, and the three numbers of the Chinese remainder theorem.
    for _ in 0..6 {
        body.unsigned().filter(|v| !v.is_empty())?;
    }
    (!n.is_empty() && !e.is_empty()).then(|| PublicKey::rsa(n, e))
}

/// Behind version and scalar of an `ECPrivateKey`.
fn sec1_body(sec1: &[u8]) -> Option<Reader<'_>> {
    let mut body = der::exactly_one(sec1).filter(|t| t.tag == tag::SEQUENCE)?.reader();
    body.u64().filter(|version| *version == 1)?;
    body.octets()?;
    Some(body)
}

fn ec_public(sec1: &[u8]) -> Option<Vec<u8>> {
    let mut body = sec1_body(sec1)?;
    if body.peek() == Some(tag::CONTEXT_0) {
        body.any()?;
    }
    Some(body.expect(tag::CONTEXT_1)?.reader().bits()?.to_vec())
}

/// `publicKey` of `OneAsymmetricKey`, an implicitly tagged BIT STRING behind optional attributes.
fn outer_public(body: &mut Reader<'_>) -> Option<Vec<u8>> {
    if body.peek() == Some(tag::CONTEXT_0) {
        body.any()?;
    }
    match body.expect(0x81)?.value.split_first()? {
        (0, point) => Some(point.to_vec()),
        _ => None,
    }
}

#[cfg(feature = "aws-lc")]
fn compute_point(curve: &Curve, pkcs8: &[u8]) -> Option<Vec<u8>> {
    crate::crypto::aws_lc::ec_public_point(curve, pkcs8)
}

#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
fn compute_point(curve: &Curve, pkcs8: &[u8]) -> Option<Vec<u8>> {
    crate::crypto::rustcrypto::ec_public_point(curve, pkcs8)
}

#[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
fn compute_point(_curve: &Curve, _pkcs8: &[u8]) -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::KeyPair;

    #[test]
    fn debug_prints_the_kind_only() {
        let key = PrivateKey::from_pkcs8_der(&KeyPair::generate().unwrap().serialize_der()).unwrap();
        assert_eq!(format!("{key:?}"), "PrivateKey(EC P-256)");
    }

    #[test]
    fn pkcs8_pkcs1_and_certificate_agree_on_the_public_key() {
        let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let key = PrivateKey::from_pkcs8_der(&pair.serialize_der()).unwrap();
        let inner = {
            let mut body = der::exactly_one(key.pkcs8_der()).unwrap().reader();
            body.u64().unwrap();
            body.sequence().unwrap();
            body.octets().unwrap().to_vec()
        };
        assert_eq!(PrivateKey::from_pkcs1_der(&inner).unwrap(), key);
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let certificate = Certificate::from_der(params.self_signed(&pair).unwrap().der()).unwrap();
        assert!(key.matches(&certificate));
        let other = PrivateKey::from_pkcs8_der(&KeyPair::generate().unwrap().serialize_der()).unwrap();
        assert!(!other.matches(&certificate) && other != key);
        assert_eq!(PrivateKey::from_pkcs1_der(key.pkcs8_der()).unwrap_err(), PrivateKeyError::NotThisFormat("PKCS#1"));
    }

    #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
    #[test]
    fn an_ec_key_without_its_point_gets_it_computed() {
        let pair = KeyPair::generate().unwrap();
        let whole = PrivateKey::from_pkcs8_der(&pair.serialize_der()).unwrap();
        let scalar = {
            let mut body = der::exactly_one(whole.pkcs8_der()).unwrap().reader();
            body.u64().unwrap();
            body.sequence().unwrap();
            let mut sec1 = der::exactly_one(body.octets().unwrap()).unwrap().reader();
            sec1.u64().unwrap();
            sec1.octets().unwrap().to_vec()
        };
        let sec1 = der::write(
            tag::SEQUENCE,
            &[
                &der::write_unsigned(&[1]),
                &der::write(tag::OCTET_STRING, &[&scalar]),
                &der::write(tag::CONTEXT_0, &[&der::write_oid(oid::P256).unwrap()]),
            ],
        );
        assert_eq!(PrivateKey::from_sec1_der(&sec1).unwrap(), whole);
    }
}
