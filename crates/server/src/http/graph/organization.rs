//! `organization`: the tenant that the caller is in.
//!
//! Called by [`super::dispatch`]; `az` and the SDKs read the tenant's name and domains here.

use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::error::GraphError;
use super::{Call, Outcome};

const READ: &[&str] = &[
    "Organization.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
    "Application.Read.All",
    "Application.ReadWrite.All",
];

fn show(call: &Call<'_>) -> Json {
    let domain = |(i, name): (usize, &String)| json!({"name": name, "isDefault": i == 0, "isInitial": i == 0, "type": "Managed", "capabilities": ""});
    json!({
        "id": call.tenant.id,
        "displayName": call.tenant.display_name,
        "tenantType": "AAD",
        "verifiedDomains": call.tenant.domains.iter().enumerate().map(domain).collect::<Vec<_>>(),
    })
}

pub(super) fn list(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    Ok(call.whole_list("organization", vec![show(call)]))
}

pub(super) fn read(call: &Call<'_>, id: &str) -> Outcome {
    call.needs(READ)?;
    if !id.eq_ignore_ascii_case(&call.tenant.id) {
        return Err(GraphError::not_found(id));
    }
    let object = match show(call) {
        Json::Object(object) => object,
        _ => Map::new(),
    };
    Ok(call.entity("organization", StatusCode::OK, object, None))
}
