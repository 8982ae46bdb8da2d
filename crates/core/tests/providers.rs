//! The two providers against each other: whatever aws-lc answers to a key, a message and a signature, RustCrypto must
//! answer too, so that the doctor in the browser and the server never disagree.
//!
//! Runs where both are built in: `cargo test -p countersign-core --features rustcrypto`, and in the whole workspace.
#![cfg(all(feature = "aws-lc", feature = "rustcrypto"))]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::rustcrypto::RustCrypto;
use countersign_core::crypto::{KeyError, Provider, Verify, VerifyError};
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile;
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::key::{Curve, PublicKey};
use proptest::prelude::*;

const MESSAGE: &[u8] = b"header.payload";

const ALGS: [Alg; 9] =
    [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512, Alg::Es256, Alg::Es384, Alg::Es512];

const RSA_OIDS: [&str; 5] = [
    "1.2.840.113549.1.1.5",
    "1.2.840.113549.1.1.11",
    "1.2.840.113549.1.1.12",
    "1.2.840.113549.1.1.13",
    "1.2.840.113549.1.1.10",
];
const EC_OIDS: [&str; 4] = ["1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3", "1.2.840.10045.4.3.4", "1.2.840.10045.4.1"];

#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keyfile").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn rsa_key() -> keyfile::PrivateKey {
    let file = keyfile::read(&fixture("key.pem"), None);
    file.private_key().cloned().unwrap()
}

/// One key, parsed by both.
struct Both(Arc<dyn Verify>, Arc<dyn Verify>);

impl Both {
    fn new(key: &PublicKey) -> Self {
        Self::parse(key).unwrap()
    }

    /// The one answer of both to this key.
    fn parse(key: &PublicKey) -> Result<Self, KeyError> {
        match (AwsLc.verifier(key), RustCrypto.verifier(key)) {
            (Ok(a), Ok(b)) => Ok(Self(a, b)),
            (a, b) => {
                let (a, b) = (a.err(), b.err());
                assert_eq!(a, b, "{key:02x?}");
                Err(a.unwrap())
            }
        }
    }

    /// The one answer of both.
    fn verify(&self, alg: Alg, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let answer = self.0.verify(alg, message, signature);
        let other = self.1.verify(alg, message, signature);
        assert_eq!(answer, other, "{alg:?} {signature:02x?}");
        answer
    }

    /// The one answer of both.
    fn certificate(&self, oid: &str, message: &[u8], signature: &[u8]) -> Result<(), VerifyError> {
        let answer = self.0.verify_certificate(oid, message, signature);
        let other = self.1.verify_certificate(oid, message, signature);
        assert_eq!(answer, other, "{oid} {signature:02x?}");
        answer
    }

    /// A signature, whole and spoilt in every way, under every algorithm; only whole under `right` it verifies.
    fn try_all(&self, right: Alg, signature: &[u8]) {
        for alg in ALGS {
            let answer = self.verify(alg, MESSAGE, signature);
            assert_eq!(answer.is_ok(), alg == right, "{alg:?} for {right:?}");
        }
        assert!(self.verify(right, b"header.payloae", signature).is_err());
        assert!(self.verify(right, b"", signature).is_err());
        let mut bad = signature.to_vec();
        for i in (0..bad.len()).step_by(7) {
            bad[i] ^= 1 << (i % 8);
            assert_eq!(self.verify(right, MESSAGE, &bad), Err(VerifyError::Mismatch), "byte {i}");
            bad[i] ^= 1 << (i % 8);
        }
        for wrong in [
            signature[1..].to_vec(),
            signature[..signature.len() - 1].to_vec(),
            [&[0], signature].concat(),
            [signature, &[0]].concat(),
            Vec::new(),
        ] {
            assert_eq!(
                self.verify(right, MESSAGE, &wrong),
                Err(VerifyError::WrongLength { expected: signature.len(), received: wrong.len() })
            );
        }
        for filled in [0, 0xFF] {
            let filled = vec![filled; signature.len()];
            assert_eq!(self.verify(right, MESSAGE, &filled), Err(VerifyError::Mismatch));
        }
    }
}

