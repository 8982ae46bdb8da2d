//! Says what a piece of DER is from its structure alone.
//!
//! Used by [`super::read`] for files and for the contents of PEM blocks, whose labels are often wrong.

use crate::x509::der::{self, Reader, tag};

/// Kinds of DER that occur in key files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DerKind {
    /// X.509 certificate (RFC 5280).
    Certificate,
    /// PKCS#12 (RFC 7292).
    Pkcs12,
    /// `PrivateKeyInfo` (RFC 5958).
    Pkcs8,
    /// `EncryptedPrivateKeyInfo` (RFC 5958 §3).
    EncryptedPkcs8,
    /// `RSAPrivateKey` (RFC 8017 §A.1.2).
    Pkcs1,
    /// `ECPrivateKey` (RFC 5915).
    Sec1,
    /// `SubjectPublicKeyInfo`.
    Spki,
    /// `RSAPublicKey`.
    Pkcs1Public,
    /// `CertificationRequest` (RFC 2986).
    Request,
    /// PKCS#7 / CMS with certificates (RFC 5652).
    Pkcs7,
    /// Certificate revocation list.
    RevocationList,
    /// A SEQUENCE of another kind.
    Other,
}

impl DerKind {
    /// The kind in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Pkcs12 => "PKCS#12",
            Self::Pkcs8 => "private key (PKCS#8)",
            Self::EncryptedPkcs8 => "encrypted private key (PKCS#8)",
            Self::Pkcs1 => "private key (PKCS#1)",
            Self::Sec1 => "private key (SEC 1)",
            Self::Spki => "public key",
            Self::Pkcs1Public => "public key (PKCS#1)",
            Self::Request => "certificate request",
            Self::Pkcs7 => "PKCS#7",
            Self::RevocationList => "certificate revocation list",
            Self::Other => "DER of another kind",
        }
    }

    /// Whether a PEM label names this kind (RFC 7468 and what tools write).
    pub fn has_label(self, label: &str) -> bool {
        match self {
            Self::Certificate => matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"),
            Self::Pkcs12 => matches!(label, "PKCS12" | "PFX"),
            Self::Pkcs8 => label == "PRIVATE KEY",
            Self::EncryptedPkcs8 => label == "ENCRYPTED PRIVATE KEY",
            Self::Pkcs1 => label == "RSA PRIVATE KEY",
            Self::Sec1 => label == "EC PRIVATE KEY",
            Self::Spki => label == "PUBLIC KEY",
            Self::Pkcs1Public => label == "RSA PUBLIC KEY",
            Self::Request => matches!(label, "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"),
            // Windows and some authorities label PKCS#7 as CERTIFICATE or CERTIFICATE CHAIN.
            Self::Pkcs7 => matches!(label, "PKCS7" | "CMS" | "PKCS #7 SIGNED DATA" | "CERTIFICATE CHAIN"),
            Self::RevocationList => label == "X509 CRL",
            Self::Other => true,
        }
    }
}

/// `PKCS#7 data`, inside PKCS#12 too.
pub(super) const OID_DATA: &str = "1.2.840.113549.1.7.1";
const OID_SIGNED_DATA: &str = "1.2.840.113549.1.7.2";

/// The kind of the one SEQUENCE in `bytes`; `None` when there is none.
pub(super) fn sniff(bytes: &[u8]) -> Option<DerKind> {
    let body = der::exactly_one(bytes).filter(|t| t.tag == tag::SEQUENCE)?.reader();
    Some(kind(body).unwrap_or(DerKind::Other))
}

fn kind(body: Reader<'_>) -> Option<DerKind> {
    let mut rest = body;
    let first = rest.any()?;
    match first.tag {
        tag::INTEGER => {
            let number = der::to_u64(first.value);
            let second = rest.any()?;
            match second.tag {
                tag::INTEGER if rest.is_empty() => Some(DerKind::Pkcs1Public),
                tag::INTEGER => Some(DerKind::Pkcs1),
                tag::OCTET_STRING => Some(DerKind::Sec1),
                tag::SEQUENCE => {
                    let oid = second.reader().oid()?;
                    match rest.peek() {
                        Some(tag::OCTET_STRING) => Some(DerKind::Pkcs8),
                        _ if number == Some(3) && oid.starts_with("1.2.840.113549.1.7.") => Some(DerKind::Pkcs12),
                        _ => None,
                    }
                }
                _ => None,
            }
        }
        tag::OID => (der::oid_text(first.value)? == OID_SIGNED_DATA).then_some(DerKind::Pkcs7),
        tag::SEQUENCE => {
            let second = rest.any()?;
            match second.tag {
                tag::OCTET_STRING => {
                    first.reader().oid()?;
                    Some(DerKind::EncryptedPkcs8)
                }
                tag::BIT_STRING => {
                    first.reader().oid()?;
                    Some(DerKind::Spki)
                }
                tag::SEQUENCE => signed(first.reader(), rest),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Certificate, request and revocation list share the frame `SEQUENCE { SEQUENCE …, algorithm, BIT STRING }`.
fn signed(mut inner: Reader<'_>, mut rest: Reader<'_>) -> Option<DerKind> {
    rest.expect(tag::BIT_STRING)?;
    if inner.peek() == Some(tag::CONTEXT_0) {
        return Some(DerKind::Certificate);
    }
    let tags: Vec<u8> = std::iter::from_fn(|| inner.any().map(|t| t.tag)).take(5).collect();
    match tags.as_slice() {
        // serial, algorithm, issuer, validity, subject: version 1
        [tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE, tag::SEQUENCE, tag::SEQUENCE] => Some(DerKind::Certificate),
        [tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE, tag::CONTEXT_0, ..] => Some(DerKind::Request),
        [tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE] => Some(DerKind::Request),
        _ => Some(DerKind::RevocationList),
    }
}

/// The certificates inside a PKCS#7 `SignedData` (RFC 5652 §5.1), as `.p7b` files hold them.
pub(super) fn pkcs7_certificates(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut outer = der::exactly_one(bytes)?.reader();
    outer.oid()?;
    let mut signed = outer.expect(tag::CONTEXT_0)?.reader().sequence()?;
    signed.u64()?;
    signed.expect(tag::SET)?;
    signed.sequence()?;
    let mut certificates = signed.expect(tag::CONTEXT_0)?.reader();
    Some(std::iter::from_fn(|| certificates.any().map(|t| t.whole)).collect())
}
