//! Every route on one screen, and the rules that hold before any of them: one `Host`, bounded bodies.
//!
//! Called once per request by `connections`. Written by hand, not with a routing table: the first segment is a tenant, and
//! what no table would match (odd encodings, other methods) must be answered in Entra's form too.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use countersign_core::request::EndpointVersion;
use http::header::{ALLOW, CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::authority::discovery::{self, Version as Api};
use super::authority::{instance, token};
use super::body::{self, BodyError};
use super::context::Context;
use super::error::Refusal;
use super::guard::{Guarded, Panicked};
use super::respond::{Answer, Body, TEXT, answer, open_to_any_origin, with_ids};
use super::{cloud, graph, identity, ops, portal};
use crate::app::App;
use crate::load::Place;
use crate::traces::Call;

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Token(EndpointVersion, &'a str),
    Configuration(Api, &'a str),
    Keys(&'a str),
    Instance,
    ErrorPage,
    Live,
    Ready,
    Metrics,
    Graph,
    Portal,
    Endpoints,
    ResourceManager,
    IdentityOfMachine,
    IdentityOfAppService,
    Nothing,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Self {
        let mut parts = path.strip_prefix('/').unwrap_or(path).splitn(6, '/');
        let mut next = || parts.next();
        match (next(), next(), next(), next(), next()) {
            (Some("v1.0" | "beta"), ..) => Self::Graph,
            (Some("livez"), None, ..) => Self::Live,
            (Some("readyz"), None, ..) => Self::Ready,
            (Some("metrics"), None, ..) => Self::Metrics,
            (Some("error"), None, ..) => Self::ErrorPage,
            (Some("portal"), ..) => Self::Portal,
            (Some("metadata"), Some("endpoints"), None, ..) => Self::Endpoints,
            // MSAL for Node puts a slash behind these two.
            (Some("metadata"), Some("identity"), Some("oauth2"), Some("token"), None | Some("")) => {
                Self::IdentityOfMachine
            }
            (Some("msi"), Some("token"), None | Some(""), None, _) => Self::IdentityOfAppService,
            (Some("tenants" | "subscriptions"), ..) => Self::ResourceManager,
            (Some(_), Some("discovery"), Some("instance"), None, _) => Self::Instance,
            (Some(tenant), Some("oauth2"), Some("v2.0"), Some("token"), None) => {
                Self::Token(EndpointVersion::V2, tenant)
            }
            (Some(tenant), Some("oauth2"), Some("token"), None, _) => Self::Token(EndpointVersion::V1, tenant),
            (Some(tenant), Some("v2.0"), Some(".well-known"), Some("openid-configuration"), None) => {
                Self::Configuration(Api::V2, tenant)
            }
            (Some(tenant), Some(".well-known"), Some("openid-configuration"), None, _) => {
                Self::Configuration(Api::V1, tenant)
            }
            (Some(tenant), Some("discovery"), Some("v2.0"), Some("keys"), None)
            | (Some(tenant), Some("discovery"), Some("keys"), None, _) => Self::Keys(tenant),
            _ => Self::Nothing,
        }
    }

    /// What is asked all day long by machines that watch is not worth a trace.
    fn is_traced(&self) -> bool {
        !matches!(self, Self::Live | Self::Ready | Self::Metrics)
    }

    /// The path with its parameters in braces, for traces: as few names as there are routes.
    fn template(&self) -> &'static str {
        match self {
            Self::Token(EndpointVersion::V2, _) => "/{tenant}/oauth2/v2.0/token",
            Self::Token(EndpointVersion::V1, _) => "/{tenant}/oauth2/token",
            Self::Configuration(Api::V2, _) => "/{tenant}/v2.0/.well-known/openid-configuration",
            Self::Configuration(Api::V1, _) => "/{tenant}/.well-known/openid-configuration",
            Self::Keys(_) => "/{tenant}/discovery/keys",
            Self::Instance => "/common/discovery/instance",
            Self::ErrorPage => "/error",
            Self::Live => "/livez",
            Self::Ready => "/readyz",
            Self::Metrics => "/metrics",
            Self::Graph => "/v1.0/{resource}",
            Self::Portal => "/portal/{page}",
            Self::Endpoints => "/metadata/endpoints",
            Self::ResourceManager => "/subscriptions/{resource}",
            Self::IdentityOfMachine => "/metadata/identity/oauth2/token",
            Self::IdentityOfAppService => "/msi/token",
            Self::Nothing => "/{unknown}",
        }
    }

    /// Methods that a route takes, as `Allow` lists them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Token(..) => "POST, OPTIONS",
            Self::Portal => "GET, HEAD, POST",
            Self::Graph | Self::ResourceManager => "GET, HEAD, POST, PATCH, PUT, DELETE, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        }
    }
}

/// Answers one request.
///
/// # Errors
/// None: whatever happens has an answer.
pub async fn reply(app: Arc<App>, peer: IpAddr, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let route = Route::of(request.uri().path());
    let mut context = {
        let host = host(request.headers(), request.uri()).unwrap_or_default();
        Context::of(&app, request.headers(), host, request.uri().query(), peer)
    };
    if route.is_traced() {
        let parent = request.headers().get("traceparent").and_then(|v| v.to_str().ok());
        context.trace = app.traces.begin(parent, &context.trace_id, app.now(), context.started);
    }
    let (graph, template) = (route == Route::Graph, route.template());
    let (head, method) = (request.method() == Method::HEAD, method_name(request.method()));
    let protocol = protocol(request.version());
    let mut reply = match Guarded::new(dispatch(&app, &context, peer, request)).await {
        Ok(reply) => reply,
        Err(Panicked) => {
            app.metrics.failed.count();
            tracing::error!(
                trace_id = context.trace_id,
                correlation_id = context.correlation_id,
                "answering a request panicked"
            );
            let failed = Refusal::failed();
            if graph { graph::refuse(&app, &context, failed.status) } else { failed.answer(&app, &context) }
        }
    };
    if head {
        without_body(&mut reply);
    }
    if let Some(trace) = &context.trace {
        let call = Call {
            method,
            route: template,
            protocol,
            base: &context.base,
            status: reply.status().as_u16(),
            request_id: &context.trace_id,
            correlation_id: &context.correlation_id,
        };
        app.traces.finish(trace, &call);
    }
    Ok(reply)
}

/// The answer to HEAD: the length of what GET would bring, and nothing of it (RFC 9110 §9.3.2). hyper sees to that in HTTP/1.1,
/// not in HTTP/2, where clients take a body for a fault of the connection.
fn without_body(reply: &mut Answer) {
    let body = std::mem::replace(reply.body_mut(), Body::Whole(None));
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0) {
        reply.headers_mut().entry(CONTENT_LENGTH).or_insert(length.into());
    }
}

