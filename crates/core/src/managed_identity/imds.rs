//! The instance metadata service of virtual machines: `GET /metadata/identity/oauth2/token`.
//!
//! Parameters, answers and errors as in
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

use serde_json::json;

use super::{Answer, Asked, Given, IdentityName, Query, status_of_refusal};

/// The path of the endpoint.
pub const PATH: &str = "/metadata/identity/oauth2/token";

/// What guards the endpoint besides its address: it has no secret.
#[derive(Clone, Copy, Debug)]
pub struct Guards<'a> {
    /// The header `Metadata`.
    pub metadata: Option<&'a [u8]>,
    /// Whether there is a header `X-Forwarded-For`.
    pub forwarded: bool,
    /// Whether the request comes from this machine. Azure's address is link-local; here it must be loopback.
    pub same_machine: bool,
}

impl Guards<'_> {
    /// Refuses requests that a program may have been made to send for somebody else.
    ///
    /// # Errors
    /// The answer.
    pub fn check(&self) -> Result<(), Answer> {
        if !self.metadata.is_some_and(|v| v.eq_ignore_ascii_case(b"true")) {
            return Err(error(400, "bad_request_102", "Required metadata header not specified"));
        }
        if self.forwarded {
            return Err(error(400, "invalid_request", "X-Forwarded-For header is not allowed"));
        }
        if !self.same_machine {
            let why = "Unknown Source: only programs of the same machine are answered";
            return Err(error(401, "unknown_source", why));
        }
        Ok(())
    }
}

/// What a query asks for.
///
/// # Errors
/// The answer to a query that is incomplete or contradicts itself.
pub fn read(query: &Query) -> Result<Asked<'_>, Answer> {
    if query.get("api-version").is_none_or(|v| v < "2018-02-01" || v.len() != 10) {
        let body = json!({
            "error": "Bad request. api-version is invalid or was not specified in the request.",
            "newest-versions": ["2021-02-01", "2019-08-01", "2018-02-01"],
        });
        return Err(Answer { status: 400, body });
    }
    let Some(resource) = query.get("resource") else {
        return Err(error(400, "invalid_request", "Required query variable 'resource' is missing"));
    };
    let resource_id = query.get("msi_res_id").or_else(|| query.get("mi_res_id"));
    match IdentityName::of(query.get("client_id"), query.get("object_id"), resource_id) {
        Some(name) => Ok(Asked { resource, name }),
        None => {
            let why = "Only one of client_id, object_id and msi_res_id can be specified";
            Err(error(400, "invalid_request", why))
        }
    }
}

/// The token. Numbers are text here, as documented.
pub fn token(given: &Given<'_>) -> Answer {
    let body = json!({
        "access_token": given.access_token,
        "client_id": given.client_id,
        "expires_in": given.expires_in.to_string(),
        "expires_on": given.expires_on.to_string(),
        "ext_expires_in": given.expires_in.to_string(),
        "not_before": given.not_before.to_string(),
        "resource": given.resource,
        "token_type": "Bearer",
    });
    Answer { status: 200, body }
}

/// There is no such identity: recorded words, by which SDKs tell a machine without it.
pub fn no_identity() -> Answer {
    error(400, "invalid_request", "Identity not found")
}

/// The authority refused, or failed, with this status: `error` and `error_description` as at the token endpoint.
pub fn refused(status: u16, code: &str, description: &str) -> Answer {
    error(status_of_refusal(status), code, description)
}

fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer { status, body: json!({ "error": code, "error_description": description }) }
}
