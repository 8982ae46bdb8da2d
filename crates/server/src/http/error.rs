//! Refusals as Entra words and orders them: one JSON object, its headers, its status.
//!
//! The words of a broken rule come from `core::entra`; those that belong to HTTP itself from `entra::fault`.

use countersign_core::entra::fault::Fault;
use countersign_core::{Reason, entra, oauth};
use http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};

use super::context::Context;
use super::respond::{Answer, token_answer};
use crate::app::App;
use crate::token::claims::quote;

/// A refusal, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: StatusCode,
    /// Seconds after which it may be tried again (`Retry-After`), where that helps.
    pub retry_after: Option<u32>,
    /// `error`
    pub error: &'static str,
    /// The AADSTS number.
    pub code: u32,
    /// `error_description` without the ids behind it.
    pub description: String,
}

impl Refusal {
    /// The refusal for a broken rule.
    pub fn of(reason: &Reason) -> Self {
        let error = oauth::error(reason);
        Self {
            status: StatusCode::from_u16(error.status()).unwrap_or(StatusCode::BAD_REQUEST),
            retry_after: None,
            error: error.name(),
            code: entra::codes::code(reason),
            description: entra::text::description(reason),
        }
    }

    /// For metadata of a tenant that is not there: `invalid_tenant` instead of the token endpoint's `invalid_request`
    /// (recorded; MSAL Python looks for it).
    pub fn of_tenant(reason: &Reason) -> Self {
        Self { error: "invalid_tenant", status: StatusCode::BAD_REQUEST, ..Self::of(reason) }
    }

    /// The refusal for what no rule about a request gives.
    pub fn of_fault(fault: Fault) -> Self {
        Self {
            status: StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST),
            retry_after: (fault == Fault::Unavailable).then_some(1),
            error: fault.error(),
            code: fault.code(),
            description: fault.template(),
        }
    }

    /// The body is longer than allowed.
    pub fn too_large() -> Self {
        Self::of_fault(Fault::TooLarge)
    }

    /// The body did not come in time.
    pub fn too_slow() -> Self {
        Self::of_fault(Fault::TooSlow)
    }

    /// A request that HTTP allows and we do not, such as two `Host` headers.
    pub fn bad_request() -> Self {
        Self::of_fault(Fault::Malformed)
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::of_fault(Fault::NotFound)
    }

    /// Another method than the endpoint takes.
    pub fn method(method: &Method, accepted: &str) -> Self {
        let mut refusal = Self::of_fault(Fault::Method);
        let method = entra::text::clean(method.as_str());
        refusal.description = refusal.description.replace("{accepted}", accepted).replace("{method}", &method);
        refusal
    }

    /// A fault of ours.
    pub fn failed() -> Self {
        Self::of_fault(Fault::Failed)
    }

    /// We cannot answer at the moment.
    pub fn unavailable() -> Self {
        Self::of_fault(Fault::Unavailable)
    }

    /// Somebody asks more often than allowed (RFC 6585 §4). What Entra says then is not on record; the words are those of
    /// [`Fault::Unavailable`].
    pub fn too_many(seconds: u32) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, retry_after: Some(seconds), ..Self::unavailable() }
    }

    /// The answer: members in Entra's order.
    pub fn answer(&self, app: &App, context: &Context) -> Answer {
        let now = app.now();
        let mut body = String::with_capacity(1024);
        body.push_str("{\"error\":\"");
        body.push_str(self.error);
        body.push_str("\",\"error_description\":");
        let tail = entra::text::tail(&context.trace_id, &context.correlation_id, now);
        quote(&mut body, &format!("{}{tail}", self.description));
        body.push_str(&format!(
            ",\"error_codes\":[{}],\"timestamp\":\"{}\",\"trace_id\":\"{}\",\"correlation_id\":\"{}\",\"error_uri\":\"{}/error?code={}\"}}",
            self.code,
            now.entra_timestamp(),
            context.trace_id,
            context.correlation_id,
            context.base,
            self.code
        ));
        let mut response = token_answer(self.status, body, context, self.code);
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST, OPTIONS"));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body is not read.
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
