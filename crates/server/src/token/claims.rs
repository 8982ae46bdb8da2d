//! The claims of an app-only access token, v1.0 and v2.0, in Entra's order; written straight into the JWS.
//!
//! Called by `issue` once everything else has passed: signing is the price of a request.

use countersign_core::crypto::SignError;
use countersign_core::encoding::encode_base64url;
use countersign_core::facts::Resource;
use countersign_core::time::UnixTime;

use super::signer::SigningKey;
use crate::clouds::issuer_v1;

/// `iat` and `nbf` lie this many seconds back (inferred from records: `exp` − `iat` is 3900 with `expires_in` 3599).
pub const BACKDATED: i64 = 300;

/// What a token says.
#[derive(Debug)]
pub struct TokenSpec<'a> {
    /// Base URL of the service, as the client called it.
    pub base: &'a str,
    /// The tenant.
    pub tenant_id: &'a str,
    /// The client's app id.
    pub app_id: &'a str,
    /// The client's display name.
    pub app_name: &'a str,
    /// Object id of the client's service principal.
    pub object_id: &'a str,
    /// Whether the client used a certificate or an assertion (`"2"`) or a secret (`"1"`).
    pub by_assertion: bool,
    /// The resource, with the client's roles there.
    pub resource: &'a Resource,
    /// When it is issued.
    pub now: UnixTime,
    /// Seconds until it ends.
    pub lifetime: i64,
    /// `uti`, fresh for each token.
    pub uti: &'a str,
    /// Random bytes for `aio`, which is opaque.
    pub aio: &'a [u8],
    /// Resource id of the managed identity that asked (`xms_mirid`).
    pub identity: Option<&'a str>,
}

impl TokenSpec<'_> {
    /// `nbf` and `iat`.
    pub fn not_before(&self) -> i64 {
        self.now.secs() - BACKDATED
    }

    /// `exp`.
    pub fn expires(&self) -> i64 {
        self.now.secs() + self.lifetime
    }
}

/// Builds and signs a token.
///
/// # Errors
/// [`SignError`] when the library fails.
pub fn sign(spec: &TokenSpec<'_>, key: &SigningKey) -> Result<String, SignError> {
    let v2 = spec.resource.token_version == 2;
    let claims = claims(spec, v2);
    let header = if v2 { &key.header_v2 } else { &key.header_v1 };
    // A third more for base64, 343 characters for the signature of an RSA-2048 key.
    let mut token = String::with_capacity(header.len() + claims.len() * 4 / 3 + 360);
    token.push_str(header);
    token.push_str(&encode_base64url(claims.as_bytes()));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&encode_base64url(&signature));
    Ok(token)
}

fn claims(spec: &TokenSpec<'_>, v2: bool) -> String {
    let r = spec.resource;
    let mut out = String::with_capacity(900);
    let method = if spec.by_assertion { "2" } else { "1" };
    out.push('{');
    // v1.0: the resource as asked for; v2.0: always the API's app id.
    text(&mut out, "aud", if v2 { &r.app_id } else { &r.identifier });
    out.push_str(",\"iss\":\"");
    out.push_str(if v2 { spec.base } else { issuer_v1(spec.base) });
    out.push('/');
    out.push_str(spec.tenant_id);
    out.push_str(if v2 { "/v2.0\"" } else { "/\"" });
    number(&mut out, "iat", spec.not_before());
    number(&mut out, "nbf", spec.not_before());
    number(&mut out, "exp", spec.expires());
    member(&mut out, "aio", &encode_base64url(spec.aio));
    if v2 {
        member(&mut out, "azp", spec.app_id);
        member(&mut out, "azpacr", method);
    } else {
        if r.app_id == crate::well_known::GRAPH.app_id {
            member(&mut out, "app_displayname", spec.app_name);
        }
        member(&mut out, "appid", spec.app_id);
        member(&mut out, "appidacr", method);
        out.push_str(",\"idp\":\"");
        out.push_str(issuer_v1(spec.base));
        out.push('/');
        out.push_str(spec.tenant_id);
        out.push_str("/\"");
    }
    out.push_str(",\"idtyp\":\"app\"");
    member(&mut out, "oid", spec.object_id);
    // Opaque at Entra; here it tells tenant and resource apart and means nothing more.
    out.push_str(",\"rh\":\"1.A");
    out.push_str(spec.tenant_id.get(..8).unwrap_or_default());
    out.push_str(r.app_id.get(..8).unwrap_or_default());
    out.push_str(".\"");
    if !r.roles.is_empty() {
        out.push_str(",\"roles\":[");
        for (i, role) in r.roles.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            quote(&mut out, role);
        }
        out.push(']');
    }
    member(&mut out, "sub", spec.object_id);
    member(&mut out, "tid", spec.tenant_id);
    member(&mut out, "uti", spec.uti);
    member(&mut out, "ver", if v2 { "2.0" } else { "1.0" });
    if let Some(id) = spec.identity {
        member(&mut out, "xms_mirid", id);
    }
    out.push('}');
    out
}

