//! `token get`: a token by certificate, secret or federated token, from Entra, a local service or any RFC 7523 server.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use countersign_client::{Authority, ClientError, Cloud, Credential, Token, TokenClient, TokenClientOptions, TransportOptions};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::cmd::assertion::CertificateArgs;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::{self, Color};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Get an access token and print it
    Get(Box<GetArgs>),
}

/// How a token is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum TokenFormat {
    /// What `az account get-access-token` prints, and more
    #[default]
    Json,
    /// The token alone
    Value,
    /// An Authorization header
    Header,
    /// A line for a shell
    Env,
}

/// Arguments of `get`. They read the variables of azure-identity.
#[derive(Debug, clap::Args)]
pub struct GetArgs {
    #[command(flatten)]
    certificate: CertificateArgs,
    /// File with the client secret; without it AZURE_CLIENT_SECRET is read
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_SECRET_FILE", hide_env = true)]
    secret_file: Option<PathBuf>,
    /// File with a federated token
    #[arg(long, value_name = "FILE", env = "AZURE_FEDERATED_TOKEN_FILE", hide_env = true)]
    federated_token_file: Option<PathBuf>,
    /// Application (client) id
    #[arg(long, env = "AZURE_CLIENT_ID", hide_env = true)]
    client_id: Option<String>,
    /// Tenant id or domain
    #[arg(long, env = "AZURE_TENANT_ID", hide_env = true)]
    tenant: Option<String>,
    /// Authority host; a local service's URL works
    #[arg(long, visible_alias = "url", env = "AZURE_AUTHORITY_HOST", default_value = Cloud::Public.login_host(), hide_env = true)]
    authority: String,
    /// Token endpoint of any server, instead of --authority and --tenant
    #[arg(long, env = "COUNTERSIGN_TOKEN_URL", hide_env = true)]
    token_url: Option<String>,
    /// aud of the assertion, where it is not the token endpoint
    #[arg(long, env = "COUNTERSIGN_AUDIENCE", hide_env = true, requires = "token_url")]
    audience: Option<String>,
    /// What the token is for
    #[arg(long, env = "COUNTERSIGN_SCOPE", default_value = "https://graph.microsoft.com/.default", hide_env = true)]
    scope: String,
    /// PEM file with a further CA
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_CA_FILE", hide_env = true)]
    ca_file: Vec<PathBuf>,
    /// Seconds for the whole call, retries included
    #[arg(long, env = "COUNTERSIGN_TIMEOUT", default_value_t = 30, hide_env = true, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    timeout: u64,
    /// How the token is printed
    #[arg(long, value_enum, default_value_t, env = "COUNTERSIGN_FORMAT", hide_env = true)]
    format: TokenFormat,
}

/// Runs a verb.
pub fn run(verb: Verb, color: Color) -> Result<(), Failure> {
    let Verb::Get(args) = verb;
    let authority = authority(&args)?;
    let credential = credential(&args)?;
    let client_id = args.client_id.clone().ok_or_else(|| {
        Failure::new(Exit::Usage, "no client id: give --client-id or set AZURE_CLIENT_ID (the application id, not the object id)")
    })?;
    let transport = TransportOptions { ca_files: args.ca_file.clone(), connect_timeout: None, direct: false };
    let limit = Duration::from_secs(args.timeout);
    let client = TokenClient::with_options(authority, client_id.clone(), credential.clone(), &TokenClientOptions { transport, deadline: limit })?;
    let result = crate::runtime()?.block_on(client.token(&args.scope));
    match result {
        Ok(token) => output::data(&show(&token, &args)),
        Err(ClientError::Refused(refusal)) => {
            eprintln!("{}: {}", refusal.error, refusal.description);
            Err(Failure::silent(Exit::Refused))
        }
        Err(other) => Err(other.into()),
    }
}

fn authority(args: &GetArgs) -> Result<Authority, Failure> {
    let usage = |e: countersign_client::AuthorityError| Failure::new(Exit::Usage, e);
    if let Some(url) = &args.token_url {
        return Authority::token_url(url, args.audience.as_deref()).map_err(usage);
    }
    let tenant = args.tenant.as_deref().ok_or_else(|| {
        Failure::new(Exit::Usage, "no tenant: give --tenant or set AZURE_TENANT_ID (its id or a domain), or name a --token-url")
    })?;
    Authority::new(&args.authority, tenant).map_err(usage)
}

/// The one credential that was named; several are a contradiction, none is status 4.
fn credential(args: &GetArgs) -> Result<Credential, Failure> {
    let certificate = args.certificate.credential()?;
    let secret = match &args.secret_file {
        Some(path) => Some(SecretString::from(input::read_secret(path)?.as_str())),
        None => std::env::var("AZURE_CLIENT_SECRET").ok().filter(|s| !s.is_empty()).map(SecretString::from),
    };
    let federated = args.federated_token_file.clone();
    match (certificate, secret, federated) {
        (Some(c), None, None) => Ok(Credential::Certificate(c)),
        (None, Some(s), None) => Ok(Credential::Secret(s)),
        (None, None, Some(f)) => Ok(Credential::FederatedTokenFile(f)),
        (None, None, None) => Err(Failure::new(
            Exit::NoCredential,
            "no credential: give --cert (with --key), --secret-file or --federated-token-file, or set AZURE_CLIENT_CERTIFICATE_PATH, \
             AZURE_CLIENT_SECRET or AZURE_FEDERATED_TOKEN_FILE",
        )),
        _ => Err(Failure::new(
            Exit::Usage,
            "more than one credential (flags and AZURE_CLIENT_CERTIFICATE_PATH, AZURE_CLIENT_SECRET, AZURE_FEDERATED_TOKEN_FILE \
             count together); leave one",
        )),
    }
}

fn show(token: &Token, args: &GetArgs) -> String {
    let value = token.access_token.expose_secret();
    match args.format {
        TokenFormat::Value => format!("{value}\n"),
        TokenFormat::Header => format!("Authorization: {} {value}\n", token.token_type),
        TokenFormat::Env => format!("COUNTERSIGN_ACCESS_TOKEN='{}'\n", value.replace('\'', "'\\''")),
        TokenFormat::Json => {
            let local = token.expires_on.rfc3339();
            let object = json!({
                "accessToken": value,
                "expiresOn": local,
                "expires_on": token.expires_on.secs(),
                "tokenType": token.token_type,
                "tenant": args.tenant,
                "scope": token.scope.as_deref().unwrap_or(&args.scope),
            });
            format!("{object:#}\n")
        }
    }
}
