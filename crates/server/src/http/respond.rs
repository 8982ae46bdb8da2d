//! Answers with the headers that every answer carries, and those of the token endpoint as recorded at Entra.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, EXPIRES, HeaderName,
    HeaderValue, PRAGMA, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use hyper::body::{Frame, SizeHint};

use super::context::Context;

/// An answer.
pub type Answer = Response<Body>;

/// A body: at hand as a whole, or in parts as they come.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// The other end sends parts; the body ends when it is dropped.
    Parts(tokio::sync::mpsc::Receiver<Bytes>),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            Self::Parts(parts) => parts.poll_recv(cx).map(|part| part.map(|b| Ok(Frame::data(b)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

/// JSON as Entra declares it.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Plain text.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Pages.
pub const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const SERVER: HeaderName = HeaderName::from_static("x-ms-ests-server");
const TELEMETRY: HeaderName = HeaderName::from_static("x-ms-clitelem");
const SESSION: HeaderName = HeaderName::from_static("x-ms-srs");
const P3P: HeaderName = HeaderName::from_static("p3p");
const XSS: HeaderName = HeaderName::from_static("x-xss-protection");

/// An answer with a body of some type; not to be cached, not to be taken for another type.
pub fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let body = Some(body.into()).filter(|b: &Bytes| !b.is_empty());
    let mut response = Response::new(Body::Whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(16);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The answer of a token endpoint: the headers recorded at Entra, without those that set cookies, or bind a browser to HTTPS
/// (which would lock a developer out of other services on localhost). `code` is 0 for a token.
pub fn token_answer(status: StatusCode, body: String, context: &Context, code: u32) -> Answer {
    let mut response = answer(status, JSON, body);
    let headers = response.headers_mut();
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(EXPIRES, HeaderValue::from_static("-1"));
    headers.insert(P3P, HeaderValue::from_static("CP=\"DSP CUR OTPi IND OTRi ONL FIN\""));
    headers.insert(XSS, HeaderValue::from_static("0"));
    headers.insert(SERVER, HeaderValue::from_static(concat!("2.1.", env!("CARGO_PKG_VERSION"), " - countersign")));
    headers.insert(SESSION, HeaderValue::from_static("1.P"));
    // Digits and commas are fit for a header.
    if let Ok(value) = HeaderValue::try_from(format!("1,{code},0,,")) {
        headers.insert(TELEMETRY, value);
    }
    with_ids(&mut response, context);
    response
}

/// Adds the ids of the request; the caller's only if it gave one.
pub fn with_ids(response: &mut Answer, context: &Context) {
    let headers = response.headers_mut();
    // Both are GUIDs.
    if let Ok(value) = HeaderValue::from_str(&context.trace_id) {
        headers.insert(REQUEST_ID, value);
    }
    if context.correlated
        && let Ok(value) = HeaderValue::from_str(&context.correlation_id)
    {
        headers.insert(CLIENT_REQUEST_ID, value);
    }
}

/// An answer to whoever asks what a path is, to be cached for a day (as recorded at Entra's metadata endpoints).
pub fn metadata(body: String, context: &Context) -> Answer {
    let mut response = answer(StatusCode::OK, JSON, body);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=86400, private"));
    open_to_any_origin(&mut response);
    with_ids(&mut response, context);
    response
}

/// Lets pages of any origin read an answer that holds nothing of anybody's (the headers recorded at Entra's metadata endpoints).
pub fn open_to_any_origin(response: &mut Answer) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, OPTIONS"));
}
