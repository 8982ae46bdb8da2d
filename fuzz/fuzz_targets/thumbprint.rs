//! Thumbprints as people write them: base64, hex, and what the doctor undoes; a hit is always a digest of the candidate.
#![no_main]

use std::sync::LazyLock;

use countersign_core::encoding::{decode_base64, decode_hex, decode_hex_separated, encode_base64, encode_hex_lower};
use countersign_core::x509::certificate::Certificate;
use countersign_doctor::evidence::thumbprint::{Candidate, Source, explain};
use libfuzzer_sys::fuzz_target;

static CERTIFICATE: LazyLock<Certificate> = LazyLock::new(countersign_fuzz::certificate);

fuzz_target!(|data: &[u8]| {
    assert_eq!(decode_base64(&encode_base64(data)).expect("our own base64").bytes, data);
    // No digits are no bytes, for that reader.
    assert!(data.is_empty() || decode_hex(&encode_hex_lower(data)).is_some_and(|bytes| bytes == data));
    let text = std::str::from_utf8(data).ok();
    let candidates = [Candidate { certificate: &CERTIFICATE, file: Some(b"-----BEGIN CERTIFICATE-----\n") }];
    let mut read = vec![(data.to_vec(), text)];
    if let Some(text) = text {
        read.extend(decode_base64(text).ok().map(|d| (d.bytes, Some(text))));
        read.extend(decode_hex_separated(text).map(|bytes| (bytes, Some(text))));
    }
    for (bytes, written) in read {
        let Some(reading) = explain(&bytes, written, &candidates) else { continue };
        if let Some((0, Source::Der(hash))) = reading.hit {
            let whole = countersign_core::thumbprint::digest(hash, CERTIFICATE.der());
            assert!(whole.starts_with(&reading.digest) && reading.digest.len() >= 4, "a hit that is no digest");
        }
    }
});
