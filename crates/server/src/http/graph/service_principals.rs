//! `servicePrincipals`: made with their application; switched off, deleted and made again by themselves.
//!
//! Called by [`super::dispatch`]. The built-in resources are there in every tenant without being stored; one that was
//! changed is stored then.

use countersign_core::UnixTime;
use http::StatusCode;
use serde_json::{Map, Value as Json};

use super::applications::{Order, READ, SCAN, WRITE, by_name, order};
use super::audit::{self, Activity};
use super::error::GraphError;
use super::odata::{Expression, Narrow};
use super::request::{self, Key};
use super::{ATTEMPTS, Answer, Call, Outcome};
use crate::resources::fault::{Path, shown};
use crate::resources::fields::Fields;
use crate::resources::tree::Node;
use crate::resources::{Origin, Reading, service_principal};
use crate::store::model::{ApplicationRecord, ServicePrincipalRecord};
use crate::store::{Change, Filter, Page, StoreError};
use crate::well_known::{self, WellKnown};

const STEP: u32 = 500;
/// What a `$skiptoken` begins with while built-in resources are left; ids follow them.
const BUILT_IN: &str = "built-in-";

/// A service principal with what it is made of.
pub(super) enum Found {
    /// A built-in resource.
    BuiltIn(&'static WellKnown, Option<Box<ServicePrincipalRecord>>),
    /// One of an application, which may live elsewhere.
    Stored(Box<ServicePrincipalRecord>, Option<Box<ApplicationRecord>>),
}

impl Found {
    pub(super) fn object_id(&self, tenant_id: &str) -> String {
        match self {
            Self::BuiltIn(known, stored) => {
                stored.as_ref().map_or_else(|| known.object_id(tenant_id), |s| s.object_id.clone())
            }
            Self::Stored(record, _) => record.object_id.clone(),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::BuiltIn(known, _) => known.display_name,
            Self::Stored(record, application) => application.as_ref().map_or(&record.display_name, |a| &a.display_name),
        }
    }

    fn version(&self) -> u64 {
        match self {
            Self::BuiltIn(_, stored) => stored.as_ref().map_or(0, |s| s.version),
            Self::Stored(record, _) => record.version,
        }
    }

