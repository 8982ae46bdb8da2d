//! A server of another form than Entra's, as the arguments of `token get` and `agent` name it.
//!
//! What they name wins over authority and tenant.

use countersign_client::{Authority, AuthorityError, AuthorizationServer, Issuer};

use super::Place;
use crate::exit::{Exit, Failure};

/// A server that is not of Entra's form, instead of authority and tenant.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Token endpoint of any server (RFC 6749, RFC 7523), instead of --authority and --tenant
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// Issuer of any server with OpenID Connect metadata, which name its token endpoint
    #[arg(long, value_name = "URL", conflicts_with = "token_url")]
    issuer: Option<String>,
    /// aud of the assertion, where it is not the token endpoint
    #[arg(long)]
    audience: Option<String>,
}

impl ServerArgs {
    /// The server that these flags name, else the place's authority.
    pub fn server(&self, place: &Place) -> Result<AuthorizationServer, Failure> {
        let audience = self.audience.as_deref();
        let wrong = |flag: &str, e: AuthorityError| Failure::new(Exit::Usage, format!("{flag} {e}"));
        match (&self.token_url, &self.issuer) {
            (Some(url), _) => Authority::token_url(url, audience).map(Into::into).map_err(|e| wrong("--token-url", e)),
            (None, Some(issuer)) => Issuer::new(issuer, audience).map(Into::into).map_err(|e| wrong("--issuer", e)),
            (None, None) if audience.is_some() => {
                let message = "--audience is for other servers: give --token-url or --issuer with it";
                Err(Failure::new(Exit::Usage, message))
            }
            (None, None) => place.authority().map(Into::into),
        }
    }

    /// The flag that names a server of another form.
    pub fn other(&self) -> Option<&'static str> {
        self.token_url.as_ref().map(|_| "--token-url").or(self.issuer.as_ref().map(|_| "--issuer"))
    }
}
