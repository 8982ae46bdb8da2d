//! What the service counts, as plain atomics, and their Prometheus text (exposition format 0.0.4).
//!
//! Written on the token path, so counting costs nanoseconds; read by `/metrics`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the latency buckets, in microseconds.
const BUCKETS: [u64; 12] =
    [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 250_000, 1_000_000, 4_000_000];

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn count(&self) {
        self.add(1);
    }

    /// Adds some.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The number.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A point in time, in seconds since 1970; 0 is none.
#[derive(Debug, Default)]
pub struct Moment(AtomicI64);

impl Moment {
    /// Sets it.
    pub fn set(&self, secs: i64) {
        self.0.store(secs, Ordering::Relaxed);
    }

    /// The seconds, if it was set.
    pub fn value(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|s| *s != 0)
    }
}

/// Durations in buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Histogram {
    /// Notes a duration.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.iter().position(|b| micros <= *b).unwrap_or(BUCKETS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, help: &str) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut sum = 0;
        for (bucket, end) in self.buckets.iter().zip(BUCKETS) {
            sum += bucket.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}_bucket{{le=\"{}\"}} {sum}", end as f64 / 1e6);
        }
        sum += self.buckets[BUCKETS.len()].load(Ordering::Relaxed);
        let seconds = self.micros.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {sum}\n{name}_sum {seconds}\n{name}_count {sum}");
    }
}

/// All counters of the service.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Tokens issued.
    pub issued: Counter,
    refused: Mutex<BTreeMap<u32, u64>>,
    /// From the whole request to the whole answer, token endpoint.
    pub token_duration: Histogram,
    /// Signing of access tokens.
    pub sign_duration: Histogram,
    /// Requests answered with 5xx.
    pub failed: Counter,
    /// Token requests turned away: too many waited, or an address or client asked too often.
    pub turned_away: Counter,
    /// Connections accepted.
    pub connections: Counter,
    /// Connections ended.
    pub connections_ended: Counter,
    /// Connections closed because there were too many.
    pub connections_refused: Counter,
    /// Sign-in rows that were dropped because the store could not keep up.
    pub sign_ins_dropped: Counter,
    /// Sign-in rows written.
    pub sign_ins_written: Counter,
    /// When the TLS certificate in force ends.
    pub tls_not_after: Moment,
}

impl Metrics {
    /// Notes a refusal at the token endpoint by its AADSTS code.
    pub fn refuse(&self, code: u32) {
        let mut refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *refused.entry(code).or_default() += 1;
    }

    /// The Prometheus text of what is counted here.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(8192);
        let name = "countersign_token_requests_total";
        let _ = writeln!(
            out,
            "# HELP {name} Requests to a token endpoint by AADSTS code; 0 is a token.\n# TYPE {name} counter"
        );
        let _ = writeln!(out, "{name}{{code=\"0\"}} {}", self.issued.value());
        let refused = self.refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for (code, count) in refused {
            let _ = writeln!(out, "{name}{{code=\"{code}\"}} {count}");
        }
        self.token_duration.write(&mut out, "countersign_token_duration_seconds", "Time to answer a token request.");
        self.sign_duration.write(&mut out, "countersign_sign_duration_seconds", "Time to sign an access token.");
        for (name, help, counter) in [
            ("countersign_failures_total", "Requests answered with 5xx.", &self.failed),
            (
                "countersign_turned_away_total",
                "Token requests turned away with 429 or 503: too many waited, or somebody asked too often.",
                &self.turned_away,
            ),
            ("countersign_connections_total", "Connections accepted.", &self.connections),
            ("countersign_connections_ended_total", "Connections ended.", &self.connections_ended),
            (
                "countersign_connections_refused_total",
                "Connections closed because there were too many.",
                &self.connections_refused,
            ),
            ("countersign_sign_ins_written_total", "Sign-in rows written.", &self.sign_ins_written),
            (
                "countersign_sign_ins_dropped_total",
                "Sign-in rows dropped because the store was behind.",
                &self.sign_ins_dropped,
            ),
        ] {
            write_counter(&mut out, name, help, counter);
        }
        if let Some(end) = self.tls_not_after.value() {
            let (name, help) = ("countersign_tls_not_after_seconds", "When the TLS certificate in force ends.");
            write_gauge(&mut out, name, help, [(String::new(), end as f64)]);
        }
        out
    }
}

/// Writes a number that only grows.
pub fn write_counter(out: &mut String, name: &str, help: &str, counter: &Counter) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} counter\n{name} {}", counter.value());
}

/// Writes what may rise and fall: labels (as they stand between the braces; empty for none) and value.
pub fn write_gauge(out: &mut String, name: &str, help: &str, values: impl IntoIterator<Item = (String, f64)>) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let labels = if labels.is_empty() { labels } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}{labels} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let m = Metrics::default();
        m.issued.count();
        m.refuse(700_027);
        m.refuse(700_027);
        m.token_duration.observe(Duration::from_micros(300));
        m.token_duration.observe(Duration::from_secs(60));
        let text = m.render();
        for line in [
            "countersign_token_requests_total{code=\"0\"} 1",
            "countersign_token_requests_total{code=\"700027\"} 2",
            "countersign_token_duration_seconds_bucket{le=\"0.00025\"} 0",
            "countersign_token_duration_seconds_bucket{le=\"0.0005\"} 1",
            "countersign_token_duration_seconds_bucket{le=\"+Inf\"} 2",
            "countersign_token_duration_seconds_count 2",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }
}
