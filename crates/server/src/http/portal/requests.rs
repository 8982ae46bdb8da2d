//! The list of token requests: the newest from memory, older ones from the store, filtered, and exported.
//!
//! A search for an id uses an index; any other text is looked for in a bounded number of rows, and the page says how far it
//! looked and leads on.

use askama::Template;
use countersign_core::authority::is_guid;
use countersign_core::time::UnixTime;
use http::header::CONTENT_DISPOSITION;
use http::{HeaderValue, StatusCode};
use serde_json::json;

use super::form::Pairs;
use super::row::Row;
use super::shell::{self, Shell};
use super::{Outcome, Visit};
use crate::http::respond::JSON;
use crate::store::LogQuery;
use crate::store::model::SignInRecord;

/// Rows on a page.
const PAGE: usize = 100;
/// Rows of an export.
const EXPORT: usize = 5_000;
/// Rows that a search for a text looks at.
const LOOK: usize = 4_000;
/// Rows that are asked for at once.
const STEP: u32 = 1_000;

/// What somebody wants to see.
pub(super) struct Wanted {
    tenant_id: String,
    operator: bool,
    refused: bool,
    text: String,
}

impl Wanted {
    /// By the query of a page.
    pub fn of(visit: &Visit<'_>) -> Self {
        Self {
            tenant_id: visit.tenant.id.clone(),
            operator: visit.is_operator(),
            refused: visit.query.get("refused").is_some(),
            text: visit.query.get("q").unwrap_or_default().chars().take(200).collect::<String>().to_lowercase(),
        }
    }

    /// Whether a row is wanted. Requests that name no tenant of ours are the operator's to see.
    pub fn takes(&self, r: &SignInRecord) -> bool {
        let tenant = r.tenant_id == self.tenant_id || self.operator && r.tenant_id.is_empty();
        tenant && (!self.refused || r.error_code != 0) && (self.text.is_empty() || self.matches(r))
    }

    fn matches(&self, r: &SignInRecord) -> bool {
        let holds = |t: &str| t.to_lowercase().contains(&self.text);
        [&r.app_name, &r.app_id, &r.client, &r.id, &r.correlation_id, &r.alg, &r.ip_address, &r.failure_reason]
            .into_iter()
            .any(|t| holds(t))
            || r.error_code != 0 && self.text.trim_start_matches("aadsts") == r.error_code.to_string()
    }
}

#[derive(Template)]
#[template(path = "requests.html")]
struct Page {
    shell: Shell,
    rows: Vec<Row>,
    q: String,
    refused: bool,
    older: Option<String>,
    looked_back_to: Option<String>,
    first: bool,
}

/// `GET /portal/requests`
pub(super) async fn list(visit: &Visit<'_>) -> Outcome {
    visit.needs_logs()?;
    let wanted = Wanted::of(visit);
    let before = place(&visit.query);
    let found = find(visit, &wanted, before.clone(), PAGE).await?;
    let q = visit.query.get("q").unwrap_or_default().to_owned();
    let older = found.next.map(|(time, id)| {
        let refused = if wanted.refused { "&refused=1" } else { "" };
        format!("?q={}{refused}&before={}_{id}", encode(&q), time.micros())
    });
    let page = Page {
        shell: Shell::of(visit, "Requests", "requests"),
        rows: found.rows.iter().map(Row::of).collect(),
        q,
        refused: wanted.refused,
        older,
        looked_back_to: found.looked_back_to.map(UnixTime::rfc3339),
        first: before.is_none(),
    };
    Ok(shell::page(StatusCode::OK, &page))
}

/// `GET /portal/requests/export`: the same rows as JSON lines, more of them.
pub(super) async fn export(visit: &Visit<'_>) -> Outcome {
    visit.needs_logs()?;
    let found = find(visit, &Wanted::of(visit), None, EXPORT).await?;
    let mut out = String::new();
    for r in &found.rows {
        let row = Row::of(r);
        let line = json!({
            "id": r.id, "time": row.time, "appId": r.app_id, "appDisplayName": r.app_name, "client": r.client,
            "alg": r.alg, "thumbprintMatched": row.matched, "errorCode": r.error_code, "failureReason": r.failure_reason,
            "correlationId": r.correlation_id, "ipAddress": r.ip_address, "resource": r.resource,
            "credentialType": r.credential_type, "credentialKeyId": r.credential_key_id, "microseconds": r.micros,
        });
        out.push_str(&line.to_string());
        out.push('\n');
    }
    let mut response = shell::respond(StatusCode::OK, JSON, out);
    let name = HeaderValue::from_static("attachment; filename=\"requests.jsonl\"");
    response.headers_mut().insert(CONTENT_DISPOSITION, name);
    Ok(response)
}

