//! The web portal: registrations, requests as they come, and why one was refused. Pages are made here and need no script.
//!
//! [`answer`] is the one entry, for `/portal/…`. Reads go to the store; changes go through the Graph layer, which knows the
//! rules, the roles and the audit log. No page ever shows a key, a stored secret or a whole assertion.

mod application;
mod applications;
mod assets;
mod audit;
mod bytes;
mod change;
mod diagnosis;
mod form;
mod gate;
mod live;
mod overview;
mod reference;
mod requests;
mod row;
mod service;
mod shell;
mod sign_in;

use std::sync::Arc;

use ::bytes::Bytes;
use countersign_core::time::UnixTime;
use http::header::{ALLOW, COOKIE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use super::context::Context;
use super::graph::inside::{self, Inside, Refused};
use super::respond::Answer;
use crate::app::App;
use crate::sessions::Session;
use crate::store::StoreError;
use crate::store::model::TenantRecord;
use form::Pairs;

pub(super) use reference::error_page;

/// Where the portal begins.
const ROOT: &str = "/portal/";

/// One visit of a page by somebody who is signed in.
struct Visit<'a> {
    app: &'a Arc<App>,
    context: &'a Context,
    parts: &'a Parts,
    query: Pairs,
    now: UnixTime,
    session: Session,
    tenant: TenantRecord,
}

/// Why a page is not shown.
enum Trouble {
    /// Not there.
    Missing(String),
    /// Not for this caller.
    Denied(String),
    /// Something in the request is not taken.
    Refused(StatusCode, String),
    /// The store.
    Store(StoreError),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Refused> for Trouble {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused.status, refused.message)
    }
}

type Outcome = Result<Answer, Trouble>;

/// Answers a request to the portal.
pub(super) async fn answer(app: &Arc<App>, context: &Context, parts: &Parts, body: &Bytes) -> Answer {
    // DNS rebinding: a page of somebody else's name that leads here gets nothing.
    if !context.by_our_name {
        return shell::plain(
            StatusCode::MISDIRECTED_REQUEST,
            "Not a name of this service",
            &format!(
                "This service does not answer to the name it was called by. Open {}{ROOT} instead.",
                app.names.first()
            ),
        );
    }
    let base = &context.base;
    let path = parts.uri.path();
    let Some(path) = path.strip_prefix(ROOT) else {
        return if path == "/portal" { redirect(ROOT) } else { refuse(StatusCode::NOT_FOUND) };
    };
    if let Some(name) = path.strip_prefix("assets/") {
        return assets::answer(name);
    }
    let get = parts.method == Method::GET || parts.method == Method::HEAD;
    if !get && parts.method != Method::POST {
        return refuse(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !get && !gate::own_origin(&parts.headers, base) {
        return shell::plain(
            StatusCode::FORBIDDEN,
            "Refused",
            "This request came from another site, or from a browser that does not say where it came from.",
        );
    }
    let now = app.now();
    let query = Pairs::read(parts.uri.query().unwrap_or_default());
    let cookie = gate::cookie(parts.headers.get_all(COOKIE), base);
    let session = cookie.and_then(|c| app.sessions.find(c, now));
    let session = match session {
        Some(session) if !crate::admin::still_there(app, &session.caller).await => {
            app.sessions.close(&session.id);
            None
        }
        other => other,
    };
    if path == "sign-in" {
        return sign_in::answer(app, context, parts, base, &query, body).await;
    }
    let Some(session) = session else {
        if path == "reference" && get {
            return reference::page(None, &query);
        }
        return if !get || path == "requests/live" {
            shell::plain(StatusCode::UNAUTHORIZED, "Signed out", "Your session has ended. Sign in again.")
        } else if gate::cross_site_link(&parts.headers) {
            // The cookie does not travel with a link on another site; it does with the same address from here.
            shell::bounce(parts.uri.path_and_query().map_or(ROOT, |p| p.as_str()))
        } else {
            sign_in::lead(parts)
        };
    };
    let tenant = match app.store().tenant(&session.tenant_id).await {
        Ok(Some(tenant)) => tenant,
        Ok(None) => match app.store().tenants().await.map(|t| t.into_iter().next()) {
            Ok(Some(first)) => first,
            _ => return refuse(StatusCode::SERVICE_UNAVAILABLE),
        },
        Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE),
    };
    let visit = Visit { app, context, parts, query, now, session, tenant };
    let outcome = if get { read(&visit, path).await } else { write(&visit, path, body).await };
    outcome.unwrap_or_else(|trouble| visit.trouble(trouble))
}

/// Every page.
async fn read(visit: &Visit<'_>, path: &str) -> Outcome {
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        [""] => overview::page(visit).await,
        ["applications"] => applications::list(visit).await,
        ["applications", id] => application::page(visit, id, None).await,
        ["requests"] => requests::list(visit).await,
        ["requests", "live"] => live::stream(visit),
        ["requests", "export"] => requests::export(visit).await,
        ["requests", id] => diagnosis::of_request(visit, id).await,
        ["diagnose"] => diagnosis::form(visit),
        ["reference"] => Ok(reference::page(Some(visit), &visit.query)),
        ["audit"] => audit::page(visit).await,
        ["settings"] => service::settings(visit),
        ["keys"] => service::keys(visit).await,
        _ => Err(Trouble::Missing("There is no such page.".to_owned())),
    }
}

