//! `auditLogs/signIns` and `auditLogs/directoryAudits`: every token request and every change, as Microsoft's logs show them.
//!
//! Called by [`super::dispatch`]; newest first. Fields: Graph beta `signIn` (service principals) and `directoryAudit`
//! (<https://learn.microsoft.com/graph/api/resources/signin?view=graph-rest-beta>,
//! <https://learn.microsoft.com/graph/api/resources/directoryaudit>), without those that only people's sign-ins fill.

use std::collections::HashMap;

use countersign_core::UnixTime;
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::applications::SCAN;
use super::error::GraphError;
use super::odata::Operator;
use super::{Call, Outcome};
use crate::store::LogQuery;
use crate::store::model::{AuditRecord, SignInRecord};
use crate::well_known;

pub(super) const READ: &[&str] = &["AuditLog.Read.All", "Directory.Read.All", "Directory.ReadWrite.All"];
const STEP: u32 = 500;

pub(super) async fn sign_ins(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    call.app.journal.settle().await;
    let mut query = query(call, "createdDateTime", "appId")?;
    let (mut items, mut looked, mut resources) = (Vec::new(), 0, Resources::default());
    let next = loop {
        let rows = call.app.store().sign_ins(&query).await?;
        let places = rows.iter().map(|row| (UnixTime::from_micros(row.time), row.id.clone())).collect();
        resources.learn(call, &rows).await?;
        let shown = rows.iter().map(|row| show_sign_in(row, &resources));
        match take(call, &mut query, &mut items, &mut looked, shown, places) {
            Step::Done(next) => break next,
            Step::More => {}
        }
    };
    Ok(call.list("auditLogs/signIns", items, None, next))
}

pub(super) async fn sign_in(call: &Call<'_>, id: &str) -> Outcome {
    call.needs(READ)?;
    call.app.journal.settle().await;
    let mut query = LogQuery { tenant_id: call.tenant.id.clone(), limit: STEP, ..LogQuery::default() };
    for _ in 0..SCAN / STEP {
        let rows = call.app.store().sign_ins(&query).await?;
        let Some(last) = rows.last() else { break };
        query.before = Some((UnixTime::from_micros(last.time), last.id.clone()));
        if let Some(row) = rows.iter().find(|row| row.id == id) {
            let mut resources = Resources::default();
            resources.learn(call, std::slice::from_ref(row)).await?;
            let shown = object(show_sign_in(row, &resources));
            return Ok(call.entity("auditLogs/signIns", StatusCode::OK, shown, None));
        }
    }
    Err(GraphError::not_found(id))
}

pub(super) async fn audits(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    let mut query = query(call, "activityDateTime", "")?;
    let (mut items, mut looked) = (Vec::new(), 0);
    let next = loop {
        let rows = call.app.store().audits(&query).await?;
        let places = rows.iter().map(|row| (row.time, row.id.clone())).collect();
        let shown = rows.iter().map(show_audit);
        match take(call, &mut query, &mut items, &mut looked, shown, places) {
            Step::Done(next) => break next,
            Step::More => {}
        }
    };
    Ok(call.list("auditLogs/directoryAudits", items, None, next))
}

pub(super) async fn audit(call: &Call<'_>, id: &str) -> Outcome {
    call.needs(READ)?;
    let mut query = LogQuery { tenant_id: call.tenant.id.clone(), limit: STEP, ..LogQuery::default() };
    for _ in 0..SCAN / STEP {
        let rows = call.app.store().audits(&query).await?;
        let Some(last) = rows.last() else { break };
        query.before = Some((last.time, last.id.clone()));
        if let Some(row) = rows.iter().find(|row| row.id == id) {
            return Ok(call.entity("auditLogs/directoryAudits", StatusCode::OK, object(show_audit(row)), None));
        }
    }
    Err(GraphError::not_found(id))
}

/// What the store can answer of the request; the whole condition is applied to its rows.
fn query(call: &Call<'_>, time: &str, subject: &str) -> Result<LogQuery, GraphError> {
    let options = &call.options;
    match options.order_by.as_deref() {
        None => {}
        Some(order) if order == format!("{time} desc") => {}
        Some(_) => {
            return Err(GraphError::unsupported(format!(
                "$orderby is supported for '{time} desc' alone, which is the default."
            )));
        }
    }
    options.expands_only(&[])?;
    let demanded =
        |name: &str, operators: &[Operator]| options.filter.as_ref().and_then(|f| f.demanded(name, operators));
    let since = demanded(time, &[Operator::Ge, Operator::Gt, Operator::Eq]).and_then(UnixTime::parse);
    let before = match options.skip_token.as_deref() {
        None => None,
        Some(token) => {
            let place = token
                .split_once('_')
                .and_then(|(time, id)| Some((UnixTime::from_micros(time.parse().ok()?), id.to_owned())));
            Some(place.ok_or_else(|| GraphError::bad("The $skiptoken is none of this list."))?)
        }
    };
    Ok(LogQuery {
        tenant_id: call.tenant.id.clone(),
        before,
        // Times are shown in whole seconds, so that rows of that second count.
        since: since.map(|since| UnixTime::from_secs(since.secs())),
        subject: Some(subject)
            .filter(|s| !s.is_empty())
            .and_then(|s| demanded(s, &[Operator::Eq]))
            .map(str::to_ascii_lowercase),
        correlation_id: demanded("correlationId", &[Operator::Eq]).map(str::to_ascii_lowercase),
        refused: false,
        newest: false,
        limit: STEP,
    })
}

enum Step {
    Done(Option<String>),
    More,
}

