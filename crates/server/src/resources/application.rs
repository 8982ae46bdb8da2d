//! The `application` resource: read as it comes (Graph v1.0 and beta, `az ad app show`), kept with all its members, shown
//! as Microsoft Graph shows it (<https://learn.microsoft.com/graph/api/resources/application>).
//!
//! Called by `http::graph`, `seed` and `state`. What the rules need becomes fields of the record, the rest stays JSON.

use std::collections::HashSet;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use super::fault::{Fault, Path, shown};
use super::fields::Fields;
use super::roles::Grant;
use super::tree::{Node, Value};
use super::{
    MAX_CREDENTIALS, Origin, Reading, certificate, federated, key_credentials, password, roles, service_principal,
    trust,
};
use crate::store::model::{ApplicationRecord, CertificateAuthorityRecord, KeyCredentialRecord, TenantRecord, TokenAlg};
use crate::well_known;

/// An application of a file, with what belongs to it outside its own record.
#[derive(Clone, Debug)]
pub struct FromFile {
    /// The application.
    pub application: ApplicationRecord,
    /// Its service principal, if it has one.
    pub principal: Option<service_principal::Given>,
    /// Roles it holds.
    pub grants: Vec<Grant>,
}

/// Members of files that Graph's resource does not have.
const CONVENIENCE: &[&str] =
    &["certificateFiles", "federatedIdentityCredentials", "grantedRoles", "servicePrincipal", "tenantId"];
/// Members that the service gives; what a caller writes there never takes effect.
const READ_ONLY: &[&str] = &[
    "id",
    "appId",
    "createdDateTime",
    "deletedDateTime",
    "publisherDomain",
    "verifiedPublisher",
    "certification",
    "applicationTemplateId",
    "createdByAppId",
    "disabledByMicrosoftStatus",
    "uniqueName",
    "secretText",
    "owners",
];
/// Members that become fields of the record.
const FIELDS: &[&str] = &[
    "displayName",
    "identifierUris",
    "keyCredentials",
    "passwordCredentials",
    "appRoles",
    "trustedCertificateSubjects",
];
/// Members of the beta version, and the manifest's, that occur in files.
const BETA: &[&str] = &[
    "authenticationBehaviors",
    "createdBy",
    "isDisabled",
    "isManagementRestricted",
    "logo",
    "migrationStatus",
    "onPremisesPublishing",
    "windows",
];
/// Complex members that a PATCH merges member by member, as Graph does.
const MERGED: &[&str] = &["api", "info", "parentalControlSettings", "publicClient", "spa", "web"];

/// A new application from `POST /applications`. `id` and `appId` of the caller never take effect.
///
/// # Errors
/// The first rule that is broken.
pub fn create(node: &Node, tenant: &TenantRecord, reading: &mut Reading<'_>) -> Result<ApplicationRecord, Fault> {
    let root = Path::root();
    let fields = Fields::of(node, &root)?;
    fields.required_text("displayName", MAX_NAME)?;
    let mut record = ApplicationRecord {
        tenant_id: tenant.id.clone(),
        object_id: reading.new_id(),
        app_id: reading.new_id(),
        created: reading.now,
        version: 1,
        enabled: true,
        token_version: 1,
        ..ApplicationRecord::default()
    };
    if let Some(items) = fields.list("passwordCredentials", MAX_CREDENTIALS)? {
        record.password_credentials = password::replace(None, items, &root.member("passwordCredentials"), reading)?;
    }
    take(&mut record, &fields, &tenant.certificate_authorities, reading)?;
    Ok(record)
}

/// The application after a PATCH.
///
/// # Errors
/// The first rule that is broken; the old record is untouched.
pub fn update(
    old: &ApplicationRecord,
    node: &Node,
    authorities: &[CertificateAuthorityRecord],
    reading: &mut Reading<'_>,
) -> Result<ApplicationRecord, Fault> {
    let root = Path::root();
    let fields = Fields::of(node, &root)?;
    if fields.has("displayName") {
        fields.required_text("displayName", MAX_NAME)?;
    }
    let mut record = old.clone();
    if let Some(items) = fields.list("passwordCredentials", MAX_CREDENTIALS)? {
        let path = root.member("passwordCredentials");
        record.password_credentials = password::replace(Some(&old.password_credentials), items, &path, reading)?;
    }
    take(&mut record, &fields, authorities, reading)?;
    Ok(record)
}

