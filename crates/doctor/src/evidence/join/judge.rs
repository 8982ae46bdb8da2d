//! Lets core judge what was joined, and keeps the answers about what is at hand.
//!
//! Called by [`super::join`]; core's `CHECKS` decide, this only leaves out what nobody gave.

use countersign_core::authority::Authority;
use countersign_core::checks::{Check, Outcome, Stage};
use countersign_core::facts::{Facts, IssuerKey, Lookup, Needed};
use countersign_core::{Reason, evaluate};

use super::place::ground;
use crate::evidence::Evidence;

pub(super) fn judge(ev: &Evidence<'_>) -> Vec<(&'static Check, Outcome)> {
    if ev.jwt.is_none() && ev.unreadable.is_none() && ev.request.is_none() {
        return Vec::new();
    }
    let (authority, tenant) = ground(ev);
    let issuer_keys: Vec<IssuerKey> = ev
        .jwks
        .iter()
        .flat_map(|set| set.it)
        .filter_map(|k| {
            Some(IssuerKey { kid: k.kid.clone(), x5t: k.x5t.clone(), verifier: ev.crypto.verifier(&k.key).ok()? })
        })
        .collect();
    let mut facts = Facts::new(ev.profile, ev.now, ev.crypto);
    facts.request = ev.request.map(|r| &r.it.token);
    // At another server only the request tells the host.
    let elsewhere = ev.request.and_then(|r| r.it.host.as_deref()).map(|h| Authority::new([format!("https://{h}")]));
    facts.authority = if ev.known_server().is_some() { elsewhere.as_ref() } else { Some(&authority) };
    facts.tenant = match &tenant {
        _ if ev.error_of(&[90_002]).is_some() => Lookup::Absent,
        Some(tenant) => Lookup::Found(tenant),
        None => Lookup::NotGiven,
    };
    facts.client_id = ev.client_id.as_deref();
    facts.assertion = match (ev.jwt, ev.unreadable) {
        (Some(jwt), _) => Some(Ok(jwt.it)),
        (None, Some(error)) => Some(Err(error.it)),
        (None, None) => None,
    };
    facts.registration = ev.registration.as_ref().map_or(Lookup::NotGiven, Lookup::Found);
    facts.issuer_keys = if issuer_keys.is_empty() { Lookup::NotGiven } else { Lookup::Found(&issuer_keys) };
    let outcomes = evaluate(&facts);
    outcomes.into_iter().filter_map(|(check, outcome)| relevant(ev, check, outcome)).collect()
}

/// Keeps the answers about what is at hand. What nobody gave is not held against it.
fn relevant(ev: &Evidence<'_>, check: &'static Check, outcome: Outcome) -> Option<(&'static Check, Outcome)> {
    const HEADER: [&str; 8] = [
        "header-members",
        "header-typ",
        "algorithm-supported",
        "key-identifier-present",
        "thumbprint-encoding",
        "key-found",
        "key-valid",
        "key-usable",
    ];
    const CLAIMS: [&str; 8] = [
        "claims-present",
        "claims-readable",
        "audience-single",
        "audience",
        "validity",
        "lifetime",
        "client-id-matches",
        "subject-is-issuer",
    ];
    const NEVER: [&str; 3] = ["resource-known", "role-held", "secret"];
    let id = check.id;
    if NEVER.contains(&id) {
        return None;
    }
    if check.stage == Stage::Request && ev.request.is_none() {
        return None;
    }
    let whole = ev.parts.header && ev.parts.claims;
    if ev.jwt.is_some()
        && !whole
        && !(HEADER.contains(&id) && ev.parts.header
            || CLAIMS.contains(&id) && ev.parts.claims
            || check.stage == Stage::Request)
    {
        return None;
    }
    // A body alone names no tenant.
    if id == "tenant-known" && ev.request.is_some_and(|r| r.it.path.is_empty()) {
        return None;
    }
    if matches!(id, "signature") && !ev.parts.signature && ev.jwt.is_some() {
        return Some((check, Outcome::Undecided(Needed::Assertion)));
    }
    // Another server that is known is judged by its own rules about the assertion.
    if ev.known_server().is_some() {
        const OF_SERVERS: [&str; 6] = [
            "assertion-readable",
            "members-once",
            "segments-encoding",
            "header-typ",
            "algorithm-supported",
            "key-identifier-present",
        ];
        if !OF_SERVERS.contains(&id) && !CLAIMS.contains(&id) {
            return None;
        }
    } else if
    // An assertion for another kind of server is judged by what holds everywhere.
    ev.other_server && !["assertion-readable", "members-once", "segments-encoding", "validity"].contains(&id)
    {
        return None;
    }
    // Other grants exist at Entra; this service only has one.
    if let ("grant-type", Outcome::Refuse(Reason::GrantTypeUnsupported { received })) = (id, &outcome)
        && (received.starts_with("urn:ietf:params:oauth:grant-type:")
            || ["authorization_code", "refresh_token", "password", "device_code"].contains(&received.as_str()))
    {
        return Some((check, Outcome::NotApplicable));
    }
    if id == "client-id-matches" && outcome == Outcome::Undecided(Needed::TokenRequest) {
        return None;
    }
    Some((check, outcome))
}
