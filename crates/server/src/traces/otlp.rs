//! The messages of OTLP that traces need, field by field as `opentelemetry/proto/{collector/,}trace/v1`, `common/v1` and
//! `resource/v1` number them (opentelemetry-proto 1.x; numbers of stable messages never change).
//!
//! Filled and read by [`super::export`].

use std::time::Duration;

use prost::Message;

use super::{Finished, Value};

/// `SPAN_KIND_INTERNAL`
const INTERNAL: i32 = 1;
/// `SPAN_KIND_SERVER`
const SERVER: i32 = 2;
/// `STATUS_CODE_ERROR`
const ERROR: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub struct ExportTraceServiceRequest {
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ExportTraceServiceResponse {
    #[prost(message, optional, tag = "1")]
    pub partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
pub struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub rejected_spans: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Scope {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub version: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Span {
    #[prost(bytes = "vec", tag = "1")]
    pub trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub span_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub parent_span_id: Vec<u8>,
    #[prost(string, tag = "5")]
    pub name: String,
    #[prost(int32, tag = "6")]
    pub kind: i32,
    #[prost(fixed64, tag = "7")]
    pub start_time_unix_nano: u64,
    #[prost(fixed64, tag = "8")]
    pub end_time_unix_nano: u64,
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int32, tag = "3")]
    pub code: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct KeyValue {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    #[prost(oneof = "any_value::Value", tags = "1, 3")]
    pub value: Option<any_value::Value>,
}

pub mod any_value {
    #[derive(Clone, PartialEq, prost::Oneof)]
    pub enum Value {
        #[prost(string, tag = "1")]
        String(String),
        #[prost(int64, tag = "3")]
        Int(i64),
    }
}

/// An attribute.
fn attribute(name: &str, value: &Value) -> KeyValue {
    let value = match value {
        Value::Text(text) => any_value::Value::String(text.clone()),
        Value::Word(word) => any_value::Value::String((*word).to_owned()),
        Value::Number(number) => any_value::Value::Int(*number),
    };
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

/// One message with all these requests, encoded.
pub fn encode(instance: &str, batch: &[Finished]) -> Vec<u8> {
    let version = env!("CARGO_PKG_VERSION");
    let resource = [
        ("service.name", "countersign"),
        ("service.version", version),
        ("service.instance.id", instance),
        ("telemetry.sdk.name", "countersign"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let attributes = resource.iter().map(|(name, text)| attribute(name, &Value::Text((*text).to_owned()))).collect();
    let spans = batch.iter().flat_map(spans).collect();
    let scope = Some(Scope { name: "countersign-server".to_owned(), version: version.to_owned() });
    let scope_spans = vec![ScopeSpans { scope, spans }];
    let resource = Some(Resource { attributes });
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans }] }.encode_to_vec()
}

/// The request's span and those of its stages.
fn spans(finished: &Finished) -> Vec<Span> {
    let began = u64::try_from(finished.began.micros()).unwrap_or_default().saturating_mul(1_000);
    let at = |after: Duration| began.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    let mut spans = Vec::with_capacity(1 + finished.stages.len());
    spans.push(Span {
        trace_id: finished.trace_id.to_vec(),
        span_id: finished.span_id.to_vec(),
        parent_span_id: finished.parent.map(|p| p.to_vec()).unwrap_or_default(),
        name: finished.name.clone(),
        kind: SERVER,
        start_time_unix_nano: began,
        end_time_unix_nano: at(finished.took),
        attributes: finished.attributes.iter().map(|(name, value)| attribute(name, value)).collect(),
        // A refusal is an answer; only what the service could not do is an error (semantic conventions for HTTP servers).
        status: finished.failed.then_some(Status { code: ERROR }),
    });
    let mut id = u64::from_be_bytes(finished.span_id);
    for stage in &finished.stages {
        // Span ids are told apart within their trace; zero is none.
        id = id.checked_add(1).unwrap_or(1);
        spans.push(Span {
            trace_id: finished.trace_id.to_vec(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: finished.span_id.to_vec(),
            name: stage.name.to_owned(),
            kind: INTERNAL,
            start_time_unix_nano: at(stage.from),
            end_time_unix_nano: at(stage.until),
            attributes: Vec::new(),
            status: None,
        });
    }
    spans
}
