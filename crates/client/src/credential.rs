//! What a client proves itself with: a certificate with its key, a secret, or a token that a platform writes to a file.
//!
//! Key files are read by `countersign-core`'s one reader, assertions are built by it; no rule of either is repeated here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::assertion::{AssertionSpec, KeyIdentifier, build};
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::crypto::{Provider as _, Sign};
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::{Identity, IdentityError, load_identity};
use countersign_core::x509::certificate::Certificate;
use secrecy::{ExposeSecret as _, SecretString};

/// A credential (RFC 6749 §2.3, RFC 7521 §4.2).
#[derive(Clone, Debug)]
pub enum Credential {
    /// A private key with its certificate: a signed assertion for each request.
    Certificate(CertificateCredential),
    /// A client secret.
    Secret(SecretString),
    /// A file with a token of a trusted issuer, read again for each request: its writer replaces it.
    FederatedTokenFile(PathBuf),
}

/// A certificate credential and how its assertions are made.
#[derive(Clone)]
pub struct CertificateCredential {
    certificate: Certificate,
    chain: Vec<Certificate>,
    signer: Arc<dyn Sign>,
    alg: Alg,
    key_identifier: KeyIdentifier,
    sends_chain: bool,
}

impl std::fmt::Debug for CertificateCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateCredential")
            .field("certificate", &self.certificate)
            .field("alg", &self.alg)
            .finish_non_exhaustive()
    }
}

/// Why a credential cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CredentialError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: Arc<std::io::Error>,
    },
    /// A file is too large for any key file.
    #[error("{}: more than 1 MiB, which is no key or certificate file", .0.display())]
    TooLarge(PathBuf),
    /// The files hold something else than a key with its certificate.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The key cannot sign.
    #[error("the private key cannot be used: {0}")]
    Key(String),
    /// The key does not fit the algorithm.
    #[error("{alg} needs another kind of key than {key}")]
    Alg {
        /// The algorithm.
        alg: Alg,
        /// The key.
        key: &'static str,
    },
    /// The signer failed.
    #[error("the assertion could not be signed")]
    Sign,
    /// A federated token file holds no token.
    #[error("{}: holds no token; expected the compact JWT that the platform writes there", .0.display())]
    NoToken(PathBuf),
}

/// Longest key or token file that is read.
const MAX_FILE: u64 = 1024 * 1024;

impl CertificateCredential {
    /// Reads key and certificate from PEM, DER or PKCS#12 files, in any order.
    ///
    /// # Errors
    /// [`CredentialError`] naming the file, what it is instead, and what was expected.
    pub fn from_files(paths: &[&Path], password: Option<&str>) -> Result<Self, CredentialError> {
        let mut contents = Vec::new();
        for path in paths {
            let failed = |cause| CredentialError::File { path: path.to_path_buf(), cause: Arc::new(cause) };
            if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
                return Err(CredentialError::TooLarge(path.to_path_buf()));
            }
            contents.push((path.display().to_string(), std::fs::read(path).map_err(failed)?));
        }
        let named: Vec<(&str, &[u8])> = contents.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        Self::from_identity(load_identity(&named, password)?)
    }

    /// Uses a key and certificate that were read before.
    ///
    /// # Errors
    /// [`CredentialError::Key`] when the key cannot sign.
    pub fn from_identity(identity: Identity) -> Result<Self, CredentialError> {
        let signer = AwsLc.signer(&identity.key).map_err(|e| CredentialError::Key(e.to_string()))?;
        // PS256 is what Microsoft's documentation asks for; the others are for servers that take EC keys.
        let key = identity.key.public_key();
        let alg = [Alg::Ps256, Alg::Es256, Alg::Es384, Alg::Es512].into_iter().find(|a| key.fits(*a));
        let alg = alg.ok_or_else(|| CredentialError::Key(format!("no algorithm is known for {}", key.kind())))?;
        Ok(Self {
            certificate: identity.certificate,
            chain: identity.chain,
            signer: Arc::from(signer),
            alg,
            key_identifier: KeyIdentifier::X5tS256,
            sends_chain: false,
        })
    }

    /// Signs with this algorithm. AD FS wants RS256.
    ///
    /// # Errors
    /// [`CredentialError::Alg`] when the key is of another kind.
    pub fn with_alg(mut self, alg: Alg) -> Result<Self, CredentialError> {
        let key = self.signer.public_key();
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

    /// Signs an assertion with a fresh `jti`.
    ///
    /// # Errors
    /// [`CredentialError::Sign`]
    pub fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: UnixTime,
        lifetime: i64,
    ) -> Result<String, CredentialError> {
        let jti = uuid::Uuid::new_v4().to_string();
        let spec = AssertionSpec {
            alg: self.alg,
            key_identifier: self.key_identifier,
            chain: if self.sends_chain { &self.chain } else { &[] },
            client_id,
            audience,
            now,
            lifetime,
            jti: &jti,
        };
        build(&spec, &self.certificate, &*self.signer).map_err(|_| CredentialError::Sign)
    }
}

impl Credential {
    /// The form parameters that prove the client, and the assertion among them.
    pub(crate) fn parameters(
        &self,
        client_id: &str,
        audience: &str,
        now: UnixTime,
    ) -> Result<Vec<(&'static str, SecretString)>, CredentialError> {
        let assertion = |text: String| {
            vec![
                ("client_assertion_type", SecretString::from(countersign_core::request::JWT_BEARER)),
                ("client_assertion", SecretString::from(text)),
            ]
        };
        match self {
            Self::Certificate(certificate) => {
                // Microsoft's libraries sign for ten minutes.
                Ok(assertion(certificate.assertion(client_id, audience, now, 600)?))
            }
            Self::Secret(secret) => Ok(vec![("client_secret", SecretString::from(secret.expose_secret()))]),
            Self::FederatedTokenFile(path) => {
                let failed = |cause| CredentialError::File { path: path.clone(), cause: Arc::new(cause) };
                if std::fs::metadata(path).map_err(failed)?.len() > MAX_FILE {
                    return Err(CredentialError::TooLarge(path.clone()));
                }
                let token = std::fs::read_to_string(path).map_err(failed)?;
                let token = token.trim();
                if token.split('.').count() != 3 {
                    return Err(CredentialError::NoToken(path.clone()));
                }
                Ok(assertion(token.to_owned()))
            }
        }
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

    #[test]
    fn a_federated_token_file_is_read_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credential = Credential::FederatedTokenFile(path.clone());
        let sent = || {
            let list = credential.parameters("app", "aud", UnixTime::EPOCH)?;
            Ok::<_, CredentialError>(list[1].1.expose_secret().to_owned())
        };
        std::fs::write(&path, "a.b.c\n").unwrap();
        assert_eq!(sent().unwrap(), "a.b.c");
        std::fs::write(&path, "d.e.f").unwrap();
        assert_eq!(sent().unwrap(), "d.e.f");
        std::fs::write(&path, "not a token").unwrap();
        assert!(matches!(sent(), Err(CredentialError::NoToken(_))));
    }
}
