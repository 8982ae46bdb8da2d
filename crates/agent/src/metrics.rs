//! What the agent counts, as Prometheus text (exposition format 0.0.4). Names of callers and scopes, no secrets, no tokens.
//!
//! Written by the router and by `tokens`, read by `GET /metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::respond::Outcome;

/// All counts. Callers and scopes come from the configuration, so that nobody can fill the maps.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, &'static str, Outcome), u64>>,
    upstream: Mutex<BTreeMap<String, u64>>,
    expiry: Mutex<BTreeMap<String, i64>>,
    micros: AtomicU64,
    /// Connections at this moment.
    pub connections: AtomicI64,
}

fn locked<T>(map: &Mutex<T>) -> MutexGuard<'_, T> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Metrics {
    /// Notes how a request ended.
    pub fn request(&self, caller: &str, form: &'static str, outcome: Outcome, took: Duration) {
        *locked(&self.requests).entry((caller.to_owned(), form, outcome)).or_default() += 1;
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes that a request got no token from upstream; `kind` is an AADSTS code or a word of ours.
    pub fn upstream_error(&self, kind: &str) {
        let mut errors = locked(&self.upstream);
        // Codes come from the authority; they are few, unless it is no authority.
        let kind = if errors.len() < 100 || errors.contains_key(kind) { kind } else { "other" };
        *errors.entry(kind.to_owned()).or_default() += 1;
    }

    /// Notes when the token that was handed out for a scope ends, in seconds since 1970.
    pub fn token(&self, scope: &str, expires_on: i64) {
        locked(&self.expiry).insert(scope.to_owned(), expires_on);
    }

    /// The text. `now` is in seconds since 1970.
    pub fn render(&self, now: i64) -> String {
        let mut out = String::with_capacity(2_048);
        let build = concat!("version=\"", env!("CARGO_PKG_VERSION"), "\"");
        head(&mut out, "countersign_agent_build_info", "gauge", "Version of the agent.");
        let _ = writeln!(out, "countersign_agent_build_info{{{build}}} 1");
        head(&mut out, "countersign_agent_connections", "gauge", "Connections at this moment.");
        let _ = writeln!(out, "countersign_agent_connections {}", self.connections.load(Ordering::Relaxed));
        let help = "Requests by caller (- without a secret), form and outcome.";
        head(&mut out, "countersign_agent_requests_total", "counter", help);
        let mut all = 0;
        for ((caller, form, outcome), count) in locked(&self.requests).iter() {
            all += count;
            let (caller, outcome) = (escape(caller), outcome.name());
            let _ = writeln!(
                out,
                "countersign_agent_requests_total{{caller=\"{caller}\",form=\"{form}\",outcome=\"{outcome}\"}} {count}"
            );
        }
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        head(&mut out, "countersign_agent_request_duration_seconds", "summary", "Time to answer a request.");
        let _ = writeln!(out, "countersign_agent_request_duration_seconds_sum {seconds}");
        let _ = writeln!(out, "countersign_agent_request_duration_seconds_count {all}");
        let help = "Requests that got no token, by AADSTS code or kind.";
        head(&mut out, "countersign_agent_upstream_errors_total", "counter", help);
        for (kind, count) in locked(&self.upstream).iter() {
            let _ = writeln!(out, "countersign_agent_upstream_errors_total{{kind=\"{}\"}} {count}", escape(kind));
        }
        let expiry = locked(&self.expiry);
        let help = "When the token last handed out for a scope ends.";
        head(&mut out, "countersign_agent_token_expires_on_seconds", "gauge", help);
        for (scope, end) in expiry.iter() {
            let _ = writeln!(out, "countersign_agent_token_expires_on_seconds{{scope=\"{}\"}} {end}", escape(scope));
        }
        head(&mut out, "countersign_agent_token_lifetime_seconds", "gauge", "Seconds that this token has left.");
        for (scope, end) in expiry.iter() {
            let left = end.saturating_sub(now).max(0);
            let _ = writeln!(out, "countersign_agent_token_lifetime_seconds{{scope=\"{}\"}} {left}", escape(scope));
        }
        out
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_caller_form_and_outcome() {
        let metrics = Metrics::default();
        metrics.request("billing", "token", Outcome::Token, Duration::from_millis(2));
        metrics.request("billing", "token", Outcome::Token, Duration::from_millis(2));
        metrics.upstream_error("AADSTS700027");
        metrics.token("https://a/.default", 1_000);
        let text = metrics.render(400);
        for line in [
            "countersign_agent_requests_total{caller=\"billing\",form=\"token\",outcome=\"token\"} 2",
            "countersign_agent_request_duration_seconds_count 2",
            "countersign_agent_upstream_errors_total{kind=\"AADSTS700027\"} 1",
            "countersign_agent_token_lifetime_seconds{scope=\"https://a/.default\"} 600",
        ] {
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        for n in 0..200 {
            metrics.upstream_error(&n.to_string());
        }
        assert!(metrics.render(0).contains("kind=\"other\""));
    }
}
