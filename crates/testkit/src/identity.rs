//! Key pairs with certificates, made once for each test process.

use std::sync::OnceLock;

use countersign_core::UnixTime;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::keyfile::PrivateKey;
use countersign_core::x509::certificate::Certificate;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A private key and its certificate.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The private key.
    pub key: PrivateKey,
    /// Its certificate.
    pub certificate: Certificate,
}

/// What a certificate says.
#[derive(Clone, Debug)]
pub struct Spec<'a> {
    /// Common name.
    pub common_name: &'a str,
    /// Start of validity.
    pub not_before: UnixTime,
    /// End of validity.
    pub not_after: UnixTime,
}

impl Default for Spec<'_> {
    fn default() -> Self {
        Self {
            common_name: "payroll-daemon",
            not_before: UnixTime::from_secs(1_700_000_000),
            not_after: UnixTime::from_secs(2_000_000_000),
        }
    }
}

/// One of a few RSA-2048 keys; the same number gives the same key within a test process.
pub fn rsa_key(number: usize) -> PrivateKey {
    static KEYS: [OnceLock<PrivateKey>; 8] = [const { OnceLock::new() }; 8];
    KEYS[number].get_or_init(|| AwsLc.generate_rsa(2048).expect("RSA key generation")).clone()
}

impl Identity {
    /// A self-signed certificate for an RSA key of [`rsa_key`].
    pub fn rsa(number: usize, spec: &Spec<'_>) -> Self {
        Self::self_signed(rsa_key(number), spec)
    }

    /// A self-signed certificate for that key.
    pub fn self_signed(key: PrivateKey, spec: &Spec<'_>) -> Self {
        let pair = key_pair(&key);
        let der = params(spec).self_signed(&pair).expect("certificate").der().to_vec();
        let certificate = Certificate::from_der(&der).expect("certificate just made");
        Self { key, certificate }
    }

    /// PEM of the certificate.
    pub fn certificate_pem(&self) -> String {
        pem("CERTIFICATE", self.certificate.der())
    }

    /// PEM of the private key (PKCS#8).
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", self.key.pkcs8_der())
    }
}

fn key_pair(key: &PrivateKey) -> KeyPair {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.pkcs8_der().to_vec()));
    KeyPair::try_from(&der).expect("key of the test process")
}

fn params(spec: &Spec<'_>) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, spec.common_name);
    params.distinguished_name = name;
    let date = |t: UnixTime| {
        let c = t.civil();
        rcgen::date_time_ymd(c.year as i32, c.month as u8, c.day as u8)
    };
    params.not_before = date(spec.not_before);
    params.not_after = date(spec.not_after);
    params
}

/// PEM with lines of 64 characters.
pub fn pem(label: &str, der: &[u8]) -> String {
    let body = countersign_core::encoding::encode_base64(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("base64 is ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
