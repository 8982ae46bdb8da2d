//! Calls that the portal makes for whoever is signed in: the same code, roles, rules and audit rows as over the wire.
//!
//! Called by `http::portal`. It adds no right; it only spares the detour through HTTP and JSON text.

use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value as Json;

use super::applications::{self, WRITE, change};
use super::audit::Activity;
use super::error::GraphError;
use super::request::{self, Options};
use super::{Answer, Call, dispatch};
use crate::admin::Caller;
use crate::app::App;
use crate::http::context::Context;
use crate::resources::fault::Path;
use crate::resources::tree::Node;
use crate::resources::{Origin, Reading, key_credentials};
use crate::store::model::TenantRecord;

/// Why a call was refused.
#[derive(Debug)]
pub(in crate::http) struct Refused {
    /// HTTP status.
    pub status: StatusCode,
    /// For the reader.
    pub message: String,
}

impl From<GraphError> for Refused {
    fn from(error: GraphError) -> Self {
        Self { status: error.status, message: error.message }
    }
}

/// Who calls, and about which tenant.
pub(in crate::http) struct Inside<'a> {
    /// The service.
    pub app: &'a Arc<App>,
    /// The request.
    pub context: &'a Context,
    /// Who is signed in.
    pub caller: &'a Caller,
    /// The tenant that is looked at.
    pub tenant: &'a TenantRecord,
}

impl Inside<'_> {
    fn call(&self, path: &str) -> Result<Call<'_>, GraphError> {
        Ok(Call {
            app: self.app,
            caller: self.caller.clone(),
            tenant: self.tenant.clone(),
            now: self.app.now(),
            base: format!("{}/v1.0", self.context.base),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            options: Options::read("")?,
            correlation_id: self.context.correlation_id.clone(),
        })
    }

    /// Any call of the subset.
    ///
    /// # Errors
    /// As over the wire.
    pub async fn perform(&self, method: &Method, path: &str, body: Option<&Json>) -> Result<Json, Refused> {
        let call = self.call(path)?;
        let segments = request::segments(path)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match dispatch(&call, method, &segments, body.map(Node::from_json)).await? {
            Answer::Json(_, json, _) => Ok(json),
            Answer::NoContent => Ok(Json::Null),
            Answer::Text(text) => Ok(text.into()),
        }
    }

    /// One more certificate. Over the wire that is a PATCH of the whole collection; here nobody else's change can be lost.
    ///
    /// # Errors
    /// The rule that the certificate breaks.
    pub async fn add_certificate(&self, id: &str, credential: &Json) -> Result<(), Refused> {
        let call = self.call("")?;
        call.needs(WRITE)?;
        let node = Node::from_json(credential);
        change(&call, id, Activity::ManageCredentials, |old| {
            let mut means = call.means();
            let mut reading = Reading::new(Origin::Graph, call.now, &mut means);
            let root = Path::root();
            let entry = key_credentials::add(&old.key_credentials, &node, &root.member("certificate"), &mut reading)?;
            let mut new = old.clone();
            new.key_credentials.push(entry);
            Ok((new, ()))
        })
        .await?;
        Ok(())
    }

    /// One certificate less.
    ///
    /// # Errors
    /// There is none with that id.
    pub async fn remove_certificate(&self, id: &str, key_id: &str) -> Result<(), Refused> {
        let call = self.call("")?;
        call.needs(WRITE)?;
        applications::change(&call, id, Activity::ManageCredentials, |old| {
            let position = key_credentials::position(&old.key_credentials, key_id)
                .ok_or_else(|| GraphError::bad("No certificate with this key id is registered any more."))?;
            let mut new = old.clone();
            new.key_credentials.remove(position);
            Ok((new, ()))
        })
        .await?;
        Ok(())
    }
}

/// Whether a caller may read registrations.
pub(in crate::http) fn may_read(caller: &Caller) -> bool {
    caller.holds(applications::READ)
}

/// Whether a caller may change registrations.
pub(in crate::http) fn may_write(caller: &Caller) -> bool {
    caller.holds(WRITE)
}

/// Whether a caller may read the logs.
pub(in crate::http) fn may_read_logs(caller: &Caller) -> bool {
    caller.holds(super::logs::READ)
}
