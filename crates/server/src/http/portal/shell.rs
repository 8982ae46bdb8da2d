//! What is round every page: head, navigation, notices; and the headers that every answer of the portal carries.
//!
//! Templates stand in `crates/server/templates` and escape by default; nothing is marked as safe but what this crate's own
//! renderers made.

use askama::Template;
use bytes::Bytes;
use http::header::{CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};

use super::{Visit, assets};
use crate::admin::Caller;
use crate::http::graph::inside;
use crate::http::respond::{self, Answer, HTML};
use crate::sessions::Notice;

/// Nothing but our own files, no frame round us, forms to us alone.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is round a page.
pub(super) struct Shell {
    /// Of the page.
    pub title: String,
    /// Part of the navigation that is shown as current.
    pub area: &'static str,
    /// Address of the style sheet.
    pub style: &'static str,
    /// Address of the script.
    pub script: &'static str,
    /// Address of the icon.
    pub icon: &'static str,
    /// Who is signed in, if anybody.
    pub who: Option<Who>,
    /// What was done just now.
    pub done: Option<String>,
    /// A secret that was made just now: name and value.
    pub secret: Option<(String, String)>,
}

/// Who is signed in.
pub(super) struct Who {
    /// As the audit log names it.
    pub name: String,
    /// `administrator` or `reader`.
    pub role: &'static str,
    /// The tenant's name and id.
    pub tenant: (String, String),
    /// What forms must carry.
    pub csrf: String,
    /// Sees the whole service.
    pub operator: bool,
    /// May read the logs.
    pub logs: bool,
}

impl Shell {
    /// For whoever is not signed in.
    pub fn public(title: &str, area: &'static str) -> Self {
        Self {
            title: title.to_owned(),
            area,
            style: &assets::STYLE.path,
            script: &assets::SCRIPT.path,
            icon: &assets::ICON.path,
            who: None,
            done: None,
            secret: None,
        }
    }

    /// For a visit.
    pub fn of(visit: &Visit<'_>, title: &str, area: &'static str) -> Self {
        let caller = &visit.session.caller;
        let who = Who {
            name: caller.name().to_owned(),
            role: if inside::may_write(caller) { "administrator" } else { "reader" },
            tenant: (visit.tenant.display_name.clone(), visit.tenant.id.clone()),
            csrf: visit.session.csrf.clone(),
            operator: matches!(caller, Caller::Administrator),
            logs: inside::may_read_logs(caller),
        };
        let mut shell = Self { who: Some(who), ..Self::public(title, area) };
        match visit.app.sessions.told(&visit.session.id) {
            Some(Notice::Done(text)) => shell.done = Some(text),
            Some(Notice::Secret(name, value)) => shell.secret = Some((name, value.as_str().to_owned())),
            None => {}
        }
        shell
    }

    /// The CSRF token of the session.
    pub fn csrf(&self) -> &str {
        self.who.as_ref().map_or("", |w| &w.csrf)
    }
}

/// An answer with the headers of the portal.
pub(super) fn respond(status: StatusCode, kind: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut response = respond::answer(status, kind, body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Not `no-referrer`: browsers would then hide the origin of our own forms as well (Fetch, "append a request Origin header").
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// A page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Answer {
    match template.render() {
        Ok(html) => respond(status, HTML, html),
        // Templates are checked by the compiler, and writing to memory does not fail.
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            respond(StatusCode::INTERNAL_SERVER_ERROR, respond::TEXT, "The page could not be made.")
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    shell: Shell,
    text: &'a str,
}

/// A page with one message, for whoever is not signed in.
pub(super) fn plain(status: StatusCode, title: &str, text: &str) -> Answer {
    page(status, &Message { shell: Shell::public(title, ""), text })
}

/// A page with one message.
pub(super) fn message(visit: &Visit<'_>, status: StatusCode, title: &str, text: &str) -> Answer {
    page(status, &Message { shell: Shell::of(visit, title, ""), text })
}

#[derive(Template)]
#[template(path = "bounce.html")]
struct Bounce<'a> {
    shell: Shell,
    to: &'a str,
}

/// A page that asks for the same address again, from here.
pub(super) fn bounce(to: &str) -> Answer {
    page(StatusCode::OK, &Bounce { shell: Shell::public("One moment", ""), to })
}
