//! `state export|import|reset`: the directory of a service as one file. The service must not be running.

use std::io::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use countersign_server::start::Server;
use countersign_server::state::{self, Form, Keys};

use crate::cmd::serve::{Settings, failure};
use crate::exit::{Exit, Failure};
use crate::{clock, input};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Write tenants, applications and what belongs to them to a file
    Export(ExportArgs),
    /// Replace the directory by a file's: all of it or nothing
    Import(ImportArgs),
    /// Forget every tenant and application, deleted ones included; signing keys stay
    Reset(ResetArgs),
}

/// How the file is written.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Layout {
    /// One JSON document
    #[default]
    Json,
    /// One application a line, for large directories
    Jsonl,
}

/// Arguments of `export`.
#[derive(Debug, clap::Args)]
pub struct ExportArgs {
    /// File to write; stdout without one
    file: Option<PathBuf>,
    /// How it is written
    #[arg(long, value_enum, default_value_t)]
    layout: Layout,
    /// With signing keys, master key and digests of secrets, encrypted under the passphrase
    #[arg(long, requires = "passphrase_file")]
    with_keys: bool,
    /// File with the passphrase
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Arguments of `import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// The file
    file: PathBuf,
    /// Replace a directory that has applications already
    #[arg(long)]
    replace: bool,
    /// File with the passphrase, for a file with keys
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Arguments of `reset`.
#[derive(Debug, clap::Args)]
pub struct ResetArgs {
    /// Say that everything is to be forgotten
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    match verb {
        Verb::Export(args) => runtime.block_on(export(args)),
        Verb::Import(args) => runtime.block_on(import(args)),
        Verb::Reset(args) => runtime.block_on(reset(args)),
    }
}

fn unusable(error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unreadable, error)
}

/// A folder that was never a service's is a mistyped one: nothing is made there.
fn there(config: &countersign_server::Config) -> Result<(), Failure> {
    let data = &config.data.value;
    // A database elsewhere says itself whether it is a service's.
    let Some(file) = config.sqlite_file() else { return Ok(()) };
    if file.exists() && data.is_dir() {
        return Ok(());
    }
    Err(Failure::new(
        Exit::Unreadable,
        format!("{}: is no data folder of a service; name the one that `serve` uses with --data", data.display()),
    ))
}

async fn export(args: ExportArgs) -> Result<(), Failure> {
    let passphrase = args.passphrase_file.as_deref().map(input::read_secret).transpose()?;
    let (mut config, _) = args.settings.load()?;
    // A seed belongs to `serve`; an export shows what is there.
    config.seed.value = None;
    there(&config)?;
    let opened = Server::open(config).await.map_err(failure)?;
    let app = &opened.app;
    let keys = match (&passphrase, args.with_keys) {
        (Some(passphrase), true) => {
            let keys = Keys::of(&app.config.master_key.value, &app.config.data.value, app.store(), &app.secrets)
                .await
                .map_err(unusable)?;
            Some(keys.seal(passphrase).map_err(unusable)?)
        }
        _ => None,
    };
    let form = match args.layout {
        Layout::Json => Form::Json,
        Layout::Jsonl => Form::JsonLines,
    };
    let done = match &args.file {
        Some(path) => {
            let mut text = Vec::new();
            let done =
                state::export(app.store(), &mut text, form, keys.as_ref(), clock::now()).await.map_err(unusable)?;
            input::write_new(path, &text, true, args.force)?;
            done
        }
        None => {
            let mut out = std::io::stdout();
            let done =
                state::export(app.store(), &mut out, form, keys.as_ref(), clock::now()).await.map_err(unusable)?;
            out.flush().map_err(unusable)?;
            done
        }
    };
    opened.close().await.map_err(unusable)?;
    eprintln!("exported {} tenants, {} applications", done.tenants, done.applications);
    if done.secrets_left_out > 0 {
        eprintln!(
            "note: {} secrets went without what checks them; export with --with-keys to take them along",
            done.secrets_left_out
        );
    }
    Ok(())
}

async fn import(args: ImportArgs) -> Result<(), Failure> {
    let passphrase = args.passphrase_file.as_deref().map(input::read_secret).transpose()?;
    let (mut config, _) = args.settings.load()?;
    config.seed.value = None;
    let keys = passphrase.as_ref().map(|p| Keys::open(&args.file, p)).transpose().map_err(unusable)?;
    if let Some(keys) = &keys {
        std::fs::create_dir_all(&config.data.value)
            .map_err(|e| unusable(format!("{}: {e}", config.data.value.display())))?;
        keys.install_master(&config.master_key.value, &config.data.value).map_err(unusable)?;
    }
    let opened = Server::open(config).await.map_err(failure)?;
    let app = &opened.app;
    let done = state::import(&app.directory, &app.secrets, &args.file, keys.as_ref(), args.replace, clock::now()).await;
    let closed = opened.close().await;
    let done = done.map_err(unusable)?;
    closed.map_err(unusable)?;
    for warning in &done.warnings {
        eprintln!("warning: {warning}");
    }
    eprintln!("imported {} tenants, {} applications", done.tenants, done.applications);
    Ok(())
}

async fn reset(args: ResetArgs) -> Result<(), Failure> {
    if !args.yes {
        return Err(Failure::new(
            Exit::Usage,
            "every tenant and application would be forgotten; say --yes to do it (export first with `state export`)",
        ));
    }
    let (mut config, _) = args.settings.load()?;
    config.seed.value = None;
    there(&config)?;
    let opened = Server::open(config).await.map_err(failure)?;
    state::reset(&opened.app.directory).await.map_err(unusable)?;
    opened.close().await.map_err(unusable)?;
    eprintln!("the directory is empty");
    Ok(())
}
