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
//! Rules of an assertion stand in `countersign-core`; nothing here repeats one.

mod authority;
mod credential;
mod error;
mod response;
mod token_client;
mod transport;

pub use authority::{Authority, AuthorityError, Cloud};
pub use credential::{CertificateCredential, Credential, CredentialError};
pub use error::{ClientError, Refusal, Sent};
pub use response::Token;
pub use token_client::{TokenClient, TokenClientOptions};
pub use transport::{
    Answer, Answering, Form, Https, Transport, TransportError, TransportOptions, http_client, unreachable,
};

/// A URL, as every part of this crate takes it.
pub use reqwest::Url;
