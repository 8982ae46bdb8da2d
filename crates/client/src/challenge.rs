//! Claims challenges: a resource that no longer takes a token says what the next one must satisfy (Continuous Access Evaluation).
//!
//! Form: Microsoft Learn, "Claims challenges, claims requests and client capabilities"; RFC 6750 §3, RFC 9470 §3. Used by callers
//! of a resource and by the layer that adds the Authorization header.

use countersign_core::encoding::decode_base64;
use serde_json::{Value, json};

/// What a `WWW-Authenticate` header asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimsChallenge {
    /// JSON for [`TokenClient::token_with_claims`](crate::TokenClient::token_with_claims).
    pub claims: String,
    /// `error`, `insufficient_claims` as a rule.
    pub error: Option<String>,
    /// `authorization_uri`
    pub authorization_uri: Option<String>,
}

impl ClaimsChallenge {
    /// Reads the value of a `WWW-Authenticate` header; `None` when it carries no claims.
    ///
    /// ```
    /// use countersign_client::ClaimsChallenge;
    ///
    /// let header = r#"Bearer realm="", authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize",
    ///     error="insufficient_claims",
    ///     claims="eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZSwidmFsdWUiOiIxNjA0MTA2NjUxIn19fQ==""#;
    /// let challenge = ClaimsChallenge::parse(header).unwrap();
    /// assert_eq!(challenge.claims, r#"{"access_token":{"nbf":{"essential":true,"value":"1604106651"}}}"#);
    /// ```
    pub fn parse(www_authenticate: &str) -> Option<Self> {
        challenges(www_authenticate).into_iter().find_map(|(scheme, parameters)| {
            if !scheme.eq_ignore_ascii_case("Bearer") && !scheme.eq_ignore_ascii_case("PoP") {
                return None;
            }
            let member = |name: &str| {
                parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
            };
            let given = member("claims")?;
            // base64 or base64url with and without padding; some resources send the JSON itself.
            let decoded = decode_base64(&given).ok().and_then(|d| String::from_utf8(d.bytes).ok());
            let claims = decoded.filter(|text| is_object(text)).or_else(|| is_object(&given).then_some(given))?;
            Some(Self { claims, error: member("error"), authorization_uri: member("authorization_uri") })
        })
    }
}

fn is_object(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object())
}

/// Adds the capability `cp1`, "handles claims challenges", to the claims of a request.
pub(crate) fn with_capability(claims: Option<&str>) -> String {
    let parsed = claims.and_then(|c| serde_json::from_str::<Value>(c).ok()).filter(Value::is_object);
    let mut json = match (parsed, claims) {
        (Some(json), _) => json,
        (None, None) => json!({}),
        // What is no object goes as it is; the server says what is wrong with it.
        (None, Some(claims)) => return claims.to_owned(),
    };
    if !json["access_token"].is_object() {
        json["access_token"] = json!({});
    }
    json["access_token"]["xms_cc"] = json!({ "values": ["cp1"] });
    json.to_string()
}

/// The challenges of a header: scheme and parameters (RFC 9110 §11.6.1).
fn challenges(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut out: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '\r', '\n']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        if end == 0 {
            return out;
        }
        let (word, after) = rest.split_at(end);
        let after = after.trim_start_matches([' ', '\t']);
        match after.strip_prefix('=') {
            Some(value) => {
                let value = value.trim_start_matches([' ', '\t']);
                let (text, left) = match value.strip_prefix('"') {
                    Some(quoted) => unquote(quoted),
                    None => {
                        let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
                        (value[..end].to_owned(), &value[end..])
                    }
                };
                if let Some((_, parameters)) = out.last_mut() {
                    parameters.push((word.to_owned(), text));
                }
                rest = left;
            }
            None => {
                out.push((word.to_owned(), Vec::new()));
                rest = after;
            }
        }
    }
}

/// A quoted string behind its first quote, and what follows it.
fn unquote(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return (out, &text[at + 1..]),
            '\\' => out.extend(characters.next().map(|(_, c)| c)),
            c => out.push(c),
        }
    }
    (out, "")
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_claims_among_other_challenges() {
        let claims = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let encoded = countersign_core::encoding::encode_base64(claims.as_bytes());
        let header = format!(
            "Negotiate, Basic realm=\"a \\\"quoted\\\" one, Bearer\", Bearer error=insufficient_claims, claims=\"{encoded}\""
        );
        let challenge = ClaimsChallenge::parse(&header).unwrap();
        assert_eq!(challenge.claims, claims);
        assert_eq!(challenge.error.as_deref(), Some("insufficient_claims"));
        let url = countersign_core::encoding::encode_base64url(claims.as_bytes());
        assert_eq!(ClaimsChallenge::parse(&format!("bearer claims=\"{url}\"")).unwrap().claims, claims);
    }

    #[test]
    fn what_carries_no_claims_is_none() {
        for header in [
            "",
            "Bearer",
            "Bearer error=\"invalid_token\"",
            "Basic claims=\"e30=\"",
            "Bearer claims=\"not json\"",
            "Bearer claims=\"W10=\"",
            "Bearer claims=",
            "Bearer claims=\"e30",
            "=,=\"",
        ] {
            let found = ClaimsChallenge::parse(header);
            // An unterminated string that still decodes is taken as it is.
            assert!(found.is_none() || header.ends_with("e30"), "{header}: {found:?}");
        }
    }

    #[test]
    fn the_capability_joins_the_claims() {
        assert_eq!(with_capability(None), r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#);
        let both = with_capability(Some(r#"{"access_token":{"nbf":{"value":"1"}}}"#));
        assert_eq!(both, r#"{"access_token":{"nbf":{"value":"1"},"xms_cc":{"values":["cp1"]}}}"#);
        assert_eq!(with_capability(Some("no json")), "no json");
    }
}
