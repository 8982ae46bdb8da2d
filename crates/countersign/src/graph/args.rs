//! Which Graph, and by which token: the arguments that `app` and `credential` share.

use std::path::PathBuf;

use countersign_client::{Authority, Cloud, Credential, TokenClient, TransportOptions, http_client};
use countersign_core::x509::certificate::Certificate;
use secrecy::{ExposeSecret as _, SecretString};

use super::Graph;
use crate::client_args::{AuthorityArgs, ClientArgs, Place, ReachArgs, azure, token_client};
use crate::clock;
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

/// What proves to Graph who asks.
#[derive(Debug)]
pub enum Authorisation {
    /// A bearer token.
    Token(SecretString),
    /// A credential that gets one, and whose it is.
    Credential(Credential, String),
}

/// Where tokens and Graph are.
#[derive(Debug)]
pub struct Reached {
    /// The authority as far as it is known.
    pub place: Place,
    cloud: Option<Cloud>,
    base: String,
    http: reqwest::Client,
}

impl GraphArgs {
    /// Graph with a token: the admin token's, the environment's, or one got by the credential.
    pub async fn connect(&self) -> Result<Graph, Failure> {
        let reached = self.reach()?;
        let by = self.authorisation(&reached)?.ok_or_else(|| {
            Failure::new(
                Exit::NoCredential,
                "no token for Microsoft Graph: give --admin-token-file (a local service), a credential (--cert, --secret-file, or \
                 the AZURE_ variables), or a token in COUNTERSIGN_ACCESS_TOKEN",
            )
        })?;
        self.connect_by(&reached, by).await
    }

    /// Where tokens and Graph are; asks nobody yet.
    pub fn reach(&self) -> Result<Reached, Failure> {
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
        Ok(Reached { place, cloud, base, http })
    }

    /// What flags and variables give; the admin token of a local service where they give nothing.
    pub fn authorisation(&self, reached: &Reached) -> Result<Option<Authorisation>, Failure> {
        if let Some(path) = &self.admin_token_file {
            return read_token(path).map(Some);
        }
        if let Some(token) = azure("COUNTERSIGN_ACCESS_TOKEN") {
            return Ok(Some(Authorisation::Token(SecretString::from(token))));
        }
        match (self.client.credential()?, &reached.place.admin_token_file) {
            (Some(credential), _) => Ok(Some(Authorisation::Credential(credential, self.client.client_id()?))),
            (None, Some(path)) => read_token(path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Graph by this authorisation.
    pub async fn connect_by(&self, reached: &Reached, by: Authorisation) -> Result<Graph, Failure> {
        let token = match by {
            Authorisation::Token(token) => token,
            Authorisation::Credential(credential, client_id) => {
                let client = self.token_client(reached, client_id, credential)?;
                let token = client.token(&reached.scope()).await?;
                SecretString::from(token.access_token.expose_secret())
            }
        };
        Graph::new(reached.http.clone(), &reached.base, token, self.reach.limit())
    }

    /// A client of the same authority, with a cache of its own.
    pub fn token_client(
        &self,
        reached: &Reached,
        client_id: String,
        credential: Credential,
    ) -> Result<TokenClient, Failure> {
        let place = &reached.place;
        token_client(place.authority()?, client_id, credential, &self.reach, place.ca_file.as_ref())
    }

    /// The certificate by which this application itself authorises the call, if it is one of its own.
    pub async fn own_certificate(&self, app_id: &str) -> Result<Option<Certificate>, Failure> {
        let by = self.authorisation(&self.reach()?)?;
        let Some(Authorisation::Credential(credential, client_id)) = by else { return Ok(None) };
        if !client_id.eq_ignore_ascii_case(app_id) {
            return Ok(None);
        }
        Ok(match credential {
            Credential::Certificate(own) => Some(own.certificate().clone()),
            Credential::Rotating(own) => own.current(clock::now()).await.ok().map(|own| own.certificate().clone()),
            // A vault's certificate is the vault's affair; the sign-in log still tells of its use.
            Credential::KeyVault(_) | Credential::Secret(_) | Credential::FederatedTokenFile(_) => None,
        })
    }

    /// The client id that a flag or variable names.
    pub fn client_id(&self) -> Result<String, Failure> {
        self.client.client_id()
    }
}

impl Reached {
    /// Scope of a token for this Graph.
    pub fn scope(&self) -> String {
        format!("{}/.default", self.cloud.unwrap_or(Cloud::Public).graph())
    }
}

fn read_token(path: &std::path::Path) -> Result<Authorisation, Failure> {
    Ok(Authorisation::Token(SecretString::from(input::read_secret(path)?.as_str())))
}
