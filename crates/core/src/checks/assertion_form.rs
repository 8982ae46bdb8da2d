//! The assertion is a compact JWS with JSON in it, written in one way only (RFC 7515 §2, §4, §7.1).

use crate::checks::Outcome;
use crate::facts::{Facts, Method, Needed};
use crate::profile::{SegmentRule, SentAs};
use crate::reason::{Part, Reason};

/// Whether there is an assertion to judge, and if not, what that means for a check that judges assertions.
pub(super) fn without_jwt(facts: &Facts<'_>) -> Outcome {
    match (facts.assertion, facts.request) {
        (Some(_), _) => Outcome::NotApplicable,
        (None, Some(request))
            if facts.profile.sent_as == SentAs::ClientAssertion && request.given("client_assertion").is_none() =>
        {
            Outcome::NotApplicable
        }
        (None, _) => Outcome::Undecided(Needed::Assertion),
    }
}

/// Three base64url segments, two JSON objects (RFC 7519 §7.2).
pub fn readable(facts: &Facts<'_>) -> Outcome {
    match facts.assertion {
        Some(Ok(_)) => Outcome::Pass,
        Some(Err(error)) => Outcome::Refuse(Reason::NotAJwt(error.clone())),
        None => without_jwt(facts),
    }
}

/// Member names are unique (RFC 7515 §4, RFC 7519 §4: the safe of the two permitted readings).
pub fn members_once(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return without_jwt(facts) };
    for (part, json) in [(Part::Header, &jwt.header.json), (Part::Claims, &jwt.claims.json)] {
        if let Some(member) = json.repeated_members().first() {
            return Outcome::Refuse(Reason::MemberRepeated { part, name: member.name.clone() });
        }
    }
    Outcome::Pass
}

/// The segments are base64url as the profile demands it; the signature is always canonical but for padding.
pub fn segments_encoding(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return without_jwt(facts) };
    for (name, segment) in jwt.compact.segments() {
        let o = segment.oddities;
        let padding_matters = facts.profile.segments == SegmentRule::Canonical;
        let broken =
            o.standard_alphabet || o.white_space || o.trailing_bits || o.wrong_padding || (o.padded && padding_matters);
        if broken {
            return Outcome::Refuse(Reason::SegmentEncoding { segment: name.name(), oddities: o });
        }
    }
    Outcome::Pass
}

/// Whether an assertion signed by the client's own key is judged.
pub(super) fn is_own_assertion(facts: &Facts<'_>) -> bool {
    facts.method() == Some(Method::Assertion)
}
