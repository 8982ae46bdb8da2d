//! What belongs to one request: ids, the name by which we were called, who called.
//!
//! Made by the router for every request; Graph handlers find it among the request's extensions.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use countersign_core::authority::is_guid;
use http::HeaderMap;
use uuid::Uuid;

use super::forwarded::Forwarded;
use crate::app::App;
use crate::issue::Random;
use crate::secrets;
use crate::traces::{Measured, Trace, stage};

/// What belongs to one request.
#[derive(Clone, Debug)]
pub struct Context {
    /// Base URL, as the client called us when that is one of our names, else the first.
    pub base: Arc<str>,
    /// Whether it called us by one of our names.
    pub by_our_name: bool,
    /// `trace_id`, `x-ms-request-id`: made here.
    pub trace_id: String,
    /// The caller's `client-request-id` when it is a GUID, else made here.
    pub correlation_id: String,
    /// Whether the caller gave it.
    pub correlated: bool,
    /// Address of the client: the connection's, or what a proxy of ours reports.
    pub address: IpAddr,
    /// Random bytes for whatever the answer needs.
    pub random: Random,
    /// When the request had come.
    pub started: Instant,
    /// Its trace, if it is traced.
    pub trace: Option<Arc<Trace>>,
}

impl Context {
    /// Reads the context of a request.
    pub fn of(app: &App, headers: &HeaderMap, host: Option<&str>, query: Option<&str>, peer: IpAddr) -> Self {
        let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
        // Without randomness no token can be made either; zeros only ever name a request that will fail.
        let random = secrets::random_ids::<64>().unwrap_or([0; 64]);
        let mut id = [0; 16];
        id.copy_from_slice(&random[..16]);
        // trace_id ends in 00, 01 or 02 in every record since 2017.
        id[15] %= 3;
        let given = text("client-request-id")
            .or_else(|| query.and_then(|q| q.split('&').find_map(|p| p.strip_prefix("client-request-id="))))
            .filter(|g| is_guid(g));
        let correlation_id = given.map_or_else(
            || {
                let mut id = [0; 16];
                id.copy_from_slice(&random[48..]);
                guid(id)
            },
            str::to_ascii_lowercase,
        );
        let forwarded = Forwarded::of(headers, peer, &app.names);
        let named = |name: Option<&str>| app.names.called(name, forwarded.https);
        let called = named(forwarded.host.as_deref().or(host));
        Self {
            base: Arc::clone(called.or_else(|| named(host)).unwrap_or_else(|| app.names.first())),
            by_our_name: called.is_some(),
            trace_id: guid(id),
            correlated: given.is_some(),
            correlation_id,
            address: forwarded.address,
            random,
            started: Instant::now(),
            trace: None,
        }
    }
}

impl Context {
    /// Measures a stage of the work on this request until the answer is dropped.
    pub fn stage(&self, name: &'static str) -> Measured<'_> {
        stage(self.trace.as_deref(), name)
    }
}

/// A random GUID (RFC 9562 §5.4) of these bytes; the last byte stays as it is.
fn guid(bytes: [u8; 16]) -> String {
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .as_hyphenated()
        .encode_lower(&mut Uuid::encode_buffer())
        .to_owned()
}
