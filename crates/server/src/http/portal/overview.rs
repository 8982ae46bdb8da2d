//! The first page: how many, how it went, what ends soon, whether all is well, and how to point each SDK here.

use askama::Template;
use http::StatusCode;

use super::shell::{self, Shell};
use super::{Outcome, Visit};
use crate::config::Tls;
use crate::journal::STEP_SECONDS;
use crate::store::Filter;

/// Steps of the plot: three hours.
const STEPS: usize = 36;
/// Credentials that end within so many days are named.
const SOON_DAYS: i64 = 30;
const MOST_ENDING: u32 = 12;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    shell: Shell,
    tenants: Vec<(String, String, bool)>,
    applications: u64,
    issued: u64,
    refused: u64,
    bars: Vec<Bar>,
    highest: u64,
    since: String,
    ending: Option<Vec<Ending>>,
    health: Vec<(&'static str, bool, String)>,
    started: String,
    base: String,
    host: String,
    authority: String,
    tenant_id: String,
    ca: Option<String>,
    https: bool,
}

/// A step of the plot, in the units of its picture: 36 steps of 10 wide, 100 high.
struct Bar {
    x: usize,
    issued: (u64, u64),
    refused: (u64, u64),
    label: String,
    counts: (u64, u64),
}

struct Ending {
    name: String,
    href: String,
    kind: String,
    end: String,
    days: i64,
}

/// `GET /portal/`
pub(super) async fn page(visit: &Visit<'_>) -> Outcome {
    let app = visit.app;
    let store = app.store();
    let tenants = if visit.is_operator() { store.tenants().await? } else { vec![visit.tenant.clone()] };
    let applications = store.count_applications(&visit.tenant.id, &Filter::All).await?;
    let history = app.journal.history().last(visit.now, STEPS);
    let highest = history.iter().map(|(a, b)| a + b).max().unwrap_or(0);
    let scale = |n: u64| if highest == 0 { 0 } else { (n * 96).div_ceil(highest) };
    let current = visit.now.secs().div_euclid(STEP_SECONDS) * STEP_SECONDS;
    let bars = history
        .iter()
        .enumerate()
        .map(|(i, (issued, refused))| {
            let (up, down) = (scale(*issued), scale(*refused));
            let start = current - (STEPS - 1 - i) as i64 * STEP_SECONDS;
            let c = countersign_core::time::UnixTime::from_secs(start).civil();
            Bar {
                x: i * 10,
                issued: (100 - up.min(100), up),
                refused: (100u64.saturating_sub(up + down), down),
                label: format!("{:02}:{:02}", c.hour, c.minute),
                counts: (*issued, *refused),
            }
        })
        .collect();
    let ending = if visit.needs_registrations().is_ok() {
        let until = visit.now.plus_secs(SOON_DAYS * 86_400);
        let found = store.ending_credentials(&visit.tenant.id, visit.now, until, MOST_ENDING).await?;
        Some(
            found
                .into_iter()
                .map(|e| Ending {
                    href: format!("{}applications/{}", super::ROOT, e.object_id),
                    name: e.name,
                    kind: e.kind,
                    end: e.end.rfc3339(),
                    days: e.end.secs_since(visit.now).div_euclid(86_400),
                })
                .collect(),
        )
    } else {
        None
    };
    let dropped = app.metrics.sign_ins_dropped.value();
    let failed = app.metrics.failed.value();
    let health = vec![
        ("Store", store.ping().await.is_ok(), "answers".to_owned()),
        ("Signing key", app.signer.active(visit.now).is_some(), "at hand".to_owned()),
        ("Answers with 5xx since the start", failed == 0, failed.to_string()),
        ("Journal rows lost since the start", dropped == 0, dropped.to_string()),
    ];
    let base = visit.context.base.to_string();
    let page = Page {
        tenants: tenants.into_iter().map(|t| (t.display_name, t.id.clone(), t.id == visit.tenant.id)).collect(),
        applications,
        issued: history.iter().map(|h| h.0).sum(),
        refused: history.iter().map(|h| h.1).sum(),
        bars,
        highest,
        since: countersign_core::time::UnixTime::from_secs(current - (STEPS as i64 - 1) * STEP_SECONDS).rfc3339(),
        ending,
        health,
        started: app.started.rfc3339(),
        tenant_id: visit.tenant.id.clone(),
        authority: format!("{base}/{}", visit.tenant.id),
        host: base.split_once("://").map_or("", |(_, h)| h).to_owned(),
        https: base.starts_with("https:"),
        ca: (app.config.tls.value == Tls::Auto && visit.is_operator())
            .then(|| app.config.data.value.join("tls").join("ca.pem").display().to_string()),
        base,
        shell: Shell::of(visit, "Overview", "overview"),
    };
    Ok(shell::page(StatusCode::OK, &page))
}
