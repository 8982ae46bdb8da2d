//! How keys that sign access tokens follow each other: the next one is published before it signs, the last one stays published
//! until its tokens have ended.
//!
//! Each algorithm has an order of its own; ES256 only once a resource asks for it.
//! [`run`] keeps the order in the background, [`roll`] is the command's and the portal's. What is to be done is worked out by
//! [`plan`] from the store's records alone, so that every node of a service comes to the same answer.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::UnixTime;
use serde_json::json;
use tokio::sync::watch;

use super::signer::{SignerError, make_key};
use crate::app::App;
use crate::config::Mode;
use crate::store::Change;
use crate::store::model::{AuditRecord, SigningKeyRecord, TokenAlg};

/// Longest life of a token (that of a managed identity, a day), and an hour for clocks that jump.
const LONGEST_TOKEN: i64 = 86_400 + 3_600;
/// For so long a key is published at least before it signs: others take up a `kid` that they do not know when they meet it,
/// or look again every few minutes.
const AHEAD: i64 = 300;
/// The same in dev mode, where somebody waits for it.
const AHEAD_IN_DEV: i64 = 2;
/// An ended key is shown for so long, and then forgotten.
const SHOWN_AFTER_END: i64 = 7 * 86_400;
/// Until when a key waits that only a command lets sign: the year 9999.
const NEVER: UnixTime = UnixTime::from_secs(253_370_764_800);
/// How often it is looked whether something is to be done; also the pause before the first time, so that a service that was
/// just started answers requests first.
const EVERY: Duration = Duration::from_secs(10);

/// The pause before the first key for ES256 is made: requests come first.
const SOON: Duration = Duration::from_secs(1);
/// Each has keys that follow each other.
const ALGORITHMS: [TokenAlg; 2] = [TokenAlg::Rs256, TokenAlg::Es256];

fn of_alg(keys: &[SigningKeyRecord], alg: TokenAlg) -> Vec<SigningKeyRecord> {
    keys.iter().filter(|k| k.alg == alg.alg().name()).cloned().collect()
}

/// When keys follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Seconds for which a key signs; `None`: until a command says otherwise.
    pub max_age: Option<i64>,
    /// Seconds for which a key is published before it signs.
    pub ahead: i64,
}

impl Policy {
    /// The policy of a service.
    pub fn of(app: &App) -> Self {
        let ahead = if app.config.mode.value == Mode::Production { AHEAD } else { AHEAD_IN_DEV };
        Self { max_age: app.config.signing_key_max_age.value, ahead }
    }
}

/// What is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Keys whose dates change.
    pub change: Vec<SigningKeyRecord>,
    /// A key is to be made that signs from then on.
    pub make: Option<UnixTime>,
    /// Keys that ended long ago.
    pub remove: Vec<String>,
}

/// The key that signs now: the latest of those that may.
fn active(keys: &[SigningKeyRecord], now: UnixTime) -> Option<&SigningKeyRecord> {
    let may = |k: &&SigningKeyRecord| k.signs_from <= now && k.published_until.is_none_or(|until| now < until);
    keys.iter().filter(may).max_by_key(|k| k.signs_from)
}

/// The key that signs after it.
fn next(keys: &[SigningKeyRecord], now: UnixTime) -> Option<&SigningKeyRecord> {
    keys.iter().filter(|k| k.signs_from > now).min_by_key(|k| k.signs_from)
}

/// What is to be done with these keys at this time.
pub fn plan(keys: &[SigningKeyRecord], policy: Policy, now: UnixTime) -> Plan {
    let mut plan = Plan::default();
    let Some(active) = active(keys, now) else {
        // The first key of an algorithm is published like any other before it signs. With others there the clock was set
        // back: whatever signs then, nothing is to be changed by it.
        plan.make = keys.is_empty().then(|| now.plus_secs(policy.ahead));
        return plan;
    };
    for key in keys.iter().filter(|k| k.signs_from < active.signs_from && k.published_until.is_none()) {
        let until = active.signs_from.plus_secs(LONGEST_TOKEN);
        plan.change.push(SigningKeyRecord { published_until: Some(until), ..key.clone() });
    }
    let due = policy.max_age.map_or(NEVER, |age| active.signs_from.plus_secs(age));
    match next(keys, now) {
        None => plan.make = Some(due.max(now.plus_secs(policy.ahead))),
        // A shorter age than the one it was made for; what a command brought forward stays.
        Some(next) if next.signs_from > due => {
            let from = due.max(next.created.plus_secs(policy.ahead));
            plan.change.push(SigningKeyRecord { signs_from: from, ..next.clone() });
        }
        Some(_) => {}
    }
    let ended = |k: &&SigningKeyRecord| k.published_until.is_some_and(|t| t.plus_secs(SHOWN_AFTER_END) < now);
    plan.remove = keys.iter().filter(ended).map(|k| k.kid.clone()).collect();
    plan
}

