//! For operators: is it alive, is it ready, what did it count.

use http::{HeaderValue, StatusCode};

use super::respond::{Answer, TEXT, answer};
use crate::app::App;
use crate::metrics::{write_counter, write_gauge};
use crate::store::StoreError;

/// `GET /livez`: the process answers.
pub fn live() -> Answer {
    answer(StatusCode::OK, TEXT, "ok\n")
}

/// `GET /readyz`: tokens can be issued, that is, the store answers, a key is at hand, and what is known still holds.
pub async fn ready(app: &App) -> Answer {
    let key = app.signer.active(app.now()).is_some();
    if !app.directory.freshness.holds() {
        return answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the directory was not confirmed for too long\n");
    }
    match app.store().ping().await {
        Ok(()) if key => answer(StatusCode::OK, TEXT, "ok\n"),
        Ok(()) => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "no signing key\n"),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the store does not answer\n")
        }
    }
}

/// Credentials that are listed for each tenant, those that end first.
const CREDENTIALS: u32 = 500;
/// Seconds within which they end.
const HORIZON: i64 = 90 * 86_400;

/// `GET /metrics`: Prometheus text. What the store does not tell at the moment is left out, and `countersign_store_up` says so.
pub async fn metrics(app: &App) -> Answer {
    let mut out = app.metrics.render();
    gauges(app, &mut out);
    let from_store = async {
        of_keys(app, &mut out).await?;
        of_credentials(app, &mut out).await
    };
    let up: Result<(), StoreError> = from_store.await;
    if let Err(error) = &up {
        tracing::warn!(%error, "metrics without what the store knows");
    }
    let up = f64::from(u8::from(up.is_ok()));
    write_gauge(&mut out, "countersign_store_up", "Whether the store answers.", [(String::new(), up)]);
    answer(StatusCode::OK, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"), out)
}

fn gauges(app: &App, out: &mut String) {
    let (directory, version) = (&app.directory, format!("version=\"{}\"", env!("CARGO_PKG_VERSION")));
    write_gauge(out, "countersign_build_info", "Version of the service.", [(version, 1.0)]);
    let started = app.started.secs() as f64;
    let one = |value: f64| [(String::new(), value)];
    write_gauge(out, "countersign_start_time_seconds", "When the service was started.", one(started));
    let help = "Token requests that wait for a processor or are worked on.";
    write_gauge(out, "countersign_requests_waiting", help, one(app.load.waiting() as f64));
    let help = "Sign-in rows that wait to be written.";
    write_gauge(out, "countersign_sign_ins_waiting", help, one(app.journal.waiting() as f64));
    let help = "Spans that an OpenTelemetry receiver took.";
    write_counter(out, "countersign_spans_exported_total", help, &app.traces.exported);
    let help = "Spans that were lost: the queue was full, or the receiver away.";
    write_counter(out, "countersign_spans_dropped_total", help, &app.traces.dropped);
    if let Some((used, most)) = app.store().connections() {
        let help = "Connections to the database in use.";
        write_gauge(out, "countersign_database_connections_used", help, one(used as f64));
        let help = "Connections to the database at most.";
        write_gauge(out, "countersign_database_connections_max", help, one(most as f64));
    }
    if directory.freshness.is_shared() {
        let help = "Time since the directory was last confirmed to be what this node knows.";
        write_gauge(out, "countersign_directory_age_seconds", help, one(directory.freshness.age().as_secs_f64()));
    }
    let help = "Clients in the cache.";
    write_gauge(out, "countersign_cached_clients", help, one(directory.cached_clients() as f64));
    let help = "Clients that a request found in the cache.";
    write_counter(out, "countersign_cache_hits_total", help, &directory.cached);
    let help = "Clients that a request had to read from the store.";
    write_counter(out, "countersign_cache_misses_total", help, &directory.read);
}

/// When each signing key begins and ends to be of use.
async fn of_keys(app: &App, out: &mut String) -> Result<(), StoreError> {
    let keys = app.store().signing_keys().await?;
    let label = |kid: &str| format!("kid=\"{kid}\"");
    let from = keys.iter().map(|k| (label(&k.kid), k.signs_from.secs() as f64));
    let help = "From when a signing key signs.";
    write_gauge(out, "countersign_signing_key_signs_from_seconds", help, from);
    let until = keys.iter().filter_map(|k| Some((label(&k.kid), k.published_until?.secs() as f64)));
    let help = "Until when a signing key that has a successor is published.";
    write_gauge(out, "countersign_signing_key_not_after_seconds", help, until);
    let active = app.signer.signing_now(app.now()).into_iter().map(|kid| (label(&kid), 1.0));
    write_gauge(out, "countersign_signing_key_active", "The keys that sign, one for each algorithm in use.", active);
    Ok(())
}

/// When credentials end: of each tenant those that end first. Names stay out: whoever reads metrics need not know them.
async fn of_credentials(app: &App, out: &mut String) -> Result<(), StoreError> {
    let now = app.now();
    let mut values = Vec::new();
    for tenant in app.store().tenants().await? {
        let ending =
            app.store().ending_credentials(&tenant.id, now.plus_secs(-86_400), now.plus_secs(HORIZON), CREDENTIALS);
        for c in ending.await? {
            let labels = format!(
                "tenant=\"{}\",application=\"{}\",key_id=\"{}\",kind=\"{}\"",
                tenant.id,
                c.object_id,
                escape(&c.key_id),
                c.kind
            );
            values.push((labels, c.end.secs() as f64));
        }
    }
    let help = "When a certificate or secret ends, by object id of its application; within 90 days, the first 500 of each tenant.";
    write_gauge(out, "countersign_credential_not_after_seconds", help, values);
    Ok(())
}

/// A label's value (exposition format: backslash, quote and line feed are escaped).
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
