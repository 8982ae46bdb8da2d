//! The `servicePrincipal` resource: an application's presence in a tenant, made with it, switched off or deleted by itself.
//!
//! Called by `http::graph`, `seed` and `state` (<https://learn.microsoft.com/graph/api/resources/serviceprincipal>).

use std::sync::LazyLock;

use countersign_core::UnixTime;
use serde_json::{Map, Value as Json, json};

use super::fault::{Fault, Path};
use super::fields::Fields;
use super::tree::{Node, Value};
use super::{Origin, Reading, certificate, roles};
use crate::store::model::{AppRoleRecord, ApplicationRecord, ServicePrincipalRecord};
use crate::well_known::WellKnown;

/// A service principal of a file.
pub type Given = ServicePrincipalRecord;

/// Members that the service gives, or takes from the application.
const READ_ONLY: &[&str] = &[
    "id",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "displayName",
    "appDisplayName",
    "appDescription",
    "appOwnerOrganizationId",
    "applicationTemplateId",
    "servicePrincipalNames",
    "servicePrincipalType",
    "signInAudience",
    "appRoles",
    "verifiedPublisher",
    "disabledByMicrosoftStatus",
    "keyCredentials",
    "passwordCredentials",
    "oauth2PermissionScopes",
    "resourceSpecificApplicationPermissions",
    "grantedRoles",
];

/// The service principal that is made with an application.
pub fn made_with(application: &ApplicationRecord, object_id: String, created: UnixTime) -> ServicePrincipalRecord {
    ServicePrincipalRecord {
        tenant_id: application.tenant_id.clone(),
        object_id,
        app_id: application.app_id.clone(),
        display_name: application.display_name.clone(),
        enabled: true,
        created,
        version: 1,
        ..ServicePrincipalRecord::default()
    }
}

/// The service principal that a file gives an application: made with it, described by `servicePrincipal`, or none (null).
///
/// # Errors
/// The first rule that is broken.
pub fn of_application(
    application: &ApplicationRecord,
    fields: &Fields<'_>,
    reading: &mut Reading<'_>,
) -> Result<Option<Given>, Fault> {
    match fields.node.get("servicePrincipal") {
        None => {
            let id = reading.new_id();
            Ok(Some(made_with(application, id, application.created)))
        }
        Some(Node { value: Value::Null, .. }) => Ok(None),
        Some(node) => {
            let path = fields.path.member("servicePrincipal");
            from_file(node, &path, application, reading).map(Some)
        }
    }
}

/// A service principal of a file, for this application.
///
/// # Errors
/// The first rule that is broken.
pub fn from_file(
    node: &Node,
    path: &Path<'_>,
    application: &ApplicationRecord,
    reading: &mut Reading<'_>,
) -> Result<Given, Fault> {
    let fields = Fields::of(node, path)?;
    let id = match fields.guid("id")? {
        Some(id) => id,
        None => reading.new_id(),
    };
    let created = fields.time("createdDateTime")?.unwrap_or(application.created);
    let mut record = made_with(application, id, created);
    take(&mut record, &fields, reading)?;
    Ok(record)
}

/// The service principal after a PATCH, or the new one of a POST.
///
/// # Errors
/// The first rule that is broken.
pub fn update(
    old: &ServicePrincipalRecord,
    node: &Node,
    reading: &mut Reading<'_>,
) -> Result<ServicePrincipalRecord, Fault> {
    let root = Path::root();
    let fields = Fields::of(node, &root)?;
    let mut record = old.clone();
    take(&mut record, &fields, reading)?;
    Ok(record)
}

fn take(record: &mut ServicePrincipalRecord, fields: &Fields<'_>, reading: &mut Reading<'_>) -> Result<(), Fault> {
    if let Some((found, what)) = certificate::find_private_key(fields.node) {
        return Err(Fault::at(found.at, fields.path, format!("the value holds {what}; it was not kept")));
    }
    if let Some(enabled) = fields.flag("accountEnabled")? {
        record.enabled = enabled;
    }
    if let Some(required) = fields.flag("appRoleAssignmentRequired")? {
        record.assignment_required = required;
    }
    fields.texts("tags", 1_000, 256)?;
    fields.text("notes", 1024)?;
    for name in ["keyCredentials", "passwordCredentials"] {
        // Credentials of client applications stand on the application; Entra refuses symmetric ones here (AADSTS7002104).
        if reading.origin == Origin::Graph && fields.list(name, 1_000)?.is_some_and(|list| !list.is_empty()) {
            return Err(fields.fault(name, "not kept on service principals here; add it to the application"));
        }
    }
    for member in fields.members() {
        let name = member.name.as_str();
        let own = matches!(name, "accountEnabled" | "appRoleAssignmentRequired");
        if own || READ_ONLY.contains(&name) || name.contains('@') {
            continue;
        }
        match member.node.to_json() {
            Json::Null => drop(record.document.shift_remove(name)),
            value => drop(record.document.insert(name.to_owned(), value)),
        }
    }
    Ok(())
}

