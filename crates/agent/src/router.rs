//! Every route of the agent on one screen, and the count of how each request ended.
//!
//! Called once per request by `connections`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign_core::managed_identity::{app_service, imds};
use http::header::{ALLOW, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;

use crate::Inner;
use crate::forms::endpoint::Place;
use crate::forms::{self, Asking, Done};
use crate::guard::{self, Via};
use crate::respond::{self, Answer, Outcome};

/// Longest body: a form with a secret.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(10);

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Plain,
    AppService,
    Imds,
    Sidecar {
        api: &'a str,
        unauthenticated: bool,
    },
    Endpoint(Place<'a>),
    Live,
    Ready,
    Metrics,
    /// Through the forward proxy to something that is not the token endpoint.
    Elsewhere,
    Nothing,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        // MSAL for Node puts a slash behind the paths of managed identities.
        let bare = path.strip_suffix('/').unwrap_or(path);
        if bare == app_service::PATH {
            return Self::AppService;
        }
        if bare == imds::PATH {
            return Self::Imds;
        }
        let mut parts = path.strip_prefix('/').unwrap_or(path).splitn(3, '/');
        match (path, parts.next().unwrap_or_default(), parts.next(), parts.next()) {
            ("/token", ..) => Self::Plain,
            ("/livez", ..) => Self::Live,
            // The sidecar's probe is `/healthz`.
            ("/readyz" | "/healthz", ..) => Self::Ready,
            ("/metrics", ..) => Self::Metrics,
            // Routes of ASP.NET Core do not regard case.
            (_, first, Some(api), None) if first.eq_ignore_ascii_case("AuthorizationHeader") => {
                Self::Sidecar { api, unauthenticated: false }
            }
            (_, first, Some(api), None) if first.eq_ignore_ascii_case("AuthorizationHeaderUnauthenticated") => {
                Self::Sidecar { api, unauthenticated: true }
            }
            _ => forms::endpoint::place(path).map_or(Self::Nothing, Self::Endpoint),
        }
    }

    /// What a request names, to the agent itself or, with an absolute URI, to the forward proxy: nothing but the endpoint there.
    fn asked(asking: Asking<'_>, uri: &'a Uri) -> Self {
        match uri.authority() {
            None => Self::of(uri.path()),
            Some(host) => forms::endpoint::proxied(asking, host, uri.path()).map_or(Self::Elsewhere, Self::Endpoint),
        }
    }

    const fn form(self) -> &'static str {
        match self {
            Self::Plain => "token",
            Self::AppService => "app_service",
            Self::Imds => "imds",
            Self::Sidecar { .. } => "sidecar",
            Self::Endpoint(_) => "endpoint",
            Self::Elsewhere => "proxy",
            Self::Live | Self::Ready | Self::Metrics => "ops",
            Self::Nothing => "none",
        }
    }
}

/// Answers one request.
///
/// # Errors
/// None: whatever happens has an answer.
pub async fn reply(inner: Arc<Inner>, via: Via, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let asking = Asking { inner: &inner, via, headers: &parts.headers, query: parts.uri.query().unwrap_or_default() };
    let route = Route::asked(asking, &parts.uri);
    let done = match (guard::check(via, &parts.uri, &parts.headers), route, &parts.method) {
        (Err(unfit), ..) => forbidden(unfit.words()),
        (Ok(()), Route::Live | Route::Ready | Route::Metrics, &(Method::GET | Method::HEAD)) => {
            return Ok(operate(&inner, route).await);
        }
        (Ok(()), Route::Plain, &Method::GET) => forms::plain::answer(asking).await,
        (Ok(()), Route::AppService, &Method::GET) => forms::app_service::answer(asking).await,
        (Ok(()), Route::Imds, &Method::GET) => forms::imds::answer(asking).await,
        (Ok(()), Route::Sidecar { api, unauthenticated }, &Method::GET) => {
            forms::sidecar::answer(asking, api, unauthenticated).await
        }
        (Ok(()), Route::Endpoint(place), &Method::POST) => match read(&parts.headers, body).await {
            Ok(body) => forms::endpoint::answer(asking, place, &body).await,
            Err((status, why)) => bad_request(status, why),
        },
        (Ok(()), Route::Elsewhere, _) => forbidden(
            "the agent is a proxy for its own authority's token endpoint alone, named with http:// and by POST; \
             let other requests go direct (NO_PROXY)",
        ),
        (Ok(()), Route::Nothing, _) => bad_request(
            404,
            "there is nothing here; the agent answers GET /token, /msi/token, /metadata/identity/oauth2/token, \
             /AuthorizationHeader/{api}, and POST /{tenant}/oauth2/v2.0/token",
        ),
        (Ok(()), Route::Endpoint(_), _) => not_this_method("POST"),
        (Ok(()), ..) => not_this_method("GET"),
    };
    inner.metrics.request(done.caller, route.form(), done.outcome, began.elapsed());
    if !matches!(done.outcome, Outcome::Token) {
        let (form, status, outcome) = (route.form(), done.answer.status().as_u16(), done.outcome.name());
        tracing::info!(caller = done.caller, form, status, outcome, "no token was given");
    }
    Ok(done.answer)
}