/// An application of a seed or state file.
///
/// # Errors
/// The first rule that is broken.
pub fn from_file(
    node: &Node,
    path: &Path<'_>,
    tenant: &TenantRecord,
    reading: &mut Reading<'_>,
) -> Result<FromFile, Fault> {
    let fields = Fields::of(node, path)?;
    let app_id = fields.guid("appId")?.ok_or_else(|| fields.fault("appId", "missing; it is required"))?;
    if well_known::by_identifier(&app_id).is_some() {
        return Err(fields.fault("appId", format!("`{app_id}` is a resource that every tenant has")));
    }
    let display_name = fields.text("displayName", MAX_NAME)?.unwrap_or(&app_id).to_owned();
    let object_id = match fields.guid("id")? {
        Some(id) => id,
        None => reading.new_id(),
    };
    let mut record = ApplicationRecord {
        tenant_id: tenant.id.clone(),
        object_id,
        display_name,
        created: fields.time("createdDateTime")?.unwrap_or(reading.now),
        version: 1,
        enabled: fields.text("disabledByMicrosoftStatus", MAX_NAME)?.is_none_or(|status| status == "NotDisabled"),
        token_version: 1,
        app_id,
        ..ApplicationRecord::default()
    };
    if let Some(items) = fields.list("passwordCredentials", MAX_CREDENTIALS)? {
        record.password_credentials = password::replace(None, items, &path.member("passwordCredentials"), reading)?;
    }
    take(&mut record, &fields, &tenant.certificate_authorities, reading)?;
    warn_of_unknown(&fields, reading);
    certificate_files(&mut record.key_credentials, &fields, reading)?;
    if let Some(items) = fields.list("federatedIdentityCredentials", federated::MAX_FEDERATED)? {
        let list = path.member("federatedIdentityCredentials");
        for (i, item) in items.iter().enumerate() {
            let credential = federated::create(&record.federated_credentials, item, &list.index(i), reading)?;
            record.federated_credentials.push(credential);
        }
    }
    let principal = service_principal::of_application(&record, &fields, reading)?;
    let grants = roles::grants(&fields)?;
    if let (None, Some(grant)) = (&principal, grants.first()) {
        return Err(roles::grant_fault(
            grant,
            "role",
            "the application has no service principal that could hold a role".to_owned(),
        ));
    }
    Ok(FromFile { application: record, principal, grants })
}

/// A slip of the pen must not pass unseen in a file, and yet a file may hold what a later Graph shows.
fn warn_of_unknown(fields: &Fields<'_>, reading: &mut Reading<'_>) {
    let shown = defaults();
    for member in fields.members() {
        let name = member.name.as_str();
        let lists = [READ_ONLY, FIELDS, CONVENIENCE, BETA];
        if !shown.contains_key(name) && !name.contains('@') && !lists.iter().any(|list| list.contains(&name)) {
            let at = Node { at: member.at, value: Value::Null };
            let message = "no member of a Graph application that is known here; it is kept, and nothing looks at it";
            reading.warn(&at, &fields.path.member(name), message.to_owned());
        }
    }
}

/// Takes over all members that requests and files have in common.
fn take(
    record: &mut ApplicationRecord,
    fields: &Fields<'_>,
    authorities: &[CertificateAuthorityRecord],
    reading: &mut Reading<'_>,
) -> Result<(), Fault> {
    if let Some((found, what)) = certificate::find_private_key_beside_keys(fields.node) {
        let message = format!(
            "the value holds {what}; it was not kept. Treat that key as exposed if it left its machine for this"
        );
        return Err(Fault::at(found.at, fields.path, message));
    }
    if let Some(name) = fields.text("displayName", MAX_NAME)? {
        if name.chars().any(char::is_control) {
            return Err(fields.fault("displayName", "has control characters"));
        }
        name.clone_into(&mut record.display_name);
    }
    if let Some(uris) = identifier_uris(fields)? {
        record.identifier_uris = uris;
    }
    if let Some(items) = fields.list("keyCredentials", MAX_CREDENTIALS)? {
        let path = fields.path.member("keyCredentials");
        record.key_credentials = key_credentials::replace(&record.key_credentials, items, &path, reading)?;
    }
    if let Some(roles) = roles::app_roles(fields, reading, &record.app_id)? {
        record.app_roles = roles;
    }
    if let Some(subjects) = trust::subjects(fields, authorities)? {
        record.trusted_subjects = subjects;
    }
    if fields.has("isFallbackPublicClient") {
        record.is_public = fields.flag("isFallbackPublicClient")?.unwrap_or(false);
    }
    if fields.has("isDisabled") {
        record.enabled = !fields.flag("isDisabled")?.unwrap_or(false);
    }
    check_known(fields)?;
    if let Some(version) = token_version(fields)? {
        record.token_version = version;
    }
    if let Some(alg) = token_alg(fields)? {
        record.token_alg = alg;
    }
    for member in fields.members() {
        let name = member.name.as_str();
        let own =
            FIELDS.contains(&name) || READ_ONLY.contains(&name) || name.starts_with('@') || name.contains("@odata.");
        if own || (reading.origin == Origin::File && CONVENIENCE.contains(&name)) {
            continue;
        }
        if CONVENIENCE.contains(&name) {
            return Err(
                fields.fault(name, "no member of an application; see the Graph call of its own, or the seed file")
            );
        }
        put(&mut record.document, name, member.node.to_json());
    }
    Ok(())
}

