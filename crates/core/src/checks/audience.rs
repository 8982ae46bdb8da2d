//! `aud` names this token endpoint, for this tenant (RFC 7523 §3 item 3; Entra's forms), or what another server takes.

use crate::authority::{Authority, Endpoint, Tenant};
use crate::checks::{Outcome, assertion_form};
use crate::facts::{Facts, Lookup, Needed};
use crate::jose::claims::Audience;
use crate::profile::{AudienceRule, Profile};
use crate::reason::Reason;

/// One audience (AADSTS5002741; CVE-2025-27370 shows what two are good for).
pub fn single(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    match &jwt.claims.aud {
        Audience::Many(many) => {
            let one = many.len() == 1 && facts.profile.audience_may_be_array_of_one;
            Outcome::refuse_if(!one, || Reason::AudienceMany { count: many.len() })
        }
        Audience::One(_) | Audience::Absent | Audience::OtherType(_) => Outcome::Pass,
    }
}

/// The audience is ours.
pub fn is_ours(facts: &Facts<'_>) -> Outcome {
    let Some(jwt) = facts.jwt() else { return assertion_form::without_jwt(facts) };
    if !assertion_form::is_own_assertion(facts) {
        return Outcome::NotApplicable;
    }
    let received = match &jwt.claims.aud {
        Audience::One(one) => one.as_str(),
        Audience::Many(many) if many.len() == 1 => &many[0],
        Audience::Many(_) | Audience::Absent | Audience::OtherType(_) => return Outcome::NotApplicable,
    };
    if facts.profile.audience != AudienceRule::Tenant {
        let host = facts.authority.and_then(Authority::host);
        return match facts.profile.audience.judge(received, host) {
            Ok(()) => Outcome::Pass,
            Err(refused) => {
                Outcome::Refuse(Reason::AudienceWrong { received: received.to_owned(), accepted: refused.accepted })
            }
        };
    }
    let (Some(authority), Lookup::Found(tenant)) = (facts.authority, facts.tenant) else {
        return Outcome::Undecided(Needed::Tenant);
    };
    let ours = authority.split(received).is_some_and(|url| {
        tenant.is_named(url.tenant)
            && match url.endpoint {
                Endpoint::TokenV2 => true,
                Endpoint::TokenV1 => facts.profile.audience_may_be_v1,
                Endpoint::IssuerV2 => facts.profile.audience_may_be_issuer,
                Endpoint::TenantRoot | Endpoint::Other => false,
            }
    });
    Outcome::refuse_if(!ours, || Reason::AudienceWrong {
        received: received.to_owned(),
        accepted: authority.names().first().map(|n| accepted(n, tenant, facts.profile)).unwrap_or_default(),
    })
}

/// The audiences that are accepted under one name of the authority, the recommended one first.
pub fn accepted(name: &str, tenant: &Tenant, profile: &Profile) -> Vec<String> {
    let mut out = vec![format!("{name}/{}/oauth2/v2.0/token", tenant.id)];
    if profile.audience_may_be_issuer {
        out.push(format!("{name}/{}/v2.0", tenant.id));
    }
    if profile.audience_may_be_v1 {
        out.push(format!("{name}/{}/oauth2/token", tenant.id));
    }
    out
}
