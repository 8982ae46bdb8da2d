//! The client secret (RFC 6749 §2.3.1), compared by digest in constant time.

use subtle::ConstantTimeEq;

use crate::checks::Outcome;
use crate::facts::{Facts, Method, Needed};
use crate::reason::Reason;

/// The secret is one of the application's, and valid now.
pub fn matches(facts: &Facts<'_>) -> Outcome {
    if facts.method() != Some(Method::Secret) {
        return Outcome::NotApplicable;
    }
    let Some(client) = facts.client() else { return Outcome::Undecided(Needed::Application) };
    let mut outside_validity = false;
    for password in &client.password_credentials {
        let equal = facts.secret_digests.iter().any(|d| bool::from(d.ct_eq(&password.digest)));
        if equal && password.start <= facts.now && facts.now <= password.end {
            return Outcome::Pass;
        }
        outside_validity |= equal;
    }
    let app_id = client.app_id.clone();
    Outcome::Refuse(if outside_validity { Reason::SecretExpired { app_id } } else { Reason::SecretWrong { app_id } })
}

/// The `keyId` of the secret that matched.
pub fn matching_key_id(facts: &Facts<'_>) -> Option<String> {
    let client = facts.client()?;
    let matching = |p: &&crate::registration::PasswordCredential| {
        p.start <= facts.now
            && facts.now <= p.end
            && facts.secret_digests.iter().any(|d| bool::from(d.ct_eq(&p.digest)))
    };
    client.password_credentials.iter().find(matching).map(|p| p.key_id.clone())
}
