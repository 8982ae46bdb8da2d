//! Refusals as Entra words and orders them: one JSON object, its headers, its status.
//!
//! The words of a broken rule come from `core::entra`; here stand only the few that belong to HTTP itself.

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

    fn malformed(status: StatusCode) -> Self {
        Self {
            status,
            error: "invalid_request",
            code: 9_002_313,
            description: "AADSTS9002313: Invalid request. Request is malformed or invalid.".to_owned(),
        }
    }

    /// The body is longer than allowed (RFC 9110 §15.5.14).
    pub fn too_large() -> Self {
        Self::malformed(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// The body did not come in time (RFC 9110 §15.5.9).
    pub fn too_slow() -> Self {
        Self::malformed(StatusCode::REQUEST_TIMEOUT)
    }

    /// A request that HTTP allows and we do not, such as two `Host` headers (RFC 9112 §3.2).
    pub fn bad_request() -> Self {
        Self::malformed(StatusCode::BAD_REQUEST)
    }

    /// No such path.
    pub fn not_found() -> Self {
        Self::malformed(StatusCode::NOT_FOUND)
    }

    /// Another method than the endpoint takes. Wording by Microsoft's reference of AADSTS codes; the status is HTTP's.
    pub fn method(method: &Method, accepted: &str) -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            error: "invalid_request",
            code: 900_561,
            description: format!(
                "AADSTS900561: The endpoint only accepts {accepted} requests. Received a {} request.",
                entra::text::clean(method.as_str())
            ),
        }
    }

    /// A fault of ours (RFC 6749 §4.1.2.1 names the error; no client_credentials record shows one). Wording not on record.
    pub fn failed() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error: "server_error",
            code: 50_000,
            description: "AADSTS50000: There was an error issuing a token or an issue with our sign-in service."
                .to_owned(),
        }
    }

    /// We cannot answer at the moment; wording not on record.
    pub fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            error: "temporarily_unavailable",
            code: 90_033,
            description: "AADSTS90033: A transient error has occurred. Please try again.".to_owned(),
        }
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
        if self.status == StatusCode::SERVICE_UNAVAILABLE || self.status == StatusCode::TOO_MANY_REQUESTS {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self.status, StatusCode::PAYLOAD_TOO_LARGE | StatusCode::REQUEST_TIMEOUT) {
            // The rest of the body is not read.
            headers.insert(http::header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}
