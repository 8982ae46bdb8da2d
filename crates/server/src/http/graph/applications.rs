//! `applications`: create, read, list, update, delete.
//!
//! Called by [`super::dispatch`]. A change and its audit row are one transaction; when the answer leaves, the next token
//! request sees the change.

use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::audit::{self, Activity};
use super::error::GraphError;
use super::odata::Narrow;
use super::request::{self, Key};
use super::{ATTEMPTS, Answer, Call, Outcome};
use crate::resources::tree::Node;
use crate::resources::{Origin, Reading, application, federated, password, service_principal};
use crate::store::model::ApplicationRecord;
use crate::store::{Change, Filter, Page, StoreError};

/// Roles of Microsoft Graph that may read applications and service principals.
pub(super) const READ: &[&str] =
    &["Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
/// Roles that may change them.
pub(super) const WRITE: &[&str] = &["Application.ReadWrite.All", "Directory.ReadWrite.All"];
/// Rows that one request looks through for a condition no index answers; then it answers a part and where to go on.
pub(super) const SCAN: u32 = 20_000;
const STEP: u32 = 500;

/// Finds an application and checks that it is there.
pub(super) async fn find(call: &Call<'_>, segment: &str) -> Result<ApplicationRecord, GraphError> {
    let (found, id) = match Key::read(segment)? {
        Key::ObjectId(id) => (call.app.store().application(&call.tenant.id, &id).await?, id),
        Key::AppId(id) => (call.app.store().client(&call.tenant.id, &id).await?.map(|client| client.application), id),
    };
    found.ok_or_else(|| GraphError::not_found(&id))
}

/// Changes an application: reads it, applies `change`, writes, and does so again when somebody else was faster.
pub(super) async fn change<T>(
    call: &Call<'_>,
    segment: &str,
    activity: Activity,
    mut apply: impl FnMut(&ApplicationRecord) -> Result<(ApplicationRecord, T), GraphError>,
) -> Result<T, GraphError> {
    let demanded = request::if_match(&call.headers)?;
    let mut attempt = 0;
    loop {
        let old = find(call, segment).await?;
        if demanded.is_some_and(|version| version != old.version) {
            return Err(GraphError::precondition());
        }
        let (new, value) = apply(&old)?;
        if new == old {
            return Ok(value);
        }
        let (modified, credentials) = audit::differences(Some(&old), &new);
        let activity = if credentials { Activity::ManageCredentials } else { activity };
        let row = audit::row(call, activity, (&new.object_id, &new.display_name), modified);
        attempt += 1;
        match call.app.directory.change([Change::UpdateApplication(Box::new(new)), row]).await {
            Ok(_) => return Ok(value),
            Err(StoreError::Changed { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// `POST /applications`: the application and its service principal, at once.
pub(super) async fn create(call: &Call<'_>, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let mut means = call.means();
    let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
    let record = application::create(&body, &call.tenant, &mut reading)?;
    let principal = service_principal::made_with(&record, reading.new_id(), call.now);
    let secrets = std::mem::take(&mut reading.made_secrets);
    let mut shown = application::show(&record, &call.tenant, false);
    if !secrets.is_empty() {
        let with_text = |entry: &_| {
            let entry: &crate::store::model::PasswordCredentialRecord = entry;
            let text = secrets.iter().find(|(id, _)| *id == entry.key_id).map(|(_, text)| text.as_str());
            password::show(entry, text)
        };
        let list = record.password_credentials.iter().map(with_text).collect();
        shown.insert("passwordCredentials".to_owned(), list);
    }
    let (modified, _) = audit::differences(None, &record);
    let rows = [
        audit::row(call, Activity::AddApplication, (&record.object_id, &record.display_name), modified),
        audit::row(call, Activity::AddServicePrincipal, (&principal.object_id, &principal.display_name), Vec::new()),
    ];
    let changes = [Change::CreateApplication(Box::new(record)), Change::CreateServicePrincipal(Box::new(principal))];
    call.app.directory.change(changes.into_iter().chain(rows)).await?;
    Ok(call.entity("applications", StatusCode::CREATED, shown, Some(1)))
}

/// `GET /applications/{id}`; `key` of certificates comes only with `$select=keyCredentials`.
pub(super) async fn read(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(READ)?;
    let record = find(call, segment).await?;
    call.options.expands_only(&["owners", "federatedIdentityCredentials"])?;
    let with_keys = call.options.selects("keyCredentials");
    let mut shown = call.options.selected(application::show(&record, &call.tenant, with_keys));
    expand(call, &record, &mut shown);
    let answer = call.entity("applications", StatusCode::OK, Map::new(), Some(record.version));
    Ok(match answer {
        Answer::Json(status, Json::Object(mut context), version) => {
            context.extend(shown);
            Answer::Json(status, context.into(), version)
        }
        other => other,
    })
}

/// Whether the caller is the application itself: it may roll its own keys, and nothing else without a role.
pub(super) fn is_self(call: &Call<'_>, record: &ApplicationRecord) -> bool {
    matches!(&call.caller, crate::admin::Caller::Application { app_id, .. } if *app_id == record.app_id)
}

fn expand(call: &Call<'_>, record: &ApplicationRecord, shown: &mut Map<String, Json>) {
    for name in &call.options.expand {
        let value = match name.as_str() {
            "federatedIdentityCredentials" => record.federated_credentials.iter().map(federated::show).collect(),
            // Nobody owns an application here: owners are users, and there are none.
            _ => json!([]),
        };
        shown.insert(name.clone(), value);
    }
}

/// `PATCH /applications/{id}`
pub(super) async fn update(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    change(call, segment, Activity::UpdateApplication, |old| {
        let mut means = call.means();
        let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
        let new = application::update(old, &body, &call.tenant.certificate_authorities, &mut reading)?;
        Ok((new, ()))
    })
    .await?;
    Ok(Answer::NoContent)
}

/// `DELETE /applications/{id}`, with its service principal and roles.
pub(super) async fn delete(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(WRITE)?;
    let old = find(call, segment).await?;
    if request::if_match(&call.headers)?.is_some_and(|version| version != old.version) {
        return Err(GraphError::precondition());
    }
    let row = audit::row(call, Activity::DeleteApplication, (&old.object_id, &old.display_name), Vec::new());
    let tenant_id = call.tenant.id.clone();
    let gone = Change::DeleteApplication { tenant_id, object_id: old.object_id, time: call.now };
    call.app.directory.change([gone, row]).await?;
    Ok(Answer::NoContent)
}

/// `GET /applications/{id}/owners`: always empty.
pub(super) async fn owners(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(READ)?;
    find(call, segment).await?;
    Ok(call.whole_list("directoryObjects", Vec::new()))
}

/// `GET /applications/$count`
pub(super) async fn count(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    Ok(Answer::Text(count_all(call).await?.to_string()))
}

async fn count_all(call: &Call<'_>) -> Result<u64, GraphError> {
    match call.options.filter.as_ref().map(super::odata::Expression::narrow) {
        None => Ok(call.app.store().count_applications(&call.tenant.id, &Filter::All).await?),
        Some(Narrow::Range { filter, exact: true }) => {
            Ok(call.app.store().count_applications(&call.tenant.id, &filter).await?)
        }
        Some(_) => Ok(all(call).await?.len() as u64),
    }
}

/// Every application that fulfils the condition, for what needs all of them: a number, an order by name.
async fn all(call: &Call<'_>) -> Result<Vec<Shown>, GraphError> {
    let (mut found, mut token) = (Vec::new(), String::new());
    for _ in 0..SCAN / STEP {
        let (more, next) = page(call, token, STEP as usize).await?;
        found.extend(more);
        match next {
            None => return Ok(found),
            Some(next) => token = next,
        }
    }
    Err(GraphError::unsupported("$orderby and $count over so many applications are not supported; narrow $filter."))
}

/// `GET /applications`
pub(super) async fn list(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    call.options.expands_only(&["owners", "federatedIdentityCredentials"])?;
    let order = order(call)?;
    let count = if call.options.count { Some(count_all(call).await?) } else { None };
    let (records, next) = match order {
        Order::Id => {
            let token = call.options.skip_token.clone().unwrap_or_default();
            page(call, token, call.options.top as usize).await?
        }
        Order::Name { descending } => by_name(call, all(call).await?, |shown| &shown.1, descending)?,
    };
    let items = records
        .into_iter()
        .map(|(record, mut shown)| {
            expand(call, &record, &mut shown);
            shown
        })
        .collect();
    Ok(call.list("applications", items, count, next))
}

/// The order of a list.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// By object id, in which lists come by themselves.
    Id,
    /// By `displayName`, for which the whole list is read and sorted.
    Name {
        /// `desc`
        descending: bool,
    },
}

/// Reads `$orderby`.
pub(super) fn order(call: &Call<'_>) -> Result<Order, GraphError> {
    match call.options.order_by.as_deref() {
        None | Some("id" | "id asc") => Ok(Order::Id),
        Some("displayName" | "displayName asc") => Ok(Order::Name { descending: false }),
        Some("displayName desc") => Ok(Order::Name { descending: true }),
        Some(_) => Err(GraphError::unsupported("$orderby is supported for id and displayName alone.")),
    }
}

/// What a `$skiptoken` begins with in a list by name; the number of elements before the page follows.
const BY_NAME: &str = "name-";

/// Sorts a whole list by name, in any letter case, and takes the page asked for.
pub(super) fn by_name<T>(
    call: &Call<'_>,
    mut list: Vec<T>,
    object: impl Fn(&T) -> &Map<String, Json>,
    descending: bool,
) -> Result<(Vec<T>, Option<String>), GraphError> {
    let first = match call.options.skip_token.as_deref() {
        None => 0,
        Some(token) => token
            .strip_prefix(BY_NAME)
            .and_then(|n| n.parse::<usize>().ok())
            .ok_or_else(|| GraphError::bad("The $skiptoken is none of this list."))?,
    };
    let name = |item: &T| object(item).get("displayName").and_then(Json::as_str).unwrap_or_default().to_lowercase();
    list.sort_by_cached_key(name);
    if descending {
        list.reverse();
    }
    let end = first.saturating_add(call.options.top as usize);
    let next = (end < list.len()).then(|| format!("{BY_NAME}{end}"));
    Ok((list.into_iter().skip(first).take(call.options.top as usize).collect(), next))
}

type Shown = (ApplicationRecord, Map<String, Json>);

async fn page(call: &Call<'_>, mut after: String, top: usize) -> Result<(Vec<Shown>, Option<String>), GraphError> {
    let (store, tenant) = (call.app.store(), &call.tenant);
    let show = |record: ApplicationRecord| {
        let shown = application::show(&record, tenant, false);
        (record, shown)
    };
    let condition = call.options.filter.as_ref();
    let fits = |shown: &Shown| condition.is_none_or(|c| c.holds(&Json::Object(shown.1.clone())));
    let narrow = condition.map_or(Narrow::Range { filter: Filter::All, exact: true }, super::odata::Expression::narrow);
    let (filter, exact) = match narrow {
        Narrow::Few(filters) => {
            let mut found: Vec<Shown> = Vec::new();
            for filter in &filters {
                let rows = store.applications(&tenant.id, filter, Page { after: "", limit: 1 }).await?;
                for shown in rows.into_iter().map(show) {
                    if !found.iter().any(|(record, _)| record.object_id == shown.0.object_id) {
                        found.push(shown);
                    }
                }
            }
            found.truncate(top);
            return Ok((found, None));
        }
        Narrow::Range { filter, exact } => (filter, exact),
    };
    let mut found = Vec::new();
    let mut looked = 0;
    loop {
        // One more than asked for tells whether there is a next page.
        let limit = if exact { top as u32 + 1 } else { STEP };
        let rows = store.applications(&tenant.id, &filter, Page { after: &after, limit }).await?;
        let last = (rows.len() as u32) < limit;
        looked += rows.len() as u32;
        for record in rows {
            if found.len() == top {
                return Ok((found, Some(after)));
            }
            after.clone_from(&record.object_id);
            let shown = show(record);
            if exact || fits(&shown) {
                found.push(shown);
            }
        }
        if last {
            return Ok((found, None));
        }
        if found.len() == top || looked >= SCAN {
            return Ok((found, Some(after)));
        }
    }
}
