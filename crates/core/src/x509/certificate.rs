//! A certificate, read once: identifiers, names, validity and key.
//!
//! Made from DER by key files, registration and `x5c`. It reads what imperfect tools write and notes what is odd;
//! whether a certificate is acceptable is decided by [`crate::checks`] and [`crate::registration`].

use std::fmt;
use std::sync::{Arc, OnceLock};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;

use super::der;
use super::key::{PublicKey, PublicKeyError};
use super::name::{common_name, name_text, printable};
use crate::crypto::{KeyError, Provider, Verify};
use crate::encoding;
use crate::thumbprint;
use crate::time::UnixTime;

/// An X.509 certificate (RFC 5280 §4.1). Cloning is cheap.
#[derive(Clone)]
pub struct Certificate(Arc<Inner>);

struct Inner {
    der: Vec<u8>,
    sha1: [u8; 20],
    sha256: [u8; 32],
    not_before: UnixTime,
    not_after: UnixTime,
    subject: String,
    issuer: String,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    common_name: Option<String>,
    subject_alternative_names: Vec<String>,
    serial_hex: String,
    public_key: PublicKey,
    is_ca: bool,
    signature_oid: String,
    tbs: std::ops::Range<usize>,
    signature: Vec<u8>,
    oddities: Vec<CertificateOddity>,
    verifier: OnceLock<Result<Arc<dyn Verify>, KeyError>>,
}

/// Bytes that are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Larger than any real certificate; bounds the work for hostile input.
    #[error("{size} bytes are too many for a certificate; at most {limit} are read")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes read at most.
        limit: usize,
    },
    /// The DER announces more bytes than there are.
    #[error("the certificate is cut off: its DER announces {expected} bytes, there are {received}")]
    Truncated {
        /// Bytes announced.
        expected: usize,
        /// Bytes given.
        received: usize,
    },
    /// Something stands behind the certificate.
    #[error("{count} bytes stand behind the certificate's DER")]
    TrailingBytes {
        /// Bytes too many.
        count: usize,
    },
    /// Not the structure of RFC 5280 §4.1.
    #[error("the bytes are no X.509 certificate in DER (RFC 5280 §4.1)")]
    NotCertificate,
    /// The subject's public key cannot be read.
    #[error("the certificate's public key cannot be read: {0}")]
    PublicKey(#[from] PublicKeyError),
}

/// What is unusual in a certificate that could be read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateOddity {
    /// X.509 version 1 or 2: no extensions.
    NotVersion3,
    /// The serial number is zero or negative (RFC 5280 §4.1.2.2).
    SerialNotPositive,
    /// The validity ends before it begins.
    ValidityReversed,
    /// The two statements of the signature algorithm differ (RFC 5280 §4.1.1.2).
    SignatureAlgorithmsDiffer,
    /// An extension could not be read.
    UnreadableExtension,
}

impl CertificateOddity {
    /// The oddity in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotVersion3 => "it is not of X.509 version 3",
            Self::SerialNotPositive => "its serial number is not positive",
            Self::ValidityReversed => "its validity ends before it begins",
            Self::SignatureAlgorithmsDiffer => "it names two different signature algorithms",
            Self::UnreadableExtension => "one of its extensions cannot be read",
        }
    }
}

/// The largest certificate read: real ones have one to four KiB, those with many names up to sixty.
pub const MAX_CERTIFICATE_BYTES: usize = 128 * 1024;

