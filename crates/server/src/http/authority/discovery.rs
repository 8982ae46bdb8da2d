//! OpenID Connect discovery, v1.0 and v2.0, and the JWK Set, with the members recorded at Entra.
//!
//! A domain name in the URL is answered with ids; `common` and `organizations` keep `{tenantid}` in the issuer.

use countersign_core::Reason;
use countersign_core::authority::TenantSegment;
use serde_json::json;

use crate::app::App;
use crate::clouds;
use crate::clouds::issuer_v1;
use crate::http::context::Context;
use crate::http::error::Refusal;
use crate::http::respond::{Answer, metadata};

/// Which version of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// v1.0
    V1,
    /// v2.0
    V2,
}

/// The OpenID configuration.
pub async fn configuration(app: &App, context: &Context, segment: &str, version: Version) -> Answer {
    let tenant = match tenant(app, segment).await {
        Ok(tenant) => tenant,
        Err(refusal) => return refusal.answer(app, context),
    };
    let body = match version {
        Version::V1 => v1(&context.base, &tenant),
        Version::V2 => v2(&context.base, &tenant),
    };
    metadata(body.to_string(), context)
}

/// The JWK Set. Keys are shared by all tenants, so their issuer is the template.
pub async fn keys(app: &App, context: &Context, segment: &str) -> Answer {
    match tenant(app, segment).await {
        Ok(_) => metadata(app.signer.jwk_set(&format!("{}/{{tenantid}}/v2.0", context.base), app.now()), context),
        Err(refusal) => refusal.answer(app, context),
    }
}

/// The tenant in the paths of the answer, and the one in its issuer.
struct Named {
    path: String,
    issuer: String,
}

async fn tenant(app: &App, segment: &str) -> Result<Named, Refusal> {
    let unknown = || Reason::TenantUnknown { received: segment.to_owned() };
    match TenantSegment::read(segment) {
        TenantSegment::Shared(shared) => {
            Ok(Named { path: shared.to_ascii_lowercase(), issuer: "{tenantid}".to_owned() })
        }
        TenantSegment::Id(id) | TenantSegment::Domain(id) => match app.directory.tenant(id).await {
            Ok(Some(tenant)) => Ok(Named { path: tenant.names.id.clone(), issuer: tenant.names.id.clone() }),
            Ok(None) => Err(Refusal::of_tenant(&unknown())),
            Err(error) => {
                app.metrics.failed.count();
                tracing::error!(%error, "metadata could not be read");
                Err(Refusal::unavailable())
            }
        },
        TenantSegment::Nil => Err(Refusal::of_tenant(&Reason::TenantNil)),
        TenantSegment::Malformed(_) => {
            Err(Refusal::of_tenant(&Reason::TenantMalformed { received: segment.to_owned() }))
        }
    }
}

fn host(base: &str) -> &str {
    base.split_once("://").map_or(base, |(_, host)| host)
}

/// Members as recorded, in their order. `token_endpoint_auth_signing_alg_values_supported` and `grant_types_supported` are
/// not in any record.
fn v2(base: &str, tenant: &Named) -> serde_json::Value {
    let path = &tenant.path;
    json!({
        "token_endpoint": format!("{base}/{path}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/{path}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{base}/{}/v2.0", tenant.issuer),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{base}/oidc/userinfo"),
        "authorization_endpoint": format!("{base}/{path}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{path}/oauth2/v2.0/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{path}/oauth2/v2.0/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "nonce", "preferred_username", "name", "tid", "ver",
            "at_hash", "c_hash", "email"],
        "kerberos_endpoint": format!("{base}/{path}/kerberos"),
        "tenant_region_scope": null,
        "cloud_instance_name": host(base),
        "cloud_graph_host_name": host(base),
        "msgraph_host": graph_host(base),
        "rbac_url": base,
    })
}

fn v1(base: &str, tenant: &Named) -> serde_json::Value {
    let path = &tenant.path;
    json!({
        "token_endpoint": format!("{base}/{path}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{base}/common/discovery/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "scopes_supported": ["openid"],
        "issuer": format!("{}/{}/", issuer_v1(base), tenant.issuer),
        "microsoft_multi_refresh_token": true,
        "authorization_endpoint": format!("{base}/{path}/oauth2/authorize"),
        "device_authorization_endpoint": format!("{base}/{path}/oauth2/devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": format!("{base}/{path}/oauth2/logout"),
        "claims_supported": ["sub", "iss", "cloud_instance_name", "cloud_instance_host_name", "cloud_graph_host_name",
            "msgraph_host", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "email", "given_name", "family_name",
            "nickname"],
        "check_session_iframe": format!("{base}/{path}/oauth2/checksession"),
        "userinfo_endpoint": format!("{base}/{path}/openid/userinfo"),
        "kerberos_endpoint": format!("{base}/{path}/kerberos"),
        "tenant_region_scope": null,
        "cloud_instance_name": host(base),
        "cloud_graph_host_name": host(base),
        "msgraph_host": graph_host(base),
        "rbac_url": base,
    })
}

/// Host of Microsoft Graph: the cloud's, when we were called by a name of Microsoft's, else ours.
fn graph_host(base: &str) -> &str {
    clouds::of_base(base).and_then(|c| c.graph.first().copied()).unwrap_or_else(|| host(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_keeps_the_template_in_its_issuer() {
        let common = Named { path: "common".into(), issuer: "{tenantid}".into() };
        let found = v2("https://x:1", &common);
        assert_eq!(found["issuer"], "https://x:1/{tenantid}/v2.0");
        assert_eq!(found["jwks_uri"], "https://x:1/common/discovery/v2.0/keys");
        assert_eq!(v1("https://x:1", &common)["issuer"], "https://x:1/{tenantid}/");
    }
}
