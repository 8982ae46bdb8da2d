//! Traces of requests for OpenTelemetry: one span for each request, one below it for each stage of a token's way.
//!
//! The router begins and finishes a [`Trace`], whoever does a stage measures it by [`stage`]; [`export`] sends what is
//! finished. Off unless `--otlp-endpoint` is set: then a request costs the test of an option. Nothing that a caller wrote
//! freely becomes an attribute: only ids, numbers and words of ours, so that no secret can stand there by mistake.

pub mod export;
mod otlp;
mod parent;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use countersign_core::authority::is_guid;
use countersign_core::time::UnixTime;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::metrics::Counter;
use crate::secrets;
use crate::store::model::SignInRecord;
use export::Exporter;
use parent::Parent;

/// Finished requests that wait to be sent; about 1 KiB each.
const QUEUE: usize = 4_096;
/// Stages of one request.
const STAGES: usize = 16;

/// Where traces go.
#[derive(Debug)]
pub struct Traces {
    on: Option<On>,
    /// Spans that were sent and taken.
    pub exported: Counter,
    /// Spans that were lost: the queue was full, or the receiver away or refusing.
    pub dropped: Counter,
}

#[derive(Debug)]
struct On {
    queue: mpsc::Sender<Finished>,
    /// Share of requests that are traced unless the caller says otherwise, from 0 to 1.
    share: f64,
}

/// The trace of one request, while it is answered.
#[derive(Debug)]
pub struct Trace {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    began: UnixTime,
    started: Instant,
    gathered: Mutex<Gathered>,
}

#[derive(Debug, Default)]
struct Gathered {
    stages: Vec<Stage>,
    attributes: Vec<(&'static str, Value)>,
}

/// Part of the work on a request; times from the beginning of the request.
#[derive(Clone, Copy, Debug)]
struct Stage {
    name: &'static str,
    from: Duration,
    until: Duration,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Text(String),
    Word(&'static str),
    Number(i64),
}

/// A request that was answered.
#[derive(Debug)]
pub struct Finished {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent: Option<[u8; 8]>,
    began: UnixTime,
    took: Duration,
    name: String,
    failed: bool,
    stages: Vec<Stage>,
    attributes: Vec<(&'static str, Value)>,
}

impl Finished {
    fn spans(&self) -> u64 {
        1 + self.stages.len() as u64
    }
}

/// What HTTP knows of a request, for its span (OpenTelemetry's semantic conventions for HTTP servers).
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// One of the methods that are known here, or `_OTHER`.
    pub method: &'static str,
    /// The route with its parameters in braces.
    pub route: &'static str,
    /// `1.0`, `1.1` or `2`.
    pub protocol: &'static str,
    /// Base URL of ours by which we were called.
    pub base: &'a str,
    /// Status of the answer.
    pub status: u16,
    /// `x-ms-request-id`
    pub request_id: &'a str,
    /// `client-request-id`, a GUID.
    pub correlation_id: &'a str,
}

impl Traces {
    /// As the settings say; the exporter is there when traces are on.
    pub fn new(config: &Config) -> (Self, Option<Exporter>) {
        let off = || Self { on: None, exported: Counter::default(), dropped: Counter::default() };
        let Some(endpoint) = &config.otlp_endpoint.value else { return (off(), None) };
        let (queue, finished) = mpsc::channel(QUEUE);
        let on = Some(On { queue, share: config.otlp_sample.value });
        (Self { on, ..off() }, Some(Exporter::new(endpoint, finished)))
    }