#[test]
fn openssls_rsa_signatures() {
    let both = Both::new(rsa_key().public_key());
    for (alg, name) in [
        (Alg::Rs256, "rs256.sig"),
        (Alg::Rs384, "rs384.sig"),
        (Alg::Rs512, "rs512.sig"),
        (Alg::Ps256, "ps256.sig"),
        (Alg::Ps384, "ps384.sig"),
        (Alg::Ps512, "ps512.sig"),
    ] {
        both.try_all(alg, &fixture(name));
    }
}

#[test]
fn forgeries_and_other_salts() {
    let both = Both::new(rsa_key().public_key());
    for name in [
        "rs256-garbage.sig",
        "rs256-nonull.sig",
        "rs1.sig",
        "ps256-salt0.sig",
        "ps256-saltmax.sig",
        "ps256-mgf1sha1.sig",
    ] {
        for alg in ALGS {
            assert!(both.verify(alg, MESSAGE, &fixture(name)).is_err(), "{name} {alg:?}");
        }
    }
}

/// A signature plus the modulus is the same number to the arithmetic, and must not be another good signature.
#[test]
fn a_signature_beyond_the_modulus() {
    let key = rsa_key();
    let both = Both::new(key.public_key());
    let PublicKey::Rsa(rsa) = key.public_key() else { panic!() };
    let signer = AwsLc.signer(&key).unwrap();
    let mut fitted = 0;
    for i in 0..64_u8 {
        let good = signer.sign(Alg::Rs256, &[i]).unwrap();
        let mut carry = 0;
        let mut sum = good.clone();
        for (s, n) in sum.iter_mut().zip(&rsa.n).rev() {
            let wide = u16::from(*s) + u16::from(*n) + carry;
            *s = wide as u8;
            carry = wide >> 8;
        }
        if carry == 0 {
            fitted += 1;
            assert_eq!(both.verify(Alg::Rs256, &[i], &good), Ok(()));
            assert_eq!(both.verify(Alg::Rs256, &[i], &sum), Err(VerifyError::Mismatch));
        }
    }
    assert!(fitted > 0, "no sum fitted into the modulus' length; more messages are needed");
}

#[test]
fn rsa_of_other_sizes() {
    for bits in [3072, 4096] {
        let key = AwsLc.generate_rsa(bits).unwrap();
        let both = Both::new(key.public_key());
        let signer = AwsLc.signer(&key).unwrap();
        for alg in [Alg::Rs256, Alg::Ps256, Alg::Ps512] {
            both.try_all(alg, &signer.sign(alg, MESSAGE).unwrap());
        }
    }
}

/// aws-lc stops at 33 bits of exponent; what is registered must verify, up to 64.
#[test]
fn an_exponent_of_64_bits() {
    let file = keyfile::read(&fixture("wide-exponent.public.pem"), None);
    let both = Both::new(file.public_keys().next().unwrap());
    both.try_all(Alg::Rs256, &fixture("wide-exponent-rs256.sig"));
    both.try_all(Alg::Ps256, &fixture("wide-exponent-ps256.sig"));
}

#[test]
fn ecdsa_on_the_three_curves() {
    for (curve, alg) in [(Curve::P256, Alg::Es256), (Curve::P384, Alg::Es384), (Curve::P521, Alg::Es512)] {
        let key = AwsLc.generate_ec(&curve).unwrap();
        let signature = AwsLc.signer(&key).unwrap().sign(alg, MESSAGE).unwrap();
        let both = Both::new(key.public_key());
        both.try_all(alg, &signature);

        let half = signature.len() / 2;
        let (r, s) = signature.split_at(half);
        let zero = vec![0; half];
        let swapped = [s, r].concat();
        for bad in [[r, &zero].concat(), [&zero, s].concat(), swapped] {
            assert_eq!(both.verify(alg, MESSAGE, &bad), Err(VerifyError::Mismatch));
        }
    }
}

