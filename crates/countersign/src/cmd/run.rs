//! `run`: a service for one command, and an environment in which unmodified programs reach it under Microsoft's names.
//!
//! On Linux the process that is called starts this program once more: the second one serves and starts the command, and
//! each cleans up after the other. The command's status is the status. It decides nothing about tokens.

mod environment;
mod files;
#[cfg(target_os = "linux")]
mod isolate;
mod place;
#[cfg(target_os = "linux")]
mod supervise;
#[cfg(not(target_os = "linux"))]
#[path = "run/unwatched.rs"]
mod supervise;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_server::intercept::{Hosts, Others, RunCertificates, Upstream};

use crate::cmd::serve::SETTINGS_HEADING;
use crate::exit::{Exit, Failure};
use crate::output::Color;

use environment::Facts;
use files::Folder;
use place::{Place, Started};
use supervise::{Ended, Supervisor};

/// Requests in flight when the command has ended belong to nobody.
const STOP: Duration = Duration::from_secs(3);

/// What becomes of connections to hosts that are not answered for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Elsewhere {
    #[default]
    Refuse,
    Pass,
}

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "countersign run [OPTIONS] -- <CMD>...",
    after_help = "Status: the command's own, 128 + n when signal n ended it, 127 and 126 when it cannot be run.\n\
                  Example: countersign run --seed apps.yaml -- pytest"
)]
pub struct Args {
    /// Use the service at this URL instead of starting one
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ready file of a service to use: it names URL, tenant and CA
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// File with the CA of that service (PEM) [default: that of ./countersign-data, if it is there]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Answer for this host too; may be given several times
    #[arg(long, value_name = "HOST")]
    answer: Vec<String>,
    /// What becomes of connections to all other hosts: refuse or pass
    #[arg(long, value_enum, default_value_t, hide_possible_values = true, value_name = "refuse|pass")]
    others: Elsewhere,
    /// Set AZURE_AUTHORITY_HOST too, so that SDKs take the service's own URL for their authority
    #[arg(long)]
    authority_host: bool,
    /// Give the command a network of its own, in which Microsoft's host names lead to the service without a proxy (Linux)
    #[arg(long)]
    isolate: bool,
    /// File with tenants and applications to create (YAML, JSON, JSON Lines)
    #[arg(long, value_name = "FILE", help_heading = SETTINGS_HEADING)]
    seed: Option<String>,
    /// Whose rules are in force: entra or strict [default: entra]
    #[arg(long, help_heading = SETTINGS_HEADING)]
    profile: Option<String>,
    /// Application that answers as a managed identity, the first as the system-assigned one
    #[arg(long, value_name = "APPID", help_heading = SETTINGS_HEADING)]
    managed_identity: Vec<String>,
    /// Fetch keys of federated issuers from private addresses too: allow or refuse [default: refuse]
    #[arg(long, value_name = "allow|refuse", help_heading = SETTINGS_HEADING)]
    private_issuers: Option<String>,
    /// Keep the service's data in this folder [default: gone when the command ends]
    #[arg(long, value_name = "DIR", help_heading = SETTINGS_HEADING)]
    data: Option<PathBuf>,
    /// Where the process that serves finds its folder, and who started it
    #[arg(long, hide = true)]
    stage: Option<OsString>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

impl Args {
    /// What does not go together. Some may come from variables, so the messages name those too.
    fn judge(&self) -> Result<(), Failure> {
        let usage = |message: String| Err(Failure::new(Exit::Usage, message));
        if self.isolate && self.others == Elsewhere::Pass {
            return usage(
                "--others pass cannot be used with --isolate: nothing but this machine is reached from a network of its own"
                    .to_owned(),
            );
        }
        let elsewhere = match (&self.url, &self.ready_file) {
            (Some(_), _) => "--url (or COUNTERSIGN_URL)",
            (None, Some(_)) => "--ready-file (or COUNTERSIGN_READY_FILE)",
            (None, None) => return Ok(()),
        };
        let own = [
            ("--isolate", self.isolate),
            ("--seed", self.seed.is_some()),
            ("--profile", self.profile.is_some()),
            ("--managed-identity", !self.managed_identity.is_empty()),
            ("--private-issuers", self.private_issuers.is_some()),
            ("--data", self.data.is_some()),
        ];
        match own.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => usage(format!(
                "{elsewhere} names a service that runs already, {flag} is for one that is started: leave one of them out"
            )),
            None => Ok(()),
        }
    }
}

