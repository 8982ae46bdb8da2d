//! Whoever can give an access token for a scope: a token client, or something of the caller's.
//!
//! Used where one token is needed to get at another thing, a key vault for example.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use secrecy::SecretString;

use crate::error::ClientError;
use crate::response::Token;
use crate::token_client::TokenClient;

/// Gives access tokens.
pub trait TokenSource: Send + Sync + Debug {
    /// A token for this scope that is good now.
    fn token<'a>(&'a self, scope: &'a str) -> GivingToken<'a>;
}

/// A token to come.
pub type GivingToken<'a> = Pin<Box<dyn Future<Output = Result<Arc<Token>, ClientError>> + Send + 'a>>;

impl TokenSource for TokenClient {
    fn token<'a>(&'a self, scope: &'a str) -> GivingToken<'a> {
        Box::pin(Self::token(self, scope))
    }
}

/// A token that somebody else got, for one short use.
#[derive(Clone, Debug)]
pub struct GivenToken(Arc<Token>);

impl GivenToken {
    /// Uses this access token for whatever scope is asked.
    pub fn new(access_token: SecretString) -> Self {
        Self(Arc::new(Token::given(access_token)))
    }
}

impl TokenSource for GivenToken {
    fn token<'a>(&'a self, _scope: &'a str) -> GivingToken<'a> {
        Box::pin(std::future::ready(Ok(Arc::clone(&self.0))))
    }
}
