//! The resource that the token is for, and the roles that the client holds there.

use crate::authority::is_guid;
use crate::checks::Outcome;
use crate::checks::request_form::resource_of_scope;
use crate::facts::{Facts, Lookup, Needed};
use crate::reason::Reason;
use crate::request::{EndpointVersion, TokenRequest};

/// The identifier of the resource that a request asks for.
pub fn requested(request: &TokenRequest) -> Option<&str> {
    match request.version {
        EndpointVersion::V1 => request.given("resource"),
        EndpointVersion::V2 => request.resource_scopes().first().and_then(|s| resource_of_scope(s)),
    }
}

/// The resource exists in the tenant and is enabled (AADSTS500011, AADSTS500014).
pub fn known(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    let Some(received) = requested(request).map(str::to_owned) else { return Outcome::NotApplicable };
    match facts.resource {
        Lookup::Found(resource) => Outcome::refuse_if(!resource.enabled, || Reason::ResourceDisabled { received }),
        Lookup::Absent => Outcome::Refuse(Reason::ResourceUnknown {
            received,
            tenant: match facts.tenant {
                Lookup::Found(t) => t.display_name.clone(),
                Lookup::Absent | Lookup::NotGiven => String::new(),
            },
        }),
        Lookup::NotGiven => Outcome::Undecided(Needed::TokenRequest),
    }
}

/// At v1.0 a client that asks for a token for itself names itself by GUID (AADSTS90009, documented for v1.0 alone).
pub fn not_itself(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::NotApplicable };
    let (Lookup::Found(resource), Some(client), EndpointVersion::V1) =
        (facts.resource, facts.client(), request.version)
    else {
        return Outcome::NotApplicable;
    };
    let by_uri = requested(request).is_some_and(|r| !is_guid(r));
    Outcome::refuse_if(by_uri && resource.app_id.eq_ignore_ascii_case(&client.app_id), || Reason::ResourceIsClient {
        app_id: client.app_id.clone(),
        name: client.display_name.clone(),
    })
}

/// A resource that requires assignment gets only clients with an app role (AADSTS501051).
pub fn role_held(facts: &Facts<'_>) -> Outcome {
    let (Lookup::Found(resource), Some(client)) = (facts.resource, facts.client()) else {
        return Outcome::NotApplicable;
    };
    Outcome::refuse_if(resource.assignment_required && resource.roles.is_empty(), || Reason::RoleRequired {
        app_id: client.app_id.clone(),
        name: client.display_name.clone(),
        resource_id: resource.app_id.clone(),
        resource_name: resource.display_name.clone(),
    })
}
