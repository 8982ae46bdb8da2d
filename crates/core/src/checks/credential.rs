//! Exactly one way of authentication (RFC 6749 §2.3), and the right assertion type (RFC 7523 §2.2).

use crate::checks::Outcome;
use crate::facts::{Facts, Needed};
use crate::reason::Reason;
use crate::request::JWT_BEARER;

/// One credential: an assertion, a secret in the body, or HTTP Basic. What Entra does with two is not on record;
/// RFC 6749 §2.3 forbids it.
pub fn one_credential(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    match &request.basic {
        Some(Err(_)) => return Outcome::Refuse(Reason::BasicMalformed),
        Some(Ok(basic)) => {
            let other = request
                .given("client_id")
                .is_some_and(|id| !basic.client_ids.iter().any(|b| b.eq_ignore_ascii_case(id)));
            if other {
                return Outcome::Refuse(Reason::BasicOtherClient);
            }
        }
        None => {}
    }
    let basic = matches!(&request.basic, Some(Ok(b)) if b.secrets.iter().any(|s| !s.is_empty()));
    let given = [request.given("client_assertion").is_some(), request.given("client_secret").is_some(), basic];
    match given.iter().filter(|g| **g).count() {
        0 => Outcome::Refuse(Reason::CredentialMissing),
        1 => Outcome::Pass,
        _ => Outcome::Refuse(Reason::CredentialTwice),
    }
}

/// `client_assertion_type` is the JWT bearer URN, exactly.
pub fn assertion_type(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    if request.given("client_assertion").is_none() {
        return Outcome::NotApplicable;
    }
    match request.given("client_assertion_type") {
        // Entra's answer to a missing type is not on record; the wording for a missing parameter fits.
        None => Outcome::Refuse(Reason::ParameterMissing { name: "client_assertion_type" }),
        Some(JWT_BEARER) => Outcome::Pass,
        Some(other) => Outcome::Refuse(Reason::AssertionTypeWrong { received: other.to_owned() }),
    }
}
