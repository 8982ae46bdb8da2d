//! Certificates on their way into the directory: what is one, what is something else, what is too weak.
//!
//! Called for `key` of a key credential and for `certificateFiles`. A private key, PKCS#12 or certificate request is never
//! taken and never shown, wherever it stands (RFC 5280 certificates only).

use countersign_core::UnixTime;
use countersign_core::crypto::{self, KeyError};
use countersign_core::encoding::{self, DecodeError};
use countersign_core::keyfile::{self, Format, ItemKind, KeyFile, Repair};
use countersign_core::x509::certificate::{Certificate, CertificateOddity};
use countersign_core::x509::key::PublicKey;

use super::tree::{Node, Value};

/// Reads the `key` of a key credential: base64 of the certificate's DER (Graph), or of one PEM block, which people paste.
///
/// # Errors
/// What stands there instead, in words without any of it.
pub fn read_key(text: &str) -> Result<Certificate, String> {
    if text.contains("-----BEGIN") {
        let what = keyfile::read(text.as_bytes(), None);
        return Err(match refusal(&what) {
            Some(refusal) => refusal,
            None => {
                "PEM text as it stands; `key` takes base64 of the certificate's DER, which is the text between its \
                     BEGIN and END lines without the line breaks"
                    .to_owned()
            }
        });
    }
    let bytes = encoding::decode_base64(text).map_err(|error| match error {
        DecodeError::Character { offset, .. } => {
            format!("no base64: the character at offset {offset} is in no base64 alphabet; `key` takes base64 of the certificate's DER")
        }
        DecodeError::Length { length } => format!(
            "no base64: {length} characters cannot encode whole bytes; `key` takes base64 of the certificate's DER"
        ),
    })?;
    if bytes.bytes.is_empty() {
        return Err("empty; `key` takes base64 of the certificate's DER".to_owned());
    }
    if bytes.bytes.first() == Some(&0x30) {
        return Certificate::from_der(&bytes.bytes)
            .map_err(|error| refusal(&keyfile::read(&bytes.bytes, None)).unwrap_or_else(|| error.to_string()));
    }
    one_certificate(&bytes.bytes)
}

/// Reads a PEM, DER or base64 file that must hold certificates; only the leaf is taken.
///
/// A private key beside the certificate is left where it is, and the second value says so.
///
/// # Errors
/// What the file is instead.
pub fn read_file(bytes: &[u8]) -> Result<(Certificate, Option<&'static str>), String> {
    let file = keyfile::read(bytes, None);
    let warning = (file.private_keys().next().is_some() || file.has_closed_key()).then_some(
        "the file also holds a private key; only its certificate was read, and the key is better kept elsewhere",
    );
    match file.leaf() {
        Some(leaf) => Ok((leaf.clone(), warning)),
        None => Err(format!(
            "{}, where a certificate is needed (PEM or DER){}",
            file.describe(),
            if warning.is_some() { "; the certificate of that key is what is registered, never the key" } else { "" }
        )),
    }
}

/// The rules for a certificate that is registered through Graph: an RSA key that is strong enough, not ended yet.
///
/// # Errors
/// The rule that is broken.
pub fn check_registrable(certificate: &Certificate, now: UnixTime) -> Result<(), String> {
    check_key(certificate)?;
    if certificate.oddities().contains(&CertificateOddity::ValidityReversed) {
        return Err("a certificate whose validity ends before it begins".to_owned());
    }
    if certificate.not_after() < now {
        return Err(format!(
            "a certificate that ended at {}; register one that is still valid",
            certificate.not_after().rfc3339()
        ));
    }
    Ok(())
}

/// Whether the certificate's key can sign client assertions: RSA of 2048 to 8192 bits with a decent exponent.
///
/// # Errors
/// The rule that is broken.
pub fn check_key(certificate: &Certificate) -> Result<(), String> {
    let key = certificate.public_key();
    if !matches!(key, PublicKey::Rsa(_)) {
        return Err(format!(
            "a certificate with an {} key; RSA of 2048 to 8192 bits is needed to sign client assertions",
            key.kind()
        ));
    }
    crypto::check_strength(key).map_err(|error| match error {
        KeyError::Malformed => "a certificate whose RSA modulus is even, so it is no RSA key".to_owned(),
        other => format!("a certificate whose key is refused: {other}"),
    })
}

