//! `GET /token?scope=…`: for scripts and programs that know no Azure form.
//!
//! JSON with the members of a token response (RFC 6749 §5.1) and when the token ends; the token alone for `Accept: text/plain`.

use countersign_client::ExposeSecret as _;
use countersign_core::managed_identity::Query;
use http::header::{ACCEPT, HeaderValue, WWW_AUTHENTICATE};
use serde_json::json;

use super::{Asking, Done, not_allowed, seconds_left};
use crate::respond::{self, Outcome};
use crate::tokens::NoToken;

/// Answers a request.
pub async fn answer(asking: Asking<'_>) -> Done<'_> {
    let Some(caller) = asking.caller(asking.secret()) else {
        let why = "send a caller's secret in the header X-IDENTITY-HEADER, or as Authorization: Bearer";
        let mut answer = respond::error(401, "invalid_client", why);
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"countersign agent\""));
        return Done { answer, caller: "-", outcome: Outcome::Unauthorized };
    };
    let refuse = |answer, outcome| Done { answer, caller: caller.name.as_str(), outcome };
    let query = Query::read(asking.query);
    let asked = query.get("scope").or_else(|| query.get("resource"));
    let scope = match asked {
        Some(scope) => match caller.scopes.find(scope) {
            Some(scope) => scope,
            None => return refuse(respond::error(403, "invalid_scope", &not_allowed(caller)), Outcome::ScopeRefused),
        },
        // Where there is no choice there need be no question.
        None => match caller.scopes.only() {
            Some(scope) => scope,
            None => {
                let why =
                    "the parameter scope is missing: GET /token?scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
                return refuse(respond::error(400, "invalid_request", why), Outcome::BadRequest);
            }
        },
    };
    let token = match asking.inner.tokens.get(&caller.name, scope, None, &asking.inner.metrics).await {
        Ok(token) => token,
        Err(no_token) => return refuse(refused(&no_token), no_token.outcome()),
    };
    let value = token.access_token.expose_secret();
    let answer = if wants_text(asking) {
        respond::answer(200, respond::TEXT, value.to_owned())
    } else {
        let body = json!({
            "access_token": value,
            "token_type": token.token_type,
            "expires_in": seconds_left(&token),
            "expires_on": token.expires_on.secs(),
            "scope": token.scope.as_deref().unwrap_or(scope),
            "client_id": asking.inner.tokens.client_id(),
        });
        respond::json(200, &body)
    };
    Done { answer, caller: &caller.name, outcome: Outcome::Token }
}

fn refused(no_token: &NoToken) -> respond::Answer {
    let (status, error) = no_token.status();
    let mut body = json!({ "error": error, "error_description": no_token.message() });
    if let NoToken::Refused(refusal) = no_token {
        body["error_codes"] = refusal.codes.clone().into();
        body["trace_id"] = refusal.trace_id.clone().into();
        body["correlation_id"] = refusal.correlation_id.clone().into();
    }
    respond::later(respond::json(status, &body), no_token)
}

/// The first of the two types that is named; JSON for whoever takes anything.
fn wants_text(asking: Asking<'_>) -> bool {
    let accept = asking.headers.get(ACCEPT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let types = accept.split(',').map(|t| t.split(';').next().unwrap_or_default().trim());
    let known = |t: &&str| matches!(*t, "text/plain" | "application/json");
    types.into_iter().find(known) == Some("text/plain")
}