impl Certificate {
    /// Reads one certificate that fills `bytes` from end to end.
    ///
    /// # Errors
    /// [`CertificateError`] saying what stands there instead.
    pub fn from_der(bytes: &[u8]) -> Result<Self, CertificateError> {
        if bytes.len() > MAX_CERTIFICATE_BYTES {
            let (size, limit) = (bytes.len(), MAX_CERTIFICATE_BYTES);
            return Err(CertificateError::TooLarge { size, limit });
        }
        if bytes.first() != Some(&der::tag::SEQUENCE) {
            return Err(CertificateError::NotCertificate);
        }
        let (header, length) = der::header(bytes).ok_or(CertificateError::NotCertificate)?;
        let expected = header.saturating_add(length);
        if expected > bytes.len() {
            return Err(CertificateError::Truncated { expected, received: bytes.len() });
        }
        let (rest, parsed) = X509Certificate::from_der(bytes).map_err(|_| CertificateError::NotCertificate)?;
        if !rest.is_empty() {
            return Err(CertificateError::TrailingBytes { count: rest.len() });
        }
        // The parsed value holds slices of `bytes` only; positions are found by length.
        let tbs_length = parsed.tbs_certificate.as_ref().len();
        let tbs = header..header + tbs_length;
        let (alternative_names, is_ca, unreadable) = extensions(&parsed);
        let inner = Inner {
            sha1: thumbprint::sha1(bytes),
            sha256: thumbprint::sha256(bytes),
            not_before: UnixTime::from_secs(parsed.validity().not_before.timestamp()),
            not_after: UnixTime::from_secs(parsed.validity().not_after.timestamp()),
            subject: name_text(parsed.subject()),
            issuer: name_text(parsed.issuer()),
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            common_name: common_name(parsed.subject()),
            subject_alternative_names: alternative_names,
            serial_hex: encoding::encode_hex_upper(match der::trim_zeros(parsed.raw_serial()) {
                [] => &[0],
                magnitude => magnitude,
            }),
            public_key: PublicKey::from_spki(parsed.public_key().raw)?,
            is_ca,
            signature_oid: parsed.signature_algorithm.algorithm.to_id_string(),
            tbs,
            signature: parsed.signature_value.data.to_vec(),
            oddities: oddities(&parsed, unreadable),
            verifier: OnceLock::new(),
            der: bytes.to_vec(),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// The DER encoding.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// SHA-1 over the DER: `x5t`, `customKeyIdentifier`, the thumbprint of the portals.
    pub fn sha1(&self) -> &[u8; 20] {
        &self.0.sha1
    }

    /// SHA-256 over the DER: `x5t#S256`.
    pub fn sha256(&self) -> &[u8; 32] {
        &self.0.sha256
    }

    /// First moment of validity.
    pub fn not_before(&self) -> UnixTime {
        self.0.not_before
    }

    /// Last moment of validity (RFC 5280 §4.1.2.5: inclusive).
    pub fn not_after(&self) -> UnixTime {
        self.0.not_after
    }

    /// Whether the validity covers this moment, both ends included.
    pub fn valid_at(&self, now: UnixTime) -> bool {
        self.0.not_before <= now && now <= self.0.not_after
    }

    /// The subject like `CN=payroll, O=Contoso`, in the certificate's order, specials escaped as in RFC 4514 §2.4.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The issuer, written like [`Certificate::subject`].
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// The subject's name as DER, for exact comparison.
    pub fn subject_der(&self) -> &[u8] {
        &self.0.subject_der
    }

    /// The issuer's name as DER, for exact comparison.
    pub fn issuer_der(&self) -> &[u8] {
        &self.0.issuer_der
    }

    /// The subject's last common name.
    pub fn common_name(&self) -> Option<&str> {
        self.0.common_name.as_deref()
    }

    /// DNS names, addresses, URIs and IP addresses of the subject alternative name, as text.
    pub fn subject_alternative_names(&self) -> &[String] {
        &self.0.subject_alternative_names
    }

    /// The serial number in upper-case hex without leading zeros.
    pub fn serial_hex(&self) -> &str {
        &self.0.serial_hex
    }

    /// The subject's public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public_key
    }

    /// Basic constraints say "CA" (RFC 5280 §4.2.1.9).
    pub fn is_ca(&self) -> bool {
        self.0.is_ca
    }

    /// Subject and issuer are the same name; whether the signature agrees, `issued_by` of itself tells.
    pub fn self_signed(&self) -> bool {
        self.0.subject_der == self.0.issuer_der
    }

    /// The signature algorithm by name, else by dotted OID.
    pub fn signature_algorithm(&self) -> &str {
        match self.0.signature_oid.as_str() {
            "1.2.840.113549.1.1.4" => "md5WithRSAEncryption",
            "1.2.840.113549.1.1.5" => "sha1WithRSAEncryption",
            "1.2.840.113549.1.1.10" => "rsassaPss",
            "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
            "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
            "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
            "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
            "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
            "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
            "1.3.101.112" => "Ed25519",
            other => other,
        }
    }

    /// What was unusual.
    pub fn oddities(&self) -> &[CertificateOddity] {
        &self.0.oddities
    }

    /// The parsed public key, made on first use and kept with the certificate.
    ///
    /// The first provider asked is the one remembered: a process has exactly one.
    ///
    /// # Errors
    /// [`KeyError`] when the key is not one this project verifies with.
    pub fn verifier(&self, provider: &dyn Provider) -> Result<Arc<dyn Verify>, KeyError> {
        self.0.verifier.get_or_init(|| provider.verifier(&self.0.public_key)).clone()
    }

    /// Whether `other` signed this certificate: names chain and the signature verifies. Neither validity nor
    /// constraints are looked at; that is [`super::chain`]'s business.
    pub fn issued_by(&self, other: &Self, provider: &dyn Provider) -> bool {
        if self.0.issuer_der != other.0.subject_der {
            return false;
        }
        let Some(tbs) = self.0.der.get(self.0.tbs.clone()) else {
            return false;
        };
        other
            .verifier(provider)
            .is_ok_and(|v| v.verify_certificate(&self.0.signature_oid, tbs, &self.0.signature).is_ok())
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.0.der == other.0.der
    }
}

impl Eq for Certificate {}

impl std::hash::Hash for Certificate {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.sha256.hash(state);
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.0.subject)
            .field("sha1", &encoding::encode_hex_upper(&self.0.sha1))
            .finish_non_exhaustive()
    }
}

