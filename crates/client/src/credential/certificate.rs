//! A certificate with its key, and how its assertions are made (RFC 7523 §3, Entra's certificate credentials).
//!
//! Used by `token_client`, and by commands that only sign. The key is in this process or behind a [`Signer`].

use std::path::Path;
use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::assertion::{AssertionSpec, KeyIdentifier, build, prepare};
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{Provider as _, Sign};
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::{Identity, load_identity};
use countersign_core::x509::certificate::Certificate;
use countersign_core::x509::key::PublicKey;
use zeroize::Zeroizing;

use super::signer::{Signer, SignerError};
use super::{CredentialError, read_file};

/// A certificate credential and how its assertions are made.
#[derive(Clone)]
pub struct CertificateCredential {
    certificate: Certificate,
    chain: Vec<Certificate>,
    key: Key,
    alg: Alg,
    key_identifier: KeyIdentifier,
    sends_chain: bool,
}

#[derive(Clone)]
enum Key {
    Here(Arc<dyn Sign>),
    Elsewhere(Arc<dyn Signer>),
}

/// How assertions look where it is not the default: PS256 (ES… for an EC key) with `x5t#S256`, no `x5c`.
#[derive(Clone, Copy, Debug)]
pub struct AssertionStyle {
    /// Signature algorithm; AD FS wants RS256.
    pub alg: Option<Alg>,
    /// Header members that name the certificate; AD FS wants `x5t`.
    pub key_identifier: KeyIdentifier,
    /// Send the chain in `x5c` (subject-name/issuer trust).
    pub sends_chain: bool,
}

impl Default for AssertionStyle {
    fn default() -> Self {
        Self { alg: None, key_identifier: KeyIdentifier::X5tS256, sends_chain: false }
    }
}

impl std::fmt::Debug for CertificateCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateCredential")
            .field("certificate", &self.certificate)
            .field("alg", &self.alg)
            .finish_non_exhaustive()
    }
}

impl CertificateCredential {
    /// Reads key and certificate from PEM, DER or PKCS#12 files, in any order.
    ///
    /// # Errors
    /// [`CredentialError`] naming the file, what it is instead, and what was expected.
    pub fn from_files(paths: &[&Path], password: Option<&str>) -> Result<Self, CredentialError> {
        let contents: Vec<(String, Zeroizing<Vec<u8>>)> = paths
            .iter()
            .map(|path| Ok((path.display().to_string(), read_file(path)?)))
            .collect::<Result<_, CredentialError>>()?;
        let named: Vec<(&str, &[u8])> = contents.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        Self::from_identity(load_identity(&named, password)?)
    }

    /// Uses a key and certificate that were read before.
    ///
    /// # Errors
    /// [`CredentialError::Key`] when the key cannot sign.
    pub fn from_identity(identity: Identity) -> Result<Self, CredentialError> {
        let signer = AwsLc.signer(&identity.key).map_err(|e| CredentialError::Key(e.to_string()))?;
        Self::new(identity.certificate, identity.chain, Key::Here(Arc::from(signer)))
    }

    /// Uses a key that signs elsewhere. `issuers` are the certificates above this one, for `x5c`.
    ///
    /// # Errors
    /// [`CredentialError::Key`] when no algorithm is known for the certificate's key.
    pub fn with_signer(
        certificate: Certificate,
        issuers: &[Certificate],
        signer: Arc<dyn Signer>,
    ) -> Result<Self, CredentialError> {
        let chain = countersign_core::x509::chain::order(&certificate, issuers);
        Self::new(certificate, chain, Key::Elsewhere(signer))
    }

    fn new(certificate: Certificate, chain: Vec<Certificate>, key: Key) -> Result<Self, CredentialError> {
        // PS256 is what Microsoft's documentation asks for; the others are for servers that take EC keys.
        let public = certificate.public_key();
        let alg = [Alg::Ps256, Alg::Es256, Alg::Es384, Alg::Es512].into_iter().find(|a| public.fits(*a));
        let alg = alg.ok_or_else(|| CredentialError::Key(format!("no algorithm is known for {}", public.kind())))?;
        Ok(Self { certificate, chain, key, alg, key_identifier: KeyIdentifier::X5tS256, sends_chain: false })
    }

