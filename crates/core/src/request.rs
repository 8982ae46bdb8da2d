//! A token request as received (RFC 6749 §4.4.2, RFC 7521 §4.2); nothing is refused while reading.
//!
//! The service reads the body of an HTTP request, the doctor what a person kept of one.

use zeroize::Zeroizing;

use crate::encoding;

/// The one accepted `client_assertion_type` (RFC 7523 §2.2).
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// More parameters than this are refused before they are looked at; MSAL sends at most sixteen.
pub const MAX_PARAMETERS: usize = 100;

/// One parameter of a form or query, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Name, decoded.
    pub name: String,
    /// Value, decoded. Secrets and assertions stand here: never print it.
    pub value: Zeroizing<String>,
}

/// What the body of a request is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `application/x-www-form-urlencoded`, as it must be (RFC 6749 §4.4.2, appendix B).
    Form,
    /// JSON, whatever the Content-Type says.
    Json,
    /// `multipart/form-data`
    Multipart,
    /// Nothing.
    Empty,
    /// A form with more than [`MAX_PARAMETERS`] parameters; only the first ones were read.
    TooManyParameters,
}

/// Client credentials from an `Authorization: Basic` header (RFC 6749 §2.3.1).
#[derive(Clone, PartialEq, Eq)]
pub struct BasicCredentials {
    /// User name as sent, and form-decoded where that differs (Authlib sends it raw, openid-client encoded).
    pub client_ids: Vec<String>,
    /// Password likewise.
    pub secrets: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for BasicCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BasicCredentials").field("client_ids", &self.client_ids).finish_non_exhaustive()
    }
}

/// Which version of the token endpoint was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EndpointVersion {
    /// `/{tenant}/oauth2/token`, takes `resource`.
    V1,
    /// `/{tenant}/oauth2/v2.0/token`, takes `scope`.
    #[default]
    V2,
}

/// A token request as received.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Tenant segment of the path.
    pub tenant: String,
    /// v1.0 or v2.0.
    pub version: EndpointVersion,
    /// What the body is.
    pub body: Body,
    /// Parameters of the body, in order.
    pub parameters: Vec<Parameter>,
    /// Parameters of the query. They never count (RFC 6749 §2.3.1, §3.2); the doctor looks for misplaced ones.
    pub query: Vec<Parameter>,
    /// `Authorization: Basic`; `Err` when the header is there but cannot be read.
    pub basic: Option<Result<BasicCredentials, MalformedBasic>>,
    /// Tenants that a proxy on the way permits, by id or domain (`Restrict-Access-To-Tenants`, Microsoft's tenant
    /// restrictions); `None` without that header.
    pub permitted_tenants: Option<Vec<String>>,
}

/// An `Authorization: Basic` header that is no base64 of `id:secret`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedBasic;

impl TokenRequest {
    /// Reads a request from its parts. `content_type` is the header's value.
    pub fn read(
        tenant: &str,
        version: EndpointVersion,
        content_type: Option<&str>,
        body: &[u8],
        query: &str,
        authorization: Option<&str>,
    ) -> Self {
        let (body, parameters) = read_body(content_type, body);
        Self {
            tenant: tenant.to_owned(),
            version,
            body,
            parameters,
            query: read_form(query).0,
            basic: authorization.and_then(read_basic),
            permitted_tenants: None,
        }
    }

    /// The first parameter of that name in the body.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|p| p.name == name).map(|p| p.value.as_str())
    }

    /// As [`Self::parameter`], an empty value counting as absent (RFC 6749 §3.2).
    pub fn given(&self, name: &str) -> Option<&str> {
        self.parameter(name).filter(|v| !v.is_empty())
    }

    /// The first name that stands in the body more than once (RFC 6749 §3.2 forbids that).
    pub fn repeated(&self) -> Option<&str> {
        let p = &self.parameters;
        (1..p.len()).find(|&i| p[..i].iter().any(|q| q.name == p[i].name)).map(|i| p[i].name.as_str())
    }

    /// The client id: from the body, else from the Basic header.
    pub fn client_id(&self) -> Option<&str> {
        self.given("client_id").or_else(|| match &self.basic {
            Some(Ok(b)) => b.client_ids.first().map(String::as_str).filter(|id| !id.is_empty()),
            _ => None,
        })
    }

    /// The scopes asked for, without the ones MSAL adds to every request (`openid profile offline_access`).
    pub fn resource_scopes(&self) -> Vec<&str> {
        self.given("scope")
            .unwrap_or_default()
            .split_ascii_whitespace()
            .filter(|s| !matches!(*s, "openid" | "profile" | "offline_access" | "email"))
            .collect()
    }
}