fn extensions(certificate: &X509Certificate<'_>) -> (Vec<String>, bool, bool) {
    let (mut names, mut is_ca, mut unreadable) = (Vec::new(), false, false);
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::BasicConstraints(constraints) => is_ca |= constraints.ca,
            ParsedExtension::SubjectAlternativeName(san) => {
                names.extend(san.general_names.iter().filter_map(general_name));
            }
            ParsedExtension::ParseError { .. } => unreadable = true,
            _ => {}
        }
    }
    (names, is_ca, unreadable)
}

fn general_name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => Some(printable(text)),
        GeneralName::IPAddress(bytes) => match <[u8; 4]>::try_from(*bytes) {
            Ok(v4) => Some(std::net::Ipv4Addr::from(v4).to_string()),
            Err(_) => <[u8; 16]>::try_from(*bytes).ok().map(|v6| std::net::Ipv6Addr::from(v6).to_string()),
        },
        GeneralName::DirectoryName(name) => Some(name_text(name)),
        _ => None,
    }
}

fn oddities(certificate: &X509Certificate<'_>, unreadable: bool) -> Vec<CertificateOddity> {
    use CertificateOddity as O;
    let serial = certificate.raw_serial();
    let positive = serial.first().is_some_and(|b| b & 0x80 == 0) && !der::trim_zeros(serial).is_empty();
    let validity = certificate.validity();
    [
        (certificate.version().0 != 2, O::NotVersion3),
        (!positive, O::SerialNotPositive),
        (validity.not_after.timestamp() < validity.not_before.timestamp(), O::ValidityReversed),
        (certificate.signature_algorithm != certificate.tbs_certificate.signature, O::SignatureAlgorithmsDiffer),
        (unreadable, O::UnreadableExtension),
    ]
    .into_iter()
    .filter_map(|(present, oddity)| present.then_some(oddity))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(fill: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["app.contoso.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        fill(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads_names_in_the_certificates_order_and_escapes() {
        let der = certificate(|p| {
            p.distinguished_name.push(DnType::OrganizationName, "Contoso, Ltd");
            p.distinguished_name.push(DnType::CommonName, "pay\nroll ");
        });
        let c = Certificate::from_der(&der).unwrap();
        assert_eq!(c.subject(), "O=Contoso\\, Ltd, CN=pay\\0Aroll\\ ");
        assert_eq!(c.common_name(), Some("pay\nroll "));
        assert_eq!(c.subject_alternative_names(), ["app.contoso.example"]);
        assert!(c.self_signed() && !c.is_ca());
        assert_eq!(c.public_key().kind(), "EC P-256");
        assert_eq!(c.signature_algorithm(), "ecdsa-with-SHA256");
        assert!(c.oddities().is_empty(), "{:?}", c.oddities());
        assert_eq!(c.sha1(), &thumbprint::sha1(&der));
    }

    #[test]
    fn debug_shows_no_key() {
        let c = Certificate::from_der(&certificate(|p| {
            p.distinguished_name.push(DnType::CommonName, "x");
        }))
        .unwrap();
        let text = format!("{c:?}");
        assert!(text.contains("CN=x") && text.len() < 120, "{text}");
    }

    #[test]
    fn tells_what_stands_there_instead() {
        let der = certificate(|_| {});
        let mut longer = der.clone();
        longer.push(0);
        assert_eq!(Certificate::from_der(&longer).unwrap_err(), CertificateError::TrailingBytes { count: 1 });
        assert_eq!(
            Certificate::from_der(&der[..100]).unwrap_err(),
            CertificateError::Truncated { expected: der.len(), received: 100 }
        );
        for other in [&b""[..], b"x", &[0x30, 0x80], &[0x30, 0x03, 2, 1, 0]] {
            assert_eq!(Certificate::from_der(other).unwrap_err(), CertificateError::NotCertificate);
        }
        assert!(matches!(
            Certificate::from_der(&vec![0x30; MAX_CERTIFICATE_BYTES + 1]),
            Err(CertificateError::TooLarge { .. })
        ));
    }

    #[test]
    fn validity_includes_both_ends() {
        let der = certificate(|p| {
            p.not_before = rcgen::date_time_ymd(2024, 1, 2);
            p.not_after = rcgen::date_time_ymd(2024, 3, 4);
        });
        let c = Certificate::from_der(&der).unwrap();
        assert_eq!(c.not_before().secs(), 1_704_153_600);
        assert_eq!(c.not_after().secs(), 1_709_510_400);
        assert!(c.valid_at(c.not_before()) && c.valid_at(c.not_after()));
        assert!(!c.valid_at(UnixTime::from_secs(c.not_after().secs() + 1)));
        assert!(!c.valid_at(UnixTime::from_secs(c.not_before().secs() - 1)));
    }

    #[cfg(feature = "aws-lc")]
    #[test]
    fn issued_by_needs_the_right_key_behind_the_right_name() {
        use crate::crypto::aws_lc::AwsLc;
        let params = |name: &str| {
            let mut p = CertificateParams::new(Vec::new()).unwrap();
            p.distinguished_name = rcgen::DistinguishedName::new();
            p.distinguished_name.push(DnType::CommonName, name);
            p.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            p
        };
        let read = |c: &rcgen::Certificate| Certificate::from_der(c.der()).unwrap();
        let (root_key, other_key, leaf_key) = (
            KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap(),
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
            KeyPair::generate().unwrap(),
        );
        let root = read(&params("Root").self_signed(&root_key).unwrap());
        let namesake = read(&params("Root").self_signed(&other_key).unwrap());
        let issuer = rcgen::Issuer::new(params("Root"), &root_key);
        let leaf = read(&params("Leaf").signed_by(&leaf_key, &issuer).unwrap());
        assert!(root.is_ca() && root.issued_by(&root, &AwsLc));
        assert!(namesake.issued_by(&namesake, &AwsLc));
        assert!(leaf.issued_by(&root, &AwsLc));
        assert!(!leaf.issued_by(&namesake, &AwsLc));
        assert!(!root.issued_by(&leaf, &AwsLc));
    }
}
