//! The client is registered in the tenant and may authenticate with a credential.

use crate::checks::Outcome;
use crate::facts::{Facts, Lookup, Needed};
use crate::reason::Reason;

/// The application exists in the tenant (AADSTS700016).
pub fn known(facts: &Facts<'_>) -> Outcome {
    match facts.registration {
        Lookup::Found(_) => Outcome::Pass,
        Lookup::NotGiven => Outcome::Undecided(Needed::Application),
        Lookup::Absent => Outcome::Refuse(Reason::ClientUnknown {
            client_id: facts.client_id.unwrap_or_default().to_owned(),
            tenant: match facts.tenant {
                Lookup::Found(t) => t.display_name.clone(),
                Lookup::Absent | Lookup::NotGiven => String::new(),
            },
        }),
    }
}

/// Neither the application nor its service principal is disabled (AADSTS7000112).
pub fn enabled(facts: &Facts<'_>) -> Outcome {
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    let disabled = !client.enabled || client.service_principal.as_ref().is_some_and(|s| !s.enabled);
    Outcome::refuse_if(disabled, || Reason::ClientDisabled {
        app_id: client.app_id.clone(),
        name: client.display_name.clone(),
    })
}

/// A public client must not send a credential (AADSTS700025).
pub fn confidential(facts: &Facts<'_>) -> Outcome {
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    Outcome::refuse_if(client.is_public, || Reason::ClientIsPublic)
}

/// The application has a service principal in the tenant. Judged after the credential: in the recorded case of
/// AADSTS7000229 the credential was right.
pub fn service_principal(facts: &Facts<'_>) -> Outcome {
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    let tenant_id = || match facts.tenant {
        Lookup::Found(t) => t.id.clone(),
        Lookup::Absent | Lookup::NotGiven => String::new(),
    };
    Outcome::refuse_if(client.service_principal.is_none(), || Reason::ServicePrincipalMissing {
        app_id: client.app_id.clone(),
        tenant_id: tenant_id(),
    })
}
