//! `agent`: serves tokens to programs of this machine that cannot sign, until it is told to end.
//!
//! Reads the same credential flags and `AZURE_…` variables as `token get`. What is answered to whom is `countersign-agent`'s.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use countersign_agent::{Agent, AllowList, Apis, Callers, Listen, Listener, OpenForm};
use countersign_client::AuthorizationServer;
use countersign_server::signals::Signals;
use countersign_server::{files, secrets};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::client_args::{AuthorityArgs, ClientArgs, ReachArgs, ServerArgs, token_client};
use crate::cmd::serve::start_logging;
use crate::exit::{Exit, Failure};
use crate::input;
use crate::output::{self, Color, Format};

/// Where the agent listens when nothing else is said.
const DEFAULT_LISTEN: &str = "127.0.0.1:8480";
/// Name of the caller that needs no file of callers.
const DEFAULT_CALLER: &str = "default";

/// Arguments. They read the variables of azure-identity.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    client: ClientArgs,
    /// Tenant id or domain [or AZURE_TENANT_ID]
    #[arg(long)]
    tenant: Option<String>,
    /// Authority host, or URL of a local service [or COUNTERSIGN_URL, AZURE_AUTHORITY_HOST; default: Entra ID's public cloud]
    #[arg(long, visible_alias = "url", value_name = "URL")]
    authority: Option<String>,
    /// Ready file of a local service: it names URL, tenant and CA
    #[arg(long, value_name = "FILE")]
    service_ready_file: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    reach: ReachArgs,
    /// Where programs ask: a loopback address, port 0 for a free one, or a socket of mode 0600; may be given several times
    #[arg(long, value_name = "HOST:PORT|unix:PATH", default_value = DEFAULT_LISTEN)]
    listen: Vec<String>,
    /// Scope, or resource, that may be asked for; may be given several times. What is not named is refused
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    allow: Vec<String>,
    /// File with the secret of the one caller; made, with mode 0600, where it is not there
    #[arg(long, value_name = "FILE")]
    caller_secret_file: Option<PathBuf>,
    /// File with several callers, their secrets and scopes, and names of APIs (TOML)
    #[arg(long, value_name = "FILE")]
    callers: Option<PathBuf>,
    /// Name of an API for `/AuthorizationHeader/NAME`, with its scope; may be given several times
    #[arg(long, value_name = "NAME=SCOPE", value_delimiter = ',')]
    api: Vec<String>,
    /// Answer this form on TCP without a secret, to every program of this machine: imds or sidecar
    #[arg(long, value_name = "FORM", value_delimiter = ',', hide_possible_values = true)]
    without_secret: Vec<Open>,
    /// File to write when programs can ask
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// How the facts of the start are printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// How log lines are written
    #[arg(long, value_enum, default_value_t)]
    log_format: Format,
}

/// A form that has no secret.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Open {
    /// The metadata service of virtual machines.
    Imds,
    /// `/AuthorizationHeaderUnauthenticated/{api}`
    Sidecar,
}

/// What others need to know of a running agent: the ready file, the banner, `--format json`.
#[derive(Debug, Serialize)]
struct ReadyInfo {
    pid: u32,
    /// Base URL; none where there is only a socket.
    url: Option<String>,
    socket: Option<PathBuf>,
    /// Value of `IDENTITY_ENDPOINT`.
    identity_endpoint: Option<String>,
    metrics: Option<String>,
    caller_secret_file: Option<PathBuf>,
    client_id: String,
}

/// Serves until SIGTERM or SIGINT.
pub fn run(args: Args, color: Color) -> Result<(), Failure> {
    start_logging(args.log_format, color);
    let place =
        AuthorityArgs::of(args.tenant.clone(), args.authority.clone(), args.service_ready_file.clone()).place()?;
    let server = args.server.server(&place)?;
    let is_entra = matches!(&server, AuthorizationServer::Authority(authority) if authority.is_entra());
    let client_id = args.client.client_id()?;
    let listens = args.listens()?;
    let (callers, apis) = args.callers(is_entra, &listens)?;
    let credential = args.client.needed_credential()?;
    let client = token_client(server, client_id.clone(), credential, &args.reach, place.ca_file.as_ref())?;
    let open = args.without_secret.iter().map(|form| match form {
        Open::Imds => OpenForm::Imds,
        Open::Sidecar => OpenForm::Sidecar,
    });
    let tenant = place.tenant;
    let agent = Agent::new(countersign_agent::Settings { client, tenant, callers, apis, open: open.collect() });
    if let Some(path) = &args.ready_file {
        // One that was left speaks of another process.
        let _ = std::fs::remove_file(path);
    }
    crate::runtime()?.block_on(async {
        let mut end = Signals::listen();
        let mut listeners = Vec::new();
        for listen in &listens {
            listeners.push(Listener::bind(listen).await.map_err(|e| Failure::new(Exit::Unreadable, e))?);
        }
        let ready = args.ready(&listeners, client_id);
        args.announce(&ready)?;
        agent.serve(listeners, end.end()).await;
        tracing::info!("ended");
        Ok(())
    })
}

