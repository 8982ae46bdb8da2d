//! One app registration: what it is, its certificates and secrets with every form of their thumbprints, federated
//! credentials, roles, the raw Graph resource, and when each credential was last used.

use std::collections::HashMap;

use askama::Template;
use countersign_core::thumbprint::{forms, sha1, sha256};
use countersign_core::time::UnixTime;
use http::StatusCode;
use serde_json::Value as Json;

use super::shell::{self, Shell};
use super::{Outcome, Trouble, Visit};
use crate::http::graph::inside;
use crate::resources::application;
use crate::store::LogQuery;
use crate::store::model::ApplicationRecord;
use crate::well_known;

/// Rows of the journal in which the last use of a credential is looked for.
const LOOK: u32 = 500;

#[derive(Template)]
#[template(path = "application.html")]
struct Page {
    shell: Shell,
    here: String,
    name: String,
    app_id: String,
    object_id: String,
    created: String,
    principal: Option<(String, bool)>,
    uris: Vec<String>,
    public: bool,
    certificates: Vec<Certificate>,
    secrets: Vec<Secret>,
    federated: Vec<Federated>,
    offered: Vec<(String, String, bool)>,
    held: Vec<Held>,
    raw: String,
    may_write: bool,
    logs: bool,
    fault: Option<String>,
}

struct Certificate {
    name: String,
    key_id: String,
    thumbprint: String,
    thumbprint_sha256: String,
    x5t: String,
    x5t_s256: String,
    start: String,
    end: String,
    ended: bool,
    used: String,
}

struct Secret {
    name: String,
    key_id: String,
    hint: String,
    start: String,
    end: String,
    ended: bool,
    used: String,
}

struct Federated {
    id: String,
    name: String,
    issuer: String,
    subject: String,
    audiences: String,
    used: String,
}

struct Held {
    id: String,
    role: String,
    resource: String,
}

/// The application that a path names, by object id.
pub(super) async fn find(visit: &Visit<'_>, id: &str) -> Result<ApplicationRecord, Trouble> {
    let id = id.to_ascii_lowercase();
    let found = visit.app.store().application(&visit.tenant.id, &id).await?;
    found.ok_or_else(|| Trouble::Missing("There is no such application in this tenant.".to_owned()))
}

/// `GET /portal/applications/{object id}`; also the answer to a form that was refused.
pub(super) async fn page(visit: &Visit<'_>, id: &str, fault: Option<(StatusCode, String)>) -> Outcome {
    visit.needs_registrations()?;
    let record = find(visit, id).await?;
    let store = visit.app.store();
    let certificates = record.key_credentials.iter().map(|k| k.key_id.as_str());
    let secrets = record.password_credentials.iter().map(|p| p.key_id.as_str());
    let federated = record.federated_credentials.iter().map(|f| f.id.as_str());
    let keys: Vec<&str> = certificates.chain(secrets).chain(federated).collect();
    let uses = uses(visit, &record.app_id, &keys).await?;
    let used = |key: &str| uses.get(key).map_or_else(|| "–".to_owned(), |t| shown(UnixTime::from_micros(*t)));
    let principal = store.service_principal_of(&visit.tenant.id, &record.app_id).await?;
    let held = match &principal {
        Some(principal) => held(visit, &principal.object_id).await?,
        None => Vec::new(),
    };
    let named = |name: &Option<String>| name.clone().unwrap_or_default();
    let certificates = record.key_credentials.iter().map(|k| {
        let digests = k.der.as_deref().map(|der| (forms(&sha1(der)), forms(&sha256(der))));
        let (one, two) = digests.map_or((None, None), |(a, b)| (Some(a), Some(b)));
        Certificate {
            name: named(&k.display_name),
            used: used(&k.key_id),
            key_id: k.key_id.clone(),
            thumbprint: one.as_ref().map_or_else(String::new, |f| f.hex_upper.clone()),
            thumbprint_sha256: two.as_ref().map_or_else(String::new, |f| f.hex_upper.clone()),
            x5t: one.map_or_else(String::new, |f| f.x5t),
            x5t_s256: two.map_or_else(String::new, |f| f.x5t),
            start: shown(k.start),
            end: shown(k.end),
            ended: k.end < visit.now,
        }
    });
    let secrets = record.password_credentials.iter().map(|p| Secret {
        name: named(&p.display_name),
        used: used(&p.key_id),
        key_id: p.key_id.clone(),
        hint: p.hint.clone(),
        start: shown(p.start),
        end: shown(p.end),
        ended: p.end < visit.now,
    });
    let federated = record.federated_credentials.iter().map(|f| Federated {
        used: used(&f.id),
        id: f.id.clone(),
        name: f.name.clone(),
        issuer: f.issuer.clone(),
        subject: f.subject.clone(),
        audiences: f.audiences.join(" "),
    });
    let raw = Json::Object(application::show(&record, &visit.tenant, false));
    let page = Page {
        here: format!("{}applications/{}", super::ROOT, record.object_id),
        certificates: certificates.collect(),
        secrets: secrets.collect(),
        federated: federated.collect(),
        offered: record.app_roles.iter().map(|r| (r.value.clone(), r.display_name.clone(), r.enabled)).collect(),
        held,
        raw: serde_json::to_string_pretty(&raw).unwrap_or_default(),
        principal: principal.map(|p| (p.object_id, p.enabled)),
        uris: record.identifier_uris.clone(),
        public: record.is_public,
        created: record.created.rfc3339(),
        shell: Shell::of(visit, &record.display_name, "applications"),
        name: record.display_name,
        app_id: record.app_id,
        object_id: record.object_id,
        may_write: visit.may_write(),
        logs: inside::may_read_logs(&visit.session.caller),
        fault: fault.as_ref().map(|(_, text)| text.clone()),
    };
    Ok(shell::page(fault.map_or(StatusCode::OK, |(status, _)| status), &page))
}