    /// Begins the trace of a request, if it is to be traced: as the caller's `traceparent` (W3C Trace Context) says, else by
    /// chance. Without a caller's trace, the trace's id is the request's (`x-ms-request-id`), so that one leads to the other.
    pub fn begin(
        &self,
        traceparent: Option<&str>,
        request_id: &str,
        now: UnixTime,
        started: Instant,
    ) -> Option<Arc<Trace>> {
        let on = self.on.as_ref()?;
        let parent = traceparent.and_then(Parent::read);
        let traced = parent.as_ref().map_or_else(|| by_chance(on.share), |p| p.sampled);
        if !traced {
            return None;
        }
        let own = || uuid::Uuid::try_parse(request_id).map(uuid::Uuid::into_bytes).ok();
        let trace_id = parent.as_ref().map(|p| p.trace_id).or_else(own)?;
        let span_id = secrets::random_ids::<8>().ok().filter(|id| *id != [0; 8])?;
        Some(Arc::new(Trace {
            trace_id,
            span_id,
            parent: parent.map(|p| p.span_id),
            began: now,
            started,
            gathered: Mutex::default(),
        }))
    }

    /// Ends a trace. Never waits: what finds the queue full is dropped and counted.
    pub fn finish(&self, trace: &Trace, call: &Call<'_>) {
        let Some(on) = &self.on else { return };
        let gathered = std::mem::take(&mut *trace.gathered());
        let (scheme, authority) = call.base.split_once("://").unwrap_or_default();
        // `[::1]` without a port ends in no number.
        let with_port = authority.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
        let (host, port) = with_port.map_or((authority, None), |(host, port)| (host, Some(port)));
        let mut attributes = vec![
            ("http.request.method", Value::Word(call.method)),
            ("http.route", Value::Word(call.route)),
            ("http.response.status_code", Value::Number(i64::from(call.status))),
            ("network.protocol.version", Value::Word(call.protocol)),
            ("url.scheme", Value::Text(scheme.to_owned())),
            ("server.address", Value::Text(host.to_owned())),
            ("countersign.request_id", Value::Text(call.request_id.to_owned())),
            ("countersign.correlation_id", Value::Text(call.correlation_id.to_owned())),
        ];
        attributes.extend(port.map(|port| ("server.port", Value::Number(i64::from(port)))));
        let failed = call.status >= 500;
        if failed {
            attributes.push(("error.type", Value::Text(call.status.to_string())));
        }
        attributes.extend(gathered.attributes);
        let finished = Finished {
            trace_id: trace.trace_id,
            span_id: trace.span_id,
            parent: trace.parent,
            began: trace.began,
            took: trace.started.elapsed(),
            name: format!("{} {}", call.method, call.route),
            failed,
            stages: gathered.stages,
            attributes,
        };
        let spans = finished.spans();
        if on.queue.try_send(finished).is_err() {
            self.dropped.add(spans);
        }
    }
}

impl Trace {
    fn gathered(&self) -> std::sync::MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over who asked for what, and why it was refused, from the row of the journal. A client id that is no GUID is
    /// text of the caller's, in which a secret was pasted before now: it stays out.
    pub fn describe(&self, row: &SignInRecord) {
        let mut gathered = self.gathered();
        let ids = [
            ("countersign.tenant_id", &row.tenant_id),
            ("countersign.app_id", &row.app_id),
            ("countersign.service_principal_id", &row.service_principal_id),
            ("countersign.resource_id", &row.resource_id),
            ("countersign.credential.key_id", &row.credential_key_id),
        ];
        for (name, id) in ids {
            if is_guid(id) {
                gathered.attributes.push((name, Value::Text(id.clone())));
            }
        }
        for (name, word) in
            [("countersign.credential.type", &row.credential_type), ("countersign.refused_by", &row.refused_by)]
        {
            if !word.is_empty() {
                gathered.attributes.push((name, Value::Text(word.clone())));
            }
        }
        gathered.attributes.push(("countersign.aadsts", Value::Number(i64::from(row.error_code))));
    }
}

/// Measures a stage until it is dropped.
#[must_use = "the stage ends when this is dropped"]
#[derive(Debug)]
pub struct Measured<'a>(Option<(&'a Trace, &'static str, Duration)>);

/// Begins a stage of a request; nothing happens where there is no trace.
pub fn stage<'a>(trace: Option<&'a Trace>, name: &'static str) -> Measured<'a> {
    Measured(trace.map(|trace| (trace, name, trace.started.elapsed())))
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if let Some((trace, name, from)) = self.0.take() {
            let until = trace.started.elapsed();
            let mut gathered = trace.gathered();
            if gathered.stages.len() < STAGES {
                gathered.stages.push(Stage { name, from, until });
            }
        }
    }
}

/// Whether chance takes this request.
fn by_chance(share: f64) -> bool {
    if share >= 1.0 {
        return true;
    }
    let draw = secrets::random_ids::<8>().map_or(u64::MAX, u64::from_le_bytes);
    // 53 bits are what a double holds exactly; the draw lies in [0, 1).
    ((draw >> 11) as f64) / ((1u64 << 53) as f64) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed600";

    fn traces(share: f64) -> (Traces, mpsc::Receiver<Finished>) {
        let (queue, finished) = mpsc::channel(1);
        (Traces { on: Some(On { queue, share }), exported: Counter::default(), dropped: Counter::default() }, finished)
    }

    fn call() -> Call<'static> {
        Call {
            method: "POST",
            route: "/{tenant}/oauth2/v2.0/token",
            protocol: "1.1",
            base: "https://login.example:8443",
            status: 401,
            request_id: ID,
            correlation_id: "c",
        }
    }