fn read_body(content_type: Option<&str>, body: &[u8]) -> (Body, Vec<Parameter>) {
    let start = body.iter().position(|b| !b.is_ascii_whitespace());
    let Some(start) = start else { return (Body::Empty, Vec::new()) };
    let media = content_type.map(|c| c.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match (media.as_deref(), body[start]) {
        (Some("multipart/form-data"), _) | (_, b'-') if body[start..].starts_with(b"--") => {
            (Body::Multipart, Vec::new())
        }
        (Some("application/json"), _) | (_, b'{' | b'[') => (Body::Json, Vec::new()),
        _ => {
            let text = String::from_utf8_lossy(body);
            let (parameters, all) = read_form(text.trim_matches(['\r', '\n']));
            (if all { Body::Form } else { Body::TooManyParameters }, parameters)
        }
    }
}

/// Decodes `application/x-www-form-urlencoded` text (RFC 6749 appendix B); `false` when there was more than
/// [`MAX_PARAMETERS`].
pub fn read_form(text: &str) -> (Vec<Parameter>, bool) {
    let mut out = Vec::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        if out.len() == MAX_PARAMETERS {
            return (out, false);
        }
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        out.push(Parameter { name: form_decode(name), value: Zeroizing::new(form_decode(value)) });
    }
    (out, true)
}

/// Percent-decodes; `+` is a blank. A `%` without two hex digits stays as it is, broken UTF-8 becomes U+FFFD.
pub fn form_decode(text: &str) -> String {
    let b = text.as_bytes();
    if !b.iter().any(|c| matches!(c, b'%' | b'+')) {
        return text.to_owned();
    }
    let mut out = Vec::with_capacity(b.len());
    let mut i = 0;
    while i < b.len() {
        let digit = |at: usize| b.get(at).and_then(|c| (*c as char).to_digit(16));
        match (b[i], digit(i + 1), digit(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                i += 3;
            }
            (b'+', ..) => {
                out.push(b' ');
                i += 1;
            }
            (c, ..) => {
                out.push(c);
                i += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

fn read_basic(authorization: &str) -> Option<Result<BasicCredentials, MalformedBasic>> {
    let (scheme, value) = authorization.trim().split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded =
        encoding::decode_base64(value.trim()).ok().and_then(|d| String::from_utf8(d.bytes).ok()).map(Zeroizing::new);
    let Some((id, secret)) = decoded.as_ref().and_then(|t| t.split_once(':')) else {
        return Some(Err(MalformedBasic));
    };
    let both = |raw: &str| {
        let decoded = form_decode(raw);
        if decoded == raw { vec![decoded] } else { vec![raw.to_owned(), decoded] }
    };
    Some(Ok(BasicCredentials { client_ids: both(id), secrets: both(secret).into_iter().map(Zeroizing::new).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(body: &str) -> TokenRequest {
        TokenRequest::read(
            "t",
            EndpointVersion::V2,
            Some("application/x-www-form-urlencoded; charset=utf-8"),
            body.as_bytes(),
            "",
            None,
        )
    }

    #[test]
    fn decodes_the_form_once() {
        let r = form("scope=https%3A%2F%2Fgraph.microsoft.com%2F.default+openid&x=a%2Bb&y=100%");
        assert_eq!(r.resource_scopes(), ["https://graph.microsoft.com/.default"]);
        assert_eq!(r.parameter("x"), Some("a+b"));
        assert_eq!(r.parameter("y"), Some("100%"));
        assert_eq!(r.repeated(), None);
    }

    #[test]
    fn finds_repeated_and_too_many_parameters() {
        assert_eq!(form("a=1&b=2&a=1").repeated(), Some("a"));
        assert_eq!(form(&"a=1&".repeat(MAX_PARAMETERS + 1)).body, Body::TooManyParameters);
    }

    #[test]
    fn tells_bodies_apart_by_their_content() {
        assert_eq!(form("{\"grant_type\":\"x\"}").body, Body::Json);
        assert_eq!(form("--boundary\r\n").body, Body::Multipart);
        assert_eq!(form(" \r\n").body, Body::Empty);
        assert_eq!(form("grant_type=x").body, Body::Form);
    }

    #[test]
    fn reads_basic_raw_and_encoded() {
        let basic = |s: &str| read_basic(&format!("Basic {}", encoding::encode_base64(s.as_bytes())));
        let Some(Ok(b)) = basic("id:a%2Bb:c") else { panic!() };
        assert_eq!(b.client_ids, ["id"]);
        assert_eq!(b.secrets.iter().map(|s| s.as_str()).collect::<Vec<_>>(), ["a%2Bb:c", "a+b:c"]);
        assert_eq!(basic("no-colon"), Some(Err(MalformedBasic)));
        assert_eq!(read_basic("Bearer x"), None);
    }
}
