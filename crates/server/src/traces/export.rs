//! Sends finished requests to an OpenTelemetry receiver: OTLP over HTTP with protobuf, in batches, in the background.
//!
//! Run by `start`. A receiver that is slow or away costs spans, never a request and never the end of the process: the queue is
//! bounded, every attempt has a time limit, and at the end a second is left for what is queued.

use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use reqwest::{Client, Response, redirect};
use tokio::sync::{mpsc, watch};

use super::{Finished, otlp};
use crate::app::App;
use crate::issuers;

/// Requests in one message.
const BATCH: usize = 512;
/// How long a batch gathers.
const GATHER: Duration = Duration::from_secs(1);
/// For connecting, and for a whole attempt.
const CONNECT: Duration = Duration::from_secs(2);
const ATTEMPT: Duration = Duration::from_secs(5);
/// Pauses before a batch is tried again; then it is lost.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];
/// Longest pause that a receiver may ask for (`Retry-After`).
const LONGEST_PAUSE: u64 = 30;
/// What is left for the queue when the service ends.
const AT_THE_END: Duration = Duration::from_secs(1);
/// Longest answer that is looked at.
const MAX_ANSWER: usize = 16 * 1024;

/// The other end of the queue.
#[derive(Debug)]
pub struct Exporter {
    url: String,
    queue: mpsc::Receiver<Finished>,
}

/// Why a batch was not taken.
#[derive(Debug, thiserror::Error)]
enum NotTaken {
    /// No answer, or none in time.
    #[error("{0}")]
    Away(String),
    /// The receiver asks to be left alone for a while (OTLP: 429, 502, 503, 504).
    #[error("the receiver answers {status}")]
    Busy {
        status: u16,
        /// Seconds of `Retry-After`.
        after: Option<u64>,
    },
    /// Trying again would not help.
    #[error("the receiver refuses with {0}")]
    Refused(u16),
}

impl Exporter {
    pub(super) fn new(endpoint: &str, queue: mpsc::Receiver<Finished>) -> Self {
        Self { url: format!("{endpoint}/v1/traces"), queue }
    }

    /// Sends until `stop` says so, then what is left, for a second at most.
    pub async fn run(self, app: Arc<App>, mut stop: watch::Receiver<bool>) {
        let sending = self.send_all(&app, stop.clone());
        let end = async {
            let _ = stop.wait_for(|stopped| *stopped).await;
            tokio::time::sleep(AT_THE_END).await;
        };
        tokio::select! {
            () = sending => {}
            () = end => {}
        }
    }

    async fn send_all(mut self, app: &App, mut stop: watch::Receiver<bool>) {
        let Some(client) = client() else {
            tracing::error!("traces cannot be sent: no HTTP client can be made");
            return;
        };
        let instance = uuid::Uuid::new_v4().to_string();
        let mut batch = Vec::with_capacity(BATCH);
        let mut away = false;
        loop {
            tokio::select! {
                _ = self.queue.recv_many(&mut batch, BATCH) => {}
                _ = stop.wait_for(|stopped| *stopped) => {
                    while let Ok(finished) = self.queue.try_recv() {
                        batch.push(finished);
                    }
                }
            }
            if batch.is_empty() {
                return;
            }
            let full = batch.len() >= BATCH;
            let spans: u64 = batch.iter().map(Finished::spans).sum();
            let body = otlp::encode(&instance, &batch);
            batch.clear();
            match self.deliver(&client, body, &mut stop).await {
                Ok(rejected) => {
                    let rejected = rejected.min(spans);
                    app.traces.exported.add(spans - rejected);
                    app.traces.dropped.add(rejected);
                    if away {
                        tracing::info!(url = self.url, "traces are taken again");
                    }
                    away = false;
                }
                Err(error) => {
                    app.traces.dropped.add(spans);
                    // Once for each time that it goes away.
                    if !away {
                        tracing::warn!(url = self.url, %error, "traces are lost until the receiver takes them");
                    }
                    away = true;
                }
            }
            if !full && !*stop.borrow() {
                tokio::select! {
                    () = tokio::time::sleep(GATHER) => {}
                    _ = stop.wait_for(|stopped| *stopped) => {}
                }
            }
        }
    }

    /// Sends one batch, if need be several times; answers how many spans the receiver rejected.
    async fn deliver(&self, client: &Client, body: Vec<u8>, stop: &mut watch::Receiver<bool>) -> Result<u64, NotTaken> {
        let body = bytes::Bytes::from(body);
        let mut pauses = PAUSES.into_iter();
        loop {
            let error = match self.attempt(client, body.clone()).await {
                Ok(rejected) => return Ok(rejected),
                Err(error @ NotTaken::Refused(_)) => return Err(error),
                Err(error) => error,
            };
            let Some(mut pause) = pauses.next().filter(|_| !*stop.borrow()) else { return Err(error) };
            if let NotTaken::Busy { after: Some(seconds), .. } = &error {
                pause = pause.max(Duration::from_secs((*seconds).min(LONGEST_PAUSE)));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.wait_for(|stopped| *stopped) => return Err(error),
            }
        }
    }

    async fn attempt(&self, client: &Client, body: bytes::Bytes) -> Result<u64, NotTaken> {
        // reqwest puts the URL into its errors; ours is said once beside them.
        let away = |e: reqwest::Error| NotTaken::Away(innermost(&e.without_url()));
        let request = client.post(&self.url).header("content-type", "application/x-protobuf").body(body);
        let response = request.send().await.map_err(away)?;
        let status = response.status().as_u16();
        match status {
            200..=299 => Ok(rejected(response).await),
            429 | 502 | 503 | 504 => {
                let after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
                Err(NotTaken::Busy { status, after })
            }
            _ => Err(NotTaken::Refused(status)),
        }
    }
}

/// What a receiver says about spans that it did not take (`partial_success`); an answer that cannot be read says nothing.
async fn rejected(mut response: Response) -> u64 {
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        if body.len() + part.len() > MAX_ANSWER {
            return 0;
        }
        body.extend_from_slice(&part);
    }
    let read = otlp::ExportTraceServiceResponse::decode(body.as_slice()).unwrap_or_default();
    read.partial_success.map_or(0, |p| u64::try_from(p.rejected_spans).unwrap_or_default())
}

/// The cause at the bottom: "connection refused" rather than "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Trusts the system's roots (or those in `SSL_CERT_FILE`); follows nobody elsewhere.
fn client() -> Option<Client> {
    let made = Client::builder()
        .tls_backend_preconfigured(issuers::tls_client()?.0)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT)
        .timeout(ATTEMPT)
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .build();
    made.ok()
}