async fn dispatch(app: &Arc<App>, context: &Context, peer: IpAddr, request: Request<Incoming>) -> Answer {
    let (parts, incoming) = request.into_parts();
    let host = host(&parts.headers, &parts.uri);
    let route = Route::of(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    // RFC 9112 §6.1: such a message may be an attempt at smuggling; whatever follows it is not believed. hyper has removed a
    // Content-Length beside it, so that every chunked request ends its connection.
    let close = parts.headers.contains_key(TRANSFER_ENCODING) && parts.version < Version::HTTP_2;
    let mut reply = match route {
        _ if host.is_err() || (host == Ok(None) && parts.version == Version::HTTP_11) => {
            refuse(app, context, &route, &Refusal::bad_request())
        }
        _ if parts.method == Method::OPTIONS && route != Route::Portal => options(&route, context),
        Route::Token(version, tenant) => {
            if parts.method == Method::POST {
                match received(context, &parts.headers, incoming).await {
                    Ok(body) => match admitted(app, context) {
                        Ok(_place) => {
                            let query = parts.uri.query();
                            token::answer(app, context, version, &decode(tenant), &parts.headers, query, &body).await
                        }
                        Err(refusal) => token::turn_away(app, context, &refusal),
                    },
                    Err(BodyError::TooLarge) => token::refuse(app, context, &Refusal::too_large()),
                    Err(BodyError::TooSlow) => token::refuse(app, context, &Refusal::too_slow()),
                    Err(BodyError::Broken) => token::refuse(app, context, &Refusal::bad_request()),
                }
            } else {
                token::refuse(app, context, &Refusal::method(&parts.method, route.methods()))
            }
        }
        Route::Graph => match body::read(&parts.headers, incoming).await {
            Ok(body) => graph::answer(app, context, &parts, &body).await,
            Err(BodyError::TooLarge) => graph::refuse(app, context, StatusCode::PAYLOAD_TOO_LARGE),
            Err(BodyError::TooSlow) => graph::refuse(app, context, StatusCode::REQUEST_TIMEOUT),
            Err(BodyError::Broken) => graph::refuse(app, context, StatusCode::BAD_REQUEST),
        },
        Route::Portal => match body::read(&parts.headers, incoming).await {
            Ok(body) => portal::answer(app, context, &parts, &body).await,
            Err(BodyError::TooLarge) => portal::refuse(StatusCode::PAYLOAD_TOO_LARGE),
            Err(BodyError::TooSlow) => portal::refuse(StatusCode::REQUEST_TIMEOUT),
            Err(BodyError::Broken) => portal::refuse(StatusCode::BAD_REQUEST),
        },
        Route::ResourceManager => {
            cloud::resource_manager(app, context, &parts.method, parts.uri.path(), &parts.headers, query).await
        }
        // Without an identity there is no such endpoint.
        Route::IdentityOfMachine | Route::IdentityOfAppService if !app.identities.any() => {
            Refusal::not_found().answer(app, context)
        }
        Route::Nothing => Refusal::not_found().answer(app, context),
        _ if !matches!(parts.method, Method::GET | Method::HEAD) => {
            Refusal::method(&parts.method, route.methods()).answer(app, context)
        }
        Route::Configuration(version, tenant) => discovery::configuration(app, context, &decode(tenant), version).await,
        Route::Keys(tenant) => discovery::keys(app, context, &decode(tenant)).await,
        Route::Instance => instance::answer(app, context, query),
        Route::ErrorPage => portal::error_page(query),
        Route::Endpoints => cloud::endpoints(context, query),
        Route::IdentityOfMachine => identity::metadata(app, context, &parts.headers, query, peer).await,
        Route::IdentityOfAppService => identity::app_service(app, context, &parts.headers, query).await,
        Route::Live => ops::live(),
        Route::Ready => ops::ready(app).await,
        Route::Metrics => ops::metrics(app).await,
    };
    if close {
        reply.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    reply
}

/// The body of a token request, measured.
async fn received(context: &Context, headers: &HeaderMap, incoming: Incoming) -> Result<bytes::Bytes, BodyError> {
    let _receiving = context.stage("receive");
    body::read(headers, incoming).await
}

/// A place for a token request; or the refusal for whoever comes too often, or when there is no room.
fn admitted<'a>(app: &'a App, context: &Context) -> Result<Place<'a>, Refusal> {
    app.load.of_address(context.address).map_err(Refusal::too_many)?;
    app.load.enter().ok_or_else(Refusal::unavailable)
}

