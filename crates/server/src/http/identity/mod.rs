//! Managed identity endpoints: the instance metadata service of virtual machines (IMDS), and App Service's.
//!
//! Both answer only where `--managed-identity` named applications. IMDS has no secret: it answers programs of the same
//! machine alone. `issue` does the work.

mod app_service;
mod metadata;

pub use app_service::answer as app_service;
pub use metadata::answer as metadata;

use countersign_core::managed_identity::{Answer as Plain, Given};
use http::StatusCode;

use super::context::Context;
use super::error::Refusal;
use super::respond::{self, Answer};
use crate::app::App;
use crate::issue::{IdentityAsked, IdentityName, IssuedToIdentity, NotIssued, issue_to_identity};
use crate::store::model::SignInRecord;

/// The token as both forms hand it out.
fn given(token: &IssuedToIdentity) -> Given<'_> {
    Given {
        access_token: token.issued.access_token.as_str(),
        client_id: &token.client_id,
        resource: &token.issued.resource,
        not_before: token.issued.not_before,
        expires_on: token.issued.expires_on,
        expires_in: token.issued.expires_in,
    }
}

/// An answer over HTTP, with the ids of the request.
fn reply(context: &Context, plain: Plain) -> Answer {
    let status = StatusCode::from_u16(plain.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = respond::answer(status, respond::JSON, plain.body.to_string());
    respond::with_ids(&mut response, context);
    response
}

/// Why there is no token.
enum NoToken {
    /// No such identity.
    NoIdentity,
    /// A rule is broken, or the service failed.
    Refused(Refusal),
}

/// Issues a token and keeps the record of it.
async fn issue(
    app: &App,
    context: &Context,
    name: IdentityName<'_>,
    resource: &str,
) -> Result<IssuedToIdentity, NoToken> {
    let now = app.now();
    let mut record = SignInRecord {
        id: context.trace_id.clone(),
        time: now.micros(),
        correlation_id: context.correlation_id.clone(),
        ip_address: context.address.to_string(),
        credential_type: "managedIdentity".to_owned(),
        ..SignInRecord::default()
    };
    let asked = IdentityAsked {
        name,
        resource,
        base: &context.base,
        now,
        random: &context.random,
        trace: context.trace.as_deref(),
    };
    let outcome = match issue_to_identity(app, &asked, &mut record).await {
        Ok(Some(issued)) => Ok(issued),
        Ok(None) => return Err(NoToken::NoIdentity),
        Err(NotIssued::Refused(reason)) => Err(Refusal::of(&reason)),
        Err(NotIssued::Failed(failure)) => {
            app.metrics.failed.count();
            tracing::error!(trace_id = context.trace_id, correlation_id = context.correlation_id, %failure, "a token for a managed identity failed");
            Err(Refusal::failed())
        }
    };
    if let Err(refusal) = &outcome {
        record.error_code = refusal.code;
        record.failure_reason.clone_from(&refusal.description);
    }
    super::authority::token::note(app, context, record);
    outcome.map_err(NoToken::Refused)
}
