//! `countersign/signingKeys`: the keys that sign access tokens, and their rollover by command. No part of Microsoft's Graph.
//!
//! Called by [`super::dispatch`]; for the holder of the admin token alone, since keys belong to every tenant. Private parts
//! are shown nowhere.

use countersign_core::time::UnixTime;
use http::StatusCode;
use serde_json::{Map, Value as Json, json};

use super::error::GraphError;
use super::{Answer, Call, Outcome};
use crate::admin::Caller;
use crate::store::model::SigningKeyRecord;
use crate::token::rollover::{self, By};
use crate::token::signer::SignerError;

fn for_the_operator(call: &Call<'_>) -> Result<(), GraphError> {
    if call.caller == Caller::Administrator { Ok(()) } else { Err(GraphError::denied(&["(the admin token)"])) }
}

fn show(key: &SigningKeyRecord, active: &[String], now: UnixTime) -> Json {
    let state = match (active.contains(&key.kid), key.published_until) {
        (true, _) => "signs",
        (false, Some(until)) if until <= now => "ended",
        (false, Some(_)) => "last",
        (false, None) if key.signs_from > now => "next",
        (false, None) => "published",
    };
    json!({
        "id": key.kid,
        "algorithm": key.alg,
        "state": state,
        "createdDateTime": key.created.rfc3339(),
        "signsFromDateTime": key.signs_from.rfc3339(),
        "publishedUntilDateTime": key.published_until.map(UnixTime::rfc3339),
    })
}

pub(super) async fn list(call: &Call<'_>) -> Outcome {
    for_the_operator(call)?;
    let active = call.app.signer.signing_now(call.now);
    let keys = call.app.store().signing_keys().await?;
    let keys = keys.iter().map(|k| show(k, &active, call.now)).collect();
    Ok(call.whole_list("countersign/signingKeys", keys))
}

pub(super) async fn roll(call: &Call<'_>) -> Outcome {
    for_the_operator(call)?;
    let by = By { actor: call.caller.name(), tenant_id: &call.tenant.id, correlation_id: &call.correlation_id };
    let rolled = rollover::roll(call.app, by).await.map_err(|error| match error {
        SignerError::Store(error) => error.into(),
        error => {
            tracing::error!(%error, "the signing key was not rolled");
            GraphError::failed()
        }
    })?;
    let mut rolled = rolled.into_iter().map(|rolled| {
        let members = [
            ("id", rolled.kid.into()),
            ("algorithm", rolled.alg.into()),
            ("signsFromDateTime", rolled.signs_from.rfc3339().into()),
            ("follows", rolled.follows.into()),
        ];
        members.map(|(name, value): (_, Json)| (name.to_owned(), value)).into_iter().collect::<Map<_, _>>()
    });
    // RS256 is always the first; what else is in use stands beside it.
    let mut answer = rolled.next().unwrap_or_default();
    answer.insert("others".to_owned(), rolled.map(Json::from).collect());
    Ok(Answer::Json(StatusCode::OK, answer.into(), None))
}