/// Who lets keys change, for the audit log.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// Name of the caller.
    pub actor: &'a str,
    /// The tenant in whose log it stands: keys belong to all of them.
    pub tenant_id: &'a str,
    /// The request.
    pub correlation_id: &'a str,
}

/// What [`roll`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rolled {
    /// Its algorithm.
    pub alg: &'static str,
    /// The key that signs now, or soon.
    pub kid: String,
    /// From when on.
    pub signs_from: UnixTime,
    /// The key that it follows.
    pub follows: String,
}

/// Lets the next key of each algorithm in use sign as soon as it was published long enough; the last one stays published until its tokens have ended.
///
/// # Errors
/// [`SignerError`]; nothing was changed then.
pub async fn roll(app: &Arc<App>, by: By<'_>) -> Result<Vec<Rolled>, SignerError> {
    let turn = app.signer.turn().await;
    let (now, policy) = (app.now(), Policy::of(app));
    let in_use = |alg: TokenAlg, keys: &[SigningKeyRecord]| alg == TokenAlg::Rs256 || !keys.is_empty();
    // Made before others are kept out: it takes long.
    let seen = app.store().signing_keys().await?;
    let mut spare = Vec::new();
    for alg in ALGORITHMS {
        let keys = of_alg(&seen, alg);
        if in_use(alg, &keys) && next(&keys, now).is_none() {
            spare.push((alg, make(app, alg, now, now.plus_secs(policy.ahead)).await?));
        }
    }
    // From here on no other node changes keys.
    let mut edit = app.directory.edit().await?;
    let keys = app.store().signing_keys().await?;
    let mut all = Vec::new();
    for alg in ALGORITHMS {
        let keys = of_alg(&keys, alg);
        if !in_use(alg, &keys) {
            continue;
        }
        let coming = next(&keys, now).cloned().or_else(|| taken(&mut spare, alg)).ok_or_else(changed_meanwhile)?;
        let (rolled, changes) = roll_one(by, now, policy, alg.alg().name(), coming, active(&keys, now).cloned());
        for change in changes {
            edit.apply(change).await?;
        }
        all.push(rolled);
    }
    edit.commit().await?;
    app.signer.reload(app.store(), &app.secrets).await?;
    drop(turn);
    for rolled in &all {
        tracing::info!(
            kid = rolled.kid,
            alg = rolled.alg,
            signs_from = rolled.signs_from.rfc3339(),
            "signing key rolled"
        );
    }
    Ok(all)
}

/// The key of this algorithm out of those that were made.
fn taken(spare: &mut Vec<(TokenAlg, SigningKeyRecord)>, alg: TokenAlg) -> Option<SigningKeyRecord> {
    let at = spare.iter().position(|(a, _)| *a == alg)?;
    Some(spare.swap_remove(at).1)
}

fn changed_meanwhile() -> SignerError {
    SignerError::Make("another node changed the keys meanwhile; ask again".to_owned())
}

/// Works out what rolling the keys of one algorithm changes: `coming` follows `last`.
fn roll_one(
    by: By<'_>,
    now: UnixTime,
    policy: Policy,
    alg: &'static str,
    mut coming: SigningKeyRecord,
    last: Option<SigningKeyRecord>,
) -> (Rolled, Vec<Change>) {
    coming.signs_from = coming.signs_from.min(now.max(coming.created.plus_secs(policy.ahead)));
    let rolled = Rolled {
        alg,
        kid: coming.kid.clone(),
        signs_from: coming.signs_from,
        follows: last.as_ref().map(|k| k.kid.clone()).unwrap_or_default(),
    };
    let row = audit(by, now, "Roll signing key", &coming, last.as_ref());
    let mut changes = vec![Change::PutSigningKey(Box::new(coming)), row];
    if let Some(last) = last {
        let until = Some(rolled.signs_from.plus_secs(LONGEST_TOKEN));
        changes.push(Change::PutSigningKey(Box::new(SigningKeyRecord { published_until: until, ..last })));
    }
    (rolled, changes)
}