fn member(out: &mut String, name: &str, value: &str) {
    out.push(',');
    text(out, name, value);
}

fn text(out: &mut String, name: &str, value: &str) {
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    quote(out, value);
}

fn number(out: &mut String, name: &str, value: i64) {
    use std::fmt::Write as _;
    // Writing to a String cannot fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

/// A JSON string (RFC 8259 §7).
pub fn quote(out: &mut String, value: &str) {
    use std::fmt::Write as _;
    out.push('"');
    if value.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push_str(value);
    } else {
        for c in value.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                c if c < ' ' => {
                    let _ = write!(out, "\\u{:04x}", u32::from(c));
                }
                c => out.push(c),
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(version: u8, identifier: &str, roles: &[&str]) -> serde_json::Value {
        let resource = Resource {
            app_id: "00000003-0000-0000-c000-000000000000".into(),
            identifier: identifier.into(),
            token_version: version,
            roles: roles.iter().map(|r| (*r).to_owned()).collect(),
            ..Resource::default()
        };
        let spec = TokenSpec {
            base: "https://localhost:8443",
            tenant_id: "5f2c1a7e-0000-4000-8000-0000000000a1",
            app_id: "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef",
            app_name: "a \"quoted\" \\ name\n",
            object_id: "oid",
            by_assertion: true,
            resource: &resource,
            now: UnixTime::from_secs(1_700_000_000),
            lifetime: 3600,
            uti: "u",
            aio: &[1, 2, 3],
            identity: None,
        };
        serde_json::from_str(&claims(&spec, version == 2)).unwrap()
    }

    #[test]
    fn v1_token_as_recorded() {
        let c = read(1, "https://graph.microsoft.com", &["b", "a"]);
        assert_eq!(c["aud"], "https://graph.microsoft.com");
        assert_eq!(c["iss"], "https://localhost:8443/5f2c1a7e-0000-4000-8000-0000000000a1/");
        assert_eq!(c["exp"].as_i64().unwrap() - c["iat"].as_i64().unwrap(), 3900);
        assert_eq!((c["iat"].clone(), c["idp"].clone()), (c["nbf"].clone(), c["iss"].clone()));
        assert_eq!(c["appid"], "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef");
        assert_eq!((&c["appidacr"], &c["ver"], &c["idtyp"]), (&"2".into(), &"1.0".into(), &"app".into()));
        assert_eq!(c["app_displayname"], "a \"quoted\" \\ name\n");
        assert_eq!(c["roles"], serde_json::json!(["b", "a"]));
        assert!(c.get("azp").is_none());
    }

    #[test]
    fn v2_token_as_recorded() {
        let c = read(2, "api://x", &[]);
        assert_eq!(c["aud"], "00000003-0000-0000-c000-000000000000");
        assert_eq!(c["iss"], "https://localhost:8443/5f2c1a7e-0000-4000-8000-0000000000a1/v2.0");
        assert_eq!((&c["azpacr"], &c["ver"]), (&"2".into(), &"2.0".into()));
        assert_eq!((&c["sub"], &c["oid"]), (&"oid".into(), &"oid".into()));
        for absent in ["roles", "idp", "appid", "appidacr"] {
            assert!(c.get(absent).is_none(), "{absent}");
        }
    }
}
