//! `applications/{id}/federatedIdentityCredentials`.
//!
//! Called by [`super::dispatch`]; the rules stand in [`crate::resources::federated`].

use http::StatusCode;
use serde_json::{Map, Value as Json};

use super::applications::{READ, WRITE, change, find};
use super::audit::Activity;
use super::error::GraphError;
use super::{Answer, Call, Outcome};
use crate::resources::fault::Path;
use crate::resources::fields::Fields;
use crate::resources::tree::Node;
use crate::resources::{Origin, Reading, federated};
use crate::store::model::{ApplicationRecord, FederatedCredentialRecord};

const SET: &str = "federatedIdentityCredentials";

/// Finds one by id or name; Graph takes both.
fn position(record: &ApplicationRecord, which: &str) -> Result<usize, GraphError> {
    let which = which.strip_prefix("name=").unwrap_or(which);
    let found = record.federated_credentials.iter().position(|c| c.id.eq_ignore_ascii_case(which) || c.name == which);
    found.ok_or_else(|| GraphError::not_found(which))
}

pub(super) fn show(record: &FederatedCredentialRecord) -> Json {
    federated::show(record)
}

fn entity(call: &Call<'_>, status: StatusCode, record: &FederatedCredentialRecord) -> Answer {
    let object = match show(record) {
        Json::Object(object) => object,
        _ => Map::new(),
    };
    call.entity(SET, status, object, None)
}

pub(super) async fn list(call: &Call<'_>, segment: &str) -> Outcome {
    call.needs(READ)?;
    let record = find(call, segment).await?;
    Ok(call.whole_list(SET, record.federated_credentials.iter().map(show).collect()))
}

pub(super) async fn read(call: &Call<'_>, segment: &str, which: &str) -> Outcome {
    call.needs(READ)?;
    let record = find(call, segment).await?;
    let at = position(&record, which)?;
    Ok(entity(call, StatusCode::OK, &record.federated_credentials[at]))
}

pub(super) async fn create(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let made = change(call, segment, Activity::ManageFederation, |old| {
        let mut means = call.means();
        let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
        let made = federated::create(&old.federated_credentials, &body, &Path::root(), &mut reading)?;
        let mut new = old.clone();
        new.federated_credentials.push(made.clone());
        Ok((new, made))
    })
    .await?;
    Ok(entity(call, StatusCode::CREATED, &made))
}

/// PATCH changes a credential; by name it makes one that is not there (Graph's upsert).
pub(super) async fn update(call: &Call<'_>, segment: &str, which: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    if let Some(name) = which.strip_prefix("name=")
        && find(call, segment).await?.federated_credentials.iter().all(|c| c.name != name)
    {
        return upsert(call, segment, name, body).await;
    }
    change(call, segment, Activity::ManageFederation, |old| {
        let at = position(old, which)?;
        let mut others = old.federated_credentials.clone();
        let before = others.remove(at);
        let mut new = old.clone();
        new.federated_credentials[at] = federated::update(&others, &before, &body)?;
        Ok((new, ()))
    })
    .await?;
    Ok(Answer::NoContent)
}

async fn upsert(call: &Call<'_>, segment: &str, name: &str, body: Node) -> Outcome {
    let root = Path::root();
    let fields = Fields::of(&body, &root)?;
    if fields.text("name", 120)?.is_some_and(|given| given != name) {
        return Err(fields.fault("name", format!("differs from `{name}` in the path")).into());
    }
    let mut object = body.to_json();
    object["name"] = name.into();
    create(call, segment, Node::from_json(&object)).await
}

pub(super) async fn delete(call: &Call<'_>, segment: &str, which: &str) -> Outcome {
    call.needs(WRITE)?;
    change(call, segment, Activity::ManageFederation, |old| {
        let mut new = old.clone();
        new.federated_credentials.remove(position(old, which)?);
        Ok((new, ()))
    })
    .await?;
    Ok(Answer::NoContent)
}
