//! `addPassword`, `removePassword`, `addKey`, `removeKey` of an application.
//!
//! Called by [`super::dispatch`]. A secret leaves the service in one answer and is kept as a digest; a key is added or
//! removed by whoever proves to hold one that is there
//! (<https://learn.microsoft.com/graph/application-rollkey-prooftoken>).

use http::StatusCode;
use serde_json::{Map, Value as Json};
use zeroize::Zeroizing;

use super::applications::{self, WRITE, change, is_self};
use super::audit::Activity;
use super::error::GraphError;
use super::request;
use super::{Answer, Call, Outcome};
use crate::resources::fault::Path;
use crate::resources::fields::Fields;
use crate::resources::proof::{self, ProofError};
use crate::resources::tree::{Node, Spot, Value};
use crate::resources::{Origin, Reading, key_credentials, password};
use crate::store::model::ApplicationRecord;

const ACTIONS: [&str; 4] = ["addPassword", "removePassword", "addKey", "removeKey"];
const MAX_PROOF: usize = 16 * 1024;

/// Whether a segment names one of the actions; Graph also takes them with their namespace.
pub(super) fn is_action(segment: &str) -> bool {
    ACTIONS.contains(&segment.strip_prefix("microsoft.graph.").unwrap_or(segment))
}

/// The same actions on a service principal: its credentials are those of its application here.
pub(super) fn not_here(action: &str) -> Outcome {
    Err(GraphError::bad(format!(
        "Credentials are kept on applications, not on service principals: call /applications(appId='…')/{action}."
    )))
}

/// `POST /applications/{id}/{action}`
pub(super) async fn act(call: &Call<'_>, segment: &str, action: &str, body: Option<Node>) -> Outcome {
    let action = action.strip_prefix("microsoft.graph.").unwrap_or(action);
    match action {
        "addPassword" => {
            let empty = Node { at: Spot::default(), value: Value::Object(Vec::new()) };
            add_password(call, segment, request::object(Some(body.unwrap_or(empty)))?).await
        }
        "removePassword" => remove_password(call, segment, request::object(body)?).await,
        "addKey" => add_key(call, segment, request::object(body)?).await,
        _ => remove_key(call, segment, request::object(body)?).await,
    }
}

async fn add_password(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let shown = change(call, segment, Activity::ManageCredentials, |old| {
        let root = Path::root();
        let fields = Fields::of(&body, &root)?;
        let empty = Node { at: Spot::default(), value: Value::Object(Vec::new()) };
        let path = root.member("passwordCredential");
        let inner = Fields::of(fields.present("passwordCredential").unwrap_or(&empty), &path)?;
        let mut means = call.means();
        let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
        let entry = password::add(&old.password_credentials, &inner, &mut reading)?;
        let secret: Option<Zeroizing<String>> = reading.made_secrets.pop().map(|(_, text)| text);
        let shown = password::show(&entry, secret.as_deref().map(String::as_str));
        let mut new = old.clone();
        new.password_credentials.push(entry);
        Ok((new, shown))
    })
    .await?;
    Ok(action_result(call, "microsoft.graph.passwordCredential", shown))
}

async fn remove_password(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    call.needs(WRITE)?;
    let key_id = key_id(&body)?;
    change(call, segment, Activity::ManageCredentials, |old| {
        let mut new = old.clone();
        new.password_credentials.retain(|entry| entry.key_id != key_id);
        if new.password_credentials.len() == old.password_credentials.len() {
            return Err(GraphError::bad(format!("No password credential found with keyId '{key_id}'.")));
        }
        Ok((new, ()))
    })
    .await?;
    Ok(Answer::NoContent)
}

async fn add_key(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    let old = applications::find(call, segment).await?;
    may_roll(call, &old)?;
    let shown = change(call, segment, Activity::ManageCredentials, |old| {
        check_proof(call, old, &body)?;
        let root = Path::root();
        let fields = Fields::of(&body, &root)?;
        if fields.present("passwordCredential").is_some() {
            return Err(fields
                .fault(
                    "passwordCredential",
                    "not taken: a certificate that authenticates an application has no password",
                )
                .into());
        }
        let Some(node) = fields.present("keyCredential") else {
            return Err(fields.fault("keyCredential", "missing; it is required").into());
        };
        let mut means = call.means();
        let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
        let entry = key_credentials::add(&old.key_credentials, node, &root.member("keyCredential"), &mut reading)?;
        let shown = key_credentials::show(&entry, false);
        let mut new = old.clone();
        new.key_credentials.push(entry);
        Ok((new, shown))
    })
    .await?;
    Ok(action_result(call, "microsoft.graph.keyCredential", shown))
}

async fn remove_key(call: &Call<'_>, segment: &str, body: Node) -> Outcome {
    let old = applications::find(call, segment).await?;
    may_roll(call, &old)?;
    let key_id = key_id(&body)?;
    change(call, segment, Activity::ManageCredentials, |old| {
        check_proof(call, old, &body)?;
        let Some(position) = key_credentials::position(&old.key_credentials, &key_id) else {
            return Err(GraphError::bad(format!("No key credential found with keyId '{key_id}'.")));
        };
        let mut new = old.clone();
        new.key_credentials.remove(position);
        Ok((new, ()))
    })
    .await?;
    Ok(Answer::NoContent)
}

/// An application may roll its own keys without any role; others need one that lets them write.
fn may_roll(call: &Call<'_>, record: &ApplicationRecord) -> Result<(), GraphError> {
    if is_self(call, record) { Ok(()) } else { call.needs(WRITE) }
}

fn check_proof(call: &Call<'_>, record: &ApplicationRecord, body: &Node) -> Result<(), GraphError> {
    let root = Path::root();
    let fields = Fields::of(body, &root)?;
    let proof = fields.required_text("proof", MAX_PROOF)?;
    // Which status Graph gives for a proof with wrong claims is not recorded; 400 with the reason serves its reader best.
    proof::verify(proof, &record.object_id, &record.key_credentials, call.now, &*call.app.crypto).map_err(|error| {
        match error {
            ProofError::Malformed(message) => GraphError::malformed_proof(&message),
            ProofError::Refused(message) => fields.fault("proof", message).into(),
        }
    })
}

fn key_id(body: &Node) -> Result<String, GraphError> {
    let root = Path::root();
    let fields = Fields::of(body, &root)?;
    Ok(fields.guid("keyId")?.ok_or_else(|| fields.fault("keyId", "missing; it is required"))?)
}

fn action_result(call: &Call<'_>, kind: &str, shown: Json) -> Answer {
    let mut object = Map::new();
    object.insert("@odata.context".to_owned(), format!("{}/$metadata#{kind}", call.base).into());
    if let Json::Object(shown) = shown {
        object.extend(shown);
    }
    Answer::Json(StatusCode::OK, object.into(), None)
}
