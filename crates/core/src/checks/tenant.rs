//! The tenant segment of the request's path.

use crate::authority::TenantSegment;
use crate::checks::Outcome;
use crate::facts::{Facts, Lookup, Needed};
use crate::reason::Reason;

/// The path names one tenant that exists here.
pub fn tenant_known(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else {
        return match facts.tenant {
            Lookup::Found(_) => Outcome::Pass,
            Lookup::Absent | Lookup::NotGiven => Outcome::Undecided(Needed::Tenant),
        };
    };
    let received = || request.tenant.clone();
    match TenantSegment::read(&request.tenant) {
        TenantSegment::Malformed(_) => Outcome::Refuse(Reason::TenantMalformed { received: received() }),
        TenantSegment::Nil => Outcome::Refuse(Reason::TenantNil),
        // AADSTS9001023 names /common and /consumers, AADSTS50059 is recorded for /organizations.
        TenantSegment::Shared(s) if s.eq_ignore_ascii_case("organizations") => Outcome::Refuse(Reason::TenantNotNamed),
        TenantSegment::Shared(_) => Outcome::Refuse(Reason::TenantShared { received: received() }),
        TenantSegment::Id(_) | TenantSegment::Domain(_) => match facts.tenant {
            Lookup::Found(_) => Outcome::Pass,
            Lookup::Absent => Outcome::Refuse(Reason::TenantUnknown { received: received() }),
            Lookup::NotGiven => Outcome::Undecided(Needed::Tenant),
        },
    }
}

/// The tenant is one that the network on the way permits (`Restrict-Access-To-Tenants`, set by a proxy; AADSTS500021).
pub fn permitted(facts: &Facts<'_>) -> Outcome {
    let (Some(request), Lookup::Found(tenant)) = (facts.request, facts.tenant) else { return Outcome::NotApplicable };
    let Some(permitted) = &request.permitted_tenants else { return Outcome::NotApplicable };
    let named = permitted.iter().any(|p| tenant.is_named(p));
    Outcome::refuse_if(!named, || Reason::TenantRestricted { tenant: tenant.display_name.clone() })
}