/// Takes the rows that fulfil the condition until the page is full, no more are left, or enough were looked at.
fn take(
    call: &Call<'_>,
    query: &mut LogQuery,
    items: &mut Vec<Map<String, Json>>,
    looked: &mut u32,
    shown: impl Iterator<Item = Json>,
    places: Vec<(UnixTime, String)>,
) -> Step {
    let last = (places.len() as u32) < query.limit;
    *looked += places.len() as u32;
    let token = |place: &Option<(UnixTime, String)>| place.as_ref().map(|(time, id)| format!("{}_{id}", time.micros()));
    for (shown, place) in shown.zip(places) {
        if items.len() == call.options.top as usize {
            return Step::Done(token(&query.before));
        }
        query.before = Some(place);
        if call.options.filter.as_ref().is_none_or(|f| f.holds(&shown)) {
            items.push(object(shown));
        }
    }
    if last {
        Step::Done(None)
    } else if *looked >= SCAN {
        Step::Done(token(&query.before))
    } else {
        Step::More
    }
}

fn object(value: Json) -> Map<String, Json> {
    match value {
        Json::Object(object) => object,
        _ => Map::new(),
    }
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|t| !t.is_empty())
}

/// App id and display name of the resources that rows are about, by object id of their service principals.
#[derive(Default)]
struct Resources(HashMap<String, Option<(String, String)>>);

impl Resources {
    async fn learn(&mut self, call: &Call<'_>, rows: &[SignInRecord]) -> Result<(), GraphError> {
        for id in rows.iter().map(|row| &row.resource_id).filter(|id| !id.is_empty()) {
            if self.0.contains_key(id) {
                continue;
            }
            let known = well_known::by_object_id(&call.tenant.id, id);
            let found = match known {
                Some(known) => Some((known.app_id.to_owned(), known.display_name.to_owned())),
                None => {
                    let principal = call.app.store().service_principal(&call.tenant.id, id).await?;
                    principal.map(|principal| (principal.app_id, principal.display_name))
                }
            };
            self.0.insert(id.clone(), found);
        }
        Ok(())
    }

    /// App id and display name; of one that is gone, or never was, what the request called it.
    fn name<'a>(&'a self, row: &'a SignInRecord) -> (Option<&'a str>, Option<&'a str>) {
        match self.0.get(&row.resource_id) {
            Some(Some((app_id, name))) => (Some(app_id), Some(name)),
            Some(None) | None => (None, some(&row.resource)),
        }
    }
}

fn show_sign_in(row: &SignInRecord, resources: &Resources) -> Json {
    let failure = if row.error_code == 0 { "Other." } else { &row.failure_reason };
    let (resource_id, resource_name) = resources.name(row);
    let kind = if row.credential_type == "managedIdentity" { "managedIdentity" } else { "servicePrincipal" };
    json!({
        "id": row.id,
        "createdDateTime": UnixTime::from_micros(row.time).rfc3339(),
        "appDisplayName": some(&row.app_name),
        "appId": row.app_id,
        "ipAddress": some(&row.ip_address),
        "userAgent": some(&row.client),
        "clientAppUsed": null,
        "correlationId": row.correlation_id,
        "conditionalAccessStatus": "notApplied",
        "appliedConditionalAccessPolicies": [],
        "isInteractive": false,
        "tokenIssuerType": "AzureAD",
        "incomingTokenType": "none",
        "authenticationProtocol": "none",
        "processingTimeInMilliseconds": row.micros.div_ceil(1_000),
        "resourceDisplayName": resource_name,
        "resourceId": resource_id,
        "resourceServicePrincipalId": some(&row.resource_id),
        "servicePrincipalId": some(&row.service_principal_id),
        "servicePrincipalName": some(&row.app_name),
        "servicePrincipalCredentialKeyId": some(&row.credential_key_id),
        "servicePrincipalCredentialThumbprint": some(&row.credential_thumbprint),
        "federatedCredentialId": some(&row.federated_credential_id),
        "clientCredentialType": row.credential_type,
        "uniqueTokenIdentifier": some(&row.token_id),
        "signInEventTypes": [kind],
        "homeTenantId": row.tenant_id,
        "resourceTenantId": row.tenant_id,
        "riskState": "none",
        "riskLevelDuringSignIn": "none",
        "riskLevelAggregated": "none",
        "riskDetail": "none",
        "status": {"errorCode": row.error_code, "failureReason": failure, "additionalDetails": null},
    })
}

fn show_audit(row: &AuditRecord) -> Json {
    let by_application = row.actor.len() == 36;
    let initiated = json!({
        "user": null,
        "app": {
            "appId": by_application.then_some(&row.actor),
            "displayName": (!by_application).then_some(&row.actor),
            "servicePrincipalId": null,
            "servicePrincipalName": null,
        },
    });
    let operation = row.activity.split(' ').next().map_or("Update", |word| match word {
        "Add" => "Add",
        "Delete" | "Remove" => "Delete",
        _ => "Update",
    });
    json!({
        "id": row.id,
        "category": row.category,
        "correlationId": row.correlation_id,
        "result": "success",
        "resultReason": "",
        "activityDisplayName": row.activity,
        "activityDateTime": row.time.rfc3339(),
        "loggedByService": "Core Directory",
        "operationType": operation,
        "initiatedBy": initiated,
        "targetResources": [{
            "id": row.target_id,
            "displayName": row.target_name,
            "type": row.details.get("type").cloned().unwrap_or_else(|| "Application".into()),
            "userPrincipalName": null,
            "groupType": null,
            "modifiedProperties": row.details.get("modifiedProperties").cloned().unwrap_or_else(|| json!([])),
        }],
        "additionalDetails": [],
    })
}
