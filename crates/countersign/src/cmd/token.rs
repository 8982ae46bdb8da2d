//! `token get`: a token by certificate, secret or federated token, from Entra, a local service or any RFC 7523 server.
//!
//! The token goes to stdout, everything else to stderr. A refusal is shown in the server's own words.

use clap::ValueEnum;
use countersign_client::{Authority, ClientError, Cloud, Credential, Refusal, Token};
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_doctor::{Input, Options, examine, render};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::client_args::{AuthorityArgs, ClientArgs, ReachArgs, token_client};
use crate::exit::{Exit, Failure};
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
    client: ClientArgs,
    #[command(flatten)]
    authority: AuthorityArgs,
    /// Token endpoint of any server (RFC 6749, RFC 7523), instead of --authority and --tenant
    #[arg(long, value_name = "URL")]
    token_url: Option<String>,
    /// aud of the assertion, where it is not the token endpoint
    #[arg(long, requires = "token_url")]
    audience: Option<String>,
    /// What the token is for [default: graph.microsoft.com/.default, or the cloud's own Graph]
    #[arg(long)]
    scope: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    /// How the token is printed
    #[arg(long, value_enum, default_value_t)]
    format: TokenFormat,
}

/// Runs a verb.
pub fn run(verb: Verb, color: Color) -> Result<(), Failure> {
    let Verb::Get(args) = verb;
    let place = args.authority.place()?;
    let authority = match &args.token_url {
        Some(url) => Authority::token_url(url, args.audience.as_deref())
            .map_err(|e| Failure::new(Exit::Usage, format!("--token-url {e}")))?,
        None => place.authority()?,
    };
    let scope = match (&args.scope, &args.token_url) {
        (Some(scope), _) => scope.clone(),
        (None, Some(_)) => {
            return Err(Failure::new(
                Exit::Usage,
                "no scope: with --token-url, say with --scope what the token is for",
            ));
        }
        (None, None) => format!("{}/.default", Cloud::of_host(&place.host).unwrap_or(Cloud::Public).graph()),
    };
    let client_id = args.client.client_id()?;
    let credential = args.client.needed_credential()?;
    let client = token_client(authority, client_id, credential.clone(), &args.reach, place.ca_file.as_ref())?;
    match crate::runtime()?.block_on(client.token(&scope)) {
        Ok(token) => output::data(&show(&token, &scope, place.tenant.as_deref(), args.format)),
        Err(ClientError::Refused(refusal)) => {
            eprint!("{}", explain(&refusal, &credential, &args, color));
            Err(Failure::silent(Exit::Refused))
        }
        Err(other) => Err(other.into()),
    }
}

/// The refusal for people: the verdict, the server's own words, and, where an assertion was refused, the doctor's findings.
fn explain(refusal: &Refusal, credential: &Credential, args: &GetArgs, color: Color) -> String {
    let code = refusal.codes.first().map(|c| format!(" AADSTS{c}")).unwrap_or_default();
    let mut out = format!("refused:{code} {} (HTTP {})\n", output::printable(&refusal.error), refusal.status);
    if !refusal.description.is_empty() {
        out.push_str(&output::wrapped(&refusal.description, "  "));
    }
    let certificate = match credential {
        Credential::Certificate(credential) => Some(credential.certificate().der().to_vec()),
        Credential::Secret(_) | Credential::FederatedTokenFile(_) => None,
    };
    let mut inputs = vec![Input { name: "the answer", bytes: refusal.body.as_bytes() }];
    if let Some(assertion) = &refusal.sent.assertion {
        inputs.push(Input { name: "the assertion", bytes: assertion.expose_secret().as_bytes() });
    }
    if let Some(der) = &certificate {
        inputs.push(Input { name: "the certificate", bytes: der });
    }
    let mut options = Options::new(refusal.sent.at);
    options.tenant = args.authority.place().ok().and_then(|p| p.tenant);
    options.client_id = args.client.client_id().ok();
    let report = examine(&inputs, &options, &AwsLc);
    out.push_str(&format!("\n{}", render::text::render(&report, output::width(), color.on_stderr())));
    if let (true, Some(code)) = (report.findings.is_empty(), refusal.codes.first()) {
        out.push_str(&format!("\nmore: countersign explain {code}\n"));
    }
    out
}

fn show(token: &Token, scope: &str, tenant: Option<&str>, format: TokenFormat) -> String {
    let value = token.access_token.expose_secret();
    match format {
        TokenFormat::Value => format!("{value}\n"),
        TokenFormat::Header => format!("Authorization: {} {value}\n", token.token_type),
        TokenFormat::Env => format!("COUNTERSIGN_ACCESS_TOKEN='{}'\n", value.replace('\'', "'\\''")),
        TokenFormat::Json => {
            let object = json!({
                "accessToken": value,
                "expiresOn": token.expires_on.rfc3339(),
                "expires_on": token.expires_on.secs(),
                "refreshOn": token.refresh_on.rfc3339(),
                "tokenType": token.token_type,
                "tenant": tenant,
                "scope": token.scope.as_deref().unwrap_or(scope),
            });
            format!("{object:#}\n")
        }
    }
}
