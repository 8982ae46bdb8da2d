//! The list of app registrations: search by name, id, identifier URI; pages in the order of names; and making one.

use askama::Template;
use countersign_core::authority::is_guid;
use http::{Method, StatusCode};
use serde_json::json;

use super::form::Form;
use super::requests::encode;
use super::shell::{self, Shell};
use super::{Outcome, ROOT, Visit, redirect};
use crate::sessions::Notice;
use crate::store::model::ApplicationRecord;
use crate::store::{Filter, NamePage, Page as IdPage};

const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "applications.html")]
struct Page {
    shell: Shell,
    q: String,
    rows: Vec<Row>,
    total: u64,
    next: Option<String>,
    may_write: bool,
    fault: Option<String>,
    name: String,
}

struct Row {
    name: String,
    href: String,
    app_id: String,
    created: String,
    certificates: usize,
    secrets: usize,
    ends: Option<(String, bool)>,
}

/// `GET /portal/applications`
pub(super) async fn list(visit: &Visit<'_>) -> Outcome {
    page(visit, StatusCode::OK, None, "").await
}

async fn page(visit: &Visit<'_>, status: StatusCode, fault: Option<String>, name: &str) -> Outcome {
    visit.needs_registrations()?;
    let q: String = visit.query.get("q").unwrap_or_default().chars().take(200).collect();
    let after = (visit.query.get("name").unwrap_or_default(), visit.query.get("after").unwrap_or_default());
    let mut found = search(visit, &q, after).await?;
    let more = found.len() > PAGE as usize;
    found.truncate(PAGE as usize);
    let next = found
        .last()
        .filter(|_| more)
        .map(|last| format!("?q={}&name={}&after={}", encode(&q), encode(&last.display_name), last.object_id));
    let row = |a: ApplicationRecord| {
        let ends = a.key_credentials.iter().map(|k| k.end).chain(a.password_credentials.iter().map(|p| p.end)).max();
        Row {
            href: format!("{ROOT}applications/{}", a.object_id),
            certificates: a.key_credentials.len(),
            secrets: a.password_credentials.len(),
            ends: ends.map(|e| (e.rfc3339(), e < visit.now)),
            created: a.created.rfc3339(),
            app_id: a.app_id,
            name: a.display_name,
        }
    };
    let page = Page {
        total: visit.app.store().count_applications(&visit.tenant.id, &Filter::All).await?,
        rows: found.into_iter().map(row).collect(),
        shell: Shell::of(visit, "App registrations", "applications"),
        q,
        next,
        may_write: visit.may_write(),
        fault,
        name: name.to_owned(),
    };
    Ok(shell::page(status, &page))
}

/// Ids and URIs name one application; anything else is a part of a name.
async fn search(visit: &Visit<'_>, q: &str, after: (&str, &str)) -> Result<Vec<ApplicationRecord>, super::Trouble> {
    let (store, tenant) = (visit.app.store(), visit.tenant.id.as_str());
    let one = IdPage { after: "", limit: 1 };
    if is_guid(q) {
        let id = q.to_ascii_lowercase();
        let by_app = store.applications(tenant, &Filter::AppId(id.clone()), one).await?;
        if !by_app.is_empty() {
            return Ok(by_app);
        }
        return Ok(store.applications(tenant, &Filter::ObjectId(id), one).await?);
    }
    if q.contains("://") {
        let by_uri = store.applications(tenant, &Filter::IdentifierUri(q.to_owned()), one).await?;
        if !by_uri.is_empty() {
            return Ok(by_uri);
        }
    }
    Ok(store.applications_by_name(tenant, q, NamePage { after, limit: PAGE + 1 }).await?)
}

/// `POST /portal/applications`
pub(super) async fn create(visit: &Visit<'_>, form: &Form) -> Outcome {
    let name = form.text("name").unwrap_or_default();
    let body = json!({ "displayName": name });
    match visit.inside().perform(&Method::POST, "/applications", Some(&body)).await {
        Ok(made) => {
            let id = made.get("id").and_then(|i| i.as_str()).unwrap_or_default();
            visit.app.sessions.tell(&visit.session.id, Notice::Done(format!("“{name}” is registered.")));
            Ok(redirect(&format!("{ROOT}applications/{id}")))
        }
        Err(refused) => page(visit, refused.status, Some(refused.message), name).await,
    }
}