/// Everything that changes something, or takes what somebody pasted.
async fn write(visit: &Visit<'_>, path: &str, body: &Bytes) -> Outcome {
    let kind = visit.parts.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let form = form::Form::read(kind, body).map_err(|m| Trouble::Refused(StatusCode::BAD_REQUEST, m.to_owned()))?;
    if !gate::same(form.text("csrf").unwrap_or_default(), &visit.session.csrf) {
        return Err(Trouble::Denied(
            "The form does not belong to your session. Reload the page and try again.".to_owned(),
        ));
    }
    let segments: Vec<&str> = path.split('/').collect();
    match segments.as_slice() {
        ["sign-out"] => Ok(sign_in::out(visit)),
        ["tenant"] => sign_in::choose_tenant(visit, &form).await,
        ["diagnose"] => diagnosis::of_text(visit, &form).await,
        ["applications"] => applications::create(visit, &form).await,
        ["keys", "roll"] => service::roll(visit).await,
        ["applications", id, action] => change::act(visit, id, action, &form).await,
        _ => Err(Trouble::Missing("There is no such page.".to_owned())),
    }
}

/// The refusal of what never became a visit.
pub(super) fn refuse(status: StatusCode) -> Answer {
    let (title, text) = match status {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ("Too large", "What was sent is longer than 256 KB, which no certificate or form is.")
        }
        StatusCode::REQUEST_TIMEOUT => ("Too slow", "The form did not arrive in time."),
        StatusCode::NOT_FOUND => ("Not found", "There is no such page."),
        StatusCode::METHOD_NOT_ALLOWED => ("Not allowed", "Pages are read (GET) or sent forms (POST)."),
        StatusCode::SERVICE_UNAVAILABLE => {
            ("Not available", "The store cannot be read at the moment. Try again later.")
        }
        _ => ("Refused", "The request is malformed."),
    };
    let mut response = shell::plain(status, title, text);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }
    response
}

/// On to another page, after a form was taken.
fn redirect(to: &str) -> Answer {
    let mut response = shell::plain(StatusCode::SEE_OTHER, "See other", "");
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

impl Visit<'_> {
    fn inside(&self) -> Inside<'_> {
        Inside { app: self.app, context: self.context, caller: &self.session.caller, tenant: &self.tenant }
    }

    fn may_write(&self) -> bool {
        inside::may_write(&self.session.caller)
    }

    /// Whether the caller is the operator, who sees the whole service and not one tenant.
    fn is_operator(&self) -> bool {
        self.session.caller == crate::admin::Caller::Administrator
    }

    fn needs_logs(&self) -> Result<(), Trouble> {
        if inside::may_read_logs(&self.session.caller) {
            return Ok(());
        }
        Err(Trouble::Denied("The logs need one of the roles AuditLog.Read.All, Directory.Read.All.".to_owned()))
    }

    fn needs_registrations(&self) -> Result<(), Trouble> {
        if inside::may_read(&self.session.caller) {
            return Ok(());
        }
        Err(Trouble::Denied("Registrations need one of the roles Application.Read.All, Directory.Read.All.".to_owned()))
    }

    fn trouble(&self, trouble: Trouble) -> Answer {
        let (status, title, text) = match trouble {
            Trouble::Missing(text) => (StatusCode::NOT_FOUND, "Not found", text),
            Trouble::Denied(text) => (StatusCode::FORBIDDEN, "Not allowed", text),
            Trouble::Refused(status, text) => (status, "Refused", text),
            Trouble::Store(error) => {
                tracing::error!(%error, "a page could not be shown");
                let text = "The store cannot be read or written at the moment. Nothing was changed.".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "Not available", text)
            }
        };
        shell::message(self, status, title, &text)
    }
}