fn refuse(app: &App, context: &Context, route: &Route<'_>, refusal: &Refusal) -> Answer {
    match route {
        Route::Token(..) => token::refuse(app, context, refusal),
        Route::Graph => graph::refuse(app, context, refusal.status),
        _ => refusal.answer(app, context),
    }
}

fn options(route: &Route<'_>, context: &Context) -> Answer {
    let mut response = answer(StatusCode::OK, TEXT, "");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(route.methods()));
    // Pages of any origin may read metadata, as recorded at Entra; their browser may ask first.
    if matches!(route, Route::Configuration(..) | Route::Keys(_) | Route::Instance) {
        open_to_any_origin(&mut response);
    }
    with_ids(&mut response, context);
    response
}

/// A method by its name, where it is one of those that HTTP has.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PATCH", "DELETE", "HEAD", "PUT", "OPTIONS"];
    KNOWN.into_iter().find(|name| *name == method.as_str()).unwrap_or("_OTHER")
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2",
        Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

/// The host a request names: its `Host` header or, in HTTP/2, its authority.
///
/// # Errors
/// More than one `Host`, or one that is no text (RFC 9112 §3.2).
fn host<'a>(headers: &'a HeaderMap, uri: &'a http::Uri) -> Result<Option<&'a str>, ()> {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), Some(_)) => Err(()),
        (Some(one), None) => one.to_str().map(Some).map_err(drop),
        (None, _) => Ok(uri.authority().map(http::uri::Authority::as_str)),
    }
}

/// Percent-decodes a path segment; what is no UTF-8 then becomes U+FFFD and names nothing.
fn decode(segment: &str) -> std::borrow::Cow<'_, str> {
    if !segment.contains('%') {
        return segment.into();
    }
    // In a path, unlike in a form, a plus is a plus.
    countersign_core::request::form_decode(&segment.replace('+', "%2B")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_their_routes() {
        let is = |path: &str, route: Route<'_>| assert_eq!(Route::of(path), route, "{path}");
        is("/t/oauth2/v2.0/token", Route::Token(EndpointVersion::V2, "t"));
        is("/t/oauth2/token", Route::Token(EndpointVersion::V1, "t"));
        is("/t/v2.0/.well-known/openid-configuration", Route::Configuration(Api::V2, "t"));
        is("/t/.well-known/openid-configuration", Route::Configuration(Api::V1, "t"));
        is("/common/discovery/v2.0/keys", Route::Keys("common"));
        is("/t/discovery/keys", Route::Keys("t"));
        is("/common/discovery/instance", Route::Instance);
        is("/v1.0/applications", Route::Graph);
        is("/livez", Route::Live);
        is("/metadata/endpoints", Route::Endpoints);
        is("/metadata/identity/oauth2/token", Route::IdentityOfMachine);
        is("/msi/token", Route::IdentityOfAppService);
        is("/metadata/identity/oauth2/token/", Route::IdentityOfMachine);
        is("/msi/token/", Route::IdentityOfAppService);
        is("/subscriptions/x/resourceGroups", Route::ResourceManager);
        for none in [
            "/",
            "",
            "//",
            "/t",
            "/t/oauth2/v2.0/token/",
            "/t/oauth2/v2.0/token/x",
            "/t/oauth2/v9/token",
            "/livez/x",
            "/../x",
        ] {
            is(none, Route::Nothing);
        }
    }

    #[test]
    fn segments_are_decoded_once() {
        assert_eq!(decode("a%2eb"), "a.b");
        assert_eq!(decode("a+%2525"), "a+%25");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }
}
