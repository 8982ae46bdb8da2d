//! Errors in Microsoft Graph's form, and how faults of the directory become such errors.
//!
//! Every refusal of the Graph subset passes here. What happened inside is logged by the caller and never shown.
//! See "Microsoft Graph error responses" (<https://learn.microsoft.com/graph/errors>).

use http::StatusCode;

use crate::resources::fault::{Fault, shown};
use crate::store::StoreError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphError {
    /// HTTP status.
    pub status: StatusCode,
    /// `error.code`
    pub code: &'static str,
    /// `error.message`
    pub message: String,
}

impl GraphError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into() }
    }

    /// 400: the request says something that is not taken.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// 400: a query option that is not supported.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    /// 404: no object with that id.
    pub fn not_found(id: &str) -> Self {
        let message = format!(
            "Resource '{}' does not exist or one of its queried reference-property objects are not present.",
            shown(id)
        );
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// 404: no such path.
    pub fn no_segment(segment: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "BadRequest",
            format!("Resource not found for the segment '{}'.", shown(segment)),
        )
    }

    /// 405: the path is there, the method is not.
    pub fn method() -> Self {
        let message = "Specified HTTP method is not allowed for the request target.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message)
    }

    /// 401: nobody, or a token that is none.
    pub fn no_token(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// 401 with the code that addKey and removeKey give for a proof that is no JWT.
    pub fn malformed_proof(message: &str) -> Self {
        let message = format!("Access Token missing or malformed: the proof is no usable JWT: {message}");
        Self::new(StatusCode::UNAUTHORIZED, "Authentication_MissingOrMalformed", message)
    }

    /// 403: a token without the role that this needs.
    pub fn denied(needed: &[&str]) -> Self {
        let message = format!(
            "Insufficient privileges to complete the operation. One of these roles is needed: {}.",
            needed.join(", ")
        );
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
    }

    /// 409: a value that may stand once is taken.
    pub fn taken(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message)
    }

    /// 412: the object is not the one of `If-Match`.
    pub fn precondition() -> Self {
        let message = "The object was changed since the ETag of If-Match was read.";
        Self::new(StatusCode::PRECONDITION_FAILED, "Request_PreconditionFailed", message)
    }

    /// 408: a body that did not come in time.
    pub fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "Request_BadRequest", "The request body did not arrive in time.")
    }

    /// 429: more than the service takes at the moment.
    pub fn too_many() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Too many requests; try again later.")
    }

    /// 500: a fault of ours.
    pub fn failed() -> Self {
        let message = "The request failed inside the service. Nothing was changed.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "generalException", message)
    }

    /// 413: a body beyond the limit.
    pub fn too_large() -> Self {
        let message = "The request body is larger than 256 KB.";
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "Request_BadRequest", message)
    }

    /// 415: a body of another kind than JSON.
    pub fn media_type() -> Self {
        let message = "The request body must be JSON (Content-Type: application/json).";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Request_BadRequest", message)
    }

    /// 503: the store cannot be used at the moment.
    pub fn unavailable() -> Self {
        let message = "The directory cannot be read or written at the moment. Nothing was changed; try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "serviceNotAvailable", message)
    }
}

impl From<Fault> for GraphError {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        match fault.code {
            Some(code @ "Request_MultipleObjectsWithSameKeyValue") => Self::new(StatusCode::CONFLICT, code, message),
            // Entra answers 403 when an object has as many of something as it may (Graph errors, Directory_QuotaExceeded).
            Some(code @ "Directory_QuotaExceeded") => Self::new(StatusCode::FORBIDDEN, code, message),
            Some(code) => Self::new(StatusCode::BAD_REQUEST, code, message),
            None => Self::bad(message),
        }
    }
}

impl From<StoreError> for GraphError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { what, value } => Self::taken(format!(
                "Another object with the same value for property {what} already exists: '{}'.",
                shown(&value)
            )),
            StoreError::NotFound { id, .. } => Self::not_found(&id),
            StoreError::Changed { .. } => {
                Self::taken("The object is being changed by others at the same time; try again.")
            }
            error @ (StoreError::Full | StoreError::Unavailable(_) | StoreError::Damaged(_)) => {
                tracing::error!(%error, "the directory cannot be used");
                Self::unavailable()
            }
        }
    }
}