impl Args {
    fn listens(&self) -> Result<Vec<Listen>, Failure> {
        let listens: Result<Vec<Listen>, _> = self.listen.iter().map(|text| text.parse()).collect();
        listens.map_err(|e| Failure::new(Exit::Usage, format!("--listen {e}")))
    }

    /// Who may ask for what. A start at which nobody could ask, or for nothing, is a mistake.
    fn callers(&self, is_entra: bool, listens: &[Listen]) -> Result<(Callers, Apis), Failure> {
        let usage = |message: String| Failure::new(Exit::Usage, message);
        let allowed = AllowList::new(self.allow.iter().map(String::as_str), is_entra)
            .map_err(|e| usage(format!("--allow {e}")))?;
        let mut apis = Apis::default();
        for api in &self.api {
            let Some((name, scope)) = api.split_once('=') else {
                return Err(usage(format!(
                    "--api '{api}': expected NAME=SCOPE, Graph=https://graph.microsoft.com for example"
                )));
            };
            apis.add(name, scope, is_entra).map_err(|e| usage(format!("--api {e}")))?;
        }
        let socket = listens.iter().any(|l| matches!(l, Listen::Unix(_)));
        let without = socket || !self.without_secret.is_empty();
        if self.allow.is_empty() && (without || self.caller_secret_file.is_some()) {
            let message =
                "no scope may be asked for: name each with --allow, https://graph.microsoft.com/.default for example";
            return Err(usage(message.to_owned()));
        }
        let mut callers = Callers::new(allowed);
        if let Some(path) = &self.caller_secret_file {
            let secret = secret_of(path)?;
            callers
                .add(DEFAULT_CALLER, &secret)
                .map_err(|e| Failure::new(Exit::Unreadable, format!("{}: {e}", path.display())))?;
        }
        if let Some(path) = &self.callers {
            callers.read(path, is_entra, &mut apis).map_err(|e| Failure::new(Exit::Unreadable, e))?;
        }
        if !callers.any() && !without {
            let message = "nobody could ask: give --caller-secret-file or --callers, listen on unix:PATH, or name a form with --without-secret";
            return Err(usage(message.to_owned()));
        }
        Ok((callers, apis))
    }

    fn ready(&self, listeners: &[Listener], client_id: String) -> ReadyInfo {
        let url = listeners.iter().find_map(Listener::url);
        let below = |path: &str| url.as_ref().map(|url| format!("{url}{path}"));
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        ReadyInfo {
            pid: std::process::id(),
            identity_endpoint: below(countersign_core::managed_identity::app_service::PATH),
            metrics: below("/metrics"),
            socket: listeners.iter().find_map(|l| l.socket().map(whole)),
            caller_secret_file: self.caller_secret_file.as_deref().map(whole),
            client_id,
            url,
        }
    }

    fn announce(&self, ready: &ReadyInfo) -> Result<(), Failure> {
        let line = serde_json::to_string(ready).map_err(|e| Failure::new(Exit::Unreadable, e))? + "\n";
        if let Some(path) = &self.ready_file {
            let failed = |e| {
                Failure::new(Exit::Unreadable, format!("{}: cannot be written: {e} (--ready-file)", path.display()))
            };
            files::write_public(path, line.as_bytes()).map_err(failed)?;
        }
        match self.format {
            Format::Json => output::data(&line),
            Format::Human => {
                eprint!("{}", banner(ready));
                Ok(())
            }
        }
    }
}

/// The caller's secret: as it lies in the file, or a new one.
fn secret_of(path: &Path) -> Result<Zeroizing<String>, Failure> {
    if !path.exists() {
        let random = secrets::random::<32>().map_err(|e| Failure::new(Exit::Unreadable, e))?;
        let text = Zeroizing::new(countersign_core::encoding::encode_base64url(&random) + "\n");
        match input::write_new(path, text.as_bytes(), true, false) {
            // Somebody else was quicker: theirs counts.
            Err(failure) if failure.exit != Exit::Usage => return Err(failure),
            _ => {}
        }
    }
    if let Err(mode) = files::owner_only(path) {
        tracing::warn!(file = %path.display(), mode = format!("{mode:04o}"), "the caller's secret can be read by others");
    }
    input::read_secret(path)
}

/// The same facts as in the ready file, for people.
fn banner(ready: &ReadyInfo) -> String {
    let mut text = format!(
        "countersign agent {} is ready for {} (process {})\n",
        env!("CARGO_PKG_VERSION"),
        ready.client_id,
        ready.pid
    );
    let path = |p: &PathBuf| p.display().to_string();
    for (name, value) in [
        ("url", ready.url.clone()),
        ("socket", ready.socket.as_ref().map(path)),
        ("IDENTITY_ENDPOINT", ready.identity_endpoint.clone()),
        ("IDENTITY_HEADER", ready.caller_secret_file.as_ref().map(|p| format!("the contents of {}", p.display()))),
        ("metrics", ready.metrics.clone()),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("  {name:<18} {value}\n"));
        }
    }
    text
}
