//! The signature verifies with the certificate found, over the bytes as sent (RFC 7515 §5.2).

use crate::checks::{Outcome, assertion_form, header};
use crate::crypto::{KeyError, VerifyError};
use crate::facts::{Facts, Needed, Selection};
use crate::reason::{KeyProblem, Reason};
use crate::x509::certificate::Certificate;

fn certificate<'f>(facts: &'f Facts<'_>) -> Result<&'f Certificate, Outcome> {
    if !assertion_form::is_own_assertion(facts) || facts.jwt().is_none() {
        return Err(Outcome::NotApplicable);
    }
    match facts.selection() {
        Selection::Registered { certificate, .. } => Ok(certificate),
        Selection::Chain { leaf } => Ok(leaf),
        Selection::WithoutCertificate { .. } => Err(Outcome::Undecided(Needed::Certificate)),
        Selection::Refused(_) => Err(Outcome::NotApplicable),
        Selection::Open(needed) => Err(Outcome::Undecided(*needed)),
    }
}

/// The registered key is of the kind that the algorithm needs, and strong enough (RFC 7518 §3.3, §3.5: 2048 bits).
pub fn key_usable(facts: &Facts<'_>) -> Outcome {
    let certificate = match certificate(facts) {
        Ok(certificate) => certificate,
        Err(outcome) => return outcome,
    };
    let Some(alg) = header::algorithm(facts) else { return Outcome::NotApplicable };
    let key = certificate.public_key();
    let unusable = |problem| Outcome::Refuse(Reason::KeyUnusable { alg: alg.name(), key: key.kind(), problem });
    if !key.fits(alg) {
        return unusable(KeyProblem::OtherKind);
    }
    match certificate.verifier(facts.crypto) {
        Ok(_) => Outcome::Pass,
        Err(KeyError::Unsupported(_)) => unusable(KeyProblem::OtherKind),
        Err(_) => unusable(KeyProblem::Weak),
    }
}

/// The signature verifies.
pub fn verifies(facts: &Facts<'_>) -> Outcome {
    let certificate = match certificate(facts) {
        Ok(certificate) => certificate,
        Err(outcome) => return outcome,
    };
    let (Some(alg), Some(jwt)) = (header::algorithm(facts), facts.jwt()) else { return Outcome::NotApplicable };
    let Ok(verifier) = certificate.verifier(facts.crypto) else { return Outcome::NotApplicable };
    match verifier.verify(alg, jwt.compact.signing_input(), &jwt.compact.signature.bytes) {
        Ok(()) => Outcome::Pass,
        Err(VerifyError::AlgKeyMismatch) => Outcome::NotApplicable,
        Err(VerifyError::Mismatch | VerifyError::WrongLength { .. }) => {
            let app_id = facts.client().map(|c| c.app_id.clone()).unwrap_or_default();
            match facts.selection().found_key() {
                Some(key) => Outcome::Refuse(Reason::SignatureWrong { app_id, key }),
                None => Outcome::NotApplicable,
            }
        }
    }
}
