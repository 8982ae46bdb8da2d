//! The signature algorithms that chains are checked with: aws-lc's where that is built in, else RustCrypto's.
//!
//! Used by [`super::chain`] only, which must refuse the same chains whichever of the two is behind it.

use rustls_pki_types::SignatureVerificationAlgorithm;

/// Every algorithm that a certificate of a chain may be signed with.
#[cfg(feature = "aws-lc")]
pub(super) fn all() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    webpki::ALL_VERIFICATION_ALGS
}

/// Every algorithm that a certificate of a chain may be signed with; aws-lc's list without Ed25519 and ML-DSA, which
/// no authority for client certificates was seen to use.
#[cfg(all(feature = "rustcrypto", not(feature = "aws-lc")))]
pub(super) fn all() -> &'static [&'static dyn SignatureVerificationAlgorithm] {
    rustcrypto::ALL
}

#[cfg(any(test, not(feature = "aws-lc")))]
#[cfg(feature = "rustcrypto")]
mod rustcrypto {
    use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

    use crate::crypto::rsa_only::{Hash, Padding, RsaVerifier};
    use crate::crypto::rustcrypto::EcVerifier;
    use crate::x509::key::{Curve, PublicKey};

    pub(super) const ALL: &[&dyn SignatureVerificationAlgorithm] = &[
        &Rsa(alg_id::RSA_PKCS1_SHA256, Padding::Pkcs1, Hash::Sha256),
        &Rsa(alg_id::RSA_PKCS1_SHA384, Padding::Pkcs1, Hash::Sha384),
        &Rsa(alg_id::RSA_PKCS1_SHA512, Padding::Pkcs1, Hash::Sha512),
        &Rsa(alg_id::RSA_PSS_SHA256, Padding::Pss, Hash::Sha256),
        &Rsa(alg_id::RSA_PSS_SHA384, Padding::Pss, Hash::Sha384),
        &Rsa(alg_id::RSA_PSS_SHA512, Padding::Pss, Hash::Sha512),
        &Ec(alg_id::ECDSA_SHA256, Curve::P256, Hash::Sha256),
        &Ec(alg_id::ECDSA_SHA384, Curve::P256, Hash::Sha384),
        &Ec(alg_id::ECDSA_SHA512, Curve::P256, Hash::Sha512),
        &Ec(alg_id::ECDSA_SHA256, Curve::P384, Hash::Sha256),
        &Ec(alg_id::ECDSA_SHA384, Curve::P384, Hash::Sha384),
        &Ec(alg_id::ECDSA_SHA512, Curve::P384, Hash::Sha512),
        &Ec(alg_id::ECDSA_SHA256, Curve::P521, Hash::Sha256),
        &Ec(alg_id::ECDSA_SHA384, Curve::P521, Hash::Sha384),
        &Ec(alg_id::ECDSA_SHA512, Curve::P521, Hash::Sha512),
    ];

    #[derive(Debug)]
    struct Rsa(AlgorithmIdentifier, Padding, Hash);

    impl SignatureVerificationAlgorithm for Rsa {
        fn verify_signature(
            &self,
            public_key: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            let Some(PublicKey::Rsa(key)) = PublicKey::from_pkcs1(public_key) else {
                return Err(InvalidSignature);
            };
            // aws-lc's list takes no authority with a longer exponent.
            if !RsaVerifier::has_common_exponent(&key) {
                return Err(InvalidSignature);
            }
            RsaVerifier::new(&key)
                .map_err(|_| InvalidSignature)?
                .check(self.1, self.2, message, signature)
                .map_err(|_| InvalidSignature)
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::RSA_ENCRYPTION
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            self.0
        }
    }

    #[derive(Debug)]
    struct Ec(AlgorithmIdentifier, Curve, Hash);

    impl SignatureVerificationAlgorithm for Ec {
        fn verify_signature(
            &self,
            public_key: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            EcVerifier::new(&self.1, public_key)
                .map_err(|_| InvalidSignature)?
                .check_der(self.2, message, signature)
                .map_err(|_| InvalidSignature)
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            match self.1 {
                Curve::P384 => alg_id::ECDSA_P384,
                Curve::P521 => alg_id::ECDSA_P521,
                // The list above names no curve but these three.
                Curve::P256 | Curve::Other(_) => alg_id::ECDSA_P256,
            }
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            self.0
        }
    }

    /// Both lists are in one build only under test; there each certificate is put to both.
    #[cfg(all(test, feature = "aws-lc"))]
    mod tests {
        use super::*;
        use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};
        use rustls_pki_types::{CertificateDer, UnixTime};
        use std::time::Duration;
        use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

        #[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
        fn accepted(root: &[u8], leaf: &[u8], algorithms: &[&dyn SignatureVerificationAlgorithm]) -> bool {
            let (root, leaf) = (CertificateDer::from(root), CertificateDer::from(leaf));
            let anchor = [anchor_from_trusted_cert(&root).unwrap()];
            let entity = EndEntityCert::try_from(&leaf).unwrap();
            let now = UnixTime::since_unix_epoch(Duration::from_secs(1_735_689_600));
            let usage = KeyUsage::client_auth();
            entity.verify_for_usage(algorithms, &anchor, &[], now, usage, None, None).is_ok()
        }

        #[test]
        fn each_algorithm_accepts_and_refuses_what_aws_lc_does() {
            let kinds: [&'static SignatureAlgorithm; 6] = [
                &rcgen::PKCS_RSA_SHA256,
                &rcgen::PKCS_RSA_SHA384,
                &rcgen::PKCS_RSA_SHA512,
                &rcgen::PKCS_ECDSA_P256_SHA256,
                &rcgen::PKCS_ECDSA_P384_SHA384,
                &rcgen::PKCS_ECDSA_P521_SHA512,
            ];
            for kind in kinds {
                let key = KeyPair::generate_for(kind).unwrap();
                let mut ca = CertificateParams::default();
                ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                let root = ca.self_signed(&key).unwrap();
                let issuer = rcgen::Issuer::new(ca, &key);
                let leaf_key = KeyPair::generate().unwrap();
                let leaf = CertificateParams::default().signed_by(&leaf_key, &issuer).unwrap();
                let mut spoilt = leaf.der().to_vec();
                // The last octets are the signature's, of RSA and of ECDSA.
                let last = spoilt.len() - 1;
                spoilt[last] ^= 1;
                for algorithms in [webpki::ALL_VERIFICATION_ALGS, ALL] {
                    assert!(accepted(root.der(), leaf.der(), algorithms), "{kind:?}");
                    assert!(!accepted(root.der(), &spoilt, algorithms), "{kind:?}");
                }
            }
        }
    }
}
