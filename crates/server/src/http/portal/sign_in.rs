//! Signing in with the admin token, or with an access token of this service for Microsoft Graph that holds a role; signing
//! out; choosing the tenant.
//!
//! Called by [`super::answer`]. The token is compared and forgotten; what stays is who it was.

use std::sync::Arc;

use askama::Template;
use countersign_core::jose::UnverifiedJwt;
use http::header::{RETRY_AFTER, SET_COOKIE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use zeroize::Zeroizing;

use super::form::{Form, Pairs};
use super::shell::{self, Shell};
use super::{Outcome, ROOT, Trouble, Visit, gate, redirect, refuse};
use crate::admin::{self, Caller, NotIdentified};
use crate::app::App;
use crate::http::context::Context;
use crate::http::graph::inside;
use crate::http::respond::Answer;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    shell: Shell,
    next: &'a str,
    fault: Option<String>,
    token_file: Option<String>,
}

/// Shows the form, or takes it.
pub(super) async fn answer(
    app: &Arc<App>,
    context: &Context,
    parts: &Parts,
    base: &str,
    query: &Pairs,
    body: &[u8],
) -> Answer {
    if parts.method != Method::POST {
        return form(app, query.get("next").unwrap_or(ROOT), StatusCode::OK, None);
    }
    if let Some(wait) = app.sessions.wait(context.address) {
        let seconds = wait.as_secs() + 1;
        let text = format!("Too many attempts from your address. Try again in {seconds} s.");
        let mut answer = form(app, ROOT, StatusCode::TOO_MANY_REQUESTS, Some(text));
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        return answer;
    }
    let kind = parts.headers.get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let Ok(sent) = Form::read(kind, body) else { return refuse(StatusCode::BAD_REQUEST) };
    let next = sent.text("next").unwrap_or(ROOT).to_owned();
    let token = sent.text("token").unwrap_or_default();
    let bearer = Zeroizing::new(format!("Bearer {token}"));
    let refused = |text: &str, status| form(app, &next, status, Some(text.to_owned()));
    let caller = match admin::identify(app, Some(bearer.as_str())).await {
        Ok(caller) => caller,
        Err(reason) => {
            app.sessions.failed(context.address);
            tracing::warn!(address = %context.address, "a sign-in to the portal was refused");
            return refused(
                match reason {
                    NotIdentified::NoToken => "Give a token.",
                    NotIdentified::WrongToken => {
                        "This is neither the admin token nor a valid access token of this service."
                    }
                    NotIdentified::WrongAudience => {
                        "This access token is for another resource. Ask for one for Microsoft Graph."
                    }
                },
                StatusCode::UNAUTHORIZED,
            );
        }
    };
    if !inside::may_read(&caller) && !inside::may_read_logs(&caller) {
        return refused(
            "This token holds no role for the portal. Readers need Application.Read.All, Directory.Read.All or \
             AuditLog.Read.All, administrators Application.ReadWrite.All or Directory.ReadWrite.All.",
            StatusCode::FORBIDDEN,
        );
    }
    app.sessions.succeeded(context.address);
    let (tenant_id, until) = match &caller {
        Caller::Application { tenant_id, .. } => {
            (tenant_id.clone(), UnverifiedJwt::read(token).ok().and_then(|jwt| jwt.claims.exp.time()))
        }
        Caller::Administrator => {
            let first = app.store().tenants().await.ok().and_then(|t| t.into_iter().next());
            (first.map(|t| t.id).unwrap_or_default(), None)
        }
    };
    tracing::info!(address = %context.address, who = caller.name(), "signed in to the portal");
    let Some(cookie) = app.sessions.open(caller, tenant_id, until, app.now()) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE);
    };
    let mut answer = redirect(own_path(&next));
    if let Ok(value) = HeaderValue::from_str(&gate::set_cookie(base, &cookie)) {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    answer
}

/// A page of the portal, never another site: browsers read `//x` and `/\x` as hosts.
fn own_path(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with(ROOT) && plain && !next.contains("//") { next } else { ROOT }
}

fn form(app: &App, next: &str, status: StatusCode, fault: Option<String>) -> Answer {
    let loopback = app.config.mode.value == crate::config::Mode::Dev;
    // In production a stranger need not know where it lies.
    let token_file = loopback.then(|| app.admin.file.display().to_string());
    shell::page(status, &Page { shell: Shell::public("Sign in", ""), next: own_path(next), fault, token_file })
}

/// To the form, and back to where somebody wanted to go.
pub(super) fn lead(parts: &Parts) -> Answer {
    let wanted = parts.uri.path_and_query().map_or(ROOT, |p| p.as_str());
    let mut to = format!("{ROOT}sign-in");
    if wanted != ROOT {
        to.push_str("?next=");
        for b in wanted.bytes() {
            if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
                to.push(char::from(b));
            } else {
                to.push_str(&format!("%{b:02X}"));
            }
        }
    }
    redirect(&to)
}

/// Ends the session.
pub(super) fn out(visit: &Visit<'_>) -> Answer {
    visit.app.sessions.close(&visit.session.id);
    let mut answer = redirect(&format!("{ROOT}sign-in"));
    if let Ok(value) = HeaderValue::from_str(&gate::set_cookie(&visit.context.base, "")) {
        answer.headers_mut().insert(SET_COOKIE, value);
    }
    answer
}

/// Looks at another tenant; only the operator may.
pub(super) async fn choose_tenant(visit: &Visit<'_>, form: &Form) -> Outcome {
    if !visit.is_operator() {
        return Err(Trouble::Denied("Your token is for one tenant.".to_owned()));
    }
    let wanted = form.text("tenant").unwrap_or_default().to_ascii_lowercase();
    let Some(tenant) = visit.app.store().tenant(&wanted).await? else {
        return Err(Trouble::Missing("There is no such tenant.".to_owned()));
    };
    visit.app.sessions.choose_tenant(&visit.session.id, &tenant.id);
    Ok(redirect(ROOT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_elsewhere() {
        assert_eq!(own_path("/portal/requests?refused=1"), "/portal/requests?refused=1");
        for other in
            ["https://evil.example/", "//evil.example", "/portal//evil", "/portal/\\evil", "/x", "", "/portal/\r\nX: y"]
        {
            assert_eq!(own_path(other), ROOT);
        }
    }
}
