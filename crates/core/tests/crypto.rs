//! The cryptographic provider against signatures that openssl made, and forgeries that a lax verifier takes.

#![expect(clippy::unwrap_used, reason = "helpers of tests: what cannot be had is a failure")]

use std::path::Path;

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{KeyError, Provider, SignError, VerifyError};
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile;
use countersign_core::x509::key::{Curve, PublicKey};

const MESSAGE: &[u8] = b"header.payload";

#[expect(clippy::disallowed_methods, reason = "tests read their fixtures")]
fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keyfile").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn rsa_key() -> keyfile::PrivateKey {
    keyfile::read(&fixture("key.pem"), None).private_key().cloned().unwrap()
}

const RSA: [(Alg, &str); 6] = [
    (Alg::Rs256, "rs256.sig"),
    (Alg::Rs384, "rs384.sig"),
    (Alg::Rs512, "rs512.sig"),
    (Alg::Ps256, "ps256.sig"),
    (Alg::Ps384, "ps384.sig"),
    (Alg::Ps512, "ps512.sig"),
];

#[test]
fn verifies_openssls_signatures_under_their_own_algorithm_only() {
    let verifier = AwsLc.verifier(rsa_key().public_key()).unwrap();
    for (_, name) in RSA {
        let signature = fixture(name);
        for (alg, right) in RSA {
            let expected = if name == right { Ok(()) } else { Err(VerifyError::Mismatch) };
            assert_eq!(verifier.verify(alg, MESSAGE, &signature), expected, "{name} as {alg:?}");
        }
        assert_eq!(verifier.verify(Alg::Es256, MESSAGE, &signature), Err(VerifyError::AlgKeyMismatch));
    }
}

#[test]
fn refuses_forgeries_that_parsing_verifiers_take() {
    let verifier = AwsLc.verifier(rsa_key().public_key()).unwrap();
    for (alg, name) in [
        (Alg::Rs256, "rs256-garbage.sig"),
        (Alg::Rs256, "rs256-nonull.sig"),
        (Alg::Rs256, "rs1.sig"),
        (Alg::Ps256, "ps256-salt0.sig"),
        (Alg::Ps256, "ps256-saltmax.sig"),
        (Alg::Ps256, "ps256-mgf1sha1.sig"),
    ] {
        assert_eq!(verifier.verify(alg, MESSAGE, &fixture(name)), Err(VerifyError::Mismatch), "{name}");
    }
}

#[test]
fn lengths_are_exact() {
    let verifier = AwsLc.verifier(rsa_key().public_key()).unwrap();
    let good = fixture("rs256.sig");
    for (bad, received) in
        [(good[1..].to_vec(), 255), ([&[0], &good[..]].concat(), 257), ([&good[..], &[0]].concat(), 257), (vec![], 0)]
    {
        assert_eq!(
            verifier.verify(Alg::Rs256, MESSAGE, &bad),
            Err(VerifyError::WrongLength { expected: 256, received })
        );
    }
    // The same number plus the modulus is another encoding of a good signature, where it still fits.
    assert_eq!(verifier.verify(Alg::Rs256, MESSAGE, &[0xFF; 256]), Err(VerifyError::Mismatch));
}

#[test]
fn every_flipped_bit_is_noticed() {
    let verifier = AwsLc.verifier(rsa_key().public_key()).unwrap();
    for (alg, name) in RSA {
        let mut signature = fixture(name);
        for i in 0..signature.len() {
            signature[i] ^= 1 << (i % 8);
            assert_eq!(verifier.verify(alg, MESSAGE, &signature), Err(VerifyError::Mismatch), "{name} {i}");
            signature[i] ^= 1 << (i % 8);
        }
        assert_eq!(verifier.verify(alg, b"header.payloae", &signature), Err(VerifyError::Mismatch));
    }
}

#[test]
fn signs_what_it_verifies() {
    let signer = AwsLc.signer(&rsa_key()).unwrap();
    let verifier = AwsLc.verifier(signer.public_key()).unwrap();
    for (alg, name) in RSA {
        let signature = signer.sign(alg, MESSAGE).unwrap();
        assert_eq!(verifier.verify(alg, MESSAGE, &signature), Ok(()), "{alg:?}");
        let randomised = matches!(alg, Alg::Ps256 | Alg::Ps384 | Alg::Ps512);
        assert_eq!(signature != fixture(name), randomised, "{alg:?}");
    }
    assert_eq!(signer.sign(Alg::Es256, MESSAGE), Err(SignError::AlgKeyMismatch { key: "RSA" }));
    for (curve, alg, length) in
        [(Curve::P256, Alg::Es256, 64), (Curve::P384, Alg::Es384, 96), (Curve::P521, Alg::Es512, 132)]
    {
        let key = AwsLc.generate_ec(&curve).unwrap();
        let signer = AwsLc.signer(&key).unwrap();
        let signature = signer.sign(alg, MESSAGE).unwrap();
        assert_eq!(signature.len(), length);
        let verifier = AwsLc.verifier(key.public_key()).unwrap();
        assert_eq!(verifier.verify(alg, MESSAGE, &signature), Ok(()));
        assert_eq!(verifier.verify(alg, b"other", &signature), Err(VerifyError::Mismatch));
        assert_eq!(verifier.verify(Alg::Rs256, MESSAGE, &signature), Err(VerifyError::AlgKeyMismatch));
        // ECDSA in DER is another length: ES* is r || s (RFC 7518 §3.4).
        assert_eq!(
            verifier.verify(alg, MESSAGE, &signature[1..]),
            Err(VerifyError::WrongLength { expected: length, received: length - 1 })
        );
    }
}

#[test]
fn weak_and_odd_keys_are_refused_before_any_arithmetic() {
    let PublicKey::Rsa(good) = rsa_key().public_key().clone() else { panic!() };
    let error = |n: &[u8], e: &[u8]| AwsLc.verifier(&PublicKey::rsa(n, e)).map(|_| ()).unwrap_err();
    assert_eq!(error(&good.n, &[1]), KeyError::BadExponent);
    assert_eq!(error(&good.n, &[3]), KeyError::BadExponent);
    assert_eq!(error(&good.n, &[1, 0, 0, 0, 0, 0, 0, 0, 15]), KeyError::BadExponent);
    // More than the library takes, less than is allowed: verified without it.
    assert!(AwsLc.verifier(&PublicKey::rsa(&good.n, &[1, 0, 0, 0, 0, 15])).is_ok());
    assert_eq!(error(&good.n[128..], &[1, 0, 1]), KeyError::TooSmall { bits: 1024 - lead(&good.n[128..]) });
    let even = [&good.n[..255], &[good.n[255] & 0xFE]].concat();
    assert_eq!(error(&even, &[1, 0, 1]), KeyError::Malformed);
    let off_curve = PublicKey::Ec { curve: Curve::P256, point: [&[4][..], &[7; 64]].concat() };
    assert_eq!(AwsLc.verifier(&off_curve).map(|_| ()).unwrap_err(), KeyError::Malformed);
    assert_eq!(AwsLc.generate_rsa(1024).unwrap_err(), KeyError::TooSmall { bits: 1024 });
}

fn lead(bytes: &[u8]) -> usize {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    zeros * 8 + bytes[zeros].leading_zeros() as usize
}

#[test]
fn generated_keys_come_back_from_their_own_file() {
    let key = AwsLc.generate_rsa(2048).unwrap();
    let file = keyfile::read(key.pkcs8_der(), None);
    assert_eq!(file.private_key(), Some(&key));
    assert_eq!(key.public_key().bits(), Some(2048));
}
