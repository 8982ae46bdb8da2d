//! The claims that RFC 7523 §3 demands are there and can be read.

use crate::checks::{Outcome, assertion_form};
use crate::facts::{Facts, Method};
use crate::jose::claims::{Audience, NumericDate};
use crate::jose::header::Field;
use crate::profile::IssuerRule;
use crate::reason::Reason;

/// Every required claim is there (AADSTS90014, recorded for `iss` and `aud`).
pub fn claims_present(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    let federated = facts.method() == Some(Method::Federated);
    let c = &jwt.claims;
    let missing = |name: &str| match name {
        "iss" => is_empty(&c.iss),
        "sub" => is_empty(&c.sub),
        "jti" => is_empty(&c.jti) && !federated,
        "aud" => {
            c.aud == Audience::Absent || c.aud == Audience::One(String::new()) || c.aud == Audience::Many(Vec::new())
        }
        "exp" => c.exp.is_absent(),
        "nbf" => c.nbf.is_absent(),
        "iat" => c.iat.is_absent(),
        other => !c.has(other),
    };
    match facts.profile.required_claims.iter().find(|name| missing(name)) {
        Some(name) => Outcome::Refuse(Reason::ClaimMissing { name }),
        None => Outcome::Pass,
    }
}

fn is_empty(field: &Field) -> bool {
    match field {
        Field::Absent => true,
        Field::Text(t) => t.is_empty(),
        Field::OtherType(_) => false,
    }
}

/// A claim that is there but unreadable is a refusal, never an absence.
pub fn claims_readable(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    let c = &jwt.claims;
    for (name, field) in [("iss", &c.iss), ("sub", &c.sub), ("jti", &c.jti)] {
        // Where nothing is asked of `iss`, a number is as good (GitHub's app id).
        let free = name == "iss" && facts.profile.issuer == IssuerRule::Free;
        if let Field::OtherType(kind) = field
            && !(free && *kind == "number")
        {
            return Outcome::Refuse(Reason::ClaimUnreadable { name, received: (*kind).to_owned() });
        }
    }
    if let Audience::OtherType(kind) = c.aud {
        return Outcome::Refuse(Reason::ClaimUnreadable { name: "aud", received: kind.to_owned() });
    }
    for (name, date) in [("exp", &c.exp), ("nbf", &c.nbf), ("iat", &c.iat)] {
        if let NumericDate::Unreadable { text } = date {
            return Outcome::Refuse(Reason::ClaimUnreadable { name, received: text.clone() });
        }
    }
    Outcome::Pass
}