    /// Makes assertions in this style.
    ///
    /// # Errors
    /// [`CredentialError::Alg`] when the key is of another kind.
    pub fn with_style(self, style: AssertionStyle) -> Result<Self, CredentialError> {
        let styled = self.with_key_identifier(style.key_identifier).with_chain(style.sends_chain);
        match style.alg {
            Some(alg) => styled.with_alg(alg),
            None => Ok(styled),
        }
    }

    /// Signs with this algorithm. AD FS wants RS256.
    ///
    /// # Errors
    /// [`CredentialError::Alg`] when the key is of another kind.
    pub fn with_alg(mut self, alg: Alg) -> Result<Self, CredentialError> {
        let key = self.public_key();
        if !key.fits(alg) {
            return Err(CredentialError::Alg { alg, key: key.kind() });
        }
        self.alg = alg;
        Ok(self)
    }

    /// Names the certificate by these header members.
    #[must_use]
    pub fn with_key_identifier(mut self, key_identifier: KeyIdentifier) -> Self {
        self.key_identifier = key_identifier;
        self
    }

    /// Sends the chain in `x5c` (subject-name/issuer trust).
    #[must_use]
    pub fn with_chain(mut self, sends_chain: bool) -> Self {
        self.sends_chain = sends_chain;
        self
    }

