//! Chains of certificates: putting them in order, and proving that a leaf leads to a trusted issuer.
//!
//! Used for `x5c` under subject-name/issuer trust and for `x5c` made by the client. A certificate that is registered
//! itself is compared, never chained.

use super::certificate::Certificate;

#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
pub use verify::verify_to_anchor;

/// The longest chain that is followed.
pub const MAX_CHAIN: usize = 10;

/// Why a leaf does not lead to any anchor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No anchor was given.
    #[error("no certificate authority is trusted here")]
    NoAnchor,
    /// More certificates than any real chain has.
    #[error("{count} certificates are too many for a chain; at most {limit} are read")]
    TooLong {
        /// Certificates given.
        count: usize,
        /// Certificates read at most.
        limit: usize,
    },
    /// No path of names and signatures ends at an anchor.
    #[error("no chain leads from the certificate to a trusted certificate authority")]
    UnknownIssuer,
    /// A certificate of the path has expired.
    #[error("a certificate of the chain has expired")]
    Expired,
    /// A certificate of the path is not valid yet.
    #[error("a certificate of the chain is not valid yet")]
    NotYetValid,
    /// A signature does not match or uses an algorithm that is not trusted.
    #[error("a signature of the chain does not verify")]
    BadSignature,
    /// An issuer may not issue: CA flag, path length, key usage or name constraints (RFC 5280 §6.1.4).
    #[error("an issuer of the chain may not issue this certificate")]
    IssuerNotAllowed,
    /// This build has no cryptography to check chains with.
    #[error("chains are not checked by this build")]
    NotCheckedHere,
    /// A certificate that RFC 5280 does not allow in a path.
    #[error("a certificate of the chain does not follow RFC 5280")]
    Malformed,
}

/// Without cryptography no chain is proven.
///
/// # Errors
/// [`ChainError::NotCheckedHere`], always.
#[cfg(not(any(feature = "aws-lc", feature = "rustcrypto")))]
pub fn verify_to_anchor(
    _leaf: &Certificate,
    _intermediates: &[Certificate],
    _anchors: &[Certificate],
    _now: crate::time::UnixTime,
) -> Result<usize, ChainError> {
    Err(ChainError::NotCheckedHere)
}

/// The leaf and then each certificate's issuer by name, as `x5c` wants them (RFC 7515 §4.1.6); certificates that do
/// not belong to the chain are left out. Signatures are not looked at.
pub fn order(leaf: &Certificate, certificates: &[Certificate]) -> Vec<Certificate> {
    let mut chain = vec![leaf.clone()];
    while chain.len() < MAX_CHAIN {
        let Some(last) = chain.last().filter(|c| !c.self_signed()) else {
            break;
        };
        let next = certificates.iter().find(|c| c.subject_der() == last.issuer_der() && !chain.contains(c)).cloned();
        match next {
            Some(issuer) => chain.push(issuer),
            None => break,
        }
    }
    chain
}

