//! The parameters of a client-credentials request (RFC 6749 §3.2, §4.4.2; Entra's scope rules).

use crate::authority::is_guid;
use crate::checks::Outcome;
use crate::facts::{Facts, Needed};
use crate::reason::Reason;
use crate::request::{Body, EndpointVersion, MAX_PARAMETERS};

/// No more parameters than any client sends.
pub fn parameters_bounded(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    Outcome::refuse_if(request.body == Body::TooManyParameters, || Reason::TooManyParameters { limit: MAX_PARAMETERS })
}

/// Each parameter once (RFC 6749 §3.2).
pub fn parameters_once(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    match request.repeated() {
        Some(name) => Outcome::Refuse(Reason::ParameterRepeated { name: name.to_owned() }),
        None => Outcome::Pass,
    }
}

/// `grant_type=client_credentials`. A JSON body has no parameters at all and is answered as if it were missing
/// (AADSTS900144 for 'grant_type', recorded for a JSON body).
pub fn grant_type(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    match request.given("grant_type") {
        None => Outcome::Refuse(Reason::ParameterMissing { name: "grant_type" }),
        Some("client_credentials") => Outcome::Pass,
        Some(other) => Outcome::Refuse(Reason::GrantTypeUnsupported { received: other.to_owned() }),
    }
}

/// `client_id`, in the body or as the user name of HTTP Basic.
pub fn client_id_present(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    Outcome::refuse_if(request.client_id().is_none(), || Reason::ParameterMissing { name: "client_id" })
}

/// `scope` at v2.0: one resource, `/.default`. `resource` at v1.0.
pub fn scope_form(facts: &Facts<'_>) -> Outcome {
    let Some(request) = facts.request else { return Outcome::Undecided(Needed::TokenRequest) };
    if request.version == EndpointVersion::V1 {
        // What v1.0 answers without `resource` is not on record; the wording for a missing parameter fits.
        return Outcome::refuse_if(request.given("resource").is_none(), || Reason::ParameterMissing {
            name: "resource",
        });
    }
    if request.given("scope").is_none() {
        let at_v2 = request.given("resource").is_some();
        return Outcome::Refuse(if at_v2 {
            Reason::ResourceParameterAtV2
        } else {
            Reason::ParameterMissing { name: "scope" }
        });
    }
    if request.given("resource").is_some() {
        return Outcome::Refuse(Reason::ResourceParameterAtV2);
    }
    let received = || request.given("scope").unwrap_or_default().to_owned();
    let scopes = request.resource_scopes();
    let Some(first) = scopes.first() else { return Outcome::Refuse(Reason::ScopeMalformed { received: received() }) };
    let Some(resource) = resource_of_scope(first) else {
        return Outcome::Refuse(Reason::ScopeNotDefault { received: received() });
    };
    if resource.is_empty() {
        return Outcome::Refuse(Reason::ScopeMalformed { received: received() });
    }
    if !is_guid(resource) && !resource.contains(':') {
        return Outcome::Refuse(Reason::ScopeNoResource { received: received() });
    }
    match scopes[1..].iter().find(|s| resource_of_scope(s) != Some(resource)) {
        Some(other) if resource_of_scope(other).is_none() => {
            Outcome::Refuse(Reason::ScopeNotDefault { received: received() })
        }
        Some(_) => Outcome::Refuse(Reason::ScopeManyResources { received: received() }),
        None => Outcome::Pass,
    }
}

/// The resource in `{resource}/.default`. A resource that ends in a slash needs two (`https://host//.default`).
pub fn resource_of_scope(scope: &str) -> Option<&str> {
    scope.strip_suffix("/.default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_resource_out_of_a_scope() {
        assert_eq!(resource_of_scope("https://graph.microsoft.com/.default"), Some("https://graph.microsoft.com"));
        assert_eq!(resource_of_scope("https://host//.default"), Some("https://host/"));
        assert_eq!(resource_of_scope("/.default"), Some(""));
        assert_eq!(resource_of_scope("user.read"), None);
        assert_eq!(resource_of_scope(".default"), None);
    }
}
