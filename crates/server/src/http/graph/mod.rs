//! The Microsoft Graph subset: applications, service principals, credentials, roles, logs.
//!
//! [`answer`] is the one entry, for `/v1.0/…` and `/beta/…`; the table of calls is `dispatch`. Rules about the objects
//! stand in [`crate::resources`], access by role here. A call does all it says in one transaction, or nothing.

mod applications;
mod audit;
mod credentials;
mod error;
mod federated;
pub(super) mod inside;
mod logs;
mod odata;
mod organization;
mod request;
mod role_assignments;
mod service_principals;
mod signing_keys;

use std::sync::Arc;

use countersign_core::UnixTime;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value as Json, json};
use zeroize::Zeroizing;

use super::context::Context;
use super::respond;
use crate::admin::{self, Caller, NotIdentified};
use crate::app::App;
use crate::resources::Means;
use crate::resources::tree::Node;
use crate::secrets::{self, Secrets};
use crate::store::model::TenantRecord;
use error::GraphError;
use request::Options;

/// Names the tenant that the administrator means, by id or domain; without it the first one is meant.
pub const TENANT_HEADER: &str = "x-countersign-tenant";
/// How often a change is tried again when another one came between reading and writing.
const ATTEMPTS: u32 = 20;

/// One call, with everything its handler may look at.
struct Call<'a> {
    app: &'a Arc<App>,
    caller: Caller,
    tenant: TenantRecord,
    now: UnixTime,
    /// URL up to and including the version.
    base: String,
    path: String,
    headers: HeaderMap,
    options: Options,
    correlation_id: String,
}

/// What a call answers.
enum Answer {
    /// An object or list.
    Json(StatusCode, Json, Option<u64>),
    /// 204
    NoContent,
    /// A number by itself (`$count`).
    Text(String),
}

type Outcome = Result<Answer, GraphError>;

/// Answers a request to the Graph subset; `body` was read within the limits of every request.
pub async fn answer(app: &Arc<App>, context: &Context, parts: &http::request::Parts, body: &[u8]) -> respond::Answer {
    let now = app.now();
    let outcome = call(app, context, parts, body, now).await;
    respond(outcome, now, context)
}

/// The same refusal form for what never reached a call: a body too large or too slow, a fault of ours.
pub fn refuse(app: &App, context: &Context, status: StatusCode) -> respond::Answer {
    let error = match status {
        StatusCode::PAYLOAD_TOO_LARGE => GraphError::too_large(),
        StatusCode::REQUEST_TIMEOUT => GraphError::too_slow(),
        StatusCode::TOO_MANY_REQUESTS => GraphError::too_many(),
        StatusCode::BAD_REQUEST => GraphError::bad("The request is malformed."),
        StatusCode::SERVICE_UNAVAILABLE => GraphError::unavailable(),
        _ => GraphError::failed(),
    };
    respond(Err(error), app.now(), context)
}

