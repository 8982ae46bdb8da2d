//! `iss` and `sub` are this client (RFC 7523 §3 items 1 and 2B).

use crate::checks::{Outcome, assertion_form};
use crate::facts::{Facts, Needed};
use crate::reason::Reason;

/// `iss` is the `client_id` of the request (AADSTS700021). GUIDs ignore letter case.
pub fn matches_client_id(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let (Some(iss), Some(sub)) = (jwt.claims.iss.text(), jwt.claims.sub.text()) else { return Outcome::NotApplicable };
    let Some(client_id) = facts.client_id else { return Outcome::Undecided(Needed::TokenRequest) };
    Outcome::refuse_if(!iss.eq_ignore_ascii_case(client_id), || Reason::ClientMismatch {
        iss: iss.to_owned(),
        sub: sub.to_owned(),
        client_id: client_id.to_owned(),
    })
}

/// `sub` is `iss` (AADSTS50048, documented).
pub fn subject_is_issuer(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let (Some(iss), Some(sub)) = (jwt.claims.iss.text(), jwt.claims.sub.text()) else { return Outcome::NotApplicable };
    Outcome::refuse_if(!sub.eq_ignore_ascii_case(iss), || Reason::SubjectMismatch {
        iss: iss.to_owned(),
        sub: sub.to_owned(),
    })
}
