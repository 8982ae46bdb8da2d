//! Keys and secrets that stand in this program's own repository, in its tests, examples and documents: everybody has them.
//!
//! Asked by `production` and by the readers of certificates and secrets, in production mode. `cargo xtask published` writes the
//! list: keys by the digest of their public part, secrets as they stand there.

use std::collections::HashMap;
use std::sync::LazyLock;

use countersign_core::encoding::encode_hex_lower;
use countersign_core::thumbprint::sha256;
use countersign_core::x509::key::PublicKey;

static LIST: &str = include_str!("published.txt");

/// Kind and digest or text, and where it stands.
static PLACES: LazyLock<HashMap<(&str, &str), &str>> = LazyLock::new(|| {
    let rows = LIST.lines().filter(|line| !line.starts_with('#'));
    rows.filter_map(|row| {
        let mut parts = row.splitn(3, ' ');
        Some(((parts.next()?, parts.next()?), parts.next()?))
    })
    .collect()
});

/// Where the private key to this public key can be read by everybody; `None` for a key of somebody's own.
pub fn key(key: &PublicKey) -> Option<&'static str> {
    let digest = encode_hex_lower(&sha256(&key.spki()));
    PLACES.get(&("key", digest.as_str())).copied()
}

/// Where this secret can be read by everybody.
pub fn secret(text: &str) -> Option<&'static str> {
    PLACES.get(&("secret", text)).copied()
}

/// Every secret, and where it stands.
pub fn secrets() -> impl Iterator<Item = (&'static str, &'static str)> {
    PLACES.iter().filter(|((kind, _), _)| *kind == "secret").map(|((_, text), place)| (*text, *place))
}

#[cfg(test)]
mod tests {
    use countersign_core::keyfile;

    use super::*;

    #[test]
    fn knows_the_keys_and_secrets_of_the_repository_and_no_others() {
        let file = include_bytes!("../../countersign/tests/cmd/files/payroll.cert.pem");
        let certificate = keyfile::read(file, None).certificates().next().unwrap().clone();
        assert_eq!(key(certificate.public_key()), Some("crates/countersign/tests/cmd/files/encrypted.key.pem"));
        assert_eq!(secret("chosen-by-me-0123456789"), Some("crates/server/tests/graph/applications.rs"));
        assert_eq!(secret("a secret of somebody's own"), None);
        let own = countersign_testkit::identity::rsa_key(0);
        assert_eq!(key(own.public_key()), None);
    }
}
