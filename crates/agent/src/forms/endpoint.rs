//! A token endpoint (RFC 6749 §4.4) for programs that can only send a client secret: the secret is one of the agent's own callers,
//! and what goes to the authority is the agent's credential, a right assertion for example.
//!
//! Asked under the agent's own address, or through the agent as the HTTP proxy of a program that names the authority with
//! `http://`. What the authority refuses is passed back as it came.

use countersign_client::{ExposeSecret as _, Refusal, Token};
use countersign_core::request::{Body, EndpointVersion, TokenRequest};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, PROXY_AUTHORIZATION, WWW_AUTHENTICATE};
use http::uri::Authority;
use serde_json::{Value, json};

use super::{Asking, Done, not_allowed, seconds_left};
use crate::callers::Caller;
use crate::guard::Via;
use crate::respond::{self, Outcome};
use crate::tokens::NoToken;

/// Where a request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The tenant in the path; `None` for an endpoint that has none.
    pub tenant: Option<&'a str>,
    /// Which version of Entra's endpoint.
    pub version: EndpointVersion,
}

/// Why there is no answer with a token: an OAuth error with its status, and what it counts as.
struct Refused {
    status: u16,
    error: &'static str,
    why: String,
    outcome: Outcome,
}

impl Refused {
    fn request(why: impl Into<String>) -> Self {
        Self { status: 400, error: "invalid_request", why: why.into(), outcome: Outcome::BadRequest }
    }

    fn client(why: impl Into<String>) -> Self {
        Self { status: 401, error: "invalid_client", why: why.into(), outcome: Outcome::Unauthorized }
    }
}

/// The place that a path of the agent's own address names.
pub fn place(path: &str) -> Option<Place<'_>> {
    if path == "/oauth2/token" {
        return Some(Place { tenant: None, version: EndpointVersion::V2 });
    }
    let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
    let version = match rest {
        "oauth2/v2.0/token" => EndpointVersion::V2,
        "oauth2/token" => EndpointVersion::V1,
        _ => return None,
    };
    (!tenant.is_empty()).then_some(Place { tenant: Some(tenant), version })
}

/// The place that a request to the forward proxy names: the token endpoint that the agent's own requests go to, and no other.
pub fn proxied<'a>(asking: Asking<'_>, authority: &Authority, path: &'a str) -> Option<Place<'a>> {
    let endpoint = asking.inner.tokens.client().authority()?.token_endpoint();
    let port = endpoint.port_or_known_default();
    let same_port = match authority.port_u16() {
        // The program says http where the authority speaks https.
        None | Some(80) => matches!(port, Some(80 | 443)),
        given => given == port,
    };
    let same_host = endpoint.host_str().is_some_and(|host| host.eq_ignore_ascii_case(authority.host()));
    if !same_host || !same_port {
        return None;
    }
    let plain = Place { tenant: None, version: EndpointVersion::V2 };
    if path == endpoint.path() { Some(plain) } else { place(path) }
}

/// Answers a request.
pub async fn answer<'a>(asking: Asking<'a>, place: Place<'_>, body: &[u8]) -> Done<'a> {
    let text = |name| asking.headers.get(name).and_then(|v: &HeaderValue| v.to_str().ok());
    let tenant = place.tenant.unwrap_or_default();
    let (content_type, authorization) = (text(CONTENT_TYPE), text(AUTHORIZATION));
    let request = TokenRequest::read(tenant, place.version, content_type, body, asking.query, authorization);
    let caller = match caller(asking, &request, text(PROXY_AUTHORIZATION)) {
        Ok(caller) => caller,
        Err(refused) => return done("-", refused),
    };
    let scope = match scope(asking, place, caller, &request) {
        Ok(scope) => scope,
        Err(refused) => return done(&caller.name, refused),
    };
    match asking.inner.tokens.get(&caller.name, scope, None, &asking.inner.metrics).await {
        Ok(token) => {
            let body = match place.version {
                EndpointVersion::V2 => current(&token),
                EndpointVersion::V1 => old(&token, request.given("resource").unwrap_or(scope)),
            };
            Done { answer: respond::json(200, &body), caller: &caller.name, outcome: Outcome::Token }
        }
        Err(no_token) => {
            let answer = match &no_token {
                NoToken::Refused(refusal) => passed_back(refusal),
                NoToken::Away { .. } | NoToken::Broken => {
                    let (status, error) = no_token.status();
                    respond::later(respond::error(status, error, &no_token.message()), &no_token)
                }
            };
            Done { answer, caller: &caller.name, outcome: no_token.outcome() }
        }
    }
}