/// What is to be done for each algorithm, where there is something.
fn plans(app: &App, keys: &[SigningKeyRecord], now: UnixTime) -> Vec<(TokenAlg, Plan)> {
    let mut plans = Vec::new();
    for alg in ALGORITHMS {
        let keys = of_alg(keys, alg);
        let in_use = alg == TokenAlg::Rs256 || !keys.is_empty() || *app.directory.es256_wanted().borrow();
        let plan = if in_use { plan(&keys, Policy::of(app), now) } else { Plan::default() };
        if plan != Plan::default() {
            plans.push((alg, plan));
        }
    }
    plans
}

/// Does what is to be done now.
///
/// # Errors
/// [`SignerError`]; what was not done is done next time.
pub async fn keep(app: &Arc<App>) -> Result<(), SignerError> {
    let _turn = app.signer.turn().await;
    let now = app.now();
    let due = plans(app, &app.store().signing_keys().await?, now);
    if due.is_empty() {
        return Ok(());
    }
    // Made before others are kept out: it takes long.
    let mut spare = Vec::new();
    for (alg, plan) in due {
        if let Some(from) = plan.make {
            spare.push((alg, make(app, alg, now, from).await?));
        }
    }
    let tenant_id = app.store().tenants().await?.into_iter().next().map(|t| t.id).unwrap_or_default();
    let correlation_id = uuid::Uuid::new_v4().to_string();
    let by = By { actor: "service", tenant_id: &tenant_id, correlation_id: &correlation_id };
    // From here on no other node changes keys; what one did meanwhile needs not be done again.
    let mut edit = app.directory.edit().await?;
    let plans = plans(app, &app.store().signing_keys().await?, now);
    let mut changes = Vec::new();
    for (alg, plan) in plans {
        for key in plan.change {
            let activity = if key.signs_from > now { "Update signing key" } else { "Retire signing key" };
            changes.push(audit(by, now, activity, &key, None));
            changes.push(Change::PutSigningKey(Box::new(key)));
        }
        if let Some(from) = plan.make
            && let Some(key) = taken(&mut spare, alg)
        {
            let key = SigningKeyRecord { signs_from: from, ..key };
            changes.push(audit(by, now, "Add signing key", &key, None));
            changes.push(Change::PutSigningKey(Box::new(key)));
        }
        changes.extend(plan.remove.into_iter().map(|kid| Change::RemoveSigningKey { kid }));
    }
    if !changes.is_empty() {
        for change in changes {
            edit.apply(change).await?;
        }
        edit.commit().await?;
    }
    app.signer.reload(app.store(), &app.secrets).await
}

/// Keeps the order of keys until `stop` says so.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut wanted = app.directory.es256_wanted();
    loop {
        let es256 = async {
            let wanted = wanted.wait_for(|wanted| *wanted).await.is_ok();
            if wanted && app.signer.algorithms(app.now()).len() == 1 {
                tokio::time::sleep(SOON).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = es256 => {}
            _ = stop.changed() => return,
        }
        if let Err(error) = keep(&app).await {
            tracing::warn!(%error, "the order of the signing keys could not be kept; it is tried again");
        }
    }
}

async fn make(app: &Arc<App>, alg: TokenAlg, now: UnixTime, from: UnixTime) -> Result<SigningKeyRecord, SignerError> {
    let service = Arc::clone(app);
    // Off the threads that answer requests.
    tokio::task::spawn_blocking(move || make_key(&service.secrets, alg, now, from))
        .await
        .unwrap_or_else(|_| Err(SignerError::Make("the task that makes it ended".to_owned())))
}

