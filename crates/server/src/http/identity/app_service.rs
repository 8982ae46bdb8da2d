//! `/msi/token`: what `IDENTITY_ENDPOINT` names in App Service and Functions.
//!
//! Parameters, refusals and answers are those of `core::managed_identity::app_service`.

use countersign_core::managed_identity::app_service::Refusing;
use countersign_core::managed_identity::{Answer as Plain, Query};
use http::HeaderMap;

use super::{NoToken, given, issue, reply};
use crate::app::App;
use crate::http::context::Context;
use crate::http::respond::Answer;

/// Answers a request.
pub async fn answer(app: &App, context: &Context, headers: &HeaderMap, query: &str) -> Answer {
    let plain = match plain_answer(app, context, headers, query).await {
        Ok(plain) | Err(plain) => plain,
    };
    reply(context, plain)
}

async fn plain_answer(app: &App, context: &Context, headers: &HeaderMap, query: &str) -> Result<Plain, Plain> {
    let refusing = Refusing { correlation_id: &context.correlation_id };
    let query = Query::read(query);
    let version = refusing.version(&query)?;
    let secret = headers.get(version.secret_header()).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !app.identities.is_secret(secret) {
        let place = format!("file {} in the data folder", crate::identities::IDENTITY_HEADER_FILE);
        return Err(refusing.wrong_secret(version, &place));
    }
    let asked = refusing.read(version, &query)?;
    match issue(app, context, asked.name, asked.resource).await {
        Ok(token) => Ok(version.token(&given(&token))),
        Err(NoToken::NoIdentity) => Err(refusing.no_identity()),
        Err(NoToken::Refused(refusal)) => Err(refusing.refused(refusal.status.as_u16(), &refusal.description)),
    }
}
