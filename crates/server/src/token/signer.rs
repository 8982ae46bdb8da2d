//! The keys that sign access tokens: made once, kept encrypted, published as a JWK Set (RFC 7517).
//!
//! Opened at the start. RS256 signs for every resource but those that ask for ES256. Signing runs on the calling thread: it costs
//! about 240 µs (RS256) or 20 µs (ES256), a change of threads would cost more.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{Provider, Sign, SignError, Verify};
use countersign_core::encoding::{encode_base64, encode_base64url};
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::PrivateKey;
use countersign_core::thumbprint::sha1;
use countersign_core::time::UnixTime;
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::key::{Curve, PublicKey};

use crate::secrets::Secrets;
use crate::store::model::{SigningKeyRecord, TokenAlg};
use crate::store::{Store, StoreError};

/// Life of the self-signed certificate around a signing key. Nobody judges it; resource servers take the key by `kid`.
const CERTIFICATE_DAYS: i64 = 5 * 365;
/// Clocks of nodes differ by less, in seconds.
const CLOCKS_DIFFER: i64 = 300;

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored key cannot be decrypted.
    #[error(
        "the signing key '{0}' in the store cannot be decrypted with the master key: it was made under another one"
    )]
    Sealed(String),
    /// A stored key cannot be used.
    #[error("the signing key '{kid}' in the store cannot be used: {cause}")]
    Unusable {
        /// Its id.
        kid: String,
        /// What is wrong.
        cause: String,
    },
    /// A key could not be made.
    #[error("a signing key could not be made: {0}")]
    Make(String),
}

/// All signing keys.
pub struct Signer {
    keys: ArcSwap<Vec<Arc<SigningKey>>>,
    /// Whoever changes keys waits for it.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.load().iter().map(|k| &k.kid)).finish()
    }
}

/// A key that signs access tokens.
pub struct SigningKey {
    /// `kid`, which is also `x5t`.
    pub kid: String,
    /// The encoded header of a v1.0 token, with the dot behind it.
    pub header_v1: String,
    /// The encoded header of a v2.0 token, with the dot behind it.
    pub header_v2: String,
    /// The members of its JWK, without braces and without `issuer`.
    jwk: String,
    alg: Alg,
    key: Box<dyn Sign>,
    verifier: Arc<dyn Verify>,
    created: UnixTime,
    signs_from: UnixTime,
    published_until: Option<UnixTime>,
}

impl SigningKey {
    /// Signs by the key's algorithm.
    ///
    /// # Errors
    /// [`SignError`] when the library fails.
    pub fn sign(&self, signing_input: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(self.alg, signing_input)
    }

