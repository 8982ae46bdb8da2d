//! The proof of possession that `addKey` and `removeKey` demand: a JWT signed with a certificate the application has.
//!
//! Called by `http::graph` with the object whose keys are rolled. Facts: "Generate proof of possession tokens for rolling
//! keys" (<https://learn.microsoft.com/graph/application-rollkey-prooftoken>).

use countersign_core::UnixTime;
use countersign_core::crypto::Provider;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::jose::alg::Alg;
use countersign_core::jose::claims::{Audience, NumericDate};
use countersign_core::key_proof::{AUDIENCE, LIFETIME_SECS};
use countersign_core::x509::certificate::Certificate;

use crate::store::model::KeyCredentialRecord;

/// Granted to the caller's clock; the figure is the token endpoint's, Graph's own is not known.
const LEEWAY_SECS: i64 = 300;

/// Why a proof proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// Not a JWT in canonical base64url. Graph answers `Authentication_MissingOrMalformed`, also for `=` padding.
    Malformed(String),
    /// A JWT that does not prove it.
    Refused(String),
}

/// Verifies that `proof` was signed with a certificate of `object_id` that is valid at `now`.
///
/// # Errors
/// [`ProofError`], naming the claim or rule.
pub fn verify(
    proof: &str,
    object_id: &str,
    keys: &[KeyCredentialRecord],
    now: UnixTime,
    crypto: &dyn Provider,
) -> Result<(), ProofError> {
    let malformed = |message: &str| ProofError::Malformed(message.to_owned());
    let refused = |message: String| ProofError::Refused(message);
    let jwt = UnverifiedJwt::read(proof).map_err(|error| ProofError::Malformed(error.to_string()))?;
    for (name, segment) in jwt.compact.segments() {
        if !segment.oddities.is_canonical() {
            return Err(ProofError::Malformed(format!(
                "the {} segment is no canonical base64url without padding",
                name.name()
            )));
        }
    }
    if !jwt.header.json.repeated_members().is_empty() || !jwt.claims.json.repeated_members().is_empty() {
        return Err(malformed("a member stands twice in its header or claims"));
    }
    for name in ["crit", "b64", "zip"] {
        if jwt.header.has(name) {
            return Err(refused(format!("the header member `{name}` is not taken")));
        }
    }
    let alg = jwt.header.alg.text().and_then(Alg::from_name);
    let alg =
        alg.ok_or_else(|| refused("`alg` names no algorithm that is taken; RS256 is what Graph documents".to_owned()))?;
    match &jwt.claims.aud {
        Audience::One(aud) if aud == AUDIENCE => {}
        _ => return Err(refused(format!("`aud` must be {AUDIENCE}"))),
    }
    if jwt.claims.iss.text().is_none_or(|iss| !iss.eq_ignore_ascii_case(object_id)) {
        return Err(refused(
            "`iss` must be the object id (`id`) of the object whose keys are changed, not its appId".to_owned(),
        ));
    }
    times(&jwt, now).map_err(ProofError::Refused)?;
    let usable = keys.iter().filter(|k| k.start <= now && now <= k.end);
    let certificates = usable.filter_map(|k| Certificate::from_der(k.der.as_deref()?).ok()).filter(|c| c.valid_at(now));
    let mut any = false;
    for certificate in certificates {
        any = true;
        let verified = certificate.verifier(crypto).is_ok_and(|verifier| {
            verifier.verify(alg, jwt.compact.signing_input(), &jwt.compact.signature.bytes).is_ok()
        });
        if verified {
            return Ok(());
        }
    }
    Err(refused(if any {
        "the signature is of none of the certificates that are registered and valid".to_owned()
    } else {
        "there is no certificate that is registered and valid; add one with PATCH keyCredentials".to_owned()
    }))
}