/// A time that may wrap between day and hour; HTML takes it as well.
fn shown(time: UnixTime) -> String {
    time.rfc3339().replace('T', " ")
}

/// When each credential was last used, by key id: since the start as the journal remembers it, before that among the newest
/// rows of the store.
async fn uses(visit: &Visit<'_>, app_id: &str, keys: &[&str]) -> Result<HashMap<String, i64>, Trouble> {
    let query = LogQuery {
        tenant_id: visit.tenant.id.clone(),
        subject: Some(app_id.to_owned()),
        newest: true,
        limit: LOOK,
        ..LogQuery::default()
    };
    let stored = visit.app.store().sign_ins(&query).await?;
    let recent = visit.app.journal.recent();
    let recent = recent.iter().map(|r| &**r).filter(|r| r.app_id == app_id && r.tenant_id == visit.tenant.id);
    let mut uses: HashMap<String, i64> = HashMap::new();
    for r in recent.chain(&stored).filter(|r| r.error_code == 0) {
        for key in [&r.credential_key_id, &r.federated_credential_id] {
            if !key.is_empty() {
                let last = uses.entry(key.clone()).or_insert(r.time);
                *last = r.time.max(*last);
            }
        }
    }
    for key in keys {
        if let Some(time) = visit.app.journal.last_use(key) {
            let last = uses.entry((*key).to_owned()).or_insert(time);
            *last = time.max(*last);
        }
    }
    Ok(uses)
}

async fn held(visit: &Visit<'_>, principal_id: &str) -> Result<Vec<Held>, Trouble> {
    let store = visit.app.store();
    let mut out = Vec::new();
    let mut names: HashMap<String, String> = HashMap::new();
    for r in store.roles_of(&visit.tenant.id, principal_id).await? {
        if !names.contains_key(&r.resource_id) {
            let name = match well_known::by_object_id(&visit.tenant.id, &r.resource_id) {
                Some(known) => known.display_name.to_owned(),
                None => store
                    .service_principal(&visit.tenant.id, &r.resource_id)
                    .await?
                    .map_or_else(|| r.resource_id.clone(), |p| p.display_name),
            };
            names.insert(r.resource_id.clone(), name);
        }
        let role = if r.value.is_empty() { "(default access)".to_owned() } else { r.value };
        out.push(Held { id: r.id, role, resource: names.get(&r.resource_id).cloned().unwrap_or_default() });
    }
    Ok(out)
}
