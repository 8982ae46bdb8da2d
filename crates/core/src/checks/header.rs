//! The protected header: members, `typ`, `alg`, key identifier (RFC 7515 §4.1).

use crate::checks::{Outcome, assertion_form};
use crate::facts::{Facts, Method};
use crate::jose::alg::Alg;
use crate::jose::header::Field;
use crate::profile::KeyIdentifierRule;
use crate::reason::Reason;

/// Only members that the profile admits. No member ever brings a key or causes a request to another host.
pub fn members(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    match jwt.header.members().iter().find(|m| !facts.profile.header_members.admits(&m.name)) {
        Some(member) => Outcome::Refuse(Reason::HeaderMember { name: member.name.clone() }),
        None => Outcome::Pass,
    }
}

/// `typ` is missing or says JWT. MSAL Java and openid-client send none.
pub fn typ(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    match &jwt.header.typ {
        Field::Absent => Outcome::Pass,
        // RFC 7515 §4.1.9 compares media types; whether Entra ignores letter case is not on record, most readers do.
        Field::Text(t) if facts.profile.typ.iter().any(|ok| ok.eq_ignore_ascii_case(t)) => Outcome::Pass,
        Field::Text(t) => Outcome::Refuse(Reason::TypWrong { received: t.clone() }),
        Field::OtherType(kind) => Outcome::Refuse(Reason::TypWrong { received: (*kind).to_owned() }),
    }
}

/// The algorithm that the header names, when it is one of the profile's.
pub(super) fn algorithm(facts: &Facts<'_>) -> Option<Alg> {
    let name = facts.jwt()?.header.alg.text()?;
    facts.profile.algs.iter().copied().find(|a| a.name() == name)
}

/// `alg` is one of a fixed list, compared exactly: `none` and HS256 fall out here (RFC 8725 §3.1).
pub fn algorithm_supported(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if algorithm(facts).is_some() {
        return Outcome::Pass;
    }
    let received = match &jwt.header.alg {
        Field::Text(t) => t.clone(),
        Field::Absent => String::new(),
        Field::OtherType(kind) => (*kind).to_owned(),
    };
    Outcome::Refuse(Reason::AlgUnsupported { received, accepted: facts.profile.algs })
}

/// What the profile demands; for Entra at least one of `x5t`, `x5t#S256`, `kid`.
pub fn key_identifier_present(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    let h = &jwt.header;
    let named = match facts.profile.key_identifier {
        KeyIdentifierRule::CertificateOrKid => h.x5t.is_some() || h.x5t_s256.is_some() || !h.kid.is_absent(),
        KeyIdentifierRule::Kid => !h.kid.is_absent(),
        KeyIdentifierRule::Optional => true,
    };
    // A single-key federated issuer may send no kid; its JWK Set decides.
    let federated = facts.method() == Some(Method::Federated);
    Outcome::refuse_if(!named && !federated, || Reason::KeyIdentifierMissing)
}
