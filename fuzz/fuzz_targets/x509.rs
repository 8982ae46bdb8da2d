//! Certificates and public keys: what is read is what stood there, and can be written again.
#![no_main]

use countersign_core::crypto::rustcrypto::RustCrypto;
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::chain;
use countersign_core::x509::key::PublicKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = PublicKey::from_pkcs1(data);
    if let Ok(key) = PublicKey::from_spki(data) {
        let _ = (key.bits(), key.exponent(), key.kind());
        if let Ok(again) = PublicKey::from_spki(&key.spki()) {
            assert_eq!(again, key, "a key changes by being written");
        }
    }
    let Ok(certificate) = Certificate::from_der(data) else { return };
    assert!(data.starts_with(certificate.der()), "the certificate is not what stood there");
    let again = Certificate::from_der(certificate.der()).expect("its own DER can be read");
    assert_eq!(again, certificate);
    let _ = (certificate.subject(), certificate.issuer(), certificate.serial_hex(), certificate.oddities());
    let _ = (certificate.common_name(), certificate.subject_alternative_names(), certificate.self_signed());
    let _ = certificate.issued_by(&again, &RustCrypto);
    let _ = chain::order(&certificate, &[again.clone(), again]);
    let _ = certificate.verifier(&RustCrypto);
});
