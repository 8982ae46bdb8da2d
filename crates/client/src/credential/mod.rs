//! What a client proves itself with: a certificate with its key, a secret, or a token that a platform writes to a file.
//!
//! Used by `token_client`, once for each token request. Key files are read by `countersign-core`'s one reader, assertions are
//! built by it; no rule of either is repeated here.

mod certificate;
mod key_vault;
#[cfg(feature = "pkcs11")]
mod pkcs11;
mod rotating;
mod signer;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::jose::alg::Alg;
use countersign_core::keyfile::IdentityError;
use countersign_core::x509::certificate::Certificate;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

pub use certificate::{AssertionStyle, CertificateCredential};
pub use key_vault::{KeyVaultCredential, KeyVaultSigner, VaultCertificate};
#[cfg(feature = "pkcs11")]
pub use pkcs11::Pkcs11Key;
pub use rotating::RotatingCertificate;
pub use signer::{Signer, SignerError, Signing};

/// A credential (RFC 6749 §2.3, RFC 7521 §4.2).
#[derive(Clone, Debug)]
pub enum Credential {
    /// A private key with its certificate: a signed assertion for each request. The key may sign elsewhere ([`Signer`]).
    Certificate(CertificateCredential),
    /// Certificates in files or a folder that somebody replaces while the program runs.
    Rotating(RotatingCertificate),
    /// A certificate in Azure Key Vault, whose key stays there.
    KeyVault(KeyVaultCredential),
    /// A client secret.
    Secret(SecretString),
    /// A file with a token of a trusted issuer, read again for each request: its writer replaces it.
    FederatedTokenFile(PathBuf),
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
    /// A folder without any key file.
    #[error("{}: no key or certificate in this folder; expected PEM or PKCS#12 files with a private key and its certificate", .0.display())]
    EmptyFolder(PathBuf),
    /// There are certificates, but none is valid at this time.
    #[error("{place}: no certificate is valid now: {found}")]
    NoneValid {
        /// File or folder.
        place: String,
        /// Each certificate and why not.
        found: String,
    },
    /// Files that change faster than they can be read.
    #[error(
        "{place}: the files changed each time while they were read; write them elsewhere and rename them into place"
    )]
    Unstable {
        /// File or folder.
        place: String,
    },
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
    /// The library failed to sign.
    #[error("the assertion could not be signed")]
    Sign,
    /// The key is not on this machine, and the caller cannot wait for it.
    #[error("this key signs elsewhere; use the asynchronous `sign_assertion`")]
    SignsElsewhere,
    /// A signer elsewhere failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A federated token file holds no token.
    #[error("{}: holds no token; expected the compact JWT that the platform writes there", .0.display())]
    NoToken(PathBuf),
    /// A PKCS#11 URI that names no object.
    #[error(transparent)]
    Pkcs11Uri(#[from] countersign_core::keyfile::Pkcs11UriError),
}

impl CredentialError {
    /// Whether the same may work later: a signer out of reach.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Signer(error) if error.is_transient)
    }
}

/// Longest key or token file that is read.
const MAX_FILE: u64 = 1024 * 1024;
/// How long an assertion lives; Microsoft's libraries sign for ten minutes.
const LIFETIME: i64 = 600;
/// Certificates that are tried for one token at most.
const MAX_CANDIDATES: usize = 4;

/// Reads a file that is no longer than any key file. The bytes are wiped when dropped.
fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, CredentialError> {
    let failed = |cause| CredentialError::File { path: path.to_path_buf(), cause: Arc::new(cause) };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(CredentialError::TooLarge(path.to_path_buf()));
    }
    Ok(bytes)
}

/// One way to prove the client in one request.
#[derive(Clone, Debug)]
pub(crate) enum Candidate {
    Certificate(CertificateCredential),
    Secret(SecretString),
    Token(SecretString),
}