fn times(jwt: &UnverifiedJwt, now: UnixTime) -> Result<(), String> {
    let nbf = match &jwt.claims.nbf {
        NumericDate::Absent => None,
        date => Some(date.time().ok_or("`nbf` is no time")?),
    };
    let exp = jwt.claims.exp.time().ok_or("`exp` must be a time, at most ten minutes after `nbf`")?;
    if let Some(nbf) = nbf {
        if now.plus_secs(LEEWAY_SECS) < nbf {
            return Err(format!("`nbf` {} lies ahead; the clock here says {}", nbf.rfc3339(), now.rfc3339()));
        }
        if exp.secs_since(nbf) > LIFETIME_SECS {
            return Err("`exp` is more than ten minutes after `nbf`".to_owned());
        }
    }
    if exp.secs_since(now) > LIFETIME_SECS + LEEWAY_SECS {
        return Err("`exp` is more than ten minutes ahead".to_owned());
    }
    if exp.plus_secs(LEEWAY_SECS) < now {
        return Err(format!("`exp` {} has passed; the clock here says {}", exp.rfc3339(), now.rfc3339()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::crypto::Provider;
    use countersign_core::crypto::aws_lc::AwsLc;
    use countersign_core::encoding::encode_base64url;
    use countersign_testkit::{Identity, Spec};
    use serde_json::{Value as Json, json};

    const NOW: UnixTime = UnixTime::from_secs(1_790_000_000);
    const OBJECT: &str = "6f6b2f0e-4d3c-4d4b-9f0a-0d7f9d2f3c11";

    fn registered(identity: &Identity) -> KeyCredentialRecord {
        KeyCredentialRecord {
            start: identity.certificate.not_before(),
            end: identity.certificate.not_after(),
            der: Some(identity.certificate.der().to_vec()),
            ..KeyCredentialRecord::default()
        }
    }

    fn sign(identity: &Identity, changes: &Json) -> String {
        let mut claims = json!({"aud": AUDIENCE, "iss": OBJECT, "nbf": NOW.secs(), "exp": NOW.secs() + 600});
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let input = format!(
            "{}.{}",
            encode_base64url(br#"{"alg":"RS256","typ":"JWT"}"#),
            encode_base64url(claims.to_string().as_bytes())
        );
        let signature = AwsLc.signer(&identity.key).unwrap().sign(Alg::Rs256, input.as_bytes()).unwrap();
        format!("{input}.{}", encode_base64url(&signature))
    }

    fn check(proof: &str, keys: &[KeyCredentialRecord]) -> Result<(), ProofError> {
        verify(proof, OBJECT, keys, NOW, &AwsLc)
    }

    #[test]
    fn a_registered_and_valid_certificate_proves_it() {
        let (a, b) = (Identity::rsa(0, &Spec::default()), Identity::rsa(1, &Spec::default()));
        let keys = [registered(&b), registered(&a)];
        let good = sign(&a, &json!({}));
        assert_eq!(check(&good, &keys), Ok(()));
        let made = countersign_core::key_proof::build(OBJECT, NOW, &a.certificate, &*AwsLc.signer(&a.key).unwrap());
        assert_eq!(check(&made.unwrap(), &keys), Ok(()), "what the client makes");
        assert!(check(&sign(&a, &json!({"nbf": null})), &keys).is_err());
        assert!(matches!(check(&good, &keys[..1]), Err(ProofError::Refused(m)) if m.contains("signature")));
        assert!(matches!(check(&good, &[]), Err(ProofError::Refused(m)) if m.contains("no certificate")));
        let ended = KeyCredentialRecord { end: NOW + -1, ..registered(&a) };
        assert!(check(&good, &[ended]).is_err());
    }

    #[test]
    fn claims_must_be_right() {
        let a = Identity::rsa(0, &Spec::default());
        let keys = [registered(&a)];
        let now = NOW.secs();
        for (changes, word) in [
            (json!({"aud": "https://graph.microsoft.com"}), "aud"),
            (json!({"aud": [AUDIENCE]}), "aud"),
            (json!({"iss": "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef"}), "iss"),
            (json!({"exp": now + 601}), "exp"),
            (json!({"exp": null}), "exp"),
            (json!({"nbf": now + 400, "exp": now + 500}), "nbf"),
            (json!({"nbf": now - 1_000, "exp": now - 400}), "exp"),
            (json!({"nbf": now - 86_400, "exp": now + 100}), "exp"),
        ] {
            match check(&sign(&a, &changes), &keys) {
                Err(ProofError::Refused(message)) => assert!(message.contains(word), "{changes}: {message}"),
                other => panic!("{changes}: {other:?}"),
            }
        }
    }

    #[test]
    fn padding_is_malformed_as_graph_says() {
        let a = Identity::rsa(0, &Spec::default());
        let (header, claims) = (r#"{"alg":"RS256"}"#, json!({"aud": AUDIENCE, "iss": OBJECT, "exp": NOW.secs() + 60}));
        let padded = countersign_core::encoding::encode_base64url_padded(claims.to_string().as_bytes());
        let padded = if padded.ends_with('=') { padded } else { format!("{padded}=") };
        let input = format!("{}.{padded}", encode_base64url(header.as_bytes()));
        let signature = AwsLc.signer(&a.key).unwrap().sign(Alg::Rs256, input.as_bytes()).unwrap();
        let proof = format!("{input}.{}", encode_base64url(&signature));
        assert!(matches!(check(&proof, &[registered(&a)]), Err(ProofError::Malformed(_))));
        assert!(matches!(check("nonsense", &[]), Err(ProofError::Malformed(_))));
    }
}
