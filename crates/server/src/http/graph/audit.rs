//! What the audit log says about a change, in the words of Microsoft's own log.
//!
//! Called by every write of the Graph subset; the row goes into the change's own transaction. It never holds a secret or a
//! key. Names: "Audit log activity reference" (<https://learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities>).

use countersign_core::encoding::encode_base64;
use countersign_core::thumbprint::sha1;
use serde_json::{Value as Json, json};

use super::Call;
use crate::store::Change;
use crate::store::model::{ApplicationRecord, AuditRecord, KeyCredentialRecord, PasswordCredentialRecord};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// POST applications
    AddApplication,
    /// PATCH applications
    UpdateApplication,
    /// DELETE applications
    DeleteApplication,
    /// Certificates or secrets changed.
    ManageCredentials,
    /// A service principal was made.
    AddServicePrincipal,
    /// A service principal was changed.
    UpdateServicePrincipal,
    /// A service principal was deleted.
    RemoveServicePrincipal,
    /// A role was given.
    AddRoleAssignment,
    /// A role was taken.
    RemoveRoleAssignment,
    /// Federated identity credentials changed.
    ManageFederation,
}

impl Activity {
    /// `activityDisplayName`
    pub const fn name(self) -> &'static str {
        match self {
            Self::AddApplication => "Add application",
            Self::UpdateApplication => "Update application",
            Self::DeleteApplication => "Delete application",
            Self::ManageCredentials => "Update application – Certificates and secrets management",
            Self::AddServicePrincipal => "Add service principal",
            Self::UpdateServicePrincipal => "Update service principal",
            Self::RemoveServicePrincipal => "Remove service principal",
            Self::AddRoleAssignment => "Add app role assignment to service principal",
            Self::RemoveRoleAssignment => "Remove app role assignment from service principal",
            Self::ManageFederation => "Update application – Federated identity credentials",
        }
    }

    const fn target_type(self) -> &'static str {
        match self {
            Self::AddApplication
            | Self::UpdateApplication
            | Self::DeleteApplication
            | Self::ManageCredentials
            | Self::ManageFederation => "Application",
            _ => "ServicePrincipal",
        }
    }
}

/// One changed property: name, before, after.
pub type Modified = (&'static str, Json, Json);

/// The row for a change.
pub fn row(call: &Call<'_>, activity: Activity, target: (&str, &str), modified: Vec<Modified>) -> Change {
    let modified: Vec<Json> = modified
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| json!({"displayName": name, "oldValue": text(&old), "newValue": text(&new)}))
        .collect();
    Change::Audit(Box::new(AuditRecord {
        id: uuid::Uuid::now_v7().to_string(),
        tenant_id: call.tenant.id.clone(),
        time: call.now,
        correlation_id: call.correlation_id.clone(),
        activity: activity.name().to_owned(),
        category: "ApplicationManagement".to_owned(),
        actor: call.caller.name().to_owned(),
        target_id: target.0.to_owned(),
        target_name: target.1.to_owned(),
        details: json!({"type": activity.target_type(), "modifiedProperties": modified}),
    }))
}

/// What differs between two states of an application, credentials by their identifiers alone.
pub fn differences(old: Option<&ApplicationRecord>, new: &ApplicationRecord) -> (Vec<Modified>, bool) {
    let of = |part: &dyn Fn(&ApplicationRecord) -> Json| (old.map_or(Json::Null, part), part(new));
    let keys = of(&|a| a.key_credentials.iter().map(describe_key).collect());
    let secrets = of(&|a| a.password_credentials.iter().map(describe_secret).collect());
    let credentials = keys.0 != keys.1 || secrets.0 != secrets.1;
    let parts = [
        ("KeyDescription", keys),
        ("PasswordDescription", secrets),
        ("DisplayName", of(&|a| a.display_name.clone().into())),
        ("IdentifierUris", of(&|a| a.identifier_uris.clone().into())),
        ("AccountEnabled", of(&|a| a.enabled.into())),
        ("PublicClient", of(&|a| a.is_public.into())),
        ("RequestedAccessTokenVersion", of(&|a| a.token_version.into())),
        ("RequestedAccessTokenSigningAlgorithm", of(&|a| a.token_alg.alg().name().into())),
        ("AppRoles", of(&|a| a.app_roles.iter().map(|r| r.value.clone()).collect())),
        ("TrustedCertificateSubjects", of(&|a| a.trusted_subjects.iter().map(|t| t.subject_name.clone()).collect())),
    ];
    (parts.into_iter().map(|(name, (old, new))| (name, old, new)).collect(), credentials)
}

fn describe_key(key: &KeyCredentialRecord) -> Json {
    let thumbprint = key.der.as_deref().map(|der| encode_base64(&sha1(der)));
    let name = key.display_name.as_deref().unwrap_or_default();
    let thumbprint = thumbprint.as_deref().or(key.custom_key_identifier.as_deref()).unwrap_or_default();
    format!(
        "[KeyIdentifier={},KeyType={},KeyUsage={},Thumbprint={thumbprint},DisplayName={name}]",
        key.key_id, key.kind, key.usage
    )
    .into()
}

fn describe_secret(secret: &PasswordCredentialRecord) -> Json {
    let name = secret.display_name.as_deref().unwrap_or_default();
    format!("[KeyIdentifier={},KeyType=Password,KeyUsage=Verify,DisplayName={name}]", secret.key_id).into()
}

/// Values stand in the log as JSON text, as Microsoft's own log has them.
fn text(value: &Json) -> Json {
    if value.is_null() { Json::Null } else { value.to_string().into() }
}
