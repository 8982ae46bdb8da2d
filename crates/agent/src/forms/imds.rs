//! The metadata service of virtual machines, for `AZURE_POD_IDENTITY_AUTHORITY_HOST` and programs that know no other way.
//!
//! It has no secret: it is answered on the Unix socket, and on TCP only where the start said so.

use countersign_core::managed_identity::imds::{self, Guards};
use countersign_core::managed_identity::{Answer as Plain, Query};

use super::{Asking, Done, not_allowed};
use crate::OpenForm;
use crate::guard::Via;
use crate::respond::{self, Outcome};

/// Answers a request.
pub async fn answer(asking: Asking<'_>) -> Done<'_> {
    if asking.via != Via::Unix && !asking.inner.open.contains(&OpenForm::Imds) {
        let why = "the metadata form has no secret and is off; the agent answers it with --without-secret imds";
        let answer = respond::error(404, "not_found", why);
        return Done { answer, caller: "-", outcome: Outcome::Forbidden };
    }
    let caller = asking.inner.callers.without_secret();
    let refuse = |plain: Plain, outcome| Done { answer: respond::plain(&plain), caller: caller.name.as_str(), outcome };
    let guards = Guards {
        metadata: asking.headers.get("metadata").map(http::HeaderValue::as_bytes),
        forwarded: asking.headers.contains_key("x-forwarded-for"),
        // The agent listens on loopback addresses and on its socket, nowhere else.
        same_machine: true,
    };
    let query = Query::read(asking.query);
    let asked = match guards.check().and_then(|()| imds::read(&query)) {
        Ok(asked) => asked,
        Err(plain) => return refuse(plain, Outcome::BadRequest),
    };
    if !asking.is_identity(asked.name) {
        return refuse(imds::no_identity(), Outcome::BadRequest);
    }
    let Some(scope) = caller.scopes.find(asked.resource) else {
        return refuse(imds::refused(400, "invalid_resource", &not_allowed(caller)), Outcome::ScopeRefused);
    };
    match asking.inner.tokens.get(&caller.name, scope, None, &asking.inner.metrics).await {
        Ok(token) => refuse(imds::token(&asking.given(&token, asked.resource)), Outcome::Token),
        Err(no_token) => {
            let (status, error) = no_token.status();
            // What the authority refuses is a bad request here, and none of the metadata service's own faults.
            let status = if no_token.outcome() == Outcome::Refused { 400 } else { status };
            let done = refuse(imds::refused(status, error, &no_token.message()), no_token.outcome());
            Done { answer: respond::later(done.answer, &no_token), ..done }
        }
    }
}
