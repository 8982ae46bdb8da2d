//! The audit log: every change of the directory, who made it, and what differs. Newest first.

use askama::Template;
use countersign_core::time::UnixTime;
use http::StatusCode;

use super::shell::{self, Shell};
use super::{Outcome, Visit};
use crate::store::LogQuery;

const PAGE: u32 = 100;

#[derive(Template)]
#[template(path = "audit.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    older: Option<String>,
}

struct Row {
    time: String,
    activity: String,
    actor: String,
    target: String,
    target_id: String,
    changes: Vec<(String, String, String)>,
}

/// `GET /portal/audit`
pub(super) async fn page(visit: &Visit<'_>) -> Outcome {
    visit.needs_logs()?;
    let before = visit.query.get("before").and_then(|b| b.split_once('_'));
    let before = before.and_then(|(t, id)| Some((UnixTime::from_micros(t.parse().ok()?), id.to_owned())));
    let query = LogQuery { tenant_id: visit.tenant.id.clone(), before, limit: PAGE + 1, ..LogQuery::default() };
    let mut records = visit.app.store().audits(&query).await?;
    let more = records.len() > PAGE as usize;
    records.truncate(PAGE as usize);
    let older = records.last().filter(|_| more).map(|r| format!("?before={}_{}", r.time.micros(), r.id));
    let text = |v: &serde_json::Value, name: &str| v.get(name).and_then(|t| t.as_str()).unwrap_or("–").to_owned();
    let rows = records
        .into_iter()
        .map(|r| {
            let modified = r.details.get("modifiedProperties").and_then(|m| m.as_array());
            let change = |m: &serde_json::Value| (text(m, "displayName"), text(m, "oldValue"), text(m, "newValue"));
            Row {
                time: r.time.rfc3339(),
                changes: modified.into_iter().flatten().map(change).collect(),
                activity: r.activity,
                actor: r.actor,
                target: r.target_name,
                target_id: r.target_id,
            }
        })
        .collect();
    Ok(shell::page(StatusCode::OK, &Page { shell: Shell::of(visit, "Audit log", "audit"), rows, older }))
}
