//! Which Graph, and by which token: the arguments that `app` and `credential` share.

use std::path::PathBuf;

use countersign_client::{Authority, Cloud, TransportOptions, http_client};
use secrecy::{ExposeSecret as _, SecretString};

use super::Graph;
use crate::client_args::{AuthorityArgs, ClientArgs, ReachArgs, azure, token_client};
use crate::exit::{Exit, Failure};
use crate::input;

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Microsoft Graph")]
pub struct GraphArgs {
    #[command(flatten)]
    authority: AuthorityArgs,
    /// Base of Microsoft Graph [default: the one of the authority]
    #[arg(long, value_name = "URL")]
    graph: Option<String>,
    /// File with a local service's admin token, instead of a credential [or a token in COUNTERSIGN_ACCESS_TOKEN]
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    reach: ReachArgs,
}

impl GraphArgs {
    /// Graph with a token: the admin token's, the environment's, or one got by the credential.
    pub async fn connect(&self) -> Result<Graph, Failure> {
        let place = self.authority.place()?;
        let cloud = Cloud::of_host(&place.host);
        let base = match (&self.graph, cloud) {
            (Some(base), _) => base.clone(),
            (None, Some(cloud)) => format!("{}/v1.0", cloud.graph()),
            (None, None) => format!("{}/v1.0", place.host),
        };
        // The token must not cross a network in the clear: the same rule as for credentials.
        let direct = Authority::token_url(&base, None)
            .map_err(|e| Failure::new(Exit::Usage, format!("--graph {e}")))?
            .is_loopback();
        let transport: TransportOptions = self.reach.transport(place.ca_file.as_ref(), direct);
        let http = http_client(&transport).map_err(|e| Failure::new(Exit::Unreadable, e))?;
        let token = self.token(&place, cloud).await?;
        Graph::new(http, &base, token, self.reach.limit())
    }

    async fn token(&self, place: &crate::client_args::Place, cloud: Option<Cloud>) -> Result<SecretString, Failure> {
        if let Some(path) = &self.admin_token_file {
            return read_token(path);
        }
        if let Some(token) = azure("COUNTERSIGN_ACCESS_TOKEN") {
            return Ok(SecretString::from(token));
        }
        match (self.client.credential()?, &place.admin_token_file) {
            (Some(credential), _) => {
                let scope = format!("{}/.default", cloud.unwrap_or(Cloud::Public).graph());
                let client = token_client(
                    place.authority()?,
                    self.client.client_id()?,
                    credential,
                    &self.reach,
                    place.ca_file.as_ref(),
                )?;
                let token = client.token(&scope).await?;
                Ok(SecretString::from(token.access_token.expose_secret()))
            }
            (None, Some(path)) => read_token(path),
            (None, None) => Err(Failure::new(
                Exit::NoCredential,
                "no token for Microsoft Graph: give --admin-token-file (a local service), a credential (--cert, --secret-file, or \
                 the AZURE_ variables), or a token in COUNTERSIGN_ACCESS_TOKEN",
            )),
        }
    }
}

fn read_token(path: &std::path::Path) -> Result<SecretString, Failure> {
    Ok(SecretString::from(input::read_secret(path)?.as_str()))
}