    fn show(&self, tenant_id: &str) -> Map<String, Json> {
        match self {
            Self::BuiltIn(known, stored) => service_principal::show_well_known(known, tenant_id, stored.as_deref()),
            Self::Stored(record, application) => service_principal::show(record, application.as_deref()),
        }
    }
}

async fn built_in(call: &Call<'_>, known: &'static WellKnown) -> Result<Found, GraphError> {
    let stored = call.app.store().service_principal_of(&call.tenant.id, known.app_id).await?;
    Ok(Found::BuiltIn(known, stored.map(Box::new)))
}

async fn with_application(call: &Call<'_>, record: ServicePrincipalRecord) -> Result<Found, GraphError> {
    if let Some(known) = well_known::ALL.into_iter().find(|w| w.app_id == record.app_id) {
        return Ok(Found::BuiltIn(known, Some(Box::new(record))));
    }
    let client = call.app.store().client(&call.tenant.id, &record.app_id).await?;
    Ok(Found::Stored(Box::new(record), client.map(|c| Box::new(c.application))))
}

/// Finds a service principal by id or `appId='…'`.
pub(super) async fn find(call: &Call<'_>, segment: &str) -> Result<Found, GraphError> {
    let (store, tenant_id) = (call.app.store(), &call.tenant.id);
    let (record, id) = match Key::read(segment)? {
        Key::ObjectId(id) => {
            if let Some(known) = well_known::by_object_id(tenant_id, &id) {
                return built_in(call, known).await;
            }
            (store.service_principal(tenant_id, &id).await?, id)
        }
        Key::AppId(id) => {
            if let Some(known) = well_known::ALL.into_iter().find(|w| w.app_id == id) {
                return built_in(call, known).await;
            }
            (store.service_principal_of(tenant_id, &id).await?, id)
        }
    };
    let record = record.ok_or_else(|| GraphError::not_found(&id))?;
    with_application(call, record).await
}

pub(super) async fn read(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(READ)?;
    call.options.expands_only(&["owners"])?;
    let found = find(call, segment).await?;
    Ok(call.entity("servicePrincipals", StatusCode::OK, found.show(&call.tenant.id), Some(found.version())))
}

pub(super) async fn owners(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(READ)?;
    find(call, segment).await?;
    Ok(call.whole_list("directoryObjects", Vec::new()))
}

/// `POST /servicePrincipals`. An application's service principal is made with it, so that this usually finds it there and
/// answers with it: programs written for Entra create the two one after the other.
pub(super) async fn create(call: &Call<'_>, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let root = Path::root();
    let fields = Fields::of(&body, &root)?;
    let app_id = fields.guid("appId")?.ok_or_else(|| fields.fault("appId", "missing; it is required"))?;
    match find(call, &format!("appId={app_id}")).await {
        Ok(there) => {
            return Ok(call.entity(
                "servicePrincipals",
                StatusCode::CREATED,
                there.show(&call.tenant.id),
                Some(there.version()),
            ));
        }
        Err(error) if error.status == StatusCode::NOT_FOUND => {}
        Err(error) => return Err(error),
    }
    let Some(client) = call.app.store().client(&call.tenant.id, &app_id).await? else {
        let message = format!(
            "The appId '{}' of the service principal does not reference a valid application object.",
            shown(&app_id)
        );
        return Err(GraphError::bad(message));
    };
    let mut means = call.means();
    let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
    let plain = service_principal::made_with(&client.application, reading.new_id(), call.now);
    let record = service_principal::update(&plain, &body, &mut reading)?;
    let shown = service_principal::show(&record, Some(&client.application));
    let row = audit::row(call, Activity::AddServicePrincipal, (&record.object_id, &record.display_name), Vec::new());
    call.app.directory.change([Change::CreateServicePrincipal(Box::new(record)), row]).await?;
    Ok(call.entity("servicePrincipals", StatusCode::CREATED, shown, Some(1)))
}

pub(super) async fn update(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let demanded = request::if_match(&call.headers)?;
    let mut attempt = 0;
    loop {
        let found = find(call, segment).await?;
        if demanded.is_some_and(|version| version != found.version()) {
            return Err(GraphError::precondition());
        }
        let (old, stored) = match &found {
            Found::Stored(record, _) | Found::BuiltIn(_, Some(record)) => ((**record).clone(), true),
            Found::BuiltIn(known, None) => (of_built_in(known, &call.tenant.id), false),
        };
        let mut means = call.means();
        let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
        let new = service_principal::update(&old, &body, &mut reading)?;
        if new == old {
            return Ok(Answer::NoContent);
        }
        let modified = vec![
            ("AccountEnabled", old.enabled.into(), new.enabled.into()),
            ("AppRoleAssignmentRequired", old.assignment_required.into(), new.assignment_required.into()),
        ];
        let row = audit::row(call, Activity::UpdateServicePrincipal, (&new.object_id, found.name()), modified);
        let new = Box::new(new);
        let change = if stored { Change::UpdateServicePrincipal(new) } else { Change::CreateServicePrincipal(new) };
        attempt += 1;
        match call.app.directory.change([change, row]).await {
            Ok(_) => return Ok(Answer::NoContent),
            Err(StoreError::Changed { .. } | StoreError::Conflict { .. }) if attempt < ATTEMPTS => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn of_built_in(known: &WellKnown, tenant_id: &str) -> ServicePrincipalRecord {
    ServicePrincipalRecord {
        tenant_id: tenant_id.to_owned(),
        object_id: known.object_id(tenant_id),
        app_id: known.app_id.to_owned(),
        display_name: known.display_name.to_owned(),
        enabled: true,
        created: UnixTime::EPOCH,
        ..ServicePrincipalRecord::default()
    }
}

/// `DELETE /servicePrincipals/{id}`: its application stays, and gets no more tokens (AADSTS7000229).
pub(super) async fn delete(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(WRITE)?;
    let found = find(call, segment).await?;
    if request::if_match(&call.headers)?.is_some_and(|version| version != found.version()) {
        return Err(GraphError::precondition());
    }
    let Found::Stored(record, _) = &found else {
        return Err(GraphError::bad(format!(
            "{} is there in every tenant and cannot be deleted; set accountEnabled to false.",
            found.name()
        )));
    };
    let row = audit::row(call, Activity::RemoveServicePrincipal, (&record.object_id, found.name()), Vec::new());
    let (tenant_id, object_id) = (call.tenant.id.clone(), record.object_id.clone());
    call.app.directory.change([Change::DeleteServicePrincipal { tenant_id, object_id }, row]).await?;
    Ok(Answer::NoContent)
}

/// `GET /servicePrincipals/$count`
pub(super) async fn count(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    Ok(Answer::Text(count_all(call).await?.to_string()))
}

/// Counts by looking at each: nobody asks a directory of a million for this number but by mistake, so it has a bound.
async fn count_all(call: &Call<'_>) -> Result<u64, GraphError> {
    let (mut total, mut token) = (0, None);
    for _ in 0..COUNTED_PAGES {
        let (found, next) = page(call, token, STEP as usize).await?;
        total += found.len() as u64;
        match next {
            None => return Ok(total),
            next => token = next,
        }
    }
    Err(GraphError::unsupported("$count of so many service principals is not supported."))
}

const COUNTED_PAGES: u32 = 400;

/// `GET /servicePrincipals`
pub(super) async fn list(call: &Call<'_>) -> Outcome {
    call.needs(READ)?;
    call.options.expands_only(&[])?;
    let order = order(call)?;
    let count = if call.options.count { Some(count_all(call).await?) } else { None };
    let (items, next) = match order {
        Order::Id => page(call, call.options.skip_token.clone(), call.options.top as usize).await?,
        Order::Name { descending } => by_name(call, all(call).await?, |shown| shown, descending)?,
    };
    Ok(call.list("servicePrincipals", items, count, next))
}

/// Every service principal that fulfils the condition, to be sorted.
async fn all(call: &Call<'_>) -> Result<Items, GraphError> {
    let (mut found, mut token) = (Vec::new(), None);
    for _ in 0..SCAN / STEP {
        let (more, next) = page(call, token, STEP as usize).await?;
        found.extend(more);
        match next {
            None => return Ok(found),
            next => token = next,
        }
    }
    Err(GraphError::unsupported("$orderby over so many service principals is not supported; narrow $filter."))
}

type Items = Vec<Map<String, Json>>;

/// One page: the built-in resources first, then what is stored.
async fn page(call: &Call<'_>, token: Option<String>, top: usize) -> Result<(Items, Option<String>), GraphError> {
    let (store, tenant_id) = (call.app.store(), &call.tenant.id);
    let condition = call.options.filter.as_ref();
    let fits = |shown: &Map<String, Json>| condition.is_none_or(|c| c.holds(&Json::Object(shown.clone())));
    let mut items = Vec::new();
    let first = match &token {
        None => 0,
        Some(token) => token.strip_prefix(BUILT_IN).and_then(|n| n.parse().ok()).unwrap_or(well_known::ALL.len()),
    };
    for (i, known) in well_known::ALL.into_iter().enumerate().skip(first) {
        if items.len() == top {
            return Ok((items, Some(format!("{BUILT_IN}{i}"))));
        }
        let shown = built_in(call, known).await?.show(tenant_id);
        if fits(&shown) {
            items.push(shown);
        }
    }
    let mut after = token.filter(|t| !t.starts_with(BUILT_IN)).unwrap_or_default();
    if items.len() == top {
        // Zeros sort before every id.
        return Ok((items, Some(if after.is_empty() { "0".to_owned() } else { after })));
    }
    let filters = match condition.map(Expression::narrow) {
        None => vec![Filter::All],
        Some(Narrow::Range { filter, .. }) => vec![filter],
        Some(Narrow::Few(filters)) => filters,
    };
    // Each of several filters finds at most one row, so that no page ends between them.
    let few = filters.len() > 1;
    for filter in filters {
        // Names of a service principal are its app id and the URIs of its application.
        let filter = match filter {
            Filter::IdentifierUri(uri) => match store.app_id_of_uri(tenant_id, &uri).await? {
                Some(app_id) => Filter::AppId(app_id),
                None => continue,
            },
            other => other,
        };
        let mut looked = 0;
        if few {
            after.clear();
        }
        loop {
            let rows = store.service_principals(tenant_id, &filter, Page { after: &after, limit: STEP }).await?;
            let last = (rows.len() as u32) < STEP;
            looked += rows.len() as u32;
            for record in rows {
                if items.len() == top {
                    return Ok((items, Some(after)));
                }
                after.clone_from(&record.object_id);
                if well_known::ALL.iter().any(|w| w.app_id == record.app_id) {
                    continue;
                }
                let shown = with_application(call, record).await?.show(tenant_id);
                if fits(&shown) {
                    items.push(shown);
                }
            }
            if last {
                break;
            }
            if items.len() == top || looked >= SCAN {
                return Ok((items, Some(after)));
            }
        }
    }
    Ok((items, None))
}
