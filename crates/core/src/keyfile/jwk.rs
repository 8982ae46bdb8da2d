//! Keys as JWK or JWK Set (RFC 7517, RFC 7518 §6).
//!
//! Used by [`super::read`] for JSON text. The published key sets of an authority are read by [`crate::jose`].

use serde_json::Value;
use zeroize::Zeroizing;

use super::ItemKind;
use super::private_key::PrivateKey;
use super::repair::Problem;
use crate::encoding;
use crate::x509::certificate::Certificate;
use crate::x509::key::{Curve, PublicKey};

/// The keys and certificates of a JWK or JWK Set; `None` when the text is neither.
pub(super) fn read(text: &str, limit: usize) -> Option<(Vec<ItemKind>, Vec<Problem>)> {
    let json: Value = serde_json::from_str(text.trim()).ok()?;
    let single = std::slice::from_ref(&json);
    let keys = match json.get("keys") {
        Some(Value::Array(keys)) => keys.as_slice(),
        _ => single,
    };
    if !keys.iter().any(|k| k.get("kty").is_some_and(Value::is_string)) {
        return None;
    }
    let (mut items, mut problems) = (Vec::new(), Vec::new());
    for key in keys.iter().take(limit) {
        match read_one(key) {
            Ok(item) => items.push(item),
            Err(problem) => problems.push(problem),
        }
        for text in key.get("x5c").and_then(Value::as_array).into_iter().flatten().take(limit) {
            let der = text.as_str().and_then(|t| encoding::decode_base64(t).ok());
            match der.map(|d| Certificate::from_der(&d.bytes)) {
                Some(Ok(certificate)) => items.push(ItemKind::Certificate(certificate)),
                Some(Err(error)) => problems.push(Problem::MalformedCertificate { error }),
                None => problems.push(Problem::JwkIncomplete { missing: "x5c" }),
            }
        }
    }
    if keys.len() > limit {
        problems.push(Problem::TooManyItems { limit });
    }
    Some((items, problems))
}

fn read_one(key: &Value) -> Result<ItemKind, Problem> {
    let number = |name: &'static str| -> Result<Zeroizing<Vec<u8>>, Problem> {
        key.get(name)
            .and_then(Value::as_str)
            .and_then(|text| encoding::decode_base64(text).ok())
            .map(|d| Zeroizing::new(d.bytes))
            .filter(|bytes| !bytes.is_empty())
            .ok_or(Problem::JwkIncomplete { missing: name })
    };
    let malformed = || Problem::Malformed { label: "JWK".to_owned() };
    let private = key.get("d").is_some();
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => {
            let (n, e) = (number("n")?, number("e")?);
            if !private {
                return Ok(ItemKind::PublicKey(PublicKey::rsa(&n, &e)));
            }
            // RFC 7518 §6.3.2 lets a producer send `d` alone; no library here signs with that.
            let numbers = [n, e, number("d")?, number("p")?, number("q")?, number("dp")?, number("dq")?, number("qi")?];
            PrivateKey::from_rsa_numbers(&numbers).map(ItemKind::PrivateKey).map_err(|_| malformed())
        }
        Some("EC") => {
            let crv = key.get("crv").and_then(Value::as_str);
            let curve = crv.and_then(Curve::from_jwk).ok_or(Problem::JwkIncomplete { missing: "crv" })?;
            let length = curve.coordinate_length().unwrap_or(0);
            let (x, y) = (number("x")?, number("y")?);
            if x.len() != length || y.len() != length {
                return Err(malformed());
            }
            let point = [&[4], x.as_slice(), y.as_slice()].concat();
            if !private {
                return Ok(ItemKind::PublicKey(PublicKey::Ec { curve, point }));
            }
            let d = number("d")?;
            if d.len() != length {
                return Err(malformed());
            }
            PrivateKey::from_ec_parts(&curve, &d, &point).map(ItemKind::PrivateKey).map_err(|_| malformed())
        }
        Some("oct") => Ok(ItemKind::Other("symmetric key (JWK `oct`)".to_owned())),
        Some("OKP") => Ok(ItemKind::Other("Edwards curve key (JWK `OKP`)".to_owned())),
        _ => Err(Problem::JwkIncomplete { missing: "kty" }),
    }
}
