//! `doctor [FILE…]`: why an assertion was, or would be, refused, from whatever lies at hand.
//!
//! Reads files and the clock for `countersign-doctor`, prints its report, and ends with the report's status. Sends nothing, unless
//! `--live` is given.

mod env;
mod live;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::ValueEnum;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::{UnixTime, profile};
use countersign_doctor::{Input, Options, Report, examine, render};
use zeroize::Zeroizing;

use crate::client_args::azure;
use crate::exit::{Exit, Failure};
use crate::output::{self, Color};
use crate::{clock, input};

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// For code scanning (SARIF 2.1.0)
    Sarif,
    /// For CI systems that show test results
    Junit,
    /// A page that stands alone
    Html,
}

/// Arguments.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Anything at hand: assertion, error text, request, certificate, key, registration, settings, a tool's message; - for stdin
    files: Vec<PathBuf>,
    /// The tenant that is meant
    #[arg(long)]
    tenant: Option<String>,
    /// The client that is meant
    #[arg(long)]
    client_id: Option<String>,
    /// The time of the judgement [default: an error's Timestamp, else now]
    #[arg(long, value_name = "RFC3339", value_parser = clock::parse)]
    at: Option<UnixTime>,
    /// File with a password to try; may be given several times
    #[arg(long, value_name = "FILE")]
    password_file: Vec<PathBuf>,
    /// A password as it stands, for test files only: others can read it in the list of processes
    #[arg(long, value_name = "TEXT")]
    password: Option<String>,
    /// Whose rules are in force [default: told from what is given, else entra]
    #[arg(long, value_parser = profile_names())]
    profile: Option<String>,
    /// Leave out what tells who it is: ids, names, domains
    #[arg(long)]
    redact: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    live: live::LiveArgs,
}

/// What else the doctor examines.
#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Check the surroundings before a request is sent: variables, files, clock, the way to the authority
    Env(env::Args),
}

fn profile_names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(profile::SERVERS.iter().map(|p| p.name))
}

/// Prints the report and answers its status.
pub fn run(args: &Args, color: Color) -> Result<u8, Failure> {
    if let Some(Verb::Env(args)) = &args.verb {
        return env::run(args, color);
    }
    if let Some(flag) = args.live.stray() {
        let message = format!("{flag} goes with --live only; a file to examine is named without a flag");
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut options = Options::new(clock::now());
    options.tenant.clone_from(&args.tenant);
    options.client_id.clone_from(&args.client_id);
    options.at = args.at;
    options.redact = args.redact;
    // The list of accepted values admits known names only.
    options.profile = args.profile.as_deref().and_then(profile::server_by_name).unwrap_or(options.profile);
    options.profile_named = args.profile.is_some();
    for path in &args.password_file {
        options.passwords.push(input::read_secret(path)?);
    }
    options.passwords.extend(azure("AZURE_CLIENT_CERTIFICATE_PASSWORD").map(Zeroizing::new));
    if let Some(text) = &args.password {
        eprintln!(
            "warning: --password TEXT can be read by others in the list of processes; use --password-file for real ones"
        );
        options.passwords.push(Zeroizing::new(text.clone()));
    }
    let files = match args.files.as_slice() {
        [] if args.live.live => &[],
        [] if std::io::stdin().is_terminal() => {
            return Err(Failure::new(
                Exit::Usage,
                "no file: name what is at hand (assertion, error, certificate, …), or pipe it in",
            ));
        }
        [] => &[PathBuf::from("-")][..],
        files => files,
    };
    let mut contents: Vec<(String, Vec<u8>)> = Vec::new();
    for path in files {
        contents.push((path.display().to_string(), input::read(path)?));
    }
    let learnt = learn(args, &contents)?;
    let mut inputs: Vec<Input<'_>> = contents.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    if let Some(learnt) = &learnt {
        inputs.extend(learnt.files.iter().map(|(name, bytes)| Input { name, bytes }));
        options.tenant = options.tenant.or_else(|| learnt.tenant.clone());
        options.client_id = options.client_id.or_else(|| Some(learnt.client_id.clone()));
    }
    let report = examine(&inputs, &options, &AwsLc);
    output::data(&match args.format {
        ReportFormat::Human => {
            let live = learnt.as_ref().map(|learnt| format!("{}\n", learnt.text)).unwrap_or_default();
            live + &render::text::render(&report, output::width(), color.on_stdout())
        }
        ReportFormat::Json => with_live(&report, learnt.as_ref()),
        ReportFormat::Sarif => render::sarif::render(&report),
        ReportFormat::Junit => render::junit::render(&report),
        ReportFormat::Html => render::html::render(&report),
    })?;
    // Without files the question was whether a right assertion is taken.
    Ok(match &learnt {
        Some(learnt) if contents.is_empty() => u8::from(!learnt.accepted),
        _ => report.exit_code(),
    })
}

fn learn(args: &Args, contents: &[(String, Vec<u8>)]) -> Result<Option<live::Learnt>, Failure> {
    if !args.live.live {
        return Ok(None);
    }
    let named = live::Named {
        tenant: args.tenant.as_deref(),
        client_id: args.client_id.as_deref(),
        password_file: args.password_file.first(),
        redact: args.redact,
    };
    crate::runtime()?.block_on(live::ask(&args.live, &named, contents)).map(Some)
}

/// The report's JSON, with what `--live` learnt as a member of its own.
fn with_live(report: &Report, learnt: Option<&live::Learnt>) -> String {
    let Some(learnt) = learnt else { return render::json::pretty(report) };
    let mut json = serde_json::to_value(report).unwrap_or_default();
    json["live"] = learnt.json.clone();
    format!("{json:#}\n")
}