/// Who asks: by the client secret, in the body or as Basic, or by the password of the proxy.
fn caller<'a>(asking: Asking<'a>, request: &TokenRequest, proxy: Option<&str>) -> Result<&'a Caller, Refused> {
    match request.body {
        Body::Form => {}
        Body::TooManyParameters => return Err(Refused::request("too many parameters")),
        Body::Json | Body::Multipart | Body::Empty => {
            return Err(Refused::request("the body must be application/x-www-form-urlencoded (RFC 6749 §4.4.2)"));
        }
    }
    if let Some(name) = request.repeated() {
        // A name of the protocol may be said; another one is not repeated.
        let known = ["grant_type", "scope", "resource", "client_id", "client_secret"].into_iter().find(|n| *n == name);
        return Err(Refused::request(format!("the parameter {} is there twice", known.unwrap_or("(unknown)"))));
    }
    if request.given("client_assertion").is_some() {
        let why = "an assertion is what the agent makes; send a caller's secret as client_secret instead";
        return Err(Refused::client(why));
    }
    let proxy = proxy.and_then(|value| {
        let read = TokenRequest::read("", request.version, None, b"", "", Some(value)).basic;
        read.and_then(Result::ok)
    });
    let of = |basic: &countersign_core::request::BasicCredentials| {
        basic.secrets.iter().find_map(|secret| asking.inner.callers.find(secret))
    };
    let found = match (request.given("client_secret"), &request.basic, &proxy) {
        (Some(_), Some(_), _) => {
            return Err(Refused::request(
                "one client authentication at a time: client_secret or Authorization (RFC 6749 §2.3)",
            ));
        }
        (Some(secret), None, _) => asking.inner.callers.find(secret),
        (None, Some(basic), _) => basic.as_ref().ok().and_then(of),
        (None, None, Some(proxy)) => of(proxy),
        (None, None, None) if asking.via == Via::Unix => Some(asking.inner.callers.without_secret()),
        (None, None, None) => None,
    };
    let caller =
        found.ok_or_else(|| Refused::client("client_secret must be the secret of one of the agent's callers"))?;
    let own = asking.inner.tokens.client_id();
    match request.client_id() {
        // The proxy's user name is no client id.
        None => Ok(caller),
        Some(id) if id.eq_ignore_ascii_case(own) || id == caller.name => Ok(caller),
        Some(_) => {
            Err(Refused::client(format!("client_id must be {own}, whose tokens these are, or the caller's name")))
        }
    }
}

fn scope<'a>(
    asking: Asking<'a>,
    place: Place<'_>,
    caller: &'a Caller,
    request: &TokenRequest,
) -> Result<&'a str, Refused> {
    if let (Some(named), Some(tenant)) = (place.tenant, &asking.inner.tenant)
        && !named.eq_ignore_ascii_case(tenant)
    {
        return Err(Refused::request(format!("this agent gets tokens of the tenant {tenant} only")));
    }
    match request.given("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let why = "the agent knows no other grant_type than client_credentials";
            return Err(Refused { error: "unsupported_grant_type", ..Refused::request(why) });
        }
        None => return Err(Refused::request("the parameter grant_type is missing: client_credentials")),
    }
    let asked = match place.version {
        EndpointVersion::V2 => request.resource_scopes().join(" "),
        EndpointVersion::V1 => request.given("resource").unwrap_or_default().to_owned(),
    };
    if asked.is_empty() {
        // RFC 6749 §3.3: a default of the server's, where there is no choice.
        return caller.scopes.only().ok_or_else(|| Refused::request("the parameter scope is missing"));
    }
    caller.scopes.find(&asked).ok_or_else(|| Refused {
        status: 400,
        error: "invalid_scope",
        why: not_allowed(caller),
        outcome: Outcome::ScopeRefused,
    })
}

fn done(caller: &str, refused: Refused) -> Done<'_> {
    let mut answer = respond::error(refused.status, refused.error, &refused.why);
    if refused.status == 401 {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"countersign agent\""));
    }
    Done { answer, caller, outcome: refused.outcome }
}

/// The refusal as the authority worded it.
fn passed_back(refusal: &Refusal) -> respond::Answer {
    respond::answer(refusal.status, respond::JSON, refusal.body.clone())
}

fn current(token: &Token) -> Value {
    let mut body = json!({
        "token_type": token.token_type,
        "expires_in": seconds_left(token),
        "ext_expires_in": seconds_left(token),
        "access_token": token.access_token.expose_secret(),
    });
    if let Some(scope) = &token.scope {
        body["scope"] = scope.clone().into();
    }
    body
}

/// Version 1.0 writes numbers as text.
fn old(token: &Token, resource: &str) -> Value {
    json!({
        "token_type": token.token_type,
        "expires_in": seconds_left(token).to_string(),
        "ext_expires_in": seconds_left(token).to_string(),
        "expires_on": token.expires_on.secs().to_string(),
        "not_before": token.issued_on.secs().to_string(),
        "resource": resource,
        "access_token": token.access_token.expose_secret(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_tenant_and_version() {
        let of = |path| place(path).map(|p| (p.tenant, p.version));
        assert_eq!(of("/contoso.example/oauth2/v2.0/token"), Some((Some("contoso.example"), EndpointVersion::V2)));
        assert_eq!(of("/t/oauth2/token"), Some((Some("t"), EndpointVersion::V1)));
        assert_eq!(of("/oauth2/token"), Some((None, EndpointVersion::V2)));
        for none in ["/", "//oauth2/token", "/t/oauth2/v2.0/token/", "/t/oauth2/v2.0/authorize", "/oauth2/v2.0/token"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