impl Credential {
    /// The ways to try, best first. More than one only while certificates are being replaced.
    pub(crate) async fn candidates(&self, now: UnixTime) -> Result<Vec<Candidate>, CredentialError> {
        match self {
            Self::Certificate(certificate) => Ok(vec![Candidate::Certificate(certificate.clone())]),
            Self::Rotating(rotating) => {
                let mut list = rotating.candidates(now).await?;
                list.truncate(MAX_CANDIDATES);
                Ok(list.into_iter().map(Candidate::Certificate).collect())
            }
            Self::KeyVault(vault) => Ok(vault.candidates().await?.into_iter().map(Candidate::Certificate).collect()),
            Self::Secret(secret) => Ok(vec![Candidate::Secret(secret.clone())]),
            Self::FederatedTokenFile(path) => {
                let bytes = read_file(path)?;
                let token = std::str::from_utf8(&bytes).unwrap_or_default().trim();
                if token.split('.').count() != 3 {
                    return Err(CredentialError::NoToken(path.clone()));
                }
                Ok(vec![Candidate::Token(SecretString::from(token))])
            }
        }
    }

    /// The certificate that the next request is signed for; `None` for a secret or a federated token.
    ///
    /// # Errors
    /// [`CredentialError`] when files or vault cannot be read.
    pub async fn certificate(&self, now: UnixTime) -> Result<Option<CertificateCredential>, CredentialError> {
        match self {
            Self::Certificate(certificate) => Ok(Some(certificate.clone())),
            Self::Rotating(rotating) => rotating.current(now).await.map(Some),
            Self::KeyVault(vault) => vault.current().await.map(Some),
            Self::Secret(_) | Self::FederatedTokenFile(_) => Ok(None),
        }
    }

    /// The server took this candidate.
    pub(crate) fn accepted(&self, candidate: &Candidate) {
        if let (Self::Rotating(rotating), Candidate::Certificate(certificate)) = (self, candidate) {
            rotating.accepted(certificate);
        }
    }

    /// The server does not know this candidate's certificate (yet).
    pub(crate) fn unknown(&self, candidate: &Candidate, now: UnixTime) {
        if let (Self::Rotating(rotating), Candidate::Certificate(certificate)) = (self, candidate) {
            rotating.unknown(certificate, now);
        }
    }
}

impl Candidate {
    /// The form parameters that prove the client, and the assertion among them.
    pub(crate) async fn parameters(
        &self,
        client_id: &str,
        audience: &str,
        now: UnixTime,
    ) -> Result<Vec<(&'static str, SecretString)>, CredentialError> {
        let assertion = |text: SecretString| {
            vec![
                ("client_assertion_type", SecretString::from(countersign_core::request::JWT_BEARER)),
                ("client_assertion", text),
            ]
        };
        match self {
            Self::Certificate(certificate) => {
                let text = certificate.sign_assertion(client_id, audience, now, LIFETIME).await?;
                Ok(assertion(SecretString::from(text)))
            }
            Self::Secret(secret) => Ok(vec![("client_secret", SecretString::from(secret.expose_secret()))]),
            Self::Token(token) => Ok(assertion(token.clone())),
        }
    }

    /// The certificate, where there is one.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Certificate(certificate) => Some(certificate.certificate()),
            Self::Secret(_) | Self::Token(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_federated_token_file_is_read_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let credential = Credential::FederatedTokenFile(path.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sent = || {
            runtime.block_on(async {
                let candidates = credential.candidates(UnixTime::EPOCH).await?;
                let list = candidates[0].parameters("app", "aud", UnixTime::EPOCH).await?;
                Ok::<_, CredentialError>(list[1].1.expose_secret().to_owned())
            })
        };
        std::fs::write(&path, "a.b.c\n").unwrap();
        assert_eq!(sent().unwrap(), "a.b.c");
        std::fs::write(&path, "d.e.f").unwrap();
        assert_eq!(sent().unwrap(), "d.e.f");
        std::fs::write(&path, "not a token").unwrap();
        assert!(matches!(sent(), Err(CredentialError::NoToken(_))));
        std::fs::write(&path, vec![b'a'; 1024 * 1024 + 1]).unwrap();
        assert!(matches!(sent(), Err(CredentialError::TooLarge(_))));
    }
}
