//! What several fuzz targets share: a certificate, a registration, and inputs of several files in one.
//!
//! Used by `fuzz_targets/*.rs`. Everything is fixed: a target's answer depends on its input alone.

use countersign_core::UnixTime;
use countersign_core::keyfile;
use countersign_core::x509::certificate::Certificate;

/// The time of every target, at which the seed of `admit` was signed.
pub const NOW: UnixTime = UnixTime::from_secs(1_795_531_113);

/// The certificate that is registered.
///
/// # Panics
/// When the fixture is gone.
pub fn certificate() -> Certificate {
    let file = keyfile::read(include_bytes!("../../crates/core/tests/fixtures/keyfile/cert.pem"), None);
    file.leaf().cloned().expect("the fixture holds a certificate")
}

/// Between two files of one input.
pub const BETWEEN: &[u8] = b"\n=====8<=====\n";

/// At most four files of one input.
pub fn files(data: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut rest = data;
    while out.len() < 3
        && let Some(at) = rest.windows(BETWEEN.len()).position(|w| w == BETWEEN)
    {
        out.push(&rest[..at]);
        rest = &rest[at + BETWEEN.len()..];
    }
    out.push(rest);
    out
}
