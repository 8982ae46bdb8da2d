//! `appRoleAssignments` and `appRoleAssignedTo`: which service principal holds which role of which resource.
//!
//! Called by [`super::dispatch`]. What is given here stands in `roles` of the next token
//! (<https://learn.microsoft.com/graph/api/resources/approleassignment>).

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value as Json};

use super::applications::READ;
use super::audit::{self, Activity};
use super::error::GraphError;
use super::service_principals::{Found, find};
use super::{Answer, Call, Outcome};
use crate::resources::fault::Path;
use crate::resources::fields::Fields;
use crate::resources::roles::{DEFAULT_ROLE, show_assignment};
use crate::resources::tree::Node;
use crate::store::model::RoleAssignmentRecord;
use crate::store::{Change, StoreError};

const WRITE: &[&str] = &["AppRoleAssignment.ReadWrite.All", "Directory.ReadWrite.All"];

/// Roles that a service principal holds.
pub(super) async fn held(call: &Call<'_>, segment: &str) -> Outcome {
    list(call, segment, "appRoleAssignments").await
}

/// Roles given for a resource.
pub(super) async fn given(call: &Call<'_>, segment: &str) -> Outcome {
    list(call, segment, "appRoleAssignedTo").await
}

async fn list(call: &Call<'_>, segment: &str, side: &str) -> Outcome {
    call.needs(READ)?;
    let records = of_side(call, &find(call, segment).await?, side).await?;
    let mut names = Names::default();
    let mut items = Vec::with_capacity(records.len());
    for record in &records {
        items.push(names.show(call, record).await?);
    }
    Ok(call.whole_list("appRoleAssignments", items))
}

async fn of_side(call: &Call<'_>, found: &Found, side: &str) -> Result<Vec<RoleAssignmentRecord>, GraphError> {
    let (store, tenant_id) = (call.app.store(), &call.tenant.id);
    let id = found.object_id(tenant_id);
    Ok(if side == "appRoleAssignments" {
        store.roles_of(tenant_id, &id).await?
    } else {
        store.roles_for(tenant_id, &id).await?
    })
}

/// Display names, each looked up once.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    async fn show(&mut self, call: &Call<'_>, record: &RoleAssignmentRecord) -> Result<Json, GraphError> {
        for id in [&record.principal_id, &record.resource_id] {
            if !self.0.contains_key(id) {
                let name = match find(call, id).await {
                    Ok(found) => found.name().to_owned(),
                    Err(error) if error.status == StatusCode::NOT_FOUND => String::new(),
                    Err(error) => return Err(error),
                };
                self.0.insert(id.clone(), name);
            }
        }
        let name = |id: &str| self.0.get(id).map_or("", String::as_str);
        Ok(show_assignment(record, name(&record.principal_id), name(&record.resource_id)))
    }
}

/// Gives a role.
pub(super) async fn create(call: &Call<'_>, segment: &str, side: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let addressed = find(call, segment).await?.object_id(&call.tenant.id);
    let root = Path::root();
    let fields = Fields::of(&body, &root)?;
    let id = |name: &str| -> Result<String, GraphError> {
        Ok(fields.guid(name)?.ok_or_else(|| fields.fault(name, "missing; it is required"))?)
    };
    let (principal_id, resource_id, app_role_id) = (id("principalId")?, id("resourceId")?, id("appRoleId")?);
    let (own, expected) =
        if side == "appRoleAssignments" { ("principalId", &principal_id) } else { ("resourceId", &resource_id) };
    if addressed != *expected {
        return Err(fields.fault(own, format!("`{expected}` is not the service principal in the path")).into());
    }
    let principal = find(call, &principal_id).await?;
    if let Found::BuiltIn(known, _) = principal {
        return Err(fields
            .fault("principalId", format!("{} is a resource and holds no roles", known.display_name))
            .into());
    }
    let resource = find(call, &resource_id).await?;
    let value = role_value(&resource, &app_role_id).ok_or_else(|| {
        GraphError::bad(format!(
            "Permission being assigned was not found on application '{}' (appRoleId '{app_role_id}').",
            resource.name()
        ))
    })?;
    let record = RoleAssignmentRecord {
        id: uuid::Uuid::new_v4().to_string(),
        tenant_id: call.tenant.id.clone(),
        principal_id: principal.object_id(&call.tenant.id),
        resource_id: resource.object_id(&call.tenant.id),
        app_role_id,
        value,
        created: call.now,
    };
    let shown = show_assignment(&record, principal.name(), resource.name());
    let modified = vec![
        ("AppRole.Value", Json::Null, record.value.clone().into()),
        ("Resource", Json::Null, resource.name().into()),
    ];
    let row = audit::row(call, Activity::AddRoleAssignment, (&record.principal_id, principal.name()), modified);
    match call.app.directory.change([Change::CreateRoleAssignment(record), row]).await {
        Ok(_) => {}
        Err(StoreError::Conflict { .. }) => {
            return Err(GraphError::bad("Permission being assigned already exists on the object."));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(entity(call, StatusCode::CREATED, shown))
}

/// The value of an enabled role of a resource; empty for the default role.
fn role_value(resource: &Found, id: &str) -> Option<String> {
    if id == DEFAULT_ROLE {
        return Some(String::new());
    }
    match resource {
        Found::BuiltIn(known, _) => known.role_value(id).map(str::to_owned),
        Found::Stored(_, application) => {
            let role = application.as_ref()?.app_roles.iter().find(|r| r.id == id)?;
            let for_applications = role.allowed_member_types.iter().any(|t| t == "Application");
            (role.enabled && for_applications).then(|| role.value.clone())
        }
    }
}

async fn one(call: &Call<'_>, segment: &str, side: &str, which: &str) -> Result<RoleAssignmentRecord, GraphError> {
    let records = of_side(call, &find(call, segment).await?, side).await?;
    records.into_iter().find(|r| r.id.eq_ignore_ascii_case(which)).ok_or_else(|| GraphError::not_found(which))
}

pub(super) async fn read(call: &Call<'_>, segment: &str, side: &str, which: &str) -> Outcome {
    call.needs(READ)?;
    let record = one(call, segment, side, which).await?;
    let shown = Names::default().show(call, &record).await?;
    Ok(entity(call, StatusCode::OK, shown))
}

/// Takes a role.
pub(super) async fn delete(call: &Call<'_>, segment: &str, side: &str, which: &str) -> Outcome {
    call.needs(WRITE)?;
    let record = one(call, segment, side, which).await?;
    let name = match find(call, &record.principal_id).await {
        Ok(found) => found.name().to_owned(),
        Err(_) => String::new(),
    };
    let modified = vec![("AppRole.Value", record.value.clone().into(), Json::Null)];
    let row = audit::row(call, Activity::RemoveRoleAssignment, (&record.principal_id, &name), modified);
    let (tenant_id, id) = (record.tenant_id.clone(), record.id.clone());
    call.app.directory.change([Change::DeleteRoleAssignment { tenant_id, id }, row]).await?;
    Ok(Answer::NoContent)
}

fn entity(call: &Call<'_>, status: StatusCode, shown: Json) -> Answer {
    let object = match shown {
        Json::Object(object) => object,
        _ => Map::new(),
    };
    call.entity("appRoleAssignments", status, object, None)
}