/// (r, n − s) is as good a signature as (r, s) to both: ECDSA in JWS knows no low-s rule (RFC 7518 §3.4).
#[test]
fn high_s_is_a_signature() {
    // The order of P-256 (SEC 2 §2.4.2).
    const ORDER: [u8; 32] = [
        0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD,
        0xA7, 0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
    ];
    let key = AwsLc.generate_ec(&Curve::P256).unwrap();
    let mut signature = AwsLc.signer(&key).unwrap().sign(Alg::Es256, MESSAGE).unwrap();
    let mut borrow = 0_i16;
    for (s, n) in signature[32..].iter_mut().zip(ORDER).rev() {
        let wide = i16::from(n) - i16::from(*s) - borrow;
        *s = wide.rem_euclid(256) as u8;
        borrow = i16::from(wide < 0);
    }
    assert_eq!(Both::new(key.public_key()).verify(Alg::Es256, MESSAGE, &signature), Ok(()));
    let out_of_range = [&signature[..32], &ORDER].concat();
    let answer = Both::new(key.public_key()).verify(Alg::Es256, MESSAGE, &out_of_range);
    assert_eq!(answer, Err(VerifyError::Mismatch));
}

#[test]
fn keys_that_are_refused() {
    let PublicKey::Rsa(good) = rsa_key().public_key().clone() else { panic!() };
    let even = [&good.n[..255], &[good.n[255] & 0xFE]].concat();
    let ones = |bytes: usize| vec![0xFF; bytes];
    for (n, e) in [
        (&good.n, &[1][..]),
        (&good.n, &[3]),
        (&good.n, &[1, 0, 0]),
        (&good.n, &[1, 0, 0, 0, 0, 14]),
        (&good.n, &[0xFF; 9]),
        (&good.n, &[]),
        (&even, &[1, 0, 1]),
        (&good.n[128..].to_vec(), &[1, 0, 1]),
        (&ones(255), &[1, 0, 1]),
        (&ones(1025), &[1, 0, 1]),
        (&Vec::new(), &[1, 0, 1]),
    ] {
        assert!(Both::parse(&PublicKey::rsa(n, e)).is_err(), "{n:02x?} {e:02x?}");
    }
    // 64 bits of exponent and the largest modulus are still keys, if odd ones.
    for exponent in [&[1, 0xFF, 0xFF, 0xFF, 0xFF][..], &[2, 0, 0, 0, 1], &[0xFF; 8]] {
        assert!(Both::parse(&PublicKey::rsa(&good.n, exponent)).is_ok(), "{exponent:02x?}");
    }
    assert!(Both::parse(&PublicKey::rsa(&ones(1024), &[1, 0, 1])).is_ok());
    for key in [
        PublicKey::Ed25519(vec![1; 32]),
        PublicKey::Other { oid: "1.2.3".to_owned(), spki: vec![0x30, 0] },
        PublicKey::Ec { curve: Curve::Other("1.3.132.0.10".to_owned()), point: vec![4; 65] },
    ] {
        assert_eq!(Both::parse(&key).err(), Some(KeyError::Unsupported(key.kind())));
    }
}

#[test]
fn points_in_every_encoding() {
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let key = AwsLc.generate_ec(&curve).unwrap();
        let PublicKey::Ec { point, .. } = key.public_key() else { panic!() };
        let length = curve.coordinate_length().unwrap();
        let parity = point[2 * length] & 1;
        let with = |point: Vec<u8>| PublicKey::Ec { curve: curve.clone(), point };
        let compressed = with([&[2 | parity], &point[1..=length]].concat());
        assert!(Both::parse(&compressed).is_ok(), "{curve:?} compressed");
        let hybrid = with([&[6 | parity], &point[1..]].concat());
        let zero = with([&[4][..], &vec![0; 2 * length]].concat());
        let beyond_field = with([&[4][..], &vec![0xFF; 2 * length]].concat());
        let mut off_curve = point.clone();
        off_curve[2 * length] ^= 1;
        for bad in [hybrid, zero, beyond_field, with(off_curve), with(vec![0]), with(point[1..].to_vec())] {
            assert_eq!(Both::parse(&bad).err(), Some(KeyError::Malformed), "{bad:02x?}");
        }
    }
}