    #[test]
    fn the_caller_decides_and_else_the_share() {
        let begin = |share, parent: Option<&str>| {
            traces(share).0.begin(parent, ID, UnixTime::from_secs(1), Instant::now()).is_some()
        };
        assert!(begin(1.0, None) && !begin(0.0, None));
        let with = |flags: &str| format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}");
        assert!(begin(0.0, Some(&with("01"))) && !begin(1.0, Some(&with("00"))));
        assert!(!begin(0.0, Some("garbage")) && begin(1.0, Some("garbage")));
    }

    #[test]
    fn a_share_is_met_on_the_whole() {
        let taken = (0..20_000).filter(|_| by_chance(0.25)).count();
        // Ten standard deviations (61) either way.
        assert!((4_390..=5_610).contains(&taken), "{taken}");
    }

    #[test]
    fn a_request_leads_to_its_trace_and_stages_lie_within_it() {
        let (traces, mut queue) = traces(1.0);
        let trace = traces.begin(None, ID, UnixTime::from_secs(1), Instant::now()).unwrap();
        drop(stage(Some(&trace), "sign"));
        drop(stage(None, "nothing"));
        traces.finish(&trace, &call());
        let finished = queue.try_recv().unwrap();
        assert_eq!(finished.trace_id, uuid::Uuid::try_parse(ID).unwrap().into_bytes());
        assert_eq!((finished.parent, finished.failed, finished.stages.len()), (None, false, 1));
        assert!(finished.stages[0].from <= finished.stages[0].until && finished.stages[0].until <= finished.took);
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let (traces, _queue) = traces(1.0);
        for _ in 0..3 {
            let trace = traces.begin(None, ID, UnixTime::from_secs(1), Instant::now()).unwrap();
            drop(stage(Some(&trace), "sign"));
            traces.finish(&trace, &call());
        }
        assert_eq!(traces.dropped.value(), 4);
    }

    #[test]
    fn text_of_the_caller_is_no_attribute() {
        let (traces, mut queue) = traces(1.0);
        let trace = traces.begin(None, ID, UnixTime::from_secs(1), Instant::now()).unwrap();
        trace.describe(&SignInRecord {
            app_id: "my-secret~pasted".into(),
            tenant_id: ID.into(),
            resource: "also-secret".into(),
            client: "agent".into(),
            ..SignInRecord::default()
        });
        traces.finish(&trace, &call());
        let shown = format!("{:?}", queue.try_recv().unwrap());
        assert!(shown.contains(ID) && !shown.contains("secret") && !shown.contains("agent"), "{shown}");
    }
}
