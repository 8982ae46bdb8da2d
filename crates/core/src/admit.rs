//! Runs the rules: [`evaluate`] all of them, [`admit`] until the first refusal. The only maker of a [`VerifiedClient`].

use crate::checks::{CHECKS, Check, Outcome, federation, secret};
use crate::facts::{Facts, Lookup, Method, Needed, Selection};
use crate::reason::Reason;
use crate::registration::{Registration, ServicePrincipal};

/// Proof that a client was admitted: only [`admit`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedClient<'a> {
    registration: &'a Registration,
    service_principal: &'a ServicePrincipal,
    credential: Credential,
}

/// The credential that proved the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A registered certificate.
    Certificate {
        /// `keyId` of the key credential.
        key_id: String,
        /// SHA-1 of the certificate, upper-case hex, as sign-in logs show it.
        thumbprint: String,
    },
    /// A certificate trusted by subject name and issuer.
    TrustedSubject {
        /// SHA-1 of the leaf, upper-case hex.
        thumbprint: String,
    },
    /// A secret.
    Secret {
        /// `keyId` of the password credential.
        key_id: String,
    },
    /// A federated token.
    Federated {
        /// `id` of the federated identity credential.
        id: String,
    },
}

impl<'a> VerifiedClient<'a> {
    /// The client's registration.
    pub fn registration(&self) -> &'a Registration {
        self.registration
    }

    /// Its service principal in the tenant.
    pub fn service_principal(&self) -> &'a ServicePrincipal {
        self.service_principal
    }

    /// What it proved itself with.
    pub fn credential(&self) -> &Credential {
        &self.credential
    }
}

/// Why a request is not admitted.
#[derive(Clone, Debug, PartialEq)]
pub enum NotAdmitted {
    /// A rule is broken.
    Refused {
        /// Id of the check.
        check: &'static str,
        /// Why.
        reason: Box<Reason>,
    },
    /// A check could not decide: in the service a bug, answered with `server_error`.
    Undecided {
        /// Id of the check.
        check: &'static str,
        /// What was missing.
        needed: Needed,
    },
}

/// Admits a client, or says why not. Fails closed: every check must answer pass or not applicable.
///
/// # Errors
/// [`NotAdmitted`] of the first check that does not pass.
pub fn admit<'a>(facts: &Facts<'a>) -> Result<VerifiedClient<'a>, NotAdmitted> {
    for check in CHECKS {
        match (check.run)(facts) {
            Outcome::Pass | Outcome::NotApplicable => {}
            Outcome::Refuse(reason) => return Err(NotAdmitted::Refused { check: check.id, reason: Box::new(reason) }),
            Outcome::Undecided(needed) => return Err(NotAdmitted::Undecided { check: check.id, needed }),
        }
    }
    verified(facts).ok_or(NotAdmitted::Undecided { check: "credential", needed: Needed::Assertion })
}

/// Every check's answer, in order of evaluation.
pub fn evaluate(facts: &Facts<'_>) -> Vec<(&'static Check, Outcome)> {
    CHECKS.iter().map(|check| (check, (check.run)(facts))).collect()
}

/// What a chosen server answers, as far as what is at hand decides it.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// Every check passed.
    Accepted,
    /// A rule is broken.
    Refused,
    /// Nothing refused, something open.
    Undecided,
}

/// The verdict over all outcomes.
pub fn verdict(outcomes: &[(&'static Check, Outcome)]) -> Verdict {
    if outcomes.iter().any(|(_, o)| matches!(o, Outcome::Refuse(_))) {
        Verdict::Refused
    } else if outcomes.iter().any(|(_, o)| matches!(o, Outcome::Undecided(_))) {
        Verdict::Undecided
    } else {
        Verdict::Accepted
    }
}

fn verified<'a>(facts: &Facts<'a>) -> Option<VerifiedClient<'a>> {
    let registration = facts.client()?;
    let service_principal = registration.service_principal.as_ref()?;
    let hex = |c: &crate::x509::certificate::Certificate| crate::encoding::encode_hex_upper(c.sha1());
    let credential = match facts.method()? {
        Method::Assertion => match facts.selection() {
            Selection::Registered { credential, certificate, .. } => {
                Credential::Certificate { key_id: credential.key_id.clone(), thumbprint: hex(certificate) }
            }
            Selection::Chain { leaf } => Credential::TrustedSubject { thumbprint: hex(leaf) },
            Selection::WithoutCertificate { .. } | Selection::Refused(_) | Selection::Open(_) => return None,
        },
        Method::Secret => Credential::Secret { key_id: secret::matching_key_id(facts)? },
        Method::Federated => {
            let Lookup::Found(_) = facts.issuer_keys else { return None };
            let matched = federation::matching(facts.jwt()?, &registration.federated_credentials).ok()?;
            Credential::Federated { id: matched.id.clone() }
        }
    };
    Some(VerifiedClient { registration, service_principal, credential })
}