/// Runs the command; gives its status.
pub fn run(args: Args, color: Color) -> Result<u8, Failure> {
    args.judge()?;
    start_logging(color);
    match args.stage.clone() {
        Some(stage) => serve_watched(args, &stage),
        None if supervise::WATCHES => watch(),
        None => {
            let folder = Folder::make()?;
            let mut supervisor = Supervisor::new(None).map_err(|e| failed("signals cannot be taken", e))?;
            serve_in(args, folder.path(), &mut supervisor)
        }
    }
}

fn failed(doing: &str, cause: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unreadable, format!("{doing}: {cause}"))
}

/// The outer process: owns the folder, starts the inner one, and cleans up if that one is killed.
fn watch() -> Result<u8, Failure> {
    let mut supervisor = Supervisor::new(None).map_err(|e| failed("signals cannot be taken", e))?;
    let folder = Folder::make()?;
    files::remove_abandoned(folder.path());
    let mut stage = OsString::from(format!("{}:", std::process::id()));
    stage.push(folder.path());
    let inner = supervise::start_again(&stage).map_err(|e| failed("the service cannot be started", e))?;
    let ended = supervisor.wait(inner);
    supervise::sweep();
    match ended {
        Ended::Child(status) => Ok(status),
        // Nobody stands above this one.
        Ended::Orphaned => Ok(1),
    }
}

/// The inner process: serves, runs the command, and cleans up if the outer one is killed.
fn serve_watched(args: Args, stage: &OsString) -> Result<u8, Failure> {
    let (parent, folder) = supervise::read_stage(stage).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "--stage belongs to `countersign run` itself: leave it out, and unset COUNTERSIGN_STAGE",
        )
    })?;
    let mut supervisor = Supervisor::new(Some(parent)).map_err(|e| failed("signals cannot be taken", e))?;
    let held = files::hold(&folder);
    let outcome = serve_in(args, &folder, &mut supervisor);
    supervise::sweep();
    if supervisor.is_orphaned() {
        let _ = std::fs::remove_dir_all(&folder);
    }
    drop(held);
    outcome
}

fn serve_in(args: Args, folder: &Path, supervisor: &mut Supervisor) -> Result<u8, Failure> {
    let there = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let hosts = Hosts::microsoft_and(&args.answer).map_err(|e| Failure::new(Exit::Usage, format!("--answer: {e}")))?;
    let others = others(&args, there)?;
    let certificates =
        RunCertificates::make(&hosts, crate::clock::now()).map_err(|e| failed("the run's CA cannot be made", e))?;
    let place = Place::of(&args)?;
    let mut cas = vec![certificates.ca_pem.as_str()];
    cas.extend(place.ca());
    let ca_file = files::write(folder, "ca.pem", certificates.ca_pem.as_bytes())?;
    let bundle = files::write(folder, "bundle.pem", files::bundle(&cas, there).as_bytes())?;
    let extra = files::write(folder, "extra.pem", files::extra(&cas, there).as_bytes())?;
    if args.isolate {
        // The bundle is laid over the system's roots; it holds them, since it was made before.
        isolate(folder, &hosts, &bundle)?;
    }
    let runtime = crate::runtime()?;
    let started = runtime.block_on(Started::new(&args, folder, place, &hosts, &certificates, &ca_file, others))?;
    let preload = files::preload(&hosts, &started, args.others == Elsewhere::Refuse);
    let facts = Facts {
        proxy: format!("http://127.0.0.1:{}", started.plain),
        url: started.url.clone(),
        tenant: started.tenant.clone(),
        bundle,
        extra,
        ca_file: started.service_ca.clone().unwrap_or(ca_file),
        admin_token_file: started.admin_token_file.clone(),
        preload: files::write(folder, "preload.cjs", preload.as_bytes())?,
        identity_secret: started.identity_secret()?,
        authority_host: args.authority_host,
        isolated: args.isolate,
    };
    let status = match supervisor.early() {
        Some(status) => Ok(status),
        None => command(&args.command, &environment::changes(&facts, &hosts, there), supervisor),
    };
    supervise::sweep();
    runtime.block_on(async {
        let _ = tokio::time::timeout(STOP, started.stop()).await;
    });
    runtime.shutdown_background();
    status
}

