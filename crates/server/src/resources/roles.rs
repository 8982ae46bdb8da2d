//! `appRoles` that an application offers, and the roles that a file says it holds.
//!
//! Called by [`super::application`] and by Graph's appRoleAssignments. See Microsoft Graph, `appRole`
//! (<https://learn.microsoft.com/graph/api/resources/approle>).

use std::collections::HashSet;

use countersign_core::UnixTime;
use serde_json::{Value as Json, json};

use super::fault::{Fault, Path, shown};
use super::fields::Fields;
use super::tree::Spot;
use super::{Origin, Reading};
use crate::store::model::{AppRoleRecord, RoleAssignmentRecord};
use crate::well_known;

const MAX_ROLES: usize = 1_200;
/// The id that stands for "no particular role" in an assignment (appRoleAssignment, `appRoleId`).
pub const DEFAULT_ROLE: &str = "00000000-0000-0000-0000-000000000000";

/// A role that a file says an application holds; the resource is looked up once all of the file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The resource: app id, identifier URI, or URI of a built-in resource.
    pub resource: String,
    /// `value` of the role, or its id.
    pub role: String,
    /// Id of the assignment, where a state file brings it.
    pub id: Option<String>,
    /// When it was given.
    pub created: Option<UnixTime>,
    /// Where it stands.
    pub at: Spot,
    /// Where it stands, as a member path.
    pub path: String,
}

/// Reads `appRoles`. A file may leave `id` out; a request may not (Graph demands it).
///
/// # Errors
/// The rule that is broken.
pub fn app_roles(
    fields: &Fields<'_>,
    reading: &Reading<'_>,
    app_id: &str,
) -> Result<Option<Vec<AppRoleRecord>>, Fault> {
    let Some(items) = fields.list("appRoles", MAX_ROLES)? else { return Ok(None) };
    let list = fields.path.member("appRoles");
    let (mut ids, mut values) = (HashSet::new(), HashSet::new());
    let mut read = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        let path = list.index(i);
        let inner = Fields::of(item, &path)?;
        let value = inner.text("value", 120)?.unwrap_or_default().to_owned();
        if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(inner.fault("value", format!("`{}` has white space; a role's value takes none", shown(&value))));
        }
        let id = match (inner.guid("id")?, reading.origin) {
            (Some(id), _) => id,
            (None, Origin::File) => well_known::guid_of(&format!("app role {app_id} {value}")),
            (None, Origin::Graph) => return Err(inner.fault("id", "missing; give a GUID that no other role has")),
        };
        if !ids.insert(id.clone()) {
            return Err(inner.fault("id", format!("`{id}` stands twice in this list")));
        }
        if !value.is_empty() && !values.insert(value.clone()) {
            return Err(inner.fault("value", format!("`{value}` stands twice in this list")));
        }
        let display_name = inner.text("displayName", 100)?.unwrap_or(&value).to_owned();
        read.push(AppRoleRecord {
            id,
            description: inner.text("description", 1024)?.unwrap_or(&display_name).to_owned(),
            display_name,
            enabled: inner.flag("isEnabled")?.unwrap_or(true),
            allowed_member_types: inner
                .texts("allowedMemberTypes", 2, 16)?
                .unwrap_or_else(|| vec!["Application".to_owned()]),
            value,
        });
    }
    Ok(Some(read))
}

/// The role as Graph's JSON shows it.
pub fn show(role: &AppRoleRecord) -> Json {
    json!({
        "allowedMemberTypes": role.allowed_member_types,
        "description": role.description,
        "displayName": role.display_name,
        "id": role.id,
        "isEnabled": role.enabled,
        "origin": "Application",
        "value": Some(&role.value).filter(|v| !v.is_empty()),
    })
}