/// Where in a value from outside a private key stands: in a text, behind base64, or as a JWK.
pub fn find_private_key(node: &Node) -> Option<(&Node, &'static str)> {
    match &node.value {
        Value::Text(text) => private_material(text).map(|what| (node, what)),
        Value::List(items) => items.iter().find_map(find_private_key),
        Value::Object(members) => {
            if node.get("kty").is_some() && (node.get("d").is_some() || node.get("k").is_some()) {
                return Some((node, "a private or symmetric JWK"));
            }
            members.iter().find_map(|member| match private_material(&member.name) {
                Some(what) => Some((node, what)),
                None => find_private_key(&member.node),
            })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The same in an application, but for `key` of its certificates: [`read_key`] judges that, and says more.
pub fn find_private_key_beside_keys(application: &Node) -> Option<(&Node, &'static str)> {
    let Value::Object(members) = &application.value else { return find_private_key(application) };
    members.iter().find_map(|member| match &member.node.value {
        Value::List(entries) if member.name == "keyCredentials" => {
            entries.iter().find_map(|entry| match &entry.value {
                Value::Object(inner) => {
                    inner.iter().filter(|m| m.name != "key").find_map(|m| find_private_key(&m.node))
                }
                _ => find_private_key(entry),
            })
        }
        _ => match private_material(&member.name) {
            Some(what) => Some((application, what)),
            None => find_private_key(&member.node),
        },
    })
}

fn private_material(text: &str) -> Option<&'static str> {
    const KEY: &str = "a private key";
    if text.contains("PRIVATE KEY-----") {
        return Some(KEY);
    }
    if text.len() < SHORTEST_KEY {
        return None;
    }
    let file = if text.contains("\"kty\"") {
        keyfile::read(text.as_bytes(), None)
    } else {
        let bytes = encoding::decode_base64(text.trim()).ok()?.bytes;
        if bytes.windows(PEM_LABEL.len()).any(|w| w == PEM_LABEL) {
            return Some(KEY);
        }
        if bytes.first() != Some(&0x30) {
            return None;
        }
        keyfile::read(&bytes, None)
    };
    if file.pkcs12().is_some() {
        return Some("a PKCS#12");
    }
    (file.private_key().is_some() || file.has_closed_key()).then_some(KEY)
}

/// No private key that is worth stealing is shorter: P-256 in PKCS#8 has 67 bytes, 92 characters of base64.
const SHORTEST_KEY: usize = 80;
const PEM_LABEL: &[u8] = b"PRIVATE KEY-----";

fn one_certificate(bytes: &[u8]) -> Result<Certificate, String> {
    let file = keyfile::read(bytes, None);
    if let Some(refusal) = refusal(&file) {
        return Err(refusal);
    }
    // A key in a block without its END line is no item of the file, and yet a key.
    if bytes.windows(PEM_LABEL.len()).any(|w| w == PEM_LABEL) {
        return Err(holds("a private key"));
    }
    if file.format != Format::Pem || file.repairs.contains(&Repair::TrailingBytes) {
        return Err(format!("{}, not a certificate's DER", file.describe()));
    }
    let mut certificates = file.certificates();
    match (certificates.next(), certificates.count(), file.problems.first()) {
        (Some(one), 0, None) => Ok(one.clone()),
        (Some(_), 0, Some(_)) => {
            Err("PEM text that is damaged; `key` takes base64 of the certificate's DER".to_owned())
        }
        (Some(_), more, _) => Err(format!(
            "PEM text with {} certificates; register the leaf alone, one entry for each certificate",
            more + 1
        )),
        (None, ..) => Err(format!("{}, not a certificate's DER", file.describe())),
    }
}

/// Why this file is refused outright: it holds something that is never registered.
fn refusal(file: &KeyFile) -> Option<String> {
    if file.pkcs12().is_some() {
        return Some(holds("a PKCS#12 (PFX), which carries the private key"));
    }
    if file.private_key().is_some() || file.has_closed_key() {
        return Some(holds("a private key"));
    }
    file.items.iter().find_map(|item| match &item.kind {
        ItemKind::CertificateRequest => {
            Some("a certificate request; register the certificate that was issued for it".to_owned())
        }
        ItemKind::PublicKey(_) => Some("a bare public key; register the certificate that carries it".to_owned()),
        _ => None,
    })
}

fn holds(what: &str) -> String {
    format!(
        "{what}; register the certificate alone. Nothing of it was kept; treat that key as exposed if it left its machine for this"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::crypto::aws_lc::AwsLc;
    use countersign_core::encoding::encode_base64;
    use countersign_core::x509::key::Curve;
    use countersign_testkit::{Identity, Spec};

    struct Made {
        certificate: Certificate,
        pem: String,
        key_pem: String,
        key_der: Vec<u8>,
    }

    fn rsa() -> Made {
        let identity = Identity::rsa(0, &Spec::default());
        Made {
            pem: identity.certificate_pem(),
            key_pem: identity.key_pem(),
            key_der: identity.key.pkcs8_der().to_vec(),
            certificate: identity.certificate,
        }
    }

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);

    #[test]
    fn takes_der_and_a_single_pem_block() {
        let Made { certificate, pem, .. } = rsa();
        assert_eq!(read_key(&encode_base64(certificate.der())).unwrap(), certificate);
        assert_eq!(read_key(&encode_base64(pem.as_bytes())).unwrap(), certificate);
        assert_eq!(check_registrable(&certificate, NOW), Ok(()));
    }

    #[test]
    fn refuses_whatever_else_people_paste_and_shows_none_of_it() {
        let Made { certificate, pem, key_pem, key_der } = rsa();
        let both = format!("{pem}{key_pem}");
        let reversed = format!("{key_pem}{pem}");
        let unfinished = format!("{pem}{}", key_pem.split("-----END").next().unwrap());
        let two = format!("{pem}{pem}");
        let mut with_key = certificate.der().to_vec();
        with_key.extend_from_slice(&key_der);
        let mut garbage = certificate.der().to_vec();
        garbage.extend_from_slice(b"garbage");
        let cases: &[(&str, &[u8], &str)] = &[
            ("key", key_pem.as_bytes(), "private key"),
            ("key DER", &key_der, "private key"),
            ("both", both.as_bytes(), "private key"),
            ("reversed", reversed.as_bytes(), "private key"),
            ("unfinished", unfinished.as_bytes(), "private key"),
            ("DER and key", &with_key, "private key"),
            ("two", two.as_bytes(), "2 certificates"),
            ("garbage behind", &garbage, "stand behind"),
            ("cut", &certificate.der()[..200], "cut off"),
            ("text", b"hello", "not a certificate"),
            ("empty", b"", "empty"),
        ];
        for (name, bytes, word) in cases {
            let message = read_key(&encode_base64(bytes)).unwrap_err();
            assert!(message.contains(word), "{name}: {message}");
            assert!(!message.contains("BEGIN P") && message.len() < 300, "{name}: {message}");
        }
        assert!(read_key(&key_pem).unwrap_err().contains("private key"));
        assert!(read_key(&pem).unwrap_err().contains("between its"));
        assert!(read_key("***").unwrap_err().contains("offset 0"));
    }

    #[test]
    fn refuses_weak_foreign_and_ended_certificates() {
        let curve = Identity::self_signed(AwsLc.generate_ec(&Curve::P256).unwrap(), &Spec::default());
        assert!(check_registrable(&curve.certificate, NOW).unwrap_err().contains("EC P-256"));
        let good = rsa().certificate;
        assert!(check_registrable(&good, good.not_after()).is_ok());
        assert!(check_registrable(&good, good.not_after() + 1).unwrap_err().contains("ended at"));
    }

    #[test]
    fn finds_private_keys_wherever_they_stand() {
        let Made { certificate, key_pem, key_der, .. } = rsa();
        let texts = [key_pem.clone(), encode_base64(key_pem.as_bytes()), encode_base64(&key_der)];
        for text in &texts {
            let node = Node::from_json(&serde_json::json!({"a": [{"b": text}]}));
            assert!(find_private_key(&node).is_some());
            let node = Node::from_json(&serde_json::json!({ text.clone(): 1 }));
            assert!(find_private_key(&node).is_some());
        }
        let jwk = serde_json::json!({"keys": [{"kty": "RSA", "d": "x"}]});
        assert!(find_private_key(&Node::from_json(&jwk)).is_some());
        let fine = serde_json::json!({
            "key": encode_base64(certificate.der()), "notes": "rotate the PRIVATE KEY in May", "logo": "A".repeat(500),
        });
        assert_eq!(find_private_key(&Node::from_json(&fine)), None);
    }

    #[test]
    fn takes_only_the_certificate_of_a_combined_file() {
        let Made { certificate, pem, key_pem, .. } = rsa();
        let (read, warning) = read_file(format!("{key_pem}{pem}").as_bytes()).unwrap();
        assert_eq!(read, certificate);
        assert!(warning.unwrap().contains("private key"));
        assert_eq!(read_file(certificate.der()).unwrap(), (certificate, None));
        let message = read_file(key_pem.as_bytes()).unwrap_err();
        assert!(message.contains("private key") && !message.contains("BEGIN"), "{message}");
        assert!(read_file(b"tenants: []").unwrap_err().contains("certificate"));
    }
}
