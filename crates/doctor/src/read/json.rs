//! Recognises JSON by its members: registrations, errors, headers, claims, key sets, HAR files, and what is inside.
//!
//! Called by [`super`]. An object that is nothing by itself is searched: logs and tickets wrap everything.

use countersign_core::UnixTime;
use countersign_core::jose::claims::UnverifiedClaims;
use countersign_core::jose::header::UnverifiedHeader;
use countersign_core::json::{Node, Value};
use countersign_core::keyfile::{self, ItemKind};
use zeroize::Zeroizing;

use super::application::{self, items, member, text};
use super::{Collector, error, har, jwt, request, settings};
use crate::artifact::{Content, JwksKey, Jwt, Metadata, Patch, Place};

/// Looks at a JSON value; `source` is the text it was read from. Returns whether anything was recognised.
pub(super) fn walk(c: &mut Collector<'_>, node: &Node, source: &str, depth: usize) -> bool {
    if depth > 24 {
        return false;
    }
    match &node.value {
        Value::Object(members) => {
            if object(c, node, source) {
                return true;
            }
            let mut any = false;
            for m in members {
                any |= walk(c, &m.node, source, depth + 1);
            }
            any
        }
        Value::Array(nodes) => {
            if !nodes.is_empty() && nodes.iter().all(application::is_key_credential) {
                let mut app = application::nameless();
                application::add_keys(&mut app, nodes);
                c.push(Content::Application(Box::new(app)));
                return true;
            }
            let mut any = false;
            for n in nodes {
                any |= walk(c, n, source, depth + 1);
            }
            any
        }
        Value::String(s) => string(c, s, depth),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A string can hold anything: JSON again, an error, a token, a key.
fn string(c: &mut Collector<'_>, s: &str, depth: usize) -> bool {
    let interesting = s.len() > 20
        && (s.contains("AADSTS")
            || crate::words::token_start(s).is_some()
            || s.contains("-----BEGIN")
            || s.trim_start().starts_with('{')
            || request::is_form(s));
    if !interesting || depth > 6 {
        return false;
    }
    let before = c.out.len();
    c.scan(s, depth + 1);
    c.out.len() > before
}

/// Errors of token endpoints: RFC 6749 §5.2 and §4.1.2.1, RFC 6750 §3.1, OpenID Connect Core §3.1.2.6.
const OAUTH_ERRORS: [&str; 12] = [
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "access_denied",
    "server_error",
    "temporarily_unavailable",
    "invalid_token",
    "consent_required",
    "interaction_required",
];

fn object(c: &mut Collector<'_>, node: &Node, source: &str) -> bool {
    if har::is_har(node) {
        for entry in har::read(node) {
            let date = entry.request.server_date;
            c.push_request(entry.request);
            if let Some(answer) = entry.answer {
                let before = c.out.len();
                c.scan(&answer, 1);
                for artifact in &mut c.out[before..] {
                    if let Content::Error(e) = &mut artifact.content {
                        e.date = date;
                    }
                }
            }
        }
        return true;
    }
    if let Some(value) = member(node, &["value"]).filter(|v| matches!(&v.value, Value::Array(a) if a.is_empty()))
        && text(node, &["@odata.context"]).is_some_and(|t| t.to_ascii_lowercase().contains("serviceprincipals"))
    {
        let _ = value;
        c.push(Content::ServicePrincipals(0));
        return true;
    }
    if application::is_application(node) {
        // `az ad app show` inside a JSON that also has an error: the error is looked for among the other members.
        let mut app = application::read(node);
        // Entries behind the cut may be the ones that matter.
        app.lists_keys &= !c.cut;
        c.push(Content::Application(Box::new(app)));
        return true;
    }
    if application::is_key_credential(node) {
        let mut app = application::nameless();
        application::add_keys(&mut app, std::slice::from_ref(node));
        c.push(Content::Application(Box::new(app)));
        return true;
    }
    if let Some(federated) = application::federated(node).filter(|_| member(node, &["audiences", "name"]).is_some()) {
        c.push(Content::Federated(federated));
        return true;
    }
    if member(node, &["keyCredentials"]).is_some() {
        return patch(c, node, source);
    }
    if node.get("error_description").is_some() || node.get("error_codes").is_some() {
        return error_body(c, node);
    }
    // Apple and others answer with the error's name alone.
    if let Some(name) = text(node, &["error"]).filter(|name| OAUTH_ERRORS.contains(name)) {
        c.push_other_error(name.to_owned(), None);
        return true;
    }
    if let Some(said) = text(node, &["message"]).filter(|m| crate::evidence::server::is_said(m)) {
        c.push_other_error(said.to_owned(), None);
        return true;
    }
    if let Some(token) = text(node, &["access_token", "accessToken"]) {
        if let Some(jwt) = jwt::read(token, Place::AccessToken) {
            c.push(Content::Jwt(Box::new(jwt)));
        }
        return true;
    }
    if node.get("grant_type").is_some() || node.get("client_assertion").is_some() {
        c.push_request(request::read_body(&source[node.span.clone()]));
        return true;
    }
    if text(node, &["type"]) == Some("service_account")
        || node.get("client_email").is_some() && node.get("private_key").is_some()
    {
        let client = text(node, &["client_email", "client_id"]).unwrap_or_default().to_owned();
        c.push(Content::ClientFile { client });
        if let Some(key) = text(node, &["private_key"]) {
            c.keys(key.as_bytes());
        }
        return true;
    }
    if let (Some(content_type), Some(value)) = (text(node, &["contentType"]), text(node, &["value"])) {
        c.push(Content::VaultSecret { content_type: content_type.to_owned() });
        c.keys(value.as_bytes());
        return true;
    }
    if matches!(node.get("keys").map(|k| &k.value), Some(Value::Array(_))) {
        let keys: Vec<JwksKey> = items(node, &["keys"]).iter().filter_map(|k| jwks_key(k, source)).collect();
        if !keys.is_empty() {
            c.push(Content::Jwks(keys));
            return true;
        }
    }
    if node.get("kty").is_some() {
        c.keys(source[node.span.clone()].as_bytes());
        return true;
    }
    if node.get("token_endpoint").is_some() && node.get("issuer").is_some() {
        c.push(Content::Metadata(metadata(node)));
        return true;
    }
    header_or_claims(c, node, source)
}

fn header_or_claims(c: &mut Collector<'_>, node: &Node, source: &str) -> bool {
    let has = |n: &str| node.get(n).is_some();
    let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"].iter().filter(|n| has(n)).count();
    let bytes = source[node.span.clone()].as_bytes();
    let header = has("alg") && (has("typ") || has("x5t") || has("x5t#S256") || has("kid") || has("x5c"))
        || (has("x5t") || has("x5t#S256")) && registered == 0
        // The algorithm alone is a whole header, when nothing else is with it.
        || node.members().is_some_and(|m| m.len() == 1)
            && text(node, &["alg"]).is_some_and(|a| countersign_core::jose::alg::Alg::from_name(a).is_some());
    if header
        && registered <= 1
        && let Ok(header) = UnverifiedHeader::read(bytes)
    {
        c.push(Content::Header(Box::new(header)));
        return true;
    }
    if registered >= 2
        && let Ok(claims) = UnverifiedClaims::read(bytes)
    {
        c.push(Content::Claims(Box::new(claims)));
        return true;
    }
    false
}

/// The body of a change of an application, or a bare list of its keys.
fn patch(c: &mut Collector<'_>, node: &Node, _source: &str) -> bool {
    let keys = application::read(node);
    if keys.registration.key_credentials.is_empty() && member(node, &["appId"]).is_none() {
        return false;
    }
    match c.patch_target.take() {
        Some(object_id) => c.push(Content::Patch(Box::new(Patch { object_id, keys }))),
        None => c.push(Content::Application(Box::new(keys))),
    }
    true
}

fn error_body(c: &mut Collector<'_>, node: &Node) -> bool {
    let description = text(node, &["error_description", "errorDescription", "message"]).unwrap_or_default();
    let codes: Vec<u32> = items(node, &["error_codes"])
        .iter()
        .filter_map(|n| match &n.value {
            Value::Number(t) | Value::String(t) => t.parse().ok(),
            _ => None,
        })
        .collect();
    let timestamp = text(node, &["timestamp"]).and_then(UnixTime::parse);
    let mut found = error::read(description);
    if found.is_none() && !codes.is_empty() {
        let mut e = error::of_codes(codes, timestamp);
        // The description may have lost its number; what it says is read as if it had one.
        if !description.is_empty() {
            let code = e.parsed.codes[0];
            if let Some(read) = error::read(&format!("AADSTS{code}: {description}")) {
                e = read;
            }
        }
        found = Some(e);
    }
    match found {
        Some(mut e) => {
            if e.parsed.timestamp.is_none() {
                e.parsed.timestamp = timestamp;
            }
            c.push_error(e);
            true
        }
        None if !description.is_empty() => {
            let name = text(node, &["error"]).unwrap_or_default();
            c.push_other_error(format!("{name}: {description}"), timestamp);
            true
        }
        None => false,
    }
}

fn jwks_key(node: &Node, source: &str) -> Option<JwksKey> {
    let file = keyfile::read_within(source[node.span.clone()].as_bytes(), None, 0, &mut 0);
    let certificate = file.certificates().next().cloned();
    let key = file.items.iter().find_map(|i| match &i.kind {
        ItemKind::PublicKey(k) => Some(k.clone()),
        ItemKind::PrivateKey(k) => Some(k.public_key().clone()),
        _ => None,
    });
    Some(JwksKey {
        kid: text(node, &["kid"]).map(str::to_owned),
        x5t: text(node, &["x5t"]).map(str::to_owned),
        key: key.or_else(|| certificate.as_ref().map(|c| c.public_key().clone()))?,
        certificate,
    })
}

fn metadata(node: &Node) -> Metadata {
    let owned = |n: &str| text(node, &[n]).map(str::to_owned);
    let endpoint = |m: &countersign_core::json::Member| {
        let url = m.node.as_str()?;
        (m.name.ends_with("_endpoint") || m.name == "jwks_uri").then(|| (m.name.clone(), url.to_owned()))
    };
    Metadata {
        issuer: owned("issuer"),
        token_endpoint: owned("token_endpoint"),
        endpoints: node.members().unwrap_or_default().iter().filter_map(endpoint).collect(),
        algs: items(node, &["token_endpoint_auth_signing_alg_values_supported"])
            .iter()
            .filter_map(|n| n.as_str().map(str::to_owned))
            .collect(),
    }
}

/// Settings, when a JSON text held nothing else.
pub(super) fn settings_of(c: &mut Collector<'_>, node: &Node) {
    let mut found = Vec::new();
    settings::find_json(node, &mut found);
    if !found.is_empty() {
        c.push(Content::Settings(found));
    }
}

/// A token inside a request body that is JSON.
pub(super) fn token_of(text: &Zeroizing<String>, place: Place) -> Option<Jwt> {
    jwt::read(text, place)
}
