//! `/metadata/endpoints`: the endpoints of this cloud.
//!
//! Called by a name of ours, everything is under that name; called by one of Microsoft's (under `run`), it is that cloud
//! with Microsoft's names. Members as Azure Resource Manager answers them, without services that are not here.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::clouds::{self, Cloud};
use crate::http::context::Context;
use crate::http::respond::{Answer, metadata};

use super::resource_manager::fault;

/// Answers `GET /metadata/endpoints`.
pub fn answer(context: &Context, query: &str) -> Answer {
    let version = query.split('&').find_map(|p| p.strip_prefix("api-version=")).unwrap_or_default();
    let cloud = clouds::of_base(&context.base);
    let body = match version {
        "" => {
            let why = "The api-version query parameter (?api-version=) is required for all requests.";
            return fault(StatusCode::BAD_REQUEST, "MissingApiVersionParameter", why, context);
        }
        // The first version knew one cloud and four members.
        "2015-01-01" => first_version(&context.base, cloud),
        // One that lists all clouds (azure-cli's ARM_CLOUD_METADATA_URL): this one alone, or all of Microsoft's.
        v if v < "2022-09-01" => match cloud {
            None => json!([local(&context.base)]),
            Some(_) => clouds::ALL.iter().map(microsoft).collect(),
        },
        _ => cloud.map_or_else(|| local(&context.base), microsoft),
    };
    metadata(body.to_string(), context)
}

fn first_version(base: &str, cloud: Option<&Cloud>) -> Value {
    let (login, portal, audience) = match cloud {
        Some(cloud) => (format!("https://{}/", cloud.login[0]), cloud.portal.to_owned(), cloud.audiences[0]),
        None => (format!("{base}/"), format!("{base}/portal/"), clouds::ALL[0].audiences[0]),
    };
    json!({
        "galleryEndpoint": "",
        "graphEndpoint": "",
        "portalEndpoint": portal,
        "authentication": { "loginEndpoint": login, "audiences": [audience] },
    })
}

/// This service as a cloud of its own. Its Graph is named by our URL, which as a resource means Microsoft Graph; the resource
/// manager keeps the public cloud's audience, so that a token for it is the usual one.
fn local(base: &str) -> Value {
    json!({
        "name": "Countersign",
        "portal": format!("{base}/portal/"),
        "authentication": {
            "loginEndpoint": base,
            "audiences": clouds::ALL[0].audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": base,
        "microsoftGraphResourceId": base,
        "suffixes": suffixes(&clouds::ALL[0]),
    })
}

fn microsoft(cloud: &Cloud) -> Value {
    json!({
        "name": cloud.name,
        "portal": cloud.portal,
        "authentication": {
            "loginEndpoint": format!("https://{}", cloud.login[0]),
            "audiences": cloud.audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": format!("https://{}/", cloud.resource_manager[0]),
        "microsoftGraphResourceId": format!("https://{}/", cloud.graph[0]),
        "suffixes": suffixes(cloud),
    })
}

fn suffixes(cloud: &Cloud) -> Value {
    cloud.suffixes.iter().map(|(name, suffix)| ((*name).to_owned(), Value::from(*suffix))).collect::<Map<_, _>>().into()
}
