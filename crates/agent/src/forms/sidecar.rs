//! `GET /AuthorizationHeader/{api}` of Microsoft's Entra auth sidecar: a header's value for an API that the configuration names.
//!
//! As in Microsoft.Identity.Web.Sidecar's `AuthorizationHeaderEndpoint` and its OpenAPI description, for the application itself:
//! there is no user here and no agent identity, and a request that asks for either is refused.

use std::borrow::Cow;

use countersign_client::ExposeSecret as _;
use countersign_core::managed_identity::Query;
use serde_json::json;

use super::{Asking, Done, not_allowed};
use crate::OpenForm;
use crate::callers::Caller;
use crate::respond::{self, Outcome};

/// Parameters that are understood, without regard to case; `ForceRefresh` has nothing to do where tokens are always fresh.
const KNOWN: [&str; 5] = [
    "optionsOverride.Scopes",
    "optionsOverride.RequestAppToken",
    "optionsOverride.AcquireTokenOptions.Tenant",
    "optionsOverride.AcquireTokenOptions.ForceRefresh",
    "optionsOverride.AcquireTokenOptions.CorrelationId",
];

/// Answers a request. `unauthenticated` is the form without an `Authorization` header.
pub async fn answer<'a>(asking: Asking<'a>, api: &str, unauthenticated: bool) -> Done<'a> {
    let open = unauthenticated && asking.inner.open.contains(&OpenForm::Sidecar);
    let caller = match asking.secret() {
        None if open => Some(asking.inner.callers.without_secret()),
        secret => asking.caller(secret),
    };
    let Some(caller) = caller else {
        let detail = "send a caller's secret as Authorization: Bearer or in the header X-IDENTITY-HEADER; \
                      --without-secret sidecar answers /AuthorizationHeaderUnauthenticated without one";
        return Done { answer: problem(401, detail), caller: "-", outcome: Outcome::Unauthorized };
    };
    let refuse =
        |status, detail: &str, outcome| Done { answer: problem(status, detail), caller: &caller.name, outcome };
    let query = Query::read(asking.query);
    let scope = match scope(asking, caller, api, &query) {
        Ok(scope) => scope,
        Err(Refused::Scope) => return refuse(403, &not_allowed(caller), Outcome::ScopeRefused),
        Err(Refused::Request(detail)) => return refuse(400, &detail, Outcome::BadRequest),
    };
    match asking.inner.tokens.get(&caller.name, scope, None, &asking.inner.metrics).await {
        Ok(token) => {
            let body = json!({ "authorizationHeader": token.authorization().expose_secret() });
            Done { answer: respond::json(200, &body), caller: &caller.name, outcome: Outcome::Token }
        }
        Err(no_token) => {
            // What the authority refuses is 401 there (MsalServiceException).
            let status = if no_token.outcome() == Outcome::Refused { 401 } else { no_token.status().0 };
            let done = refuse(status, &no_token.message(), no_token.outcome());
            Done { answer: respond::later(done.answer, &no_token), ..done }
        }
    }
}

enum Refused {
    Scope,
    Request(Cow<'static, str>),
}

fn scope<'a>(asking: Asking<'a>, caller: &'a Caller, api: &str, query: &Query) -> Result<&'a str, Refused> {
    let request = |why: &'static str| Err(Refused::Request(why.into()));
    for name in query.names() {
        if ["AgentIdentity", "AgentUsername", "AgentUserId"].iter().any(|n| n.eq_ignore_ascii_case(name)) {
            return request("agent identities are not served here; the token is the application's own");
        }
        let overrides = name.get(..16).is_some_and(|n| n.eq_ignore_ascii_case("optionsOverride."));
        if overrides && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return request(
                "this optionsOverride is not served here; expected Scopes, RequestAppToken, AcquireTokenOptions.Tenant",
            );
        }
    }
    if query.get(KNOWN[1]).is_some_and(|v| !v.eq_ignore_ascii_case("true")) {
        return request("there is no user here: RequestAppToken can only be true");
    }
    if let (Some(wanted), Some(tenant)) = (query.get(KNOWN[2]), &asking.inner.tenant)
        && !wanted.eq_ignore_ascii_case(tenant)
    {
        return Err(Refused::Request(format!("this agent gets tokens of the tenant {tenant} only").into()));
    }
    let named = asking.inner.apis.find(api);
    let wanted: Vec<&str> = query.all(KNOWN[0]).collect();
    let wanted = match (wanted.is_empty(), named) {
        (false, _) => wanted.join(" "),
        (true, Some(scope)) => scope.to_owned(),
        (true, None) => {
            return request("no API of that name: name it with --api NAME=SCOPE, or under [apis] in the callers file");
        }
    };
    caller.scopes.find(&wanted).ok_or(Refused::Scope)
}

/// Problem details (RFC 9457), as ASP.NET Core writes them.
fn problem(status: u16, detail: &str) -> respond::Answer {
    let (title, section) = match status {
        400 => ("Bad Request", "15.5.1"),
        401 => ("Unauthorized", "15.5.2"),
        403 => ("Forbidden", "15.5.4"),
        503 => ("Service Unavailable", "15.6.4"),
        _ => ("Internal Server Error", "15.6.1"),
    };
    let kind = format!("https://tools.ietf.org/html/rfc9110#section-{section}");
    let body = json!({ "type": kind, "title": title, "status": status, "detail": detail });
    respond::answer(status, respond::PROBLEM, body.to_string())
}