fn put(document: &mut Map<String, Json>, name: &str, value: Json) {
    match (value, document.get_mut(name)) {
        (Json::Null, _) => {
            document.shift_remove(name);
        }
        (Json::Object(new), Some(Json::Object(old))) if MERGED.contains(&name) => old.extend(new),
        (value, _) => {
            document.insert(name.to_owned(), value);
        }
    }
}

/// Types of members that are kept as JSON, so that what Graph would refuse does not come back as if it were right.
fn check_known(fields: &Fields<'_>) -> Result<(), Fault> {
    for name in ["description", "notes"] {
        fields.text(name, 1024)?;
    }
    for name in MERGED.iter().chain(&["optionalClaims", "servicePrincipalLockConfiguration"]) {
        if let Some(node) = fields.present(name) {
            Fields::of(node, &fields.path.member(name))?;
        }
    }
    fields.texts("tags", 1_000, MAX_NAME)?;
    fields.list("requiredResourceAccess", 1_000)?;
    fields.list("addIns", 1_000)?;
    const AUDIENCES: [&str; 4] =
        ["AzureADMyOrg", "AzureADMultipleOrgs", "AzureADandPersonalMicrosoftAccount", "PersonalMicrosoftAccount"];
    match fields.text("signInAudience", MAX_NAME)? {
        Some(audience) if !AUDIENCES.contains(&audience) => {
            Err(fields.fault("signInAudience", format!("`{}` is none of {}", shown(audience), AUDIENCES.join(", "))))
        }
        _ => Ok(()),
    }
}

/// `api.requestedAccessTokenVersion`: null and 1 give v1.0 access tokens, 2 gives v2.0.
fn token_version(fields: &Fields<'_>) -> Result<Option<u8>, Fault> {
    let Some(api) = fields.present("api") else { return Ok(None) };
    let Some(node) = api.get("requestedAccessTokenVersion") else { return Ok(None) };
    match &node.value {
        Value::Null => Ok(Some(1)),
        Value::Number(number) if matches!(number.as_u64(), Some(1 | 2)) => Ok(number.as_u64().map(|n| n as u8)),
        _ => {
            let api = fields.path.member("api");
            let message = "must be 1, 2 or null".to_owned();
            Err(Fault::at(node.at, &api.member("requestedAccessTokenVersion"), message))
        }
    }
}

/// `api.requestedAccessTokenSigningAlgorithm`: null and RS256 as Entra signs, ES256 for resources that want it. No member of
/// Microsoft's Graph, where `requestedAccessTokenVersion` stands that says the same kind of thing.
fn token_alg(fields: &Fields<'_>) -> Result<Option<TokenAlg>, Fault> {
    const NAME: &str = "requestedAccessTokenSigningAlgorithm";
    let Some(node) = fields.present("api").and_then(|api| api.get(NAME)) else { return Ok(None) };
    match &node.value {
        Value::Null => Ok(Some(TokenAlg::Rs256)),
        Value::Text(text) if text == "RS256" => Ok(Some(TokenAlg::Rs256)),
        Value::Text(text) if text == "ES256" => Ok(Some(TokenAlg::Es256)),
        _ => {
            let api = fields.path.member("api");
            Err(Fault::at(node.at, &api.member(NAME), "must be \"RS256\", \"ES256\" or null".to_owned()))
        }
    }
}

fn identifier_uris(fields: &Fields<'_>) -> Result<Option<Vec<String>>, Fault> {
    let Some(uris) = fields.texts("identifierUris", 1_000, 255)? else { return Ok(None) };
    let list = fields.path.member("identifierUris");
    let mut seen = HashSet::new();
    for (i, uri) in uris.iter().enumerate() {
        let refuse = |message: String| {
            let node = fields.present("identifierUris").map_or(fields.node, |n| n);
            Err(Fault::at(node.at, &list.index(i), message))
        };
        let scheme = uri.split_once(':').map(|(scheme, rest)| (scheme, rest.trim_start_matches('/')));
        let fits = scheme.is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        }) && !uri
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '\\' | '?' | '#'));
        if !fits {
            return refuse(format!("`{}` is no URI like api://payroll or https://contoso.example/payroll", shown(uri)));
        }
        if well_known::by_identifier(uri).is_some() {
            return refuse(format!("`{}` names a resource that every tenant has", shown(uri)));
        }
        if !seen.insert(uri.as_str()) {
            return refuse(format!("`{}` stands twice in this list", shown(uri)));
        }
    }
    Ok(Some(uris))
}

