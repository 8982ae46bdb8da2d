//! A CA for one run, bound to the names it is made for, and the one certificate it signs.
//!
//! Made by `run`. The CA's key is dropped as soon as it has signed; neither key ever touches the disk, so that whoever
//! finds the CA's certificate later can do nothing with it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use countersign_core::time::UnixTime;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use super::Hosts;
use crate::tls::TlsError;
use crate::token::signer::set_validity;

/// Longest life of a run, in days. A CA that ends is no promise by itself: it ends with its key, which is gone at once.
const DAYS: i64 = 30;
const DAY: i64 = 86_400;

/// What a run presents, and what its clients must trust.
#[derive(Clone)]
pub struct RunCertificates {
    /// The CA's certificate.
    pub ca_pem: String,
    /// HTTP/2 and HTTP/1.1, for what the service itself answers.
    pub server: Arc<ServerConfig>,
    /// HTTP/1.1 only, for what is handed on to another service byte by byte.
    pub http_1: Arc<ServerConfig>,
}

impl std::fmt::Debug for RunCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunCertificates").finish_non_exhaustive()
    }
}

impl RunCertificates {
    /// Makes a CA that can vouch for these hosts and loopback only, and the certificate that names them all.
    ///
    /// # Errors
    /// [`TlsError`] when a certificate cannot be made.
    pub fn make(hosts: &Hosts, now: UnixTime) -> Result<Self, TlsError> {
        let failed = |e: rcgen::Error| TlsError::Make(e.to_string());
        let names = || hosts.names().iter().map(String::as_str).chain(["localhost"]);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

        let mut ca = params("countersign run", now);
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let whole = |ip: IpAddr| CidrSubnet::from_addr_prefix(ip, if ip.is_ipv4() { 32 } else { 128 });
        ca.name_constraints = Some(NameConstraints {
            permitted_subtrees: names()
                .map(|n| GeneralSubtree::DnsName(n.to_owned()))
                .chain(loopback.map(|ip| GeneralSubtree::IpAddress(whole(ip))))
                .collect(),
            excluded_subtrees: Vec::new(),
        });
        let ca_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;

        let mut leaf = params("countersign run, leaf", now);
        for name in names() {
            let name = name
                .to_owned()
                .try_into()
                .map_err(|_| TlsError::Make(format!("'{name}' cannot stand in a certificate")))?;
            leaf.subject_alt_names.push(SanType::DnsName(name));
        }
        leaf.subject_alt_names.extend(loopback.map(SanType::IpAddress));
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let signed = leaf.signed_by(&leaf_key, &Issuer::from_params(&ca, &ca_key)).map_err(failed)?;

        let chain = vec![signed.der().clone(), ca_certificate.der().clone()];
        let config = |protocols: &[&[u8]]| {
            let key = PrivatePkcs8KeyDer::from(leaf_key.serialize_der()).into();
            let failed = |e: rustls::Error| TlsError::Make(e.to_string());
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let mut config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(failed)?
                .with_no_client_auth()
                .with_single_cert(chain.clone(), key)
                .map_err(failed)?;
            config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
            Ok(Arc::new(config))
        };
        Ok(Self {
            ca_pem: ca_certificate.pem(),
            server: config(&[b"h2", b"http/1.1"])?,
            http_1: config(&[b"http/1.1"])?,
        })
    }
}

fn params(name: &str, now: UnixTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Countersign");
    params.distinguished_name.push(DnType::CommonName, name);
    set_validity(&mut params, now.plus_secs(-DAY), now.plus_secs(DAYS * DAY));
    params
}
