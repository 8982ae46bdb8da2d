//! `iss` and `sub` are this client (RFC 7523 §3 items 1 and 2B).

use crate::checks::{Outcome, assertion_form};
use crate::facts::{Facts, Needed};
use crate::profile::{IssuerRule, SubjectRule, matches};
use crate::reason::Reason;

/// `iss` is the `client_id` of the request (AADSTS700021), or has the form that the profile demands. GUIDs ignore letter
/// case.
pub fn matches_client_id(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    match facts.profile.issuer {
        IssuerRule::ClientId => {}
        IssuerRule::Free => return Outcome::NotApplicable,
        IssuerRule::Matching { patterns, words } => {
            let Some(iss) = jwt.claims.iss.text() else { return Outcome::NotApplicable };
            let fits = patterns.iter().any(|p| matches(p, iss));
            return Outcome::refuse_if(!fits, || Reason::IssuerForm { received: iss.to_owned(), expected: words });
        }
    }
    let (Some(iss), Some(sub)) = (jwt.claims.iss.text(), jwt.claims.sub.text()) else { return Outcome::NotApplicable };
    let Some(client_id) = facts.client_id else { return Outcome::Undecided(Needed::TokenRequest) };
    Outcome::refuse_if(!iss.eq_ignore_ascii_case(client_id), || Reason::ClientMismatch {
        iss: iss.to_owned(),
        sub: sub.to_owned(),
        client_id: client_id.to_owned(),
    })
}

/// `sub` is `iss` (AADSTS50048, documented), or what the profile has instead.
pub fn subject_is_issuer(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let (Some(iss), Some(sub)) = (jwt.claims.iss.text(), jwt.claims.sub.text()) else { return Outcome::NotApplicable };
    let fits = match facts.profile.subject {
        SubjectRule::IsIssuer => sub.eq_ignore_ascii_case(iss),
        SubjectRule::BeforeFingerprint => iss.split_once(".SHA256:").is_none_or(|(name, _)| name == sub),
        SubjectRule::Free => return Outcome::NotApplicable,
    };
    Outcome::refuse_if(!fits, || Reason::SubjectMismatch { iss: iss.to_owned(), sub: sub.to_owned() })
}