#[test]
fn certificates_signed_with_every_hash() {
    for kind in [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_RSA_SHA384,
        &rcgen::PKCS_RSA_SHA512,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA256,
        &rcgen::PKCS_ECDSA_P521_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
    ] {
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let made = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        let certificate = Certificate::from_der(made.der()).unwrap();
        let (body, signature) = certificate_parts(made.der());
        let both = Both::new(certificate.public_key());
        let oids = RSA_OIDS.iter().chain(&EC_OIDS);
        let verified = oids.filter(|oid| both.certificate(oid, body, signature).is_ok()).count();
        assert_eq!(verified, 1, "{kind:?}");
        for i in 0..signature.len() {
            let mut bad = signature.to_vec();
            bad[i] ^= 0x40;
            for oid in RSA_OIDS.iter().chain(&EC_OIDS) {
                assert!(both.certificate(oid, body, &bad).is_err(), "{kind:?} byte {i}");
            }
        }
    }
}

/// The signed part of a certificate, and its signature; every length in it has two octets, or fits into one.
fn certificate_parts(der: &[u8]) -> (&[u8], &[u8]) {
    let next = |at: usize| match der[at + 1] {
        0x82 => (at + 4, usize::from(der[at + 2]) << 8 | usize::from(der[at + 3])),
        0x81 => (at + 3, usize::from(der[at + 2])),
        short => (at + 2, usize::from(short)),
    };
    let (body, _) = next(0);
    let (inner, length) = next(body);
    let algorithm = inner + length;
    let (inside, length) = next(algorithm);
    let (bits, length) = next(inside + length);
    (&der[body..algorithm], &der[bits + 1..bits + length])
}

/// The SHA-1 signatures of old authorities.
#[test]
fn sha1_over_a_certificate() {
    let both = Both::new(rsa_key().public_key());
    let signature = fixture("rs1.sig");
    assert_eq!(both.certificate(RSA_OIDS[0], MESSAGE, &signature), Ok(()));
    assert_eq!(both.certificate(RSA_OIDS[1], MESSAGE, &signature), Err(VerifyError::Mismatch));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_as_ecdsa_der(signature in proptest::collection::vec(any::<u8>(), 0..80), der in any::<bool>()) {
        let key = AwsLc.generate_ec(&Curve::P256).unwrap();
        let both = Both::new(key.public_key());
        let framed = [&[0x30, signature.len() as u8], &signature[..]].concat();
        let bytes = if der { &framed } else { &signature };
        for oid in EC_OIDS {
            prop_assert!(both.certificate(oid, MESSAGE, bytes).is_err());
        }
    }

    #[test]
    fn any_bytes_as_a_key(n in proptest::collection::vec(any::<u8>(), 250..262), e in proptest::collection::vec(any::<u8>(), 0..9)) {
        if let Ok(both) = Both::parse(&PublicKey::rsa(&n, &e)) {
            let PublicKey::Rsa(key) = PublicKey::rsa(&n, &e) else { panic!() };
            for alg in ALGS {
                prop_assert!(both.verify(alg, MESSAGE, &vec![1; key.n.len()]).is_err());
            }
        }
    }

    #[test]
    fn any_point(x in proptest::collection::vec(any::<u8>(), 32), form in 0..5_u8) {
        let y = if form == 4 { x.clone() } else { Vec::new() };
        let _ = Both::parse(&PublicKey::Ec { curve: Curve::P256, point: [&[form], &x[..], &y].concat() });
    }
}
