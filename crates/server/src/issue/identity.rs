//! Tokens of managed identities: which application answers, and that it may have a token for the resource.
//!
//! Called by the managed identity endpoints, which know who may ask. There is no credential here to judge; tenant,
//! client and resource are judged by the same checks as everywhere.

use std::sync::Arc;

use countersign_core::checks::{Outcome, client, resource};
pub use countersign_core::managed_identity::IdentityName;
use countersign_core::request::{EndpointVersion, TokenRequest};
use countersign_core::{Facts, Reason};

use super::{Admitted, Asked, Failure, Issued, Known, NotIssued, Random, form_encode, lookup, sign};
use crate::app::App;
use crate::clouds;
use crate::store::StoreError;
use crate::store::model::SignInRecord;
use crate::traces::{Trace, stage};
use countersign_core::time::UnixTime;

/// The token of a managed identity.
#[derive(Debug)]
pub struct IssuedToIdentity {
    /// The token.
    pub issued: Issued,
    /// The identity's client id.
    pub client_id: String,
}

/// Where a token is asked for, and when.
#[derive(Debug)]
pub struct IdentityAsked<'a> {
    /// Which identity.
    pub name: IdentityName<'a>,
    /// `resource`
    pub resource: &'a str,
    /// Base URL of the service.
    pub base: &'a Arc<str>,
    /// Now.
    pub now: UnixTime,
    /// Random bytes for whatever the answer needs.
    pub random: &'a Random,
    /// The request's trace, if it is traced.
    pub trace: Option<&'a Trace>,
}

/// Issues a token to a managed identity; `None` when there is no such identity.
///
/// # Errors
/// [`NotIssued`] when the identity may have no token for that resource.
pub async fn issue_to_identity(
    app: &App,
    asked: &IdentityAsked<'_>,
    record: &mut SignInRecord,
) -> Result<Option<IssuedToIdentity>, NotIssued> {
    let Some(found) = find(app, asked.name).await? else { return Ok(None) };
    let form = format!("client_id={}&resource={}", form_encode(&found.app_id), form_encode(asked.resource));
    let request = TokenRequest::read(
        &found.tenant_id,
        EndpointVersion::V1,
        Some("application/x-www-form-urlencoded"),
        form.as_bytes(),
        "",
        None,
    );
    let asked = Asked { request: &request, base: asked.base, now: asked.now, random: asked.random, trace: asked.trace };
    let looking_up = stage(asked.trace, "look-up");
    let known = Known::look_up(app, &request).await?;
    known.describe(&request, record);
    drop(looking_up);
    "managedIdentity".clone_into(&mut record.credential_type);
    let admitted = known.judge_identity(app, &asked)?;
    admitted.describe(record);
    let client_id = admitted.app_id.clone();
    let waiting = stage(asked.trace, "queue");
    let _turn = app.load.turn().await;
    drop(waiting);
    let issued = sign(app, &asked, admitted, Some(&found.resource_id), record)?;
    Ok(Some(IssuedToIdentity { issued, client_id }))
}

/// An identity that was found.
struct Found {
    tenant_id: String,
    app_id: String,
    resource_id: String,
}

/// The id of the Azure resource that an identity would be. There is none behind it; programs compare and print it.
fn resource_id(tenant_id: &str, app_id: &str) -> String {
    format!(
        "/subscriptions/{}/resourcegroups/countersign/providers/Microsoft.ManagedIdentity/userAssignedIdentities/{app_id}",
        clouds::subscription_id(tenant_id)
    )
}

async fn find(app: &App, name: IdentityName<'_>) -> Result<Option<Found>, StoreError> {
    for app_id in app.identities.app_ids() {
        for tenant in app.store().tenants().await? {
            let Some(entry) = app.directory.tenant(&tenant.id).await? else { continue };
            let Some(client) = app.directory.client(&entry, app_id).await? else { continue };
            let found = Found {
                resource_id: resource_id(&tenant.id, app_id),
                app_id: client.registration.app_id.clone(),
                tenant_id: tenant.id,
            };
            let meant = match name {
                IdentityName::Unnamed => true,
                IdentityName::ClientId(id) => id.eq_ignore_ascii_case(&found.app_id),
                IdentityName::ObjectId(id) => {
                    client.registration.service_principal.as_ref().is_some_and(|s| s.object_id.eq_ignore_ascii_case(id))
                }
                IdentityName::ResourceId(id) => id.eq_ignore_ascii_case(&found.resource_id),
            };
            if meant {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

impl Known {
    /// Judges everything but a credential.
    fn judge_identity(&self, app: &App, asked: &Asked<'_>) -> Result<Admitted, NotIssued> {
        let target = match (&self.resource, asked.request.given("resource")) {
            (Some(entry), Some(identifier)) => Some(self.resource_of(entry, identifier)),
            _ => None,
        };
        let mut facts = Facts::new(app.profile, asked.now, &*app.crypto);
        facts.request = Some(asked.request);
        facts.authority = Some(app.authority());
        facts.tenant = lookup(self.tenant.as_deref().map(|t| &t.names));
        facts.client_id = asked.request.client_id();
        facts.registration = lookup(self.client.as_deref().map(|c| &c.registration));
        facts.resource = lookup(target.as_ref());
        let undecided = |check| NotIssued::Failed(Failure::Undecided { check, needed: "a fact" });
        let refused = |reason: Reason| NotIssued::Refused(Box::new(reason));
        type Run = fn(&Facts<'_>) -> Outcome;
        let checks: [(&'static str, Run); 5] = [
            ("client-known", client::known),
            ("client-enabled", client::enabled),
            ("service-principal", client::service_principal),
            ("resource-known", resource::known),
            ("role-held", resource::role_held),
        ];
        for (name, check) in checks {
            match check(&facts) {
                Outcome::Pass | Outcome::NotApplicable => {}
                Outcome::Undecided(_) => return Err(undecided(name)),
                Outcome::Refuse(reason) => return Err(refused(reason)),
            }
        }
        let tenant = self.tenant.as_ref().ok_or_else(|| undecided("tenant"))?;
        let client = self.client.as_ref().ok_or_else(|| undecided("client"))?;
        let principal = client.registration.service_principal.as_ref().ok_or_else(|| undecided("service-principal"))?;
        Ok(Admitted {
            tenant_id: tenant.names.id.clone(),
            app_id: client.registration.app_id.clone(),
            app_name: client.registration.display_name.clone(),
            object_id: principal.object_id.clone(),
            credential: None,
            resource: target.ok_or_else(|| undecided("resource"))?,
            token_alg: self.token_alg(),
        })
    }
}
