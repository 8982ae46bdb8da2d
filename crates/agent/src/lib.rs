//! A sidecar that gets tokens with a certificate, a secret or a federated token and hands them to programs of the same machine
//! that cannot sign: as App Service and virtual machines do, as the Entra auth sidecar does, as a plain endpoint, and as a token
//! endpoint that takes a secret of the agent's own.
//!
//! `countersign agent` builds an [`Agent`] and calls [`Agent::serve`]. Tokens come from `countersign-client`, which keeps and
//! renews them; nothing here signs or knows a rule of an assertion. Whoever asks is told apart by a secret, or by the socket's
//! file mode, and gets what the allow-list names and nothing else.

pub mod callers;
mod connections;
mod forms;
mod guard;
pub mod listen;
mod metrics;
mod respond;
mod router;
pub mod scopes;
mod tokens;

use std::future::Future;
use std::sync::Arc;

use countersign_client::TokenClient;

pub use callers::{Callers, CallersError, SecretError};
pub use listen::{Listen, ListenError, Listener};
pub use scopes::{AllowList, Apis, ScopeError};

use metrics::Metrics;
use tokens::Tokens;

/// A form that can be answered without a secret, for programs that have no way to send one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenForm {
    /// The metadata service of virtual machines.
    Imds,
    /// `/AuthorizationHeaderUnauthenticated/{api}` of the Entra auth sidecar.
    Sidecar,
}

/// What an agent hands out, and to whom.
#[derive(Debug)]
pub struct Settings {
    /// Gets the tokens.
    pub client: TokenClient,
    /// The tenant, id or domain, for the doctor and for paths that name it.
    pub tenant: Option<String>,
    /// Who may ask.
    pub callers: Callers,
    /// Scopes by name, for `/AuthorizationHeader/{api}`.
    pub apis: Apis,
    /// Forms that are answered without a secret.
    pub open: Vec<OpenForm>,
}

/// An agent, ready to serve.
#[derive(Clone, Debug)]
pub struct Agent(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub tokens: Tokens,
    pub tenant: Option<String>,
    pub callers: Callers,
    pub apis: Apis,
    pub open: Vec<OpenForm>,
    pub metrics: Metrics,
}

impl Agent {
    /// An agent with these settings.
    pub fn new(settings: Settings) -> Self {
        let Settings { client, tenant, callers, apis, open } = settings;
        let tokens = Tokens::new(client, tenant.clone());
        Self(Arc::new(Inner { tokens, tenant, callers, apis, open, metrics: Metrics::default() }))
    }

    /// Answers whoever connects until `stop` comes, then lets requests in flight end.
    pub async fn serve(self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
        // The first caller need not wait, and `/readyz` speaks of what was seen.
        let warming = tokio::spawn({
            let inner = Arc::clone(&self.0);
            async move { inner.tokens.warm(inner.callers.scopes(), &inner.metrics).await }
        });
        connections::serve(self.0, listeners, stop).await;
        warming.abort();
    }
}
