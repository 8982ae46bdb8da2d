//! The forms in which tokens are asked for, one file each, and what they share: who asks, and for what that may be.
//!
//! Called by the router once [`crate::guard`] let a request pass. A form reads a request, asks `tokens`, and words the answer.

pub mod app_service;
pub mod endpoint;
pub mod imds;
pub mod plain;
pub mod sidecar;

use countersign_client::{ExposeSecret as _, Token};
use countersign_core::managed_identity::{Given, IdentityName};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::Inner;
use crate::callers::Caller;
use crate::guard::Via;
use crate::respond::{Answer, Outcome};

/// The header in which callers send their secret, as in App Service.
pub const SECRET_HEADER: &str = "x-identity-header";

/// A request, but for its body.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub inner: &'a Inner,
    pub via: Via,
    pub headers: &'a HeaderMap,
    pub query: &'a str,
}

/// An answer, and what it counts as.
#[derive(Debug)]
pub struct Done<'a> {
    pub answer: Answer,
    /// The caller's name, `-` for whoever has none.
    pub caller: &'a str,
    pub outcome: Outcome,
}

impl<'a> Asking<'a> {
    /// Whoever has this secret; without one, whoever owns the socket.
    pub fn caller(&self, offered: Option<&str>) -> Option<&'a Caller> {
        match (offered, self.via) {
            (Some(secret), _) => self.inner.callers.find(secret),
            (None, Via::Unix) => Some(self.inner.callers.without_secret()),
            (None, Via::Tcp(_)) => None,
        }
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The secret in the header of ours, or as a bearer token (RFC 6750 §2.1).
    pub fn secret(&self) -> Option<&'a str> {
        let bearer = || {
            let value = self.headers.get(AUTHORIZATION)?.to_str().ok()?;
            let (scheme, secret) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
        };
        self.header(SECRET_HEADER).or_else(bearer)
    }

    /// Whether the agent's client is the identity that is meant. It knows its client id and no other name of it.
    pub fn is_identity(&self, name: IdentityName<'_>) -> bool {
        match name {
            IdentityName::Unnamed => true,
            IdentityName::ClientId(id) => id.eq_ignore_ascii_case(self.inner.tokens.client_id()),
            IdentityName::ObjectId(_) | IdentityName::ResourceId(_) => false,
        }
    }

    /// A token as managed identities get it.
    pub fn given<'t>(&'t self, token: &'t Token, resource: &'t str) -> Given<'t> {
        Given {
            access_token: token.access_token.expose_secret(),
            client_id: self.inner.tokens.client_id(),
            resource,
            not_before: token.issued_on.secs(),
            expires_on: token.expires_on.secs(),
            expires_in: seconds_left(token),
        }
    }
}

/// Whole seconds that a token has left.
pub fn seconds_left(token: &Token) -> i64 {
    token.expires_on.secs().saturating_sub(crate::tokens::now()).max(0)
}

/// What is said of a scope that is not on the caller's list. The scope itself is not repeated.
pub fn not_allowed(caller: &Caller) -> String {
    let list: Vec<&str> = caller.scopes.iter().take(10).collect();
    let may = if list.is_empty() { "nothing".to_owned() } else { list.join(", ") };
    let who = if caller.name == "-" {
        "callers without a secret".to_owned()
    } else {
        format!("the caller '{}'", caller.name)
    };
    format!("this scope is not on the agent's list: {who} may ask for {may} (--allow, or scopes in the callers file)")
}