    fn of(record: &SigningKeyRecord, secrets: &Secrets) -> Result<Self, SignerError> {
        let kid = &record.kid;
        let unusable = |cause: &dyn fmt::Display| SignerError::Unusable { kid: kid.clone(), cause: cause.to_string() };
        let pkcs8 = secrets.unseal(kid, &record.sealed_key).map_err(|_| SignerError::Sealed(kid.clone()))?;
        let key = PrivateKey::from_pkcs8_der(&pkcs8).map_err(|e| unusable(&e))?;
        let certificate = Certificate::from_der(&record.certificate).map_err(|e| unusable(&e))?;
        if !key.matches(&certificate) {
            return Err(unusable(&"its certificate belongs to another key"));
        }
        let (alg, kty, numbers) = public_members(key.public_key())
            .filter(|(alg, ..)| alg.name() == record.alg)
            .ok_or_else(|| unusable(&format_args!("it is no key for '{}'", record.alg)))?;
        let jwk = format!(
            r#""kty":"{kty}","use":"sig","kid":"{kid}","x5t":"{kid}",{numbers},"x5c":["{}"]"#,
            encode_base64(certificate.der()),
        );
        let header = |json: String| format!("{}.", encode_base64url(json.as_bytes()));
        Ok(Self {
            header_v1: header(format!(r#"{{"typ":"JWT","alg":"{alg}","x5t":"{kid}","kid":"{kid}"}}"#)),
            header_v2: header(format!(r#"{{"typ":"JWT","alg":"{alg}","kid":"{kid}"}}"#)),
            jwk,
            alg,
            created: record.created,
            verifier: AwsLc.verifier(key.public_key()).map_err(|e| unusable(&e))?,
            key: AwsLc.signer(&key).map_err(|e| unusable(&e))?,
            kid: kid.clone(),
            signs_from: record.signs_from,
            published_until: record.published_until,
        })
    }

    fn is_published(&self, now: UnixTime) -> bool {
        self.published_until.is_none_or(|until| now < until)
    }
}

impl Signer {
    /// Reads the keys of a store; the first one is made when there is none.
    ///
    /// # Errors
    /// [`SignerError`]
    pub async fn open(store: &dyn Store, secrets: &Secrets, now: UnixTime) -> Result<Self, SignerError> {
        let mut records = store.signing_keys().await?;
        if records.is_empty() {
            store.put_first_signing_key(&make_key(secrets, TokenAlg::Rs256, now, now)?).await?;
            // Another node may have been first.
            records = store.signing_keys().await?;
        }
        Ok(Self::with(usable(&records, secrets)?))
    }

    fn with(keys: Vec<Arc<SigningKey>>) -> Self {
        Self { keys: ArcSwap::from_pointee(keys), turn: tokio::sync::Mutex::new(()) }
    }

    /// One change of keys at a time.
    pub(crate) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// Takes up what the store holds meanwhile: keys that were made, dates that were changed.
    ///
    /// # Errors
    /// [`SignerError`]; the keys at hand stay then.
    pub async fn reload(&self, store: &dyn Store, secrets: &Secrets) -> Result<(), SignerError> {
        let records = store.signing_keys().await?;
        self.keys.store(Arc::new(usable(&records, secrets)?));
        Ok(())
    }

    /// The key that signs now by RS256: the latest of those that may sign. Without one no token can be issued.
    pub fn active(&self, now: UnixTime) -> Option<Arc<SigningKey>> {
        let first = || self.keys.load().iter().find(|k| k.alg == Alg::Rs256).cloned();
        // A clock that was set back must not leave the service without a key: then the eldest signs.
        self.latest(Alg::Rs256, now).or_else(first)
    }

    /// The key that signs tokens of a resource: by RS256 until a key for ES256 was published for long enough.
    pub fn for_tokens(&self, alg: TokenAlg, now: UnixTime) -> Option<Arc<SigningKey>> {
        let of_its_own = match alg {
            TokenAlg::Rs256 => None,
            TokenAlg::Es256 => self.latest(Alg::Es256, now),
        };
        of_its_own.or_else(|| self.active(now))
    }

    fn latest(&self, alg: Alg, now: UnixTime) -> Option<Arc<SigningKey>> {
        let keys = self.keys.load();
        let signs = |k: &&Arc<SigningKey>| k.alg == alg && k.is_published(now) && k.signs_from <= now;
        // Made long after now: the clock was set back, and the key was published long ago. Less is another node's clock, a little
        // ahead of ours, and the key is new.
        let set_back = || keys.iter().find(|k| k.alg == alg && now.plus_secs(CLOCKS_DIFFER) < k.created);
        keys.iter().filter(signs).max_by_key(|k| k.signs_from).or_else(set_back).cloned()
    }

    /// Ids of the keys that sign now, one for each algorithm in use.
    pub fn signing_now(&self, now: UnixTime) -> Vec<String> {
        let keys = [self.active(now), self.latest(Alg::Es256, now)];
        keys.into_iter().flatten().map(|k| k.kid.clone()).collect()
    }

    /// Algorithms of the published keys, as metadata lists them; RS256 is always among them.
    pub fn algorithms(&self, now: UnixTime) -> Vec<&'static str> {
        let es256 = self.keys.load().iter().any(|k| k.alg == Alg::Es256 && k.is_published(now));
        [Some(Alg::Rs256), es256.then_some(Alg::Es256)].into_iter().flatten().map(Alg::name).collect()
    }

    /// The verifier of a published key.
    pub fn verifier(&self, kid: &str, now: UnixTime) -> Option<Arc<dyn Verify>> {
        self.keys.load().iter().find(|k| k.kid == kid && k.is_published(now)).map(|k| Arc::clone(&k.verifier))
    }

    /// The JWK Set; `issuer` is the template with `{tenantid}` that shared keys carry, or a tenant's own issuer.
    pub fn jwk_set(&self, issuer: &str, now: UnixTime) -> String {
        let keys: Vec<String> = self
            .keys
            .load()
            .iter()
            .filter(|k| k.is_published(now))
            .map(|k| format!(r#"{{{},"issuer":"{issuer}"}}"#, k.jwk))
            .collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    }
}

fn usable(records: &[SigningKeyRecord], secrets: &Secrets) -> Result<Vec<Arc<SigningKey>>, SignerError> {
    records.iter().map(|r| SigningKey::of(r, secrets).map(Arc::new)).collect()
}

/// Algorithm, `kty` and the members of a public key's own numbers (RFC 7518 §6); `None` for keys that sign no token here.
fn public_members(key: &PublicKey) -> Option<(Alg, &'static str, String)> {
    match key {
        PublicKey::Rsa(rsa) => {
            let numbers = format!(r#""n":"{}","e":"{}""#, encode_base64url(&rsa.n), encode_base64url(&rsa.e));
            Some((Alg::Rs256, "RSA", numbers))
        }
        PublicKey::Ec { curve: Curve::P256, point } => {
            // SEC 1 §2.3.3: 4, then both coordinates.
            let (x, y) = point.strip_prefix(&[4]).filter(|c| c.len() == 64)?.split_at(32);
            let numbers = format!(r#""crv":"P-256","x":"{}","y":"{}""#, encode_base64url(x), encode_base64url(y));
            Some((Alg::Es256, "EC", numbers))
        }
        PublicKey::Ec { .. } | PublicKey::Ed25519(_) | PublicKey::Other { .. } => None,
    }
}

/// Makes a key, RSA of 2048 bits or P-256, with a self-signed certificate, whose SHA-1 is the `kid` as at Entra. RSA takes a
/// quarter of a second of a processor.
///
/// # Errors
/// [`SignerError::Make`]
pub(crate) fn make_key(
    secrets: &Secrets,
    alg: TokenAlg,
    now: UnixTime,
    signs_from: UnixTime,
) -> Result<SigningKeyRecord, SignerError> {
    let failed = |cause: &dyn fmt::Display| SignerError::Make(cause.to_string());
    let made = match alg {
        TokenAlg::Rs256 => AwsLc.generate_rsa(2048),
        TokenAlg::Es256 => AwsLc.generate_ec(&Curve::P256),
    };
    let key = made.map_err(|e| failed(&e))?;
    let certificate = self_signed(&key, now).map_err(|e| failed(&e))?;
    let kid = encode_base64url(&sha1(&certificate));
    let sealed_key = secrets.seal(&kid, key.pkcs8_der()).map_err(|e| failed(&e))?;
    Ok(SigningKeyRecord {
        kid,
        alg: alg.alg().name().to_owned(),
        certificate,
        sealed_key,
        created: now,
        signs_from,
        published_until: None,
    })
}

fn self_signed(key: &PrivateKey, now: UnixTime) -> Result<Vec<u8>, rcgen::Error> {
    let pair = rcgen::KeyPair::try_from(key.pkcs8_der())?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(rcgen::DnType::CommonName, "accounts.accesscontrol.countersign.invalid");
    set_validity(&mut params, now, now.plus_secs(CERTIFICATE_DAYS * 86_400));
    Ok(params.self_signed(&pair)?.der().to_vec())
}

/// Sets the validity of a certificate to be made, in whole days (midnight before, midnight after).
pub(crate) fn set_validity(params: &mut rcgen::CertificateParams, from: UnixTime, until: UnixTime) {
    let (from, until) = (from.civil(), until.plus_secs(86_399).civil());
    let year = |y: i64| i32::try_from(y).unwrap_or(2026);
    // Months and days come from a calendar and fit.
    params.not_before = rcgen::date_time_ymd(year(from.year), from.month as u8, from.day as u8);
    params.not_after = rcgen::date_time_ymd(year(until.year), until.month as u8, until.day as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_key_signs_and_is_published_without_private_members() {
        let secrets = Secrets::from_master(&[1; 32]);
        let now = UnixTime::from_secs(1_800_000_000);
        let record = make_key(&secrets, TokenAlg::Rs256, now, now).unwrap();
        let key = Arc::new(SigningKey::of(&record, &secrets).unwrap());
        let signature = key.sign(b"x").unwrap();
        assert!(key.verifier.verify(Alg::Rs256, b"x", &signature).is_ok());
        let signer = Signer::with(vec![Arc::clone(&key)]);
        let set: serde_json::Value = serde_json::from_str(&signer.jwk_set("https://x/{tenantid}/v2.0", now)).unwrap();
        let jwk = set["keys"][0].as_object().unwrap();
        assert_eq!(jwk.keys().collect::<Vec<_>>(), ["kty", "use", "kid", "x5t", "n", "e", "x5c", "issuer"]);
        assert_eq!(jwk["e"], "AQAB");
        assert_eq!(jwk["kid"].as_str().unwrap().len(), 27);
        assert!(signer.active(now.plus_secs(-7200)).is_some(), "a clock set back");
        assert!(matches!(SigningKey::of(&record, &Secrets::from_master(&[2; 32])), Err(SignerError::Sealed(_))));
        let renamed = SigningKeyRecord { alg: "ES256".to_owned(), ..record };
        assert!(matches!(SigningKey::of(&renamed, &secrets), Err(SignerError::Unusable { .. })));
    }

    #[test]
    fn es256_signs_for_those_who_ask_once_it_may() {
        let secrets = Secrets::from_master(&[1; 32]);
        let now = UnixTime::from_secs(1_800_000_000);
        let of = |alg, from| Arc::new(SigningKey::of(&make_key(&secrets, alg, now, from).unwrap(), &secrets).unwrap());
        let (rsa, ec) = (of(TokenAlg::Rs256, now), of(TokenAlg::Es256, now.plus_secs(300)));
        let signer = Signer::with(vec![Arc::clone(&rsa), Arc::clone(&ec)]);
        let kid = |alg, after| signer.for_tokens(alg, now.plus_secs(after)).unwrap().kid.clone();
        assert_eq!(kid(TokenAlg::Es256, 299), rsa.kid, "not before it was published for long enough");
        assert_eq!(kid(TokenAlg::Es256, 300), ec.kid);
        assert_eq!(kid(TokenAlg::Rs256, 300), rsa.kid);
        assert_eq!(kid(TokenAlg::Es256, -1), rsa.kid, "another node's clock, a second behind the maker's");
        // A clock that was set back: the key was published long ago.
        assert_eq!(kid(TokenAlg::Es256, -3_600), ec.kid);
        assert_eq!(signer.signing_now(now.plus_secs(300)), [rsa.kid.as_str(), ec.kid.as_str()]);
        let set: serde_json::Value = serde_json::from_str(&signer.jwk_set("https://x/{tenantid}/v2.0", now)).unwrap();
        let jwk = set["keys"][1].as_object().unwrap();
        assert_eq!(jwk.keys().collect::<Vec<_>>(), ["kty", "use", "kid", "x5t", "crv", "x", "y", "x5c", "issuer"]);
        assert_eq!((signer.algorithms(now), ec.sign(b"x").unwrap().len()), (vec!["RS256", "ES256"], 64));
        assert!(ec.verifier.verify(Alg::Es256, b"x", &ec.sign(b"x").unwrap()).is_ok());
    }
}