struct Found {
    rows: Vec<SignInRecord>,
    next: Option<(UnixTime, String)>,
    looked_back_to: Option<UnixTime>,
}

fn place(query: &Pairs) -> Option<(UnixTime, String)> {
    let (time, id) = query.get("before")?.split_once('_')?;
    Some((UnixTime::from_micros(time.parse().ok()?), id.to_owned()))
}

async fn find(
    visit: &Visit<'_>,
    wanted: &Wanted,
    before: Option<(UnixTime, String)>,
    most: usize,
) -> Result<Found, super::Trouble> {
    let mut rows: Vec<SignInRecord> = Vec::new();
    if before.is_none() {
        // What is not written yet is in memory.
        rows.extend(visit.app.journal.recent().iter().filter(|r| wanted.takes(r)).map(|r| (**r).clone()));
    }
    let mut looked_back_to = None;
    let mut more = false;
    let tenants =
        if wanted.operator { vec![wanted.tenant_id.clone(), String::new()] } else { vec![wanted.tenant_id.clone()] };
    for tenant_id in tenants {
        let base = LogQuery { tenant_id, before: before.clone(), refused: wanted.refused, ..LogQuery::default() };
        if is_guid(&wanted.text) {
            let by_app =
                LogQuery { subject: Some(wanted.text.clone()), newest: true, limit: most as u32 + 1, ..base.clone() };
            let found = visit.app.store().sign_ins(&by_app).await?;
            more |= found.len() > most;
            rows.extend(found);
            let by_correlation =
                LogQuery { correlation_id: Some(wanted.text.clone()), refused: true, limit: 50, ..base.clone() };
            rows.extend(visit.app.store().sign_ins(&by_correlation).await?);
            if before.is_none() {
                rows.extend(visit.app.store().sign_in(&wanted.text, None).await?.filter(|r| wanted.takes(r)));
            }
        } else {
            let (far, further) = scan(visit, wanted, base, most, &mut rows).await?;
            more |= further;
            looked_back_to = looked_back_to.max(far);
        }
    }
    rows.sort_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
    rows.dedup_by(|a, b| a.id == b.id && a.time == b.time);
    more |= rows.len() > most;
    rows.truncate(most);
    let last = rows.last().map(|r| (UnixTime::from_micros(r.time), r.id.clone()));
    let next = match looked_back_to {
        // Beyond what was looked at nothing is known: go on from there.
        Some(far) if rows.len() < most => Some((far, String::new())),
        _ => last.filter(|_| more),
    };
    Ok(Found { rows, next, looked_back_to: looked_back_to.filter(|_| !wanted.text.is_empty()) })
}

/// Looks through rows from the newest on; how far it came when it stopped early, and whether there may be more.
async fn scan(
    visit: &Visit<'_>,
    wanted: &Wanted,
    mut query: LogQuery,
    most: usize,
    rows: &mut Vec<SignInRecord>,
) -> Result<(Option<UnixTime>, bool), super::Trouble> {
    let (mut taken, mut looked) = (0, 0);
    query.limit = if wanted.text.is_empty() { most as u32 + 1 } else { STEP };
    loop {
        let found = visit.app.store().sign_ins(&query).await?;
        let last = found.len() < query.limit as usize;
        looked += found.len();
        query.before = found.last().map(|r| (UnixTime::from_micros(r.time), r.id.clone()));
        let before = rows.len();
        rows.extend(found.into_iter().filter(|r| wanted.takes(r)));
        taken += rows.len() - before;
        if last {
            return Ok((None, false));
        }
        if taken > most {
            return Ok((None, true));
        }
        if looked >= LOOK {
            return Ok((query.before.map(|(time, _)| time), true));
        }
    }
}

/// Percent-encodes for a query.
pub(super) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}
