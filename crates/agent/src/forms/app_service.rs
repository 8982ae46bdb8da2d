//! App Service's managed identity, for `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`: the header's value is a caller's secret.
//!
//! Parameters, refusals and answers are those of `core::managed_identity::app_service`.

use countersign_core::managed_identity::app_service::Refusing;
use countersign_core::managed_identity::{Answer as Plain, Query};

use super::{Asking, Done, not_allowed};
use crate::respond::{self, Outcome};

/// Answers a request.
pub async fn answer(asking: Asking<'_>) -> Done<'_> {
    let correlation_id = uuid::Uuid::new_v4().to_string();
    let refusing = Refusing { correlation_id: &correlation_id };
    let stranger = |plain: Plain, outcome| Done { answer: respond::plain(&plain), caller: "-", outcome };
    let query = Query::read(asking.query);
    let version = match refusing.version(&query) {
        Ok(version) => version,
        Err(plain) => return stranger(plain, Outcome::BadRequest),
    };
    let Some(caller) = asking.caller(asking.header(version.secret_header())) else {
        return stranger(
            refusing.wrong_secret(version, "the secret of one of the agent's callers"),
            Outcome::Unauthorized,
        );
    };
    let refuse = |plain: Plain, outcome| Done { answer: respond::plain(&plain), caller: caller.name.as_str(), outcome };
    let asked = match refusing.read(version, &query) {
        Ok(asked) => asked,
        Err(plain) => return refuse(plain, Outcome::BadRequest),
    };
    if !asking.is_identity(asked.name) {
        return refuse(refusing.no_identity(), Outcome::BadRequest);
    }
    let Some(scope) = caller.scopes.find(asked.resource) else {
        return refuse(refusing.refused(400, &not_allowed(caller)), Outcome::ScopeRefused);
    };
    match asking.inner.tokens.get(&caller.name, scope, None, &asking.inner.metrics).await {
        Ok(token) => refuse(version.token(&asking.given(&token, asked.resource)), Outcome::Token),
        Err(no_token) => {
            let status = if no_token.outcome() == Outcome::Refused { 400 } else { no_token.status().0 };
            let done = refuse(refusing.refused(status, &no_token.message()), no_token.outcome());
            Done { answer: respond::later(done.answer, &no_token), ..done }
        }
    }
}