/// The resource as Graph's JSON shows it; `application` is the registration in this tenant, if it is here.
pub fn show(record: &ServicePrincipalRecord, application: Option<&ApplicationRecord>) -> Map<String, Json> {
    let mut out = defaults();
    out.extend(record.document.clone());
    let uris = application.map(|a| a.identifier_uris.as_slice()).unwrap_or_default();
    let names: Vec<&str> = std::iter::once(record.app_id.as_str()).chain(uris.iter().map(String::as_str)).collect();
    let app_roles: &[AppRoleRecord] = application.map(|a| a.app_roles.as_slice()).unwrap_or_default();
    let name = application.map_or(&record.display_name, |a| &a.display_name);
    let audience = application.and_then(|a| a.document.get("signInAudience")).cloned();
    let mut set = |name: &str, value: Json| out.insert(name.to_owned(), value);
    set("id", record.object_id.clone().into());
    set("accountEnabled", record.enabled.into());
    set("appDisplayName", name.clone().into());
    set("appId", record.app_id.clone().into());
    set("appOwnerOrganizationId", application.map(|a| a.tenant_id.clone()).into());
    set("appRoleAssignmentRequired", record.assignment_required.into());
    set("appRoles", app_roles.iter().map(roles::show).collect());
    set("createdDateTime", record.created.rfc3339().into());
    set("displayName", name.clone().into());
    set("servicePrincipalNames", names.into());
    set("signInAudience", audience.unwrap_or_else(|| "AzureADMyOrg".into()));
    out
}

/// A built-in resource's service principal.
pub fn show_well_known(
    resource: &WellKnown,
    tenant_id: &str,
    stored: Option<&ServicePrincipalRecord>,
) -> Map<String, Json> {
    let record = stored.cloned().unwrap_or_else(|| ServicePrincipalRecord {
        tenant_id: tenant_id.to_owned(),
        object_id: resource.object_id(tenant_id),
        app_id: resource.app_id.to_owned(),
        display_name: resource.display_name.to_owned(),
        enabled: true,
        ..ServicePrincipalRecord::default()
    });
    let mut out = show(&record, None);
    let names: Vec<&str> = std::iter::once(resource.app_id).chain(resource.uris.iter().copied()).collect();
    let role = |(id, value): &(&str, &str)| {
        json!({
            "allowedMemberTypes": ["Application"], "description": value, "displayName": value, "id": id,
            "isEnabled": true, "origin": "Application", "value": value,
        })
    };
    out.insert("servicePrincipalNames".to_owned(), names.into());
    out.insert("appRoles".to_owned(), resource.roles.iter().map(role).collect());
    out.insert("appOwnerOrganizationId".to_owned(), MICROSOFT_SERVICES.into());
    out.insert("signInAudience".to_owned(), "AzureADMultipleOrgs".into());
    out
}

/// The service principal as a state file carries it.
pub fn export(record: &ServicePrincipalRecord) -> Json {
    let mut out = Map::new();
    out.insert("id".to_owned(), record.object_id.clone().into());
    out.insert("createdDateTime".to_owned(), record.created.rfc3339().into());
    out.insert("accountEnabled".to_owned(), record.enabled.into());
    out.insert("appRoleAssignmentRequired".to_owned(), record.assignment_required.into());
    out.extend(record.document.clone());
    out.into()
}

/// The tenant that owns Microsoft's own applications ("Microsoft Services").
const MICROSOFT_SERVICES: &str = "f8cdef31-a31e-4b4a-93e4-5f571e91255a";

fn defaults() -> Map<String, Json> {
    static SHOWN: LazyLock<Map<String, Json>> =
        LazyLock::new(|| serde_json::from_str(include_str!("service_principal.json")).unwrap_or_default());
    SHOWN.clone()
}

#[cfg(test)]
mod tests {
    use super::super::tests_means::Counting;
    use super::*;
    use crate::well_known;

    fn application() -> ApplicationRecord {
        ApplicationRecord {
            tenant_id: "t".into(),
            app_id: "a".into(),
            display_name: "Payroll".into(),
            ..ApplicationRecord::default()
        }
    }

    #[test]
    fn a_file_gives_none_one_or_the_usual() {
        let application = application();
        let root = Path::root();
        let mut means = Counting::default();
        let mut reading = Reading::new(Origin::File, UnixTime::EPOCH, &mut means);
        let mut read = |value: Json| {
            let node = Node::from_json(&value);
            of_application(&application, &Fields::of(&node, &root).unwrap(), &mut reading)
        };
        assert_eq!(read(json!({"servicePrincipal": null})).unwrap(), None);
        assert!(read(json!({})).unwrap().unwrap().enabled);
        let off = read(json!({"servicePrincipal": {"accountEnabled": false, "tags": ["a"]}})).unwrap().unwrap();
        assert!(!off.enabled && off.document.contains_key("tags"));
        let again = read(json!({"servicePrincipal": export(&off)})).unwrap().unwrap();
        assert_eq!(again, off);
        assert!(read(json!({"servicePrincipal": {"accountEnabled": "no"}})).is_err());
    }

    #[test]
    fn a_patch_switches_off_and_keeps_ids() {
        let record = made_with(&application(), "o".into(), UnixTime::EPOCH);
        let mut means = Counting::default();
        let mut reading = Reading::new(Origin::Graph, UnixTime::EPOCH, &mut means);
        let patch = json!({"accountEnabled": false, "id": "x", "appId": "y", "displayName": "z"});
        let new = update(&record, &Node::from_json(&patch), &mut reading).unwrap();
        assert_eq!(new, ServicePrincipalRecord { enabled: false, ..record.clone() });
        let key = json!({"keyCredentials": [{"key": "x"}]});
        assert_eq!(update(&record, &Node::from_json(&key), &mut reading).unwrap_err().path, "keyCredentials");
    }

    #[test]
    fn built_in_resources_show_their_roles() {
        let shown = show_well_known(&well_known::GRAPH, "t", None);
        assert_eq!(shown["id"], well_known::GRAPH.object_id("t"));
        assert!(shown["appRoles"].as_array().unwrap().iter().any(|r| r["value"] == "Application.Read.All"));
    }
}