async fn call(app: &Arc<App>, context: &Context, parts: &http::request::Parts, body: &[u8], now: UnixTime) -> Outcome {
    let headers = &parts.headers;
    let caller = admin::identify(app, header_text(headers, "authorization")).await.map_err(|reason| {
        GraphError::no_token(match reason {
            NotIdentified::NoToken => "Access token is empty.",
            NotIdentified::WrongToken => "Access token validation failure.",
            NotIdentified::WrongAudience => "Access token validation failure. Invalid audience.",
        })
    })?;
    let path = parts.uri.path();
    let (version, rest) = match path.strip_prefix("/beta") {
        Some(rest) => ("beta", rest),
        None => ("v1.0", path.strip_prefix("/v1.0").unwrap_or(path)),
    };
    let segments = request::segments(rest)?;
    let options = Options::read(parts.uri.query().unwrap_or_default())?;
    if options.searches {
        let listed = matches!(
            segments.iter().map(String::as_str).collect::<Vec<_>>()[..],
            ["applications" | "servicePrincipals"] | ["applications" | "servicePrincipals", "$count"]
        );
        if !listed {
            return Err(GraphError::unsupported("$search is supported for applications and servicePrincipals alone."));
        }
        if !header_text(headers, "consistencylevel").is_some_and(|v| v.trim().eq_ignore_ascii_case("eventual")) {
            return Err(GraphError::unsupported(
                "Request with $search query parameter only works with the request header 'ConsistencyLevel: eventual'.",
            ));
        }
    }
    let call = Call {
        app,
        tenant: tenant(app, &caller, headers).await?,
        caller,
        now,
        base: format!("{}/{version}", context.base),
        path: rest.to_owned(),
        headers: headers.clone(),
        options,
        correlation_id: context.correlation_id.clone(),
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = &parts.method;
    let body = if matches!(*method, Method::POST | Method::PATCH | Method::PUT) {
        request::body(headers, body)?
    } else {
        None
    };
    dispatch(&call, method, &segments, body).await
}

/// Every call of the subset.
async fn dispatch(call: &Call<'_>, method: &Method, segments: &[&str], body: Option<Node>) -> Outcome {
    let (get, post, patch, delete) = (
        method == Method::GET || method == Method::HEAD,
        method == Method::POST,
        method == Method::PATCH,
        method == Method::DELETE,
    );
    match segments {
        ["applications"] if get => applications::list(call).await,
        ["applications"] if post => applications::create(call, request::object(body)?).await,
        ["applications", "$count"] if get => applications::count(call).await,
        ["applications", id] if get => applications::read(call, id).await,
        ["applications", id] if patch => applications::update(call, id, request::object(body)?).await,
        ["applications", id] if delete => applications::delete(call, id).await,
        ["applications", id, "owners"] if get => applications::owners(call, id).await,
        ["applications", id, action] if post && credentials::is_action(action) => {
            credentials::act(call, id, action, body).await
        }
        ["applications", id, "federatedIdentityCredentials"] if get => federated::list(call, id).await,
        ["applications", id, "federatedIdentityCredentials"] if post => {
            federated::create(call, id, request::object(body)?).await
        }
        ["applications", id, "federatedIdentityCredentials", which] if get => federated::read(call, id, which).await,
        ["applications", id, "federatedIdentityCredentials", which] if patch => {
            federated::update(call, id, which, request::object(body)?).await
        }
        ["applications", id, "federatedIdentityCredentials", which] if delete => {
            federated::delete(call, id, which).await
        }

        ["servicePrincipals"] if get => service_principals::list(call).await,
        ["servicePrincipals"] if post => service_principals::create(call, request::object(body)?).await,
        ["servicePrincipals", "$count"] if get => service_principals::count(call).await,
        ["servicePrincipals", id] if get => service_principals::read(call, id).await,
        ["servicePrincipals", id] if patch => service_principals::update(call, id, request::object(body)?).await,
        ["servicePrincipals", id] if delete => service_principals::delete(call, id).await,
        ["servicePrincipals", id, "owners"] if get => service_principals::owners(call, id).await,
        ["servicePrincipals", _, action] if post && credentials::is_action(action) => credentials::not_here(action),
        ["servicePrincipals", id, "appRoleAssignments"] if get => role_assignments::held(call, id).await,
        ["servicePrincipals", id, "appRoleAssignedTo"] if get => role_assignments::given(call, id).await,
        ["servicePrincipals", id, side @ ("appRoleAssignments" | "appRoleAssignedTo")] if post => {
            role_assignments::create(call, id, side, request::object(body)?).await
        }
        ["servicePrincipals", id, side @ ("appRoleAssignments" | "appRoleAssignedTo"), which] if get => {
            role_assignments::read(call, id, side, which).await
        }
        ["servicePrincipals", id, side @ ("appRoleAssignments" | "appRoleAssignedTo"), which] if delete => {
            role_assignments::delete(call, id, side, which).await
        }

        ["auditLogs", "signIns"] if get => logs::sign_ins(call).await,
        ["auditLogs", "signIns", id] if get => logs::sign_in(call, id).await,
        ["auditLogs", "directoryAudits"] if get => logs::audits(call).await,
        ["auditLogs", "directoryAudits", id] if get => logs::audit(call, id).await,
        ["organization"] if get => organization::list(call),
        ["organization", id] if get => organization::read(call, id),

        ["countersign", "signingKeys"] if get => signing_keys::list(call).await,
        ["countersign", "signingKeys", "roll"] if post => signing_keys::roll(call).await,

        ["applications" | "servicePrincipals" | "auditLogs" | "organization" | "countersign", ..] => {
            Err(wrong_call(segments))
        }
        [first, ..] => Err(GraphError::no_segment(first)),
        [] => Err(GraphError::no_segment("")),
    }
}

/// A known collection with a tail that is not known, or another method.
fn wrong_call(segments: &[&str]) -> GraphError {
    let known = match segments {
        [_] | ["applications" | "servicePrincipals" | "organization", _] => true,
        ["applications", _, what, ..] => {
            credentials::is_action(what) || matches!(*what, "owners" | "federatedIdentityCredentials")
        }
        ["servicePrincipals", _, what, ..] => {
            credentials::is_action(what) || matches!(*what, "owners" | "appRoleAssignments" | "appRoleAssignedTo")
        }
        ["auditLogs", what, ..] => matches!(*what, "signIns" | "directoryAudits"),
        ["countersign", "signingKeys"] | ["countersign", "signingKeys", "roll"] => true,
        _ => false,
    };
    if known { GraphError::method() } else { GraphError::no_segment(segments.last().unwrap_or(&"")) }
}

/// The tenant that a call is about: an application's own; the administrator's choice, else the first.
async fn tenant(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<TenantRecord, GraphError> {
    let wanted = match caller {
        Caller::Application { tenant_id, .. } => Some(tenant_id.clone()),
        Caller::Administrator => header_text(headers, TENANT_HEADER).map(str::to_ascii_lowercase),
    };
    match wanted {
        Some(wanted) => app.store().tenant(&wanted).await?.ok_or_else(|| GraphError::not_found(&wanted)),
        None => app.store().tenants().await?.into_iter().next().ok_or_else(|| GraphError::not_found("organization")),
    }
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn respond(outcome: Outcome, now: UnixTime, context: &Context) -> respond::Answer {
    let (request_id, correlation_id) = (&context.trace_id, &context.correlation_id);
    let (status, kind, body, etag) = match outcome {
        Ok(Answer::Json(status, body, version)) => (status, JSON, body.to_string(), version.map(request::etag)),
        Ok(Answer::Text(text)) => (StatusCode::OK, respond::TEXT, text, None),
        Ok(Answer::NoContent) => (StatusCode::NO_CONTENT, JSON, String::new(), None),
        Err(error) => {
            let date = now.rfc3339();
            let inner = json!({
                "date": date.trim_end_matches('Z'),
                "request-id": request_id,
                "client-request-id": correlation_id,
            });
            let body = json!({"error": {"code": error.code, "message": error.message, "innerError": inner}});
            (error.status, JSON, body.to_string(), None)
        }
    };
    let mut response = respond::answer(status, kind, body);
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(HeaderName::from_static("request-id"), request_id);
    set(HeaderName::from_static("client-request-id"), correlation_id);
    set(HeaderName::from_static("odata-version"), "4.0");
    if let Some(etag) = etag {
        set(header::ETAG, &etag);
    }
    match status {
        StatusCode::NO_CONTENT => drop(headers.remove(header::CONTENT_TYPE)),
        StatusCode::UNAUTHORIZED => set(header::WWW_AUTHENTICATE, "Bearer realm=\"\", error=\"invalid_token\""),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => set(header::RETRY_AFTER, "5"),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT => set(header::CONNECTION, "close"),
        _ => {}
    }
    response
}

/// The media type that Graph declares.
const JSON: HeaderValue = HeaderValue::from_static(
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
);

impl Call<'_> {
    /// Whether the caller may do this.
    ///
    /// # Errors
    /// 403 naming the roles of which one is needed.
    fn needs(&self, any_of: &[&str]) -> Result<(), GraphError> {
        if self.caller.holds(any_of) { Ok(()) } else { Err(GraphError::denied(any_of)) }
    }

    fn means(&self) -> ServiceMeans<'_> {
        ServiceMeans { secrets: &self.app.secrets, refuses_published: self.app.directory.refuses_published() }
    }

    /// An object as the answer, with its context.
    fn entity(&self, set: &str, status: StatusCode, object: Map<String, Json>, version: Option<u64>) -> Answer {
        let mut shown = Map::new();
        let selected =
            if self.options.select.is_empty() { String::new() } else { format!("({})", self.options.select.join(",")) };
        shown.insert("@odata.context".to_owned(), format!("{}/$metadata#{set}{selected}/$entity", self.base).into());
        shown.extend(self.options.selected(object));
        Answer::Json(status, shown.into(), version)
    }

    /// A list as the answer.
    fn list(&self, set: &str, items: Vec<Map<String, Json>>, count: Option<u64>, next: Option<String>) -> Answer {
        let mut shown = Map::new();
        shown.insert("@odata.context".to_owned(), format!("{}/$metadata#{set}", self.base).into());
        if let Some(count) = count {
            shown.insert("@odata.count".to_owned(), count.into());
        }
        if let Some(token) = next {
            let link = self.options.next_link(&format!("{}{}", self.base, self.path), &token);
            shown.insert("@odata.nextLink".to_owned(), link.into());
        }
        let items = items.into_iter().map(|item| Json::Object(self.options.selected(item))).collect();
        shown.insert("value".to_owned(), Json::Array(items));
        Answer::Json(StatusCode::OK, shown.into(), None)
    }

    /// A short list that has no pages: filtered here.
    fn whole_list(&self, set: &str, items: Vec<Json>) -> Answer {
        let holds = |item: &Json| self.options.filter.as_ref().is_none_or(|f| f.holds(item));
        let items: Vec<_> = items
            .into_iter()
            .filter(holds)
            .filter_map(|i| if let Json::Object(o) = i { Some(o) } else { None })
            .collect();
        let count = self.options.count.then_some(items.len() as u64);
        self.list(set, items, count, None)
    }
}

/// What reading a request may use of the service.
struct ServiceMeans<'a> {
    secrets: &'a Secrets,
    refuses_published: bool,
}

impl Means for ServiceMeans<'_> {
    fn new_id(&mut self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn random(&mut self) -> Option<Zeroizing<[u8; 34]>> {
        secrets::random::<34>().ok().map(Zeroizing::new)
    }

    fn digest(&self, secret: &str) -> [u8; 32] {
        self.secrets.digest(secret)
    }

    fn refuses_published(&self) -> bool {
        self.refuses_published
    }

    fn read_file(&self, _name: &str) -> Result<Vec<u8>, String> {
        Err("a request names no files".to_owned())
    }
}
