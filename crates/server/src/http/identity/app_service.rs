//! `/msi/token`: what `IDENTITY_ENDPOINT` names in App Service and Functions.
//!
//! Parameters and answers as in <https://learn.microsoft.com/azure/app-service/overview-managed-identity>, with the older
//! version 2017-09-01, which still is what some SDKs ask for.

use http::{HeaderMap, StatusCode};
use serde_json::json;

use countersign_core::time::UnixTime;

use super::{NoToken, Query, issue};
use crate::app::App;
use crate::http::context::Context;
use crate::http::respond::{Answer, JSON, answer as respond, with_ids};
use crate::issue::IdentityName;

/// Answers a request.
pub async fn answer(app: &App, context: &Context, headers: &HeaderMap, query: &str) -> Answer {
    let says = |status: StatusCode, message: &str| {
        let body =
            json!({ "statusCode": status.as_u16(), "message": message, "correlationId": context.correlation_id });
        let mut response = respond(status, JSON, body.to_string());
        with_ids(&mut response, context);
        response
    };
    let query = Query::read(query);
    let old = match query.get("api-version") {
        Some("2017-09-01") => true,
        Some("2019-08-01") => false,
        _ => return says(StatusCode::BAD_REQUEST, "api-version must be 2019-08-01 or 2017-09-01"),
    };
    let (header, client_id) = if old { ("secret", "clientid") } else { ("x-identity-header", "client_id") };
    let secret = headers.get(header).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !app.identities.is_secret(secret) {
        let file = crate::identities::IDENTITY_HEADER_FILE;
        let why =
            format!("the header {header} must hold the value of IDENTITY_HEADER (file {file} in the data folder)");
        return says(StatusCode::UNAUTHORIZED, &why);
    }
    let Some(resource) = query.get("resource") else {
        return says(StatusCode::BAD_REQUEST, "the parameter resource is missing");
    };
    let principal = query.get("principal_id").or_else(|| query.get("object_id"));
    let name = match (query.get(client_id), principal, query.get("mi_res_id")) {
        (None, None, None) => IdentityName::Unnamed,
        (Some(id), None, None) => IdentityName::ClientId(id),
        (None, Some(id), None) => IdentityName::ObjectId(id),
        (None, None, Some(id)) => IdentityName::ResourceId(id),
        _ => return says(StatusCode::BAD_REQUEST, "only one of client_id, principal_id and mi_res_id can be given"),
    };
    match issue(app, context, name, resource).await {
        Ok(token) => {
            let expires_on = match old {
                true => american(UnixTime::from_secs(token.issued.expires_on)),
                false => token.issued.expires_on.to_string(),
            };
            let body = json!({
                "access_token": token.issued.access_token.as_str(),
                "client_id": token.client_id,
                "expires_on": expires_on,
                "not_before": token.issued.not_before.to_string(),
                "resource": token.issued.resource,
                "token_type": "Bearer",
            });
            let mut response = respond(StatusCode::OK, JSON, body.to_string());
            with_ids(&mut response, context);
            response
        }
        Err(NoToken::NoIdentity) => says(
            StatusCode::BAD_REQUEST,
            "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        ),
        Err(NoToken::Refused(refusal)) => {
            let status = if refusal.status.is_server_error() { refusal.status } else { StatusCode::BAD_REQUEST };
            says(status, &refusal.description)
        }
    }
}

/// A time as version 2017-09-01 writes it: `9/14/2017 1:05:00 PM +00:00`.
fn american(time: UnixTime) -> String {
    let c = time.civil();
    let of_day = time.secs().rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let half = if hour < 12 { "AM" } else { "PM" };
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{}/{}/{} {hour}:{minute:02}:{second:02} {half} +00:00", c.month, c.day, c.year)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_version_writes_american_times() {
        assert_eq!(american(UnixTime::from_secs(1_505_394_300)), "9/14/2017 1:05:00 PM +00:00");
        assert_eq!(american(UnixTime::from_secs(1_505_347_205)), "9/14/2017 12:00:05 AM +00:00");
        assert_eq!(american(UnixTime::from_secs(1_505_390_400)), "9/14/2017 12:00:00 PM +00:00");
    }
}
