//! Roles that a file gives: from `grantedRoles` to assignments, once every resource of the file is known.
//!
//! Part of `load`.

use crate::resources::fault::shown;
use crate::resources::fields::read_guid;
use crate::resources::roles::{self, DEFAULT_ROLE, Grant};
use crate::store::model::RoleAssignmentRecord;
use crate::well_known;

use super::load::{LoadError, Loader, Mode};

impl Loader<'_> {
    /// The assignment for a grant, once its resource is known.
    pub(super) async fn assignment(
        &self,
        tenant_id: String,
        principal_id: String,
        grant: &Grant,
    ) -> Result<RoleAssignmentRecord, LoadError> {
        let (resource_id, app_role_id, value) = self.role(&tenant_id, grant).await?;
        Ok(RoleAssignmentRecord {
            id: grant.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            tenant_id,
            principal_id,
            resource_id,
            app_role_id,
            value,
            created: grant.created.unwrap_or(self.now),
        })
    }

    async fn role(&self, tenant_id: &str, grant: &Grant) -> Result<(String, String, String), LoadError> {
        let store = self.directory.store();
        if let Some(known) = well_known::by_identifier(&grant.resource) {
            let resource_id = known.object_id(tenant_id);
            return Ok(match (read_guid(&grant.role), grant.role.as_str()) {
                (_, DEFAULT_ROLE) => (resource_id, DEFAULT_ROLE.to_owned(), String::new()),
                (Some(id), _) => match known.role_value(&id) {
                    Some(value) => (resource_id, id, value.to_owned()),
                    None => {
                        return Err(roles::grant_fault(
                            grant,
                            "role",
                            format!("`{id}` is the id of no role of {}", known.display_name),
                        )
                        .into());
                    }
                },
                (None, value) => (resource_id, known.role_id(value), value.to_owned()),
            });
        }
        let trimmed = grant.resource.strip_suffix('/').unwrap_or(&grant.resource);
        let bare = read_guid(trimmed.strip_prefix("api://").unwrap_or(trimmed));
        let names = [Some(grant.resource.clone()), Some(trimmed.to_owned()), bare.clone()];
        let offered = names.iter().flatten().find_map(|name| self.offers.get(&(tenant_id.to_owned(), name.clone())));
        let (principal_id, app_roles) = if let Some(offer) = offered {
            (offer.principal_id.clone(), offer.roles.clone())
        } else {
            let app_id = match bare {
                Some(id) => Some(id),
                None => store.app_id_of_uri(tenant_id, trimmed).await?,
            };
            let client = match app_id.filter(|_| self.mode == Mode::Seed) {
                Some(id) => store.client(tenant_id, &id).await?,
                None => None,
            };
            match client.and_then(|c| Some((c.service_principal?.object_id, c.application.app_roles))) {
                Some(found) => found,
                None => {
                    let message =
                        format!("`{}` is no resource of the tenant that offers roles", shown(&grant.resource));
                    return Err(roles::grant_fault(grant, "resource", message).into());
                }
            }
        };
        if grant.role == DEFAULT_ROLE {
            return Ok((principal_id, DEFAULT_ROLE.to_owned(), String::new()));
        }
        match roles::find(&app_roles, &grant.role) {
            Some(role) => Ok((principal_id, role.id.clone(), role.value.clone())),
            None => {
                let message = format!("`{}` is no role of `{}`", shown(&grant.role), shown(&grant.resource));
                Err(roles::grant_fault(grant, "role", message).into())
            }
        }
    }
}