/// Reads `grantedRoles` of a file.
///
/// # Errors
/// The rule that is broken.
pub fn grants(fields: &Fields<'_>) -> Result<Vec<Grant>, Fault> {
    let list = fields.path.member("grantedRoles");
    let items = fields.list("grantedRoles", MAX_ROLES)?.unwrap_or_default();
    let read = items.iter().enumerate().map(|(i, item)| {
        let path = list.index(i);
        let inner = Fields::of(item, &path)?;
        inner.only(&["resource", "role", "id", "createdDateTime"])?;
        Ok(Grant {
            resource: inner.required_text("resource", 256)?.to_owned(),
            role: inner.required_text("role", 256)?.to_owned(),
            id: inner.guid("id")?,
            created: inner.time("createdDateTime")?,
            at: item.at,
            path: path.to_string(),
        })
    });
    read.collect()
}

/// An assignment as Graph's JSON shows it.
pub fn show_assignment(record: &RoleAssignmentRecord, principal_name: &str, resource_name: &str) -> Json {
    json!({
        "id": record.id,
        "deletedDateTime": null,
        "appRoleId": record.app_role_id,
        "createdDateTime": record.created.rfc3339(),
        "principalDisplayName": principal_name,
        "principalId": record.principal_id,
        "principalType": "ServicePrincipal",
        "resourceDisplayName": resource_name,
        "resourceId": record.resource_id,
    })
}

/// The enabled role that `text` names by id or value.
pub fn find<'a>(roles: &'a [AppRoleRecord], text: &str) -> Option<&'a AppRoleRecord> {
    roles.iter().find(|r| r.id.eq_ignore_ascii_case(text) || r.value == text)
}

/// A fault at a grant.
pub fn grant_fault(grant: &Grant, member: &str, message: String) -> Fault {
    let mut fault = Fault::at(grant.at, &Path::root(), message);
    fault.path = format!("{}/{member}", grant.path);
    fault
}

#[cfg(test)]
mod tests {
    use super::super::tests_means::Counting;
    use super::super::tree::Node;
    use super::*;

    fn read(origin: Origin, value: &Json) -> Result<Option<Vec<AppRoleRecord>>, Fault> {
        let node = Node::from_json(value);
        let root = Path::root();
        let mut means = Counting::default();
        app_roles(&Fields::of(&node, &root).unwrap(), &Reading::new(origin, UnixTime::EPOCH, &mut means), "app")
    }

    #[test]
    fn ids_and_values_stand_once() {
        let id = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";
        let good = json!({"appRoles": [{"id": id, "value": "Pay.Run", "displayName": "Run", "allowedMemberTypes": ["Application"]}]});
        let roles = read(Origin::Graph, &good).unwrap().unwrap();
        assert_eq!(find(&roles, "Pay.Run").unwrap().id, id);
        assert_eq!(find(&roles, &id.to_uppercase()).unwrap().value, "Pay.Run");
        let cases = [
            (json!([{"value": "a"}]), "appRoles/0/id"),
            (json!([{"id": "x", "value": "a"}]), "appRoles/0/id"),
            (json!([{"id": id, "value": "a b"}]), "appRoles/0/value"),
            (json!([{"id": id, "value": "a"}, {"id": id, "value": "b"}]), "appRoles/1/id"),
            (json!([{"id": id, "isEnabled": "yes"}]), "appRoles/0/isEnabled"),
        ];
        for (roles, path) in cases {
            assert_eq!(read(Origin::Graph, &json!({"appRoles": roles})).unwrap_err().path, path);
        }
        let twice = json!({"appRoles": [{"value": "a"}, {"value": "a"}]});
        assert_eq!(read(Origin::File, &twice).unwrap_err().path, "appRoles/1/id");
        assert_eq!(read(Origin::File, &json!({})), Ok(None));
    }

    #[test]
    fn grants_name_resource_and_role() {
        let node = Node::from_json(
            &json!({"grantedRoles": [{"resource": "https://graph.microsoft.com", "role": "User.Read.All"}]}),
        );
        let root = Path::root();
        assert_eq!(grants(&Fields::of(&node, &root).unwrap()).unwrap()[0].role, "User.Read.All");
        let node = Node::from_json(&json!({"grantedRoles": [{"resource": "x", "rolle": "y"}]}));
        assert_eq!(grants(&Fields::of(&node, &root).unwrap()).unwrap_err().path, "grantedRoles/0/rolle");
    }
}