#[cfg(target_os = "linux")]
fn isolate(folder: &Path, hosts: &Hosts, bundle: &Path) -> Result<(), Failure> {
    isolate::enter(folder, hosts, bundle)
}

#[cfg(not(target_os = "linux"))]
fn isolate(_folder: &Path, _hosts: &Hosts, _bundle: &Path) -> Result<(), Failure> {
    Err(Failure::new(Exit::Usage, "--isolate needs Linux: leave it out, and a proxy is used instead"))
}

/// Starts the command and waits for it.
fn command(
    command: &[OsString],
    changes: &BTreeMap<&'static str, Option<String>>,
    supervisor: &mut Supervisor,
) -> Result<u8, Failure> {
    let mut child = supervise::bound(command).map_err(|e| failed("the command cannot be started", e))?;
    for (name, value) in changes {
        match value {
            Some(value) => child.env(name, value),
            None => child.env_remove(name),
        };
    }
    match child.spawn() {
        Ok(child) => Ok(match supervisor.wait(child) {
            Ended::Child(status) => status,
            Ended::Orphaned => 1,
        }),
        Err(cause) => Ok(cannot_be_run(command, &cause)),
    }
}

/// As a shell answers: 127 for a command that is not there, 126 for one that cannot be run.
fn cannot_be_run(command: &[OsString], cause: &std::io::Error) -> u8 {
    let program = command.first().map(|c| c.to_string_lossy()).unwrap_or_default();
    eprintln!("error: '{}' cannot be run: {cause}", crate::output::printable(&program));
    if cause.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 }
}

/// Becomes the command, if this process was started for that: so bound to the process that serves that it ends with it,
/// whatever ends that one. Gives a status only if the command cannot be run.
pub fn become_command(mut arguments: impl Iterator<Item = OsString>) -> Option<u8> {
    let (step, parent) = (arguments.nth(1)?, arguments.next());
    if step != supervise::STEP {
        return None;
    }
    let parent = parent.and_then(|p| p.to_str()?.parse().ok()).unwrap_or_default();
    let command: Vec<OsString> = arguments.collect();
    Some(cannot_be_run(&command, &supervise::become_command(parent, &command)))
}

/// What becomes of hosts that are not answered for.
fn others(args: &Args, there: impl Fn(&str) -> Option<String>) -> Result<Others, Failure> {
    if args.others == Elsewhere::Refuse {
        return Ok(Others::Refuse);
    }
    let named = ["HTTPS_PROXY", "https_proxy"].into_iter().find_map(|n| there(n).map(|v| (n, v)));
    let Some((name, proxy)) = named else { return Ok(Others::Pass(None)) };
    let except = there("NO_PROXY").or_else(|| there("no_proxy")).unwrap_or_default();
    // The value may hold a password.
    let upstream = Upstream::read(&proxy, &except)
        .map_err(|e| Failure::new(Exit::Usage, format!("--others pass: {name} cannot be used: {e}")))?;
    Ok(Others::Pass(Some(upstream)))
}

/// Warnings alone: stderr is the command's.
fn start_logging(color: Color) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(color.on_stderr());
    // A line that cannot be written (disk full, pipe closed) is lost: to complain of it on stderr would panic.
    let builder = builder.log_internal_errors(false);
    // A second start in one process keeps the first subscriber.
    let _ = builder.with_target(false).compact().try_init();
}
