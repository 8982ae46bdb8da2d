//! Answers: JSON or text that nobody may cache or take for another type, and what an answer counts as.
//!
//! Used by the router and the forms.

use bytes::Bytes;
use countersign_core::managed_identity;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use crate::tokens::NoToken;

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// How a request ended, as metrics count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A token was handed out.
    Token,
    /// The request makes no sense in that form.
    BadRequest,
    /// No secret, or one that nobody has.
    Unauthorized,
    /// A scope that is not on the list.
    ScopeRefused,
    /// From a browser, through a proxy, or to another name.
    Forbidden,
    /// The authority refused.
    Refused,
    /// The authority does not answer, or too many wait.
    Unavailable,
    /// The agent's own credential cannot be used.
    Failed,
}

impl Outcome {
    /// Its label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::ScopeRefused => "scope_refused",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::Failed => "failed",
        }
    }
}

/// JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Problem details (RFC 9457).
pub const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json; charset=utf-8");
/// Plain text.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// An answer that must not be kept anywhere.
pub fn answer(status: u16, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// JSON with this status.
pub fn json(status: u16, body: &Value) -> Answer {
    answer(status, JSON, body.to_string())
}

/// An answer of one of the managed identity forms.
pub fn plain(answer: &managed_identity::Answer) -> Answer {
    json(answer.status, &answer.body)
}

/// An error as OAuth has them (RFC 6749 §5.2).
pub fn error(status: u16, error: &str, description: &str) -> Answer {
    json(status, &json!({ "error": error, "error_description": description }))
}

/// Says when to come again, where that is known.
pub fn later(mut response: Answer, no_token: &NoToken) -> Answer {
    if let Some(seconds) = no_token.retry_after() {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}
