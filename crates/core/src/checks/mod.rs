//! The rules, in the order in which the service applies them. A check decides; it words nothing and changes nothing.
//!
//! The order follows what is known of Entra's (form, readable, algorithm, key identifier, claims present, client,
//! key, signature, audience, time, client id); where nobody knows, the cheaper check comes first.

pub mod assertion_form;
pub mod audience;
pub mod claims_present;
pub mod client;
pub mod credential;
pub mod federation;
pub mod header;
pub mod identity;
pub mod key;
pub mod request_form;
pub mod resource;
pub mod secret;
pub mod signature;
pub mod tenant;
pub mod validity;

use crate::facts::{Facts, Needed};
use crate::reason::Reason;

/// What a check answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The rule holds.
    Pass,
    /// The rule does not concern this request.
    NotApplicable,
    /// What is at hand does not decide it. Never in the service.
    Undecided(Needed),
    /// The rule is broken.
    Refuse(Reason),
}

impl Outcome {
    /// `Pass`, or the refusal.
    pub(crate) fn refuse_if(broken: bool, reason: impl FnOnce() -> Reason) -> Self {
        if broken { Self::Refuse(reason()) } else { Self::Pass }
    }
}

/// One rule.
#[derive(Clone, Copy)]
pub struct Check {
    /// Kebab-case name, never reused.
    pub id: &'static str,
    /// The part of the request it judges.
    pub stage: Stage,
    /// The rule.
    pub run: fn(&Facts<'_>) -> Outcome,
}

/// The part of a request that a check judges, in order of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Parameters and tenant.
    Request,
    /// The assertion can be read.
    Form,
    /// The client is there and may authenticate.
    Client,
    /// The key is there and usable, the signature verifies; or the secret matches.
    Key,
    /// What the assertion says.
    Claims,
    /// What is asked for.
    Resource,
}

const fn check(id: &'static str, stage: Stage, run: fn(&Facts<'_>) -> Outcome) -> Check {
    Check { id, stage, run }
}

/// Every rule in order of evaluation. [`crate::admit()`] stops at the first refusal, [`crate::evaluate`] runs them all.
pub static CHECKS: &[Check] = &[
    check("parameters-bounded", Stage::Request, request_form::parameters_bounded),
    check("parameters-once", Stage::Request, request_form::parameters_once),
    check("grant-type", Stage::Request, request_form::grant_type),
    check("client-id-present", Stage::Request, request_form::client_id_present),
    check("tenant-known", Stage::Request, tenant::tenant_known),
    check("tenant-permitted", Stage::Request, tenant::permitted),
    check("scope-form", Stage::Request, request_form::scope_form),
    check("one-credential", Stage::Request, credential::one_credential),
    check("assertion-type", Stage::Request, credential::assertion_type),
    check("assertion-readable", Stage::Form, assertion_form::readable),
    check("members-once", Stage::Form, assertion_form::members_once),
    check("segments-encoding", Stage::Form, assertion_form::segments_encoding),
    check("header-typ", Stage::Form, header::typ),
    check("algorithm-supported", Stage::Form, header::algorithm_supported),
    check("key-identifier-present", Stage::Form, header::key_identifier_present),
    check("claims-present", Stage::Form, claims_present::claims_present),
    check("claims-readable", Stage::Form, claims_present::claims_readable),
    check("client-known", Stage::Client, client::known),
    check("client-enabled", Stage::Client, client::enabled),
    check("client-confidential", Stage::Client, client::confidential),
    check("federated-credential", Stage::Key, federation::credential_matches),
    check("federated-key", Stage::Key, federation::key_found_and_signature),
    check("keys-registered", Stage::Key, key::keys_registered),
    check("thumbprint-encoding", Stage::Key, key::thumbprint_encoding),
    check("key-found", Stage::Key, key::found),
    check("key-valid", Stage::Key, key::valid),
    check("key-usable", Stage::Key, signature::key_usable),
    check("signature", Stage::Key, signature::verifies),
    check("header-members", Stage::Form, header::members),
    check("secret", Stage::Key, secret::matches),
    check("audience-single", Stage::Claims, audience::single),
    check("audience", Stage::Claims, audience::is_ours),
    check("validity", Stage::Claims, validity::not_outside),
    check("lifetime", Stage::Claims, validity::lifetime),
    check("client-id-matches", Stage::Claims, identity::matches_client_id),
    check("subject-is-issuer", Stage::Claims, identity::subject_is_issuer),
    check("service-principal", Stage::Client, client::service_principal),
    check("resource-known", Stage::Resource, resource::known),
    check("resource-not-itself", Stage::Resource, resource::not_itself),
    check("role-held", Stage::Resource, resource::role_held),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_kebab_case() {
        for (i, c) in CHECKS.iter().enumerate() {
            assert!(c.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", c.id);
            assert!(CHECKS[..i].iter().all(|d| d.id != c.id), "{} twice", c.id);
        }
    }
}
