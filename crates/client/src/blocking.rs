//! The same client for programs without an asynchronous runtime.
//!
//! Tokens are refreshed in the background here too, by one thread of its own. Must not be used inside an asynchronous runtime:
//! take [`crate::TokenClient`] there.

use std::sync::Arc;

use crate::authority::AuthorizationServer;
use crate::credential::Credential;
use crate::error::ClientError;
use crate::response::Token;
use crate::token_client::TokenClientOptions;
use crate::transport::TransportError;

/// Gets tokens and blocks until there is one. Cheap to clone; clones share the cache.
///
/// ```no_run
/// use countersign_client::{Authority, CertificateCredential, Credential, blocking::TokenClient};
///
/// let credential = CertificateCredential::from_files(&["payroll.pem".as_ref()], None)?;
/// let authority = Authority::public("contoso.onmicrosoft.com")?;
/// let client = TokenClient::new(authority, "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", Credential::Certificate(credential))?;
/// let token = client.token("https://graph.microsoft.com/.default")?;
/// # let _ = token; Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenClient {
    client: crate::TokenClient,
    runtime: Arc<tokio::runtime::Runtime>,
}

impl TokenClient {
    /// A client with the system's roots and a deadline of 30 s.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn new(
        server: impl Into<AuthorizationServer>,
        client_id: impl Into<String>,
        credential: Credential,
    ) -> Result<Self, ClientError> {
        Self::with_options(server, client_id, credential, &TokenClientOptions::default())
    }

    /// A client with these options.
    ///
    /// # Errors
    /// [`ClientError::Transport`]
    pub fn with_options(
        server: impl Into<AuthorizationServer>,
        client_id: impl Into<String>,
        credential: Credential,
        options: &TokenClientOptions,
    ) -> Result<Self, ClientError> {
        Self::over(crate::TokenClient::with_options(server, client_id, credential, options)?)
    }

    /// The same client, blocking.
    ///
    /// # Errors
    /// [`ClientError::Transport`] when the system gives no thread.
    pub fn over(client: crate::TokenClient) -> Result<Self, ClientError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("countersign-tokens")
            .enable_all()
            .build()
            .map_err(|e| TransportError::SetUp(format!("no thread can be started: {e}")))?;
        Ok(Self { client, runtime: Arc::new(runtime) })
    }

    /// A token for this scope, from the cache while it is good.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn token(&self, scope: &str) -> Result<Arc<Token>, ClientError> {
        self.token_with_claims(scope, None)
    }

    /// A token for this scope that satisfies a claims challenge.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn token_with_claims(&self, scope: &str, claims: Option<&str>) -> Result<Arc<Token>, ClientError> {
        // So that a refresh that is due finds the thread it runs on.
        let _within = self.runtime.enter();
        match self.client.cached(scope, claims) {
            Some(token) => Ok(token),
            None => self.runtime.block_on(self.client.token_with_claims(scope, claims)),
        }
    }

    /// The client behind this one, for asynchronous callers that share the cache.
    pub fn asynchronous(&self) -> &crate::TokenClient {
        &self.client
    }
}