fn certificate_files(
    keys: &mut Vec<KeyCredentialRecord>,
    fields: &Fields<'_>,
    reading: &mut Reading<'_>,
) -> Result<(), Fault> {
    let names = fields.texts("certificateFiles", MAX_CREDENTIALS, 4096)?.unwrap_or_default();
    let list = fields.path.member("certificateFiles");
    for (i, name) in names.iter().enumerate() {
        let path = list.index(i);
        let node = match fields.present("certificateFiles").map(|n| &n.value) {
            Some(Value::List(items)) => items.get(i).unwrap_or(fields.node),
            _ => fields.node,
        };
        let refuse = |message: String| Fault::at(node.at, &path, message);
        let bytes = reading.means.read_file(name).map_err(refuse)?;
        let (certificate, warning) =
            certificate::read_file(&bytes).map_err(|message| refuse(format!("{} is {message}", shown(name))))?;
        if let Some(warning) = warning {
            reading.warn(node, &path, format!("{}: {warning}", shown(name)));
        }
        if keys.iter().any(|k| k.der.as_deref() == Some(certificate.der())) {
            return Err(refuse(format!("{} holds a certificate that this application has already", shown(name))));
        }
        let entry = key_credentials::of_certificate(&certificate, reading)
            .map_err(|message| refuse(format!("{} holds {message}", shown(name))))?;
        keys.push(entry);
    }
    Ok(())
}

/// The resource as Graph's JSON shows it; `key` of its certificates only where it was asked for.
pub fn show(record: &ApplicationRecord, tenant: &TenantRecord, with_keys: bool) -> Map<String, Json> {
    let mut out = defaults();
    for (name, value) in &record.document {
        match (out.get_mut(name), value) {
            (Some(Json::Object(shown)), Json::Object(given)) => shown.extend(given.clone()),
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    let mut set = |name: &str, value: Json| out.insert(name.to_owned(), value);
    set("id", record.object_id.clone().into());
    set("appId", record.app_id.clone().into());
    set("createdDateTime", record.created.rfc3339().into());
    set("displayName", record.display_name.clone().into());
    set("identifierUris", record.identifier_uris.clone().into());
    set("publisherDomain", tenant.domains.first().cloned().into());
    set("appRoles", record.app_roles.iter().map(roles::show).collect());
    set("keyCredentials", record.key_credentials.iter().map(|k| key_credentials::show(k, with_keys)).collect());
    set("passwordCredentials", record.password_credentials.iter().map(|p| password::show(p, None)).collect());
    if !record.enabled && !record.document.contains_key("isDisabled") {
        set("disabledByMicrosoftStatus", "DisabledDueToViolationOfServicesAgreement".into());
    }
    if !record.trusted_subjects.is_empty() {
        set("trustedCertificateSubjects", trust::show_subjects(&record.trusted_subjects));
    }
    out
}

/// The application as a state file carries it: everything the service knows of it.
pub fn export(record: &ApplicationRecord, with_digests: bool) -> Map<String, Json> {
    let mut out = Map::new();
    let mut set = |name: &str, value: Json| out.insert(name.to_owned(), value);
    set("id", record.object_id.clone().into());
    set("appId", record.app_id.clone().into());
    set("createdDateTime", record.created.rfc3339().into());
    set("displayName", record.display_name.clone().into());
    if !record.enabled && !record.document.contains_key("isDisabled") {
        set("disabledByMicrosoftStatus", "DisabledDueToViolationOfServicesAgreement".into());
    }
    let lists = [
        ("identifierUris", record.identifier_uris.clone().into()),
        ("keyCredentials", record.key_credentials.iter().map(|k| key_credentials::show(k, true)).collect()),
        (
            "passwordCredentials",
            record.password_credentials.iter().map(|p| password::export(p, with_digests)).collect(),
        ),
        ("federatedIdentityCredentials", record.federated_credentials.iter().map(federated::export).collect()),
        ("trustedCertificateSubjects", trust::show_subjects(&record.trusted_subjects)),
        ("appRoles", record.app_roles.iter().map(roles::show).collect()),
    ];
    for (name, list) in lists {
        if list != json!([]) {
            set(name, list);
        }
    }
    out.extend(record.document.clone());
    out
}

/// Every member that Graph v1.0 shows, with what it shows where nothing was set.
fn defaults() -> Map<String, Json> {
    static SHOWN: LazyLock<Map<String, Json>> =
        LazyLock::new(|| serde_json::from_str(include_str!("application.json")).unwrap_or_default());
    SHOWN.clone()
}

const MAX_NAME: usize = 256;

#[cfg(test)]
mod tests;
