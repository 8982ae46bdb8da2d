//! `/metadata/identity/oauth2/token`: what a virtual machine's managed identity is asked for.
//!
//! Parameters, guards and answers are those of `core::managed_identity::imds`.

use countersign_core::managed_identity::imds::{self, Guards};
use countersign_core::managed_identity::{Answer as Plain, Query};
use http::HeaderMap;

use super::{NoToken, given, issue, reply};
use crate::app::App;
use crate::http::context::Context;
use crate::http::respond::Answer;

/// Answers a request.
pub async fn answer(app: &App, context: &Context, headers: &HeaderMap, query: &str, peer: std::net::IpAddr) -> Answer {
    let guards = Guards {
        metadata: headers.get("metadata").map(http::HeaderValue::as_bytes),
        forwarded: headers.contains_key("x-forwarded-for"),
        same_machine: peer.to_canonical().is_loopback(),
    };
    let plain = match plain_answer(app, context, guards, query).await {
        Ok(plain) | Err(plain) => plain,
    };
    reply(context, plain)
}

async fn plain_answer(app: &App, context: &Context, guards: Guards<'_>, query: &str) -> Result<Plain, Plain> {
    guards.check()?;
    let query = Query::read(query);
    let asked = imds::read(&query)?;
    match issue(app, context, asked.name, asked.resource).await {
        Ok(token) => Ok(imds::token(&given(&token))),
        Err(NoToken::NoIdentity) => Err(imds::no_identity()),
        // A resource that is not there is `invalid_resource`; the rest as at the token endpoint.
        Err(NoToken::Refused(refusal)) => {
            Err(imds::refused(refusal.status.as_u16(), refusal.error, &refusal.description))
        }
    }
}