#[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
mod verify {
    use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime as PkiTime};
    use std::time::Duration;
    use webpki::{EndEntityCert, ExtendedKeyUsageValidator, KeyPurposeIdIter, anchor_from_trusted_cert};

    use super::{Certificate, ChainError, MAX_CHAIN};
    use crate::time::UnixTime;

    /// Index of the anchor that the leaf leads to, all signatures, validities and constraints checked (RFC 5280 §6).
    ///
    /// Extended key usages are not looked at: client assertions have none of their own.
    ///
    /// # Errors
    /// [`ChainError`] for the nearest miss.
    pub fn verify_to_anchor(
        leaf: &Certificate,
        intermediates: &[Certificate],
        anchors: &[Certificate],
        now: UnixTime,
    ) -> Result<usize, ChainError> {
        if intermediates.len() > MAX_CHAIN {
            return Err(ChainError::TooLong { count: intermediates.len(), limit: MAX_CHAIN });
        }
        // One anchor after the other: the library returns the anchor's name, and two anchors may share a name.
        let time = PkiTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.secs()).unwrap_or(0)));
        let leaf_der = CertificateDer::from(leaf.der());
        let entity = EndEntityCert::try_from(&leaf_der).map_err(reason)?;
        let between: Vec<CertificateDer<'_>> = intermediates.iter().map(|c| CertificateDer::from(c.der())).collect();
        let mut nearest = ChainError::NoAnchor;
        for (index, anchor) in anchors.iter().enumerate() {
            let anchor_der = CertificateDer::from(anchor.der());
            let trust: TrustAnchor<'_> = match anchor_from_trusted_cert(&anchor_der) {
                Ok(trust) => trust,
                Err(error) => {
                    nearest = nearer(nearest, reason(error));
                    continue;
                }
            };
            // The library does not judge an anchor's own validity; an expired authority vouches for nobody.
            if !anchor.valid_at(now) {
                let own = if now < anchor.not_before() { ChainError::NotYetValid } else { ChainError::Expired };
                nearest = nearer(nearest, own);
                continue;
            }
            match entity.verify_for_usage(
                super::super::chain_algorithms::all(),
                &[trust],
                &between,
                time,
                AnyUsage,
                None,
                None,
            ) {
                Ok(_) => return Ok(index),
                Err(error) => nearest = nearer(nearest, reason(error)),
            }
        }
        Err(nearest)
    }

    struct AnyUsage;

    impl ExtendedKeyUsageValidator for AnyUsage {
        fn validate(&self, _usages: KeyPurposeIdIter<'_, '_>) -> Result<(), webpki::Error> {
            Ok(())
        }
    }

    /// "No path at all" says least; any other fault was found on a path that exists.
    fn nearer(old: ChainError, new: ChainError) -> ChainError {
        match (old, new) {
            (ChainError::NoAnchor, new) | (ChainError::UnknownIssuer, new) => new,
            (old, _) => old,
        }
    }

    fn reason(error: webpki::Error) -> ChainError {
        use webpki::Error as E;
        match error {
            E::UnknownIssuer => ChainError::UnknownIssuer,
            E::CertExpired { .. } => ChainError::Expired,
            E::CertNotValidYet { .. } => ChainError::NotYetValid,
            E::InvalidSignatureForPublicKey
            | E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => ChainError::BadSignature,
            E::EndEntityUsedAsCa
            | E::PathLenConstraintViolated
            | E::NameConstraintViolation
            | E::MaximumPathDepthExceeded
            | E::MaximumPathBuildCallsExceeded
            | E::MaximumSignatureChecksExceeded => ChainError::IssuerNotAllowed,
            _ => ChainError::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    struct Pki {
        root: Certificate,
        middle: Certificate,
        leaf: Certificate,
        stranger: Certificate,
    }

    fn params(name: &str, ca: bool) -> CertificateParams {
        let mut p = CertificateParams::new(Vec::new()).unwrap();
        p.distinguished_name = rcgen::DistinguishedName::new();
        p.distinguished_name.push(DnType::CommonName, name);
        p.not_before = rcgen::date_time_ymd(2024, 1, 1);
        p.not_after = rcgen::date_time_ymd(2030, 1, 1);
        if ca {
            p.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        p
    }

    fn pki(middle_is_ca: bool) -> Pki {
        let key = || KeyPair::generate().unwrap();
        let (root_key, middle_key, leaf_key, stranger_key) = (key(), key(), key(), key());
        let read = |c: rcgen::Certificate| Certificate::from_der(c.der()).unwrap();
        let root = params("Root", true);
        let middle = params("Middle", middle_is_ca);
        let mut leaf = params("leaf", false);
        leaf.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
        let root_issuer = Issuer::new(root.clone(), &root_key);
        let middle_issuer = Issuer::new(middle.clone(), &middle_key);
        Pki {
            middle: read(middle.signed_by(&middle_key, &root_issuer).unwrap()),
            leaf: read(leaf.signed_by(&leaf_key, &middle_issuer).unwrap()),
            stranger: read(params("Root", true).self_signed(&stranger_key).unwrap()),
            root: read(root.self_signed(&root_key).unwrap()),
        }
    }

    #[test]
    fn order_starts_at_the_leaf_and_leaves_strangers_out() {
        let p = pki(true);
        let other = pki(true);
        let mixed = [p.root.clone(), other.leaf.clone(), p.leaf.clone(), p.middle.clone()];
        let names: Vec<_> = order(&p.leaf, &mixed).iter().map(|c| c.subject().to_owned()).collect();
        assert_eq!(names, ["CN=leaf", "CN=Middle", "CN=Root"]);
        assert_eq!(order(&p.root, &mixed).len(), 1);
    }

    #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
    #[test]
    fn finds_the_anchor_and_refuses_namesakes() {
        use crate::time::UnixTime;
        let p = pki(true);
        let now = UnixTime::from_secs(1_735_689_600);
        let between = [p.middle.clone()];
        let check = |anchors: &[Certificate], now| verify_to_anchor(&p.leaf, &between, anchors, now);
        assert_eq!(check(&[p.stranger.clone(), p.root.clone()], now), Ok(1));
        assert_eq!(check(std::slice::from_ref(&p.stranger), now), Err(ChainError::BadSignature));
        assert_eq!(check(&[], now), Err(ChainError::NoAnchor));
        let root = std::slice::from_ref(&p.root);
        assert_eq!(verify_to_anchor(&p.leaf, &[], root, now), Err(ChainError::UnknownIssuer));
        assert_eq!(check(root, UnixTime::from_secs(1_900_000_000)), Err(ChainError::Expired));
        assert_eq!(check(root, UnixTime::from_secs(1_600_000_000)), Err(ChainError::NotYetValid));
        let many = vec![p.middle.clone(); MAX_CHAIN + 1];
        assert_eq!(verify_to_anchor(&p.leaf, &many, root, now), Err(ChainError::TooLong { count: 11, limit: 10 }));
    }

    #[cfg(any(feature = "aws-lc", feature = "rustcrypto"))]
    #[test]
    fn an_issuer_that_is_no_ca_is_refused() {
        use crate::time::UnixTime;
        let p = pki(false);
        assert_eq!(
            verify_to_anchor(
                &p.leaf,
                std::slice::from_ref(&p.middle),
                std::slice::from_ref(&p.root),
                UnixTime::from_secs(1_735_689_600)
            ),
            Err(ChainError::IssuerNotAllowed)
        );
    }
}
