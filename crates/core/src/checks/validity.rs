//! `exp`, `nbf`, `iat` and the lifetime they span (RFC 7523 §3 items 4 to 6).

use crate::checks::{Outcome, assertion_form};
use crate::facts::Facts;
use crate::profile::LifetimeFrom;
use crate::reason::Reason;

/// Now lies between `nbf` and `exp`, give or take the profile's leeway; `iat` does not lie ahead.
/// Entra's rule for `iat` is not on record; RFC 7523 §3 item 6 lets a server refuse it, the safe reading.
pub fn not_outside(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    let Some(until) = jwt.claims.exp.time() else { return Outcome::NotApplicable };
    let leeway = facts.profile.leeway;
    let (nbf, iat) = (jwt.claims.nbf.time(), jwt.claims.iat.time());
    let outside = |from| Outcome::Refuse(Reason::OutsideValidity { now: facts.now, from, until });
    if facts.now >= until + leeway || nbf.is_some_and(|nbf| facts.now < nbf - leeway) {
        return outside(nbf);
    }
    if iat.is_some_and(|iat| facts.now < iat - leeway) {
        return outside(iat);
    }
    Outcome::Pass
}

/// `exp` lies no further ahead than the profile allows. Entra documents no limit.
pub fn lifetime(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    let (Some(limit), Some(until)) = (facts.profile.max_lifetime, jwt.claims.exp.time()) else {
        return Outcome::NotApplicable;
    };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let left = until.secs_since(facts.now);
    let (seconds, leeway) = match facts.profile.lifetime_from {
        LifetimeFrom::Now => (left, 0),
        LifetimeFrom::NowWithoutIssue if jwt.claims.iat.is_absent() => (left, 0),
        LifetimeFrom::NowWithoutIssue => return Outcome::NotApplicable,
        // What is left counts as well: an old iat must not buy a longer life.
        LifetimeFrom::Issue => {
            let issued = jwt.claims.iat.time().or(jwt.claims.nbf.time()).unwrap_or(facts.now);
            (until.secs_since(issued).max(left), facts.profile.leeway)
        }
    };
    Outcome::refuse_if(seconds > limit + leeway, || Reason::LifetimeTooLong { seconds, limit, now: facts.now, until })
}
