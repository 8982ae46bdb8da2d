//! `/tenants` and `/subscriptions` of Azure Resource Manager, for `az login` and for SDKs that list what they may see.
//!
//! Every tenant has one subscription, whose id is computed from the tenant's. Errors as Azure Resource Manager forms them.

use http::header::{HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::admin::{self, Caller, NotIdentified};
use crate::app::App;
use crate::clouds::subscription_id;
use crate::http::context::Context;
use crate::http::respond::{Answer, JSON, answer as respond, with_ids};
use crate::store::model::TenantRecord;
use crate::well_known;

/// Answers a request to `/tenants…` or `/subscriptions…`.
pub async fn answer(
    app: &App,
    context: &Context,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    query: &str,
) -> Answer {
    let caller = match admin::identify_at(app, bearer(headers), &well_known::RESOURCE_MANAGER).await {
        Ok(caller) => caller,
        Err(why) => return unidentified(why, context),
    };
    if !query.split('&').any(|p| p.strip_prefix("api-version=").is_some_and(|v| !v.is_empty())) {
        let why = "The api-version query parameter (?api-version=) is required for all requests.";
        return fault(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", why, context);
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        return not_here(context);
    }
    let tenants = match app.store().tenants().await {
        Ok(tenants) => tenants,
        Err(error) => {
            app.metrics.failed.count();
            tracing::error!(trace_id = context.trace_id, %error, "tenants cannot be listed");
            return fault(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The service cannot answer at the moment.",
                context,
            );
        }
    };
    let seen: Vec<&TenantRecord> = tenants.iter().filter(|t| sees(&caller, t)).collect();
    let mut parts = path.trim_matches('/').split('/');
    let first = parts.next().unwrap_or_default();
    match (first.to_ascii_lowercase().as_str(), parts.next(), parts.next()) {
        ("tenants", None, None) => list(seen.into_iter().map(tenant), context),
        ("subscriptions", None, None) => list(seen.into_iter().map(subscription), context),
        ("subscriptions", Some(id), None) => {
            match seen.into_iter().find(|t| subscription_id(&t.id).eq_ignore_ascii_case(id)) {
                Some(found) => good(&subscription(found), context),
                None => {
                    let why =
                        format!("The subscription '{}' could not be found.", countersign_core::entra::text::clean(id));
                    fault(StatusCode::NOT_FOUND, "SubscriptionNotFound", &why, context)
                }
            }
        }
        // az asks for locations and providers here and there: there are none.
        (
            "subscriptions",
            Some(_),
            Some("locations" | "providers" | "resourcegroups" | "resourceGroups" | "resources"),
        ) => list(std::iter::empty(), context),
        _ => not_here(context),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::AUTHORIZATION).and_then(|v| v.to_str().ok())
}

fn sees(caller: &Caller, tenant: &TenantRecord) -> bool {
    match caller {
        Caller::Administrator => true,
        Caller::Application { tenant_id, .. } => *tenant_id == tenant.id,
    }
}

fn tenant(tenant: &TenantRecord) -> Value {
    json!({
        "id": format!("/tenants/{}", tenant.id),
        "tenantId": tenant.id,
        "countryCode": "",
        "displayName": tenant.display_name,
        "domains": tenant.domains,
        "tenantCategory": "Home",
        "defaultDomain": tenant.domains.first(),
        "tenantType": "AAD",
    })
}

fn subscription(tenant: &TenantRecord) -> Value {
    let id = subscription_id(&tenant.id);
    json!({
        "id": format!("/subscriptions/{id}"),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": id,
        "tenantId": tenant.id,
        "displayName": format!("{} (Countersign)", tenant.display_name),
        "state": "Enabled",
        "subscriptionPolicies": { "locationPlacementId": "Internal_2014-09-01", "quotaId": "Internal_2014-09-01", "spendingLimit": "Off" },
    })
}

fn list(values: impl Iterator<Item = Value>, context: &Context) -> Answer {
    let values: Vec<Value> = values.collect();
    let count = json!({ "type": "Total", "value": values.len() });
    good(&json!({ "value": values, "count": count }), context)
}

fn good(body: &Value, context: &Context) -> Answer {
    let mut response = respond(StatusCode::OK, JSON, body.to_string());
    with_ids(&mut response, context);
    response
}

/// An error in Azure Resource Manager's form.
pub(super) fn fault(status: StatusCode, code: &str, message: &str, context: &Context) -> Answer {
    let mut response = respond(status, JSON, json!({ "error": { "code": code, "message": message } }).to_string());
    with_ids(&mut response, context);
    response
}

fn not_here(context: &Context) -> Answer {
    let why = "There are no Azure resources here: tenants and subscriptions can be listed.";
    fault(StatusCode::NOT_FOUND, "NotFound", why, context)
}

/// 401 in the words of Azure Resource Manager; which authority to ask stands in the challenge, where SDKs look for it.
fn unidentified(why: NotIdentified, context: &Context) -> Answer {
    let (code, message) = match why {
        NotIdentified::NoToken => (
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing or the access token is missing or invalid.",
        ),
        NotIdentified::WrongToken => ("InvalidAuthenticationToken", "The access token is invalid."),
        NotIdentified::WrongAudience => (
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource. It should be for Azure Resource Manager, for \
             example https://management.azure.com/.default.",
        ),
    };
    let mut response = fault(StatusCode::UNAUTHORIZED, code, message, context);
    let challenge = format!(
        "Bearer authorization_uri=\"{}/common\", error=\"invalid_token\", error_description=\"The authentication failed because of \
         missing 'Authorization' header or an invalid token.\"",
        context.base
    );
    if let Ok(value) = HeaderValue::from_str(&challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    response
}