fn audit(
    by: By<'_>,
    now: UnixTime,
    activity: &str,
    key: &SigningKeyRecord,
    follows: Option<&SigningKeyRecord>,
) -> Change {
    let date = |t: Option<UnixTime>| t.map(UnixTime::rfc3339);
    let modified = json!([
        {"displayName": "SignsFrom", "oldValue": null, "newValue": key.signs_from.rfc3339()},
        {"displayName": "PublishedUntil", "oldValue": null, "newValue": date(key.published_until)},
        {"displayName": "Follows", "oldValue": null, "newValue": follows.map(|k| k.kid.clone())},
    ]);
    Change::Audit(Box::new(AuditRecord {
        id: uuid::Uuid::now_v7().to_string(),
        tenant_id: by.tenant_id.to_owned(),
        time: now,
        correlation_id: by.correlation_id.to_owned(),
        activity: activity.to_owned(),
        category: "KeyManagement".to_owned(),
        actor: by.actor.to_owned(),
        target_id: key.kid.clone(),
        target_name: "signing key".to_owned(),
        details: json!({"type": "SigningKey", "modifiedProperties": modified}),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
    const MONTHLY: Policy = Policy { max_age: Some(30 * DAY), ahead: 300 };

    fn key(kid: &str, signs_from: UnixTime) -> SigningKeyRecord {
        SigningKeyRecord {
            kid: kid.to_owned(),
            alg: "RS256".to_owned(),
            certificate: Vec::new(),
            sealed_key: Vec::new(),
            created: signs_from.min(NOW).plus_secs(-DAY),
            signs_from,
            published_until: None,
        }
    }

    #[test]
    fn the_next_key_is_made_long_before_it_signs() {
        let first = key("a", NOW);
        let plan = plan(&[first], MONTHLY, NOW.plus_secs(10));
        assert_eq!(plan, Plan { make: Some(NOW.plus_secs(30 * DAY)), ..Plan::default() });
    }

    #[test]
    fn a_service_that_was_down_for_long_still_publishes_before_it_signs() {
        let plan = plan(&[key("a", NOW.plus_secs(-90 * DAY))], MONTHLY, NOW);
        assert_eq!(plan.make, Some(NOW.plus_secs(300)));
    }

    #[test]
    fn the_last_key_stays_until_its_tokens_have_ended() {
        let keys = [key("a", NOW.plus_secs(-30 * DAY)), key("b", NOW)];
        let step = plan(&keys, MONTHLY, NOW.plus_secs(5));
        assert_eq!(step.change.len(), 1);
        assert_eq!(
            (step.change[0].kid.as_str(), step.change[0].published_until),
            ("a", Some(NOW.plus_secs(LONGEST_TOKEN)))
        );
        assert_eq!(step.make, Some(NOW.plus_secs(30 * DAY)), "and the one after it is made");
        let ended = SigningKeyRecord { published_until: Some(NOW.plus_secs(-8 * DAY)), ..keys[0].clone() };
        assert_eq!(plan(&[ended, keys[1].clone()], MONTHLY, NOW.plus_secs(5)).remove, ["a"]);
    }

    #[test]
    fn without_an_age_a_key_waits_for_a_command_and_a_shorter_age_brings_it_forward() {
        let never = Policy { max_age: None, ..MONTHLY };
        let first = key("a", NOW.plus_secs(-DAY));
        assert_eq!(plan(std::slice::from_ref(&first), never, NOW).make, Some(NEVER));
        let waiting = key("b", NEVER);
        assert_eq!(plan(&[first.clone(), waiting.clone()], never, NOW), Plan::default());
        let step = plan(&[first.clone(), waiting], MONTHLY, NOW);
        assert_eq!(step.change[0].signs_from, NOW.plus_secs(29 * DAY));
        // What a command brought forward is not put off again.
        assert_eq!(plan(&[first, key("b", NOW.plus_secs(60))], MONTHLY, NOW), Plan::default());
    }

    #[test]
    fn the_first_key_of_an_algorithm_is_published_before_it_signs() {
        assert_eq!(plan(&[], MONTHLY, NOW), Plan { make: Some(NOW.plus_secs(300)), ..Plan::default() });
        assert_eq!(plan(&[key("a", NOW.plus_secs(300))], MONTHLY, NOW), Plan::default(), "and only one is made");
    }

    #[test]
    fn a_clock_that_was_set_back_changes_nothing() {
        assert_eq!(plan(&[key("a", NOW)], MONTHLY, NOW.plus_secs(-3600)), Plan::default());
    }
}