/// For operators: they tell nothing that a token could be got with.
async fn operate(inner: &Inner, route: Route<'_>) -> Answer {
    match route {
        Route::Metrics => {
            let text = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            respond::answer(200, text, inner.metrics.render(crate::tokens::now()))
        }
        Route::Ready => match inner.tokens.ready(&inner.callers.scopes(), &inner.metrics).await {
            Ok(()) => respond::answer(200, respond::TEXT, "ok\n"),
            Err(why) => respond::answer(503, respond::TEXT, format!("{why}\n")),
        },
        _ => respond::answer(200, respond::TEXT, "ok\n"),
    }
}

/// The body of a request, within bounds of size and time.
async fn read(headers: &HeaderMap, body: Incoming) -> Result<bytes::Bytes, (u16, &'static str)> {
    let declared = headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > MAX_BODY as u64) {
        return Err((413, "the body has more than 64 KiB"));
    }
    match tokio::time::timeout(BODY, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err((413, "the body has more than 64 KiB")),
        Ok(Err(_)) => Err((400, "the body ended early")),
        Err(_) => Err((408, "the body did not come in time")),
    }
}

fn forbidden(why: &str) -> Done<'static> {
    Done { answer: respond::error(403, "forbidden", why), caller: "-", outcome: Outcome::Forbidden }
}

fn bad_request(status: u16, why: &str) -> Done<'static> {
    let error = if status == 404 { "not_found" } else { "invalid_request" };
    Done { answer: respond::error(status, error, why), caller: "-", outcome: Outcome::BadRequest }
}

fn not_this_method(allowed: &'static str) -> Done<'static> {
    let mut answer = respond::error(405, "invalid_request", &format!("this takes {allowed} alone"));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    Done { answer, caller: "-", outcome: Outcome::BadRequest }
}

#[cfg(test)]
mod tests {
    use countersign_core::request::EndpointVersion;

    use super::*;

    #[test]
    fn paths_lead_to_their_routes() {
        for (path, route) in [
            ("/token", Route::Plain),
            ("/msi/token", Route::AppService),
            ("/metadata/identity/oauth2/token", Route::Imds),
            ("/metadata/identity/oauth2/token/", Route::Imds),
            ("/AuthorizationHeader/Graph", Route::Sidecar { api: "Graph", unauthenticated: false }),
            ("/authorizationheaderunauthenticated/x", Route::Sidecar { api: "x", unauthenticated: true }),
            ("/healthz", Route::Ready),
            ("/t/oauth2/v2.0/token", Route::Endpoint(Place { tenant: Some("t"), version: EndpointVersion::V2 })),
        ] {
            assert_eq!(Route::of(path), route, "{path}");
        }
        for none in [
            "",
            "/",
            "/token/",
            "//token",
            "/Token",
            "/AuthorizationHeader",
            "/AuthorizationHeader/a/b",
            "/metadata/instance",
        ] {
            assert_eq!(Route::of(none), Route::Nothing, "{none}");
        }
    }
}
