//! Builds a client assertion (RFC 7523 §3, Entra's certificate credentials): claims and header → signing input → JWS.
//!
//! In two steps, so that a remote signer (key vault, PKCS#11) needs nothing of this crate: [`prepare`], then
//! [`Prepared::attach`]. Time and `jti` are given.

use crate::crypto::{Sign, SignError};
use crate::encoding::{encode_base64, encode_base64url};
use crate::jose::alg::Alg;
use crate::time::UnixTime;
use crate::x509::certificate::Certificate;

/// Which header member names the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyIdentifier {
    /// `x5t#S256`: what Microsoft's documentation asks for today.
    X5tS256,
    /// `x5t`: SHA-1; AD FS and older servers know nothing else.
    X5t,
    /// Both.
    Both,
}

/// What an assertion says.
#[derive(Clone, Debug)]
pub struct AssertionSpec<'a> {
    /// Signature algorithm.
    pub alg: Alg,
    /// How the header names the certificate.
    pub key_identifier: KeyIdentifier,
    /// Certificates for `x5c`, leaf first; empty to send none.
    pub chain: &'a [Certificate],
    /// `iss` and `sub`.
    pub client_id: &'a str,
    /// `aud`: the token endpoint.
    pub audience: &'a str,
    /// `nbf` and `iat`.
    pub now: UnixTime,
    /// Seconds from `now` to `exp`; Microsoft's libraries use 600.
    pub lifetime: i64,
    /// `jti`, fresh for each assertion.
    pub jti: &'a str,
}

/// An assertion that lacks only its signature.
#[derive(Clone, Debug)]
pub struct Prepared {
    signing_input: String,
}

impl Prepared {
    /// The bytes to sign.
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// Adds the signature and gives the compact JWS.
    pub fn attach(self, signature: &[u8]) -> String {
        let mut jws = self.signing_input;
        jws.push('.');
        jws.push_str(&encode_base64url(signature));
        jws
    }
}

/// Header and claims of an assertion for this certificate, ready to be signed.
pub fn prepare(spec: &AssertionSpec<'_>, certificate: &Certificate) -> Prepared {
    let mut header = format!(r#"{{"alg":"{}","typ":"JWT""#, spec.alg.name());
    let member = |header: &mut String, name: &str, digest: &[u8]| {
        header.push_str(&format!(r#","{name}":"{}""#, encode_base64url(digest)));
    };
    if matches!(spec.key_identifier, KeyIdentifier::X5t | KeyIdentifier::Both) {
        member(&mut header, "x5t", certificate.sha1());
    }
    if matches!(spec.key_identifier, KeyIdentifier::X5tS256 | KeyIdentifier::Both) {
        member(&mut header, "x5t#S256", certificate.sha256());
    }
    if !spec.chain.is_empty() {
        let entries: Vec<String> = spec.chain.iter().map(|c| format!("\"{}\"", encode_base64(c.der()))).collect();
        header.push_str(&format!(r#","x5c":[{}]"#, entries.join(",")));
    }
    header.push('}');
    let now = spec.now.secs();
    let claims = format!(
        r#"{{"aud":{},"iss":{id},"sub":{id},"jti":{},"nbf":{now},"iat":{now},"exp":{}}}"#,
        quoted(spec.audience),
        quoted(spec.jti),
        now.saturating_add(spec.lifetime),
        id = quoted(spec.client_id),
    );
    Prepared {
        signing_input: format!("{}.{}", encode_base64url(header.as_bytes()), encode_base64url(claims.as_bytes())),
    }
}

/// Builds and signs an assertion.
///
/// # Errors
/// [`SignError`] when the key does not fit the algorithm or the signer fails.
pub fn build(spec: &AssertionSpec<'_>, certificate: &Certificate, signer: &dyn Sign) -> Result<String, SignError> {
    let prepared = prepare(spec, certificate);
    let signature = signer.sign(spec.alg, prepared.signing_input())?;
    Ok(prepared.attach(&signature))
}

/// A JSON string (RFC 8259 §7).
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_json_demands() {
        assert_eq!(quoted("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
