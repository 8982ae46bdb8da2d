//! OpenID Connect discovery, v1.0 and v2.0, and the JWK Set, with the members recorded at Entra.
//!
//! A domain name in the URL is answered with ids; `common` and `organizations` keep `{tenantid}` in the issuer.

use countersign_core::Reason;
use countersign_core::authority::TenantSegment;
use serde_json::{Value, json};

use crate::app::App;
use crate::clouds;
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
    let algorithms = app.signer.algorithms(app.now());
    metadata(document(&context.base, &tenant, version, &algorithms).to_string(), context)
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
/// not in any record; `self_signed_tls_client_auth`, which newer ones list, is not offered here.
fn document(base: &str, tenant: &Named, version: Version, algorithms: &[&str]) -> Value {
    let path = &tenant.path;
    let v2 = version == Version::V2;
    let endpoint = |name: &str| format!("{base}/{path}/oauth2{}/{name}", if v2 { "/v2.0" } else { "" });
    let (keys, issuer) = if v2 {
        (format!("{base}/{path}/discovery/v2.0/keys"), format!("{base}/{}/v2.0", tenant.issuer))
    } else {
        (format!("{base}/common/discovery/keys"), format!("{}/{}/", clouds::issuer_v1(base), tenant.issuer))
    };
    let (response_types, scopes) = if v2 {
        (
            json!(["code", "id_token", "code id_token", "id_token token"]),
            json!(["openid", "profile", "email", "offline_access"]),
        )
    } else {
        (json!(["code", "id_token", "code id_token", "token id_token", "token"]), json!(["openid"]))
    };
    let mut claims = vec![
        "sub",
        "iss",
        "cloud_instance_name",
        "cloud_instance_host_name",
        "cloud_graph_host_name",
        "msgraph_host",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "acr",
    ];
    claims.extend_from_slice(if v2 {
        &["nonce", "preferred_username", "name", "tid", "ver", "at_hash", "c_hash", "email"]
    } else {
        &["amr", "nonce", "email", "given_name", "family_name", "nickname"]
    });
    let head = json!({
        "token_endpoint": endpoint("token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": keys,
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": algorithms,
        "response_types_supported": response_types,
        "scopes_supported": scopes,
        "issuer": issuer,
    });
    let of_version = if v2 {
        json!({ "request_uri_parameter_supported": false, "userinfo_endpoint": format!("{base}/oidc/userinfo") })
    } else {
        json!({ "microsoft_multi_refresh_token": true })
    };
    let endpoints = json!({
        "authorization_endpoint": endpoint("authorize"),
        "device_authorization_endpoint": endpoint("devicecode"),
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "end_session_endpoint": endpoint("logout"),
        "claims_supported": claims,
    });
    let of_v1 = if v2 {
        json!({})
    } else {
        json!({
            "check_session_iframe": endpoint("checksession"),
            "userinfo_endpoint": format!("{base}/{path}/openid/userinfo"),
        })
    };
    let tail = json!({
        "kerberos_endpoint": format!("{base}/{path}/kerberos"),
        "tenant_region_scope": null,
        "cloud_instance_name": host(base),
        "cloud_graph_host_name": host(base),
        "msgraph_host": graph_host(base),
        "rbac_url": base,
    });
    let parts = [head, of_version, endpoints, of_v1, tail];
    parts
        .into_iter()
        .filter_map(|part| if let Value::Object(members) = part { Some(members) } else { None })
        .flatten()
        .collect()
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
        let found = document("https://x:1", &common, Version::V2, &["RS256"]);
        assert_eq!(found["issuer"], "https://x:1/{tenantid}/v2.0");
        assert_eq!(found["jwks_uri"], "https://x:1/common/discovery/v2.0/keys");
        assert_eq!(document("https://x:1", &common, Version::V1, &["RS256"])["issuer"], "https://x:1/{tenantid}/");
    }

    #[test]
    fn members_are_the_recorded_ones_of_each_version_in_order() {
        let tenant = Named { path: "t".into(), issuer: "t".into() };
        let names = |version| {
            let Value::Object(members) = document("https://x:1", &tenant, version, &["RS256"]) else { panic!() };
            members.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let shared = "token_endpoint token_endpoint_auth_methods_supported jwks_uri response_modes_supported subject_types_supported \
                      id_token_signing_alg_values_supported response_types_supported scopes_supported issuer";
        let middle = "authorization_endpoint device_authorization_endpoint http_logout_supported frontchannel_logout_supported \
                      end_session_endpoint claims_supported";
        let tail =
            "kerberos_endpoint tenant_region_scope cloud_instance_name cloud_graph_host_name msgraph_host rbac_url";
        assert_eq!(
            names(Version::V2),
            format!("{shared} request_uri_parameter_supported userinfo_endpoint {middle} {tail}")
        );
        assert_eq!(
            names(Version::V1),
            format!("{shared} microsoft_multi_refresh_token {middle} check_session_iframe userinfo_endpoint {tail}")
        );
    }
}
