//! `/metadata/identity/oauth2/token`: what a virtual machine's managed identity is asked for.
//!
//! Parameters, answers and errors as in
//! <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token>.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::{NoToken, Query, issue};
use crate::app::App;
use crate::http::context::Context;
use crate::http::respond::{Answer, JSON, answer as respond, with_ids};
use crate::issue::IdentityName;

/// Answers a request.
pub async fn answer(app: &App, context: &Context, headers: &HeaderMap, query: &str, peer: std::net::IpAddr) -> Answer {
    let says = |status, error: &str, description: &str| {
        let mut response =
            respond(status, JSON, json!({ "error": error, "error_description": description }).to_string());
        with_ids(&mut response, context);
        response
    };
    // The documentation names the header and X-Forwarded-For as the two guards against requests that a program was made to
    // send; that the address is link-local is the third, here: loopback.
    if !headers.get("metadata").is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"true")) {
        return says(StatusCode::BAD_REQUEST, "bad_request_102", "Required metadata header not specified");
    }
    if headers.contains_key("x-forwarded-for") {
        return says(StatusCode::BAD_REQUEST, "invalid_request", "X-Forwarded-For header is not allowed");
    }
    if !peer.to_canonical().is_loopback() {
        return says(
            StatusCode::UNAUTHORIZED,
            "unknown_source",
            "Unknown Source: only programs of the same machine are answered",
        );
    }
    let query = Query::read(query);
    if query.get("api-version").is_none_or(|v| v < "2018-02-01" || v.len() != 10) {
        let body = json!({
            "error": "Bad request. api-version is invalid or was not specified in the request.",
            "newest-versions": ["2021-02-01", "2019-08-01", "2018-02-01"],
        });
        return respond(StatusCode::BAD_REQUEST, JSON, body.to_string());
    }
    let Some(resource) = query.get("resource") else {
        return says(StatusCode::BAD_REQUEST, "invalid_request", "Required query variable 'resource' is missing");
    };
    let name = match (
        query.get("client_id"),
        query.get("object_id"),
        query.get("msi_res_id").or_else(|| query.get("mi_res_id")),
    ) {
        (None, None, None) => IdentityName::Unnamed,
        (Some(id), None, None) => IdentityName::ClientId(id),
        (None, Some(id), None) => IdentityName::ObjectId(id),
        (None, None, Some(id)) => IdentityName::ResourceId(id),
        _ => {
            let why = "Only one of client_id, object_id and msi_res_id can be specified";
            return says(StatusCode::BAD_REQUEST, "invalid_request", why);
        }
    };
    match issue(app, context, name, resource).await {
        Ok(token) => {
            // Numbers are text here, as documented.
            let body = json!({
                "access_token": token.issued.access_token.as_str(),
                "client_id": token.client_id,
                "expires_in": token.issued.expires_in.to_string(),
                "expires_on": token.issued.expires_on.to_string(),
                "ext_expires_in": token.issued.expires_in.to_string(),
                "not_before": token.issued.not_before.to_string(),
                "resource": token.issued.resource,
                "token_type": "Bearer",
            });
            let mut response = respond(StatusCode::OK, JSON, body.to_string());
            with_ids(&mut response, context);
            response
        }
        // Recorded words, by which SDKs tell a machine without that identity.
        Err(NoToken::NoIdentity) => says(StatusCode::BAD_REQUEST, "invalid_request", "Identity not found"),
        Err(NoToken::Refused(refusal)) => {
            // A resource that is not there is `invalid_resource`, 400; the rest as at the token endpoint.
            let status = if refusal.status.is_server_error() { refusal.status } else { StatusCode::BAD_REQUEST };
            says(status, refusal.error, &refusal.description)
        }
    }
}