    /// The signature algorithm.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    fn public_key(&self) -> &PublicKey {
        self.certificate.public_key()
    }

    fn spec<'a>(
        &'a self,
        client_id: &'a str,
        audience: &'a str,
        now: UnixTime,
        lifetime: i64,
        jti: &'a str,
    ) -> AssertionSpec<'a> {
        AssertionSpec {
            alg: self.alg,
            key_identifier: self.key_identifier,
            chain: if self.sends_chain { &self.chain } else { &[] },
            client_id,
            audience,
            now,
            lifetime,
            jti,
        }
    }

    /// Signs an assertion with a fresh `jti`, with a key that is in this process.
    ///
    /// # Errors
    /// [`CredentialError::Sign`]; [`CredentialError::SignsElsewhere`] for a key behind a [`Signer`].
    pub fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: UnixTime,
        lifetime: i64,
    ) -> Result<String, CredentialError> {
        let Key::Here(signer) = &self.key else { return Err(CredentialError::SignsElsewhere) };
        let mut buffer = uuid::Uuid::encode_buffer();
        let jti = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut buffer);
        build(&self.spec(client_id, audience, now, lifetime, jti), &self.certificate, &**signer)
            .map_err(|_| CredentialError::Sign)
    }

    /// Signs an assertion with a fresh `jti`, wherever the key is.
    ///
    /// # Errors
    /// [`CredentialError::Sign`], [`CredentialError::Signer`]
    pub async fn sign_assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: UnixTime,
        lifetime: i64,
    ) -> Result<String, CredentialError> {
        let Key::Elsewhere(signer) = &self.key else { return self.assertion(client_id, audience, now, lifetime) };
        let jti = uuid::Uuid::new_v4().to_string();
        let prepared = prepare(&self.spec(client_id, audience, now, lifetime, &jti), &self.certificate);
        let signature = signer.sign(self.alg, prepared.signing_input()).await?;
        // Costs 20 µs and tells a wrong key or form at the place where it is wrong.
        let verified = self
            .certificate
            .verifier(&AwsLc)
            .is_ok_and(|v| v.verify(self.alg, prepared.signing_input(), &signature).is_ok());
        if !verified {
            let what = format!(
                "the signer's {} signature is not one by the key of the certificate '{}'; give the certificate of the signer's own key",
                self.alg,
                self.certificate.subject()
            );
            return Err(SignerError::new(what).into());
        }
        Ok(prepared.attach(&signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::jose::UnverifiedJwt;
    use countersign_testkit::{Identity as TestIdentity, Spec};

    struct Files {
        folder: tempfile::TempDir,
        identity: TestIdentity,
    }

    fn files() -> Files {
        let identity = TestIdentity::rsa(0, &Spec::default());
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), identity.key_pem()).unwrap();
        std::fs::write(folder.path().join("cert.pem"), identity.certificate_pem()).unwrap();
        Files { folder, identity }
    }

    #[test]
    fn signs_ps256_with_x5t_s256_unless_told_otherwise() {
        let Files { folder, identity } = files();
        let (key, cert) = (folder.path().join("key.pem"), folder.path().join("cert.pem"));
        let credential = CertificateCredential::from_files(&[&cert, &key], None).unwrap();
        let now = UnixTime::from_secs(1_781_013_681);
        let text = credential.assertion("app", "https://login.example/t/oauth2/v2.0/token", now, 600).unwrap();
        let jwt = UnverifiedJwt::read(&text).unwrap();
        assert_eq!(jwt.header.alg.text(), Some("PS256"));
        assert_eq!(jwt.header.x5t_s256.as_ref().and_then(|t| t.bytes()), Some(&identity.certificate.sha256()[..]));
        assert!(jwt.header.x5t.is_none() && jwt.header.x5c.is_none());
        let verifier = identity.certificate.verifier(&AwsLc).unwrap();
        verifier.verify(Alg::Ps256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).unwrap();

        let old =
            credential.clone().with_alg(Alg::Rs256).unwrap().with_key_identifier(KeyIdentifier::X5t).with_chain(true);
        let jwt = UnverifiedJwt::read(&old.assertion("app", "a", now, 600).unwrap()).unwrap();
        assert_eq!(jwt.header.alg.text(), Some("RS256"));
        assert_eq!(jwt.header.x5t.as_ref().and_then(|t| t.bytes()), Some(&identity.certificate.sha1()[..]));
        assert_eq!(jwt.header.x5c.map(|c| c.len()), Some(1));
        let error = credential.with_alg(Alg::Es256).unwrap_err().to_string();
        assert!(error.contains("ES256") && error.contains("RSA"), "{error}");
    }

    #[test]
    fn a_wrong_file_is_named_with_what_it_is() {
        let Files { folder, .. } = files();
        let path = |name: &str| folder.path().join(name);
        let error = |paths: &[&Path]| CertificateCredential::from_files(paths, None).unwrap_err().to_string();
        let text = error(&[&path("cert.pem")]);
        assert!(text.contains("cert.pem") && text.contains("no private key"), "{text}");
        let text = error(&[&path("key.pem")]);
        assert!(text.contains("key.pem") && text.contains("no certificate") && !text.contains("MII"), "{text}");
        let text = error(&[&path("none.pem")]);
        assert!(text.contains("none.pem") && text.contains("cannot be read"), "{text}");
    }

    /// Signs with a key in this process, as a vault would.
    #[derive(Debug)]
    struct Vault(countersign_core::keyfile::PrivateKey);

    impl Signer for Vault {
        fn sign<'a>(&'a self, alg: Alg, message: &'a [u8]) -> crate::Signing<'a> {
            let signed = AwsLc.signer(&self.0).unwrap().sign(alg, message);
            Box::pin(std::future::ready(signed.map_err(|e| SignerError::new(e.to_string()))))
        }
    }

    #[tokio::test]
    async fn a_key_elsewhere_signs_and_a_wrong_one_is_told() {
        let (identity, stranger) = (TestIdentity::rsa(0, &Spec::default()), TestIdentity::rsa(1, &Spec::default()));
        let now = UnixTime::from_secs(1_781_013_681);
        let with = |key: &TestIdentity| {
            let vault = Arc::new(Vault(key.key.clone()));
            CertificateCredential::with_signer(identity.certificate.clone(), &[], vault).unwrap()
        };
        let credential = with(&identity);
        let text = credential.sign_assertion("app", "aud", now, 600).await.unwrap();
        let jwt = UnverifiedJwt::read(&text).unwrap();
        let verifier = identity.certificate.verifier(&AwsLc).unwrap();
        verifier.verify(Alg::Ps256, jwt.compact.signing_input(), &jwt.compact.signature.bytes).unwrap();
        assert!(matches!(credential.assertion("app", "aud", now, 600), Err(CredentialError::SignsElsewhere)));

        let error = with(&stranger).sign_assertion("app", "aud", now, 600).await.unwrap_err().to_string();
        assert!(error.contains("PS256") && error.contains("payroll-daemon"), "{error}");
    }
}
