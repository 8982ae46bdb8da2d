//! `token get`: a token by certificate, secret or federated token, from Entra, a local service or any RFC 7523 server.
//!
//! The token goes to stdout, everything else to stderr. A refusal is shown in the server's own words.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use countersign_client::{ClientError, Cloud, DiskCache, DiskCacheError, Refusal, Token};
use countersign_doctor::render;
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::client_args::{AuthorityArgs, ClientArgs, ReachArgs, ServerArgs, azure, cached_token_client};
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
    #[command(flatten)]
    server: ServerArgs,
    /// What the token is for [default: graph.microsoft.com/.default, or the cloud's own Graph]
    #[arg(long)]
    scope: Option<String>,
    #[command(flatten)]
    reach: ReachArgs,
    /// Keep the token between calls, encrypted, in a private file of this user's cache folder
    #[arg(long)]
    cache: bool,
    /// The same in this file
    #[arg(long, value_name = "FILE")]
    cache_file: Option<PathBuf>,
    /// File with the cache's key (base64 of 32 bytes), made where it is not there [default: beside the cache]
    #[arg(long, value_name = "FILE")]
    cache_key_file: Option<PathBuf>,
    /// How the token is printed
    #[arg(long, value_enum, default_value_t)]
    format: TokenFormat,
}

/// Runs a verb.
pub fn run(verb: Verb, color: Color) -> Result<(), Failure> {
    let Verb::Get(args) = verb;
    let place = args.authority.place()?;
    let server = args.server.server(&place)?;
    let other = args.server.other();
    let scope = match (&args.scope, other) {
        (Some(scope), _) => scope.clone(),
        (None, Some(flag)) => {
            let message = format!("no scope: with {flag}, say with --scope what the token is for");
            return Err(Failure::new(Exit::Usage, message));
        }
        (None, None) => format!("{}/.default", Cloud::of_host(&place.host).unwrap_or(Cloud::Public).graph()),
    };
    let client_id = args.client.client_id()?;
    let credential = args.client.needed_credential()?;
    let (reach, cache) = (&args.reach, args.disk_cache()?);
    let client = cached_token_client(server, client_id, credential, reach, place.ca_file.as_ref(), cache)?;
    match crate::runtime()?.block_on(client.token(&scope)) {
        Ok(token) => output::data(&show(&token, &scope, place.tenant.as_deref(), args.format)),
        Err(ClientError::Refused(refusal)) => {
            eprint!("{}", explain(&refusal, place.tenant.as_deref(), color));
            Err(Failure::silent(Exit::Refused))
        }
        Err(other) => Err(other.into()),
    }
}

impl GetArgs {
    /// The cache that flags ask for; none without them.
    fn disk_cache(&self) -> Result<Option<DiskCache>, Failure> {
        let file = match (&self.cache_file, self.cache) {
            (Some(file), _) => file.clone(),
            (None, true) => cache_folder()?.join("tokens"),
            (None, false) if self.cache_key_file.is_some() => {
                return Err(Failure::new(
                    Exit::Usage,
                    "--cache-key-file is for a cache: give --cache or --cache-file with it",
                ));
            }
            (None, false) => return Ok(None),
        };
        let opened = DiskCache::open(Path::new(&file), self.cache_key_file.as_deref());
        opened.map(Some).map_err(|e: DiskCacheError| Failure::new(Exit::Unreadable, e))
    }
}

/// This user's cache folder (XDG Base Directory Specification).
fn cache_folder() -> Result<PathBuf, Failure> {
    let home = || azure("HOME").or_else(|| azure("LOCALAPPDATA")).map(|h| Path::new(&h).join(".cache"));
    let base = azure("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute()).or_else(home);
    base.map(|b| b.join("countersign")).ok_or_else(|| {
        Failure::new(Exit::Usage, "--cache: neither XDG_CACHE_HOME nor HOME is set; name a file with --cache-file")
    })
}

/// The refusal for people: the verdict, the server's own words, and, where an assertion was refused, the doctor's findings.
fn explain(refusal: &Refusal, tenant: Option<&str>, color: Color) -> String {
    let code = refusal.codes.first().map(|c| format!(" AADSTS{c}")).unwrap_or_default();
    let mut out = format!("refused:{code} {} (HTTP {})\n", output::printable(&refusal.error), refusal.status);
    if !refusal.description.is_empty() {
        out.push_str(&output::wrapped(&refusal.description, "  "));
    }
    let report = refusal.diagnose(tenant);
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
