//! `doctor [FILE…]`: why an assertion was, or would be, refused, from whatever lies at hand.
//!
//! Reads files and the clock for `countersign-doctor`, prints its report, and ends with the report's status. Sends nothing.

mod env;

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::ValueEnum;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::{UnixTime, profile};
use countersign_doctor::{Input, Options, examine, render};
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
    let inputs: Vec<Input<'_>> = contents.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    let report = examine(&inputs, &options, &AwsLc);
    output::data(&match args.format {
        ReportFormat::Human => render::text::render(&report, output::width(), color.on_stdout()),
        ReportFormat::Json => render::json::pretty(&report),
        ReportFormat::Sarif => render::sarif::render(&report),
        ReportFormat::Junit => render::junit::render(&report),
        ReportFormat::Html => render::html::render(&report),
    })?;
    Ok(report.exit_code())
}
