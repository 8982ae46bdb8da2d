//! Access tokens for programs without a user (RFC 6749 §4.4): by certificate, secret or federated token, from Entra ID, from
//! a local service, or from any server that speaks RFC 7523.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use countersign_client::{Authority, CertificateCredential, Credential, TokenClient};
//!
//! let credential = CertificateCredential::from_files(&["payroll.pem".as_ref()], None)?;
//! let authority = Authority::public("contoso.onmicrosoft.com")?;
//! let client = TokenClient::new(authority, "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", Credential::Certificate(credential))?;
//! let token = client.token("https://graph.microsoft.com/.default").await?;
//! # let _ = token; Ok(())
//! # }
//! ```
//!
//! # Credentials
//!
//! | where the key is | take |
//! |---|---|
//! | a PEM or PKCS#12 file | [`CertificateCredential::from_files`] |
//! | a folder that Kubernetes, cert-manager or a CSI driver rotates | [`RotatingCertificate::folder`] |
//! | files that a script replaces | [`RotatingCertificate::files`] |
//! | Azure Key Vault | [`KeyVaultCredential`] |
//! | an HSM, by PKCS#11 | `Pkcs11Key`, feature `pkcs11` |
//! | anywhere else | your own [`Signer`] |
//!
//! A client secret and a federated token file are credentials too ([`Credential`]). Assertions are PS256 with `x5t#S256`, as Microsoft's
//! documentation asks; [`AssertionStyle`] makes others, RS256 with `x5t` for AD FS for example.
//!
//! # What a client does by itself
//!
//! - One token for each scope and claims, shared by all tasks that have a clone; one request at a time for each.
//! - A fresh token before the old one ends, in the background ([`Token::refresh_on`]); the old one serves while the server is away.
//! - Other attempts after 429, 5xx and lost connections, with pauses that grow, differ by chance, and keep to `Retry-After`; all
//!   within one deadline ([`TokenClientOptions::deadline`]).
//! - The old certificate while the server does not know the new one yet.
//!
//! ```
//! use std::time::Duration;
//! use countersign_client::{
//!     Answer, Answering, Authority, Credential, ExposeSecret as _, Form, SecretString, TokenClient, Transport, Url,
//! };
//!
//! /// A server in this process, for a test of one's own program.
//! #[derive(Debug)]
//! struct Server;
//!
//! impl Transport for Server {
//!     fn post<'a>(&'a self, _url: &'a Url, form: Form<'a>) -> Answering<'a> {
//!         assert!(form.parameters.contains(&("grant_type", "client_credentials")));
//!         let body = br#"{"access_token":"t","token_type":"Bearer","expires_in":3599}"#.to_vec();
//!         Box::pin(async move { Ok(Answer { status: 200, retry_after: None, body }) })
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let authority = Authority::public("contoso.onmicrosoft.com")?;
//! let secret = Credential::Secret(SecretString::from("a secret from a file"));
//! let client = TokenClient::with_transport(authority, "app", secret, Box::new(Server), Duration::from_secs(30));
//! let token = client.token("https://graph.microsoft.com/.default").await?;
//! assert_eq!(token.authorization().expose_secret(), "Bearer t");
//! // From memory now, without waiting:
//! assert!(client.cached("https://graph.microsoft.com/.default", None).is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When it is refused
//!
//! [`ClientError::Refused`] carries the AADSTS code, trace and correlation id, the server's words, and the assertion that was sent,
//! in a type that does not print. With the feature `doctor`, `Refusal::diagnose` says why, as far as the assertion shows it.
//!
//! # Features
//!
//! `pkcs11`, `doctor`, `tower` (a layer that adds the Authorization header), `azure_core` (a `TokenCredential` for the Azure
//! SDK). None is on by default; none changes what the others do. [`blocking`] is for programs without a runtime.
//!
//! Rules of an assertion stand in `countersign-core`; nothing here repeats one.

mod authority;
#[cfg(feature = "azure_core")]
mod azure;
pub mod blocking;
mod cache;
mod challenge;
mod credential;
#[cfg(feature = "doctor")]
mod diagnosis;
mod disk;
mod error;
#[cfg(feature = "tower")]
mod layer;
mod response;
mod token_client;
mod token_source;
mod transport;

pub use authority::{Authority, AuthorityError, AuthorizationServer, Cloud, Issuer};
pub use challenge::ClaimsChallenge;
pub use credential::{
    AssertionStyle, CertificateCredential, Credential, CredentialError, KeyVaultCredential, KeyVaultSigner,
    RotatingCertificate, Signer, SignerError, Signing, VaultCertificate,
};
pub use disk::{DiskCache, DiskCacheError};
pub use error::{ClientError, Refusal, Sent};
#[cfg(feature = "tower")]
pub use layer::{AuthorizationLayer, Authorized, RequestHeaders, ResponseHeaders};
pub use response::Token;
pub use token_client::{TokenClient, TokenClientOptions};
pub use token_source::{GivenToken, GivingToken, TokenSource};
pub use transport::{
    Answer, Answering, Form, Https, Transport, TransportError, TransportOptions, http_client, unreachable,
};
#[cfg(feature = "pkcs11")]
pub use {countersign_core::keyfile::Pkcs11Uri, credential::Pkcs11Key};

pub use countersign_core::UnixTime;
pub use countersign_core::assertion::KeyIdentifier;
pub use countersign_core::jose::alg::Alg;
/// A URL, as every part of this crate takes it.
pub use reqwest::Url;
/// The type of every secret here; it is wiped when dropped and does not print.
pub use secrecy::{ExposeSecret, SecretString};
