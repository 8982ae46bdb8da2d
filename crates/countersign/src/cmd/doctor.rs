//! `doctor [FILE…]`: why an assertion was, or would be, refused. Reads files, asks the library, prints its report.
//!
//! Starts no runtime and opens no connection: a diagnosis takes a few milliseconds.

use std::path::PathBuf;

use clap::ValueEnum;
use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::profile::{self, PROFILES};
use countersign_doctor::proof::Level;
use countersign_doctor::report::Verdict;
use countersign_doctor::{Input, Options, Report, examine, render};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::output::{self, Color};
use crate::{clock, input};

/// How a report is printed.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum ReportFormat {
    /// For people
    #[default]
    Human,
    /// For programs
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit, for CI
    Junit,
    /// One page that needs nothing else
    Html,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Anything at hand: assertion, certificate, key file, error, request, registration, settings; - for stdin
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The tenant that is meant, id or domain
    #[arg(long)]
    tenant: Option<String>,
    /// The application (client) id that is meant
    #[arg(long)]
    client_id: Option<String>,
    /// Judge at this time instead of the error's Timestamp or now
    #[arg(long, value_name = "RFC3339", value_parser = clock::parse)]
    at: Option<countersign_core::UnixTime>,
    /// File with the password of a key file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Password of a test file; others see it in the process list
    #[arg(long, value_name = "TEXT", conflicts_with = "password_file")]
    password: Option<String>,
    /// Whose rules count: entra or strict
    #[arg(long, default_value = "entra")]
    profile: String,
    /// Leave out ids, names and domains, so that the report can be shown to strangers
    #[arg(long)]
    redact: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
}

/// Examines the files and prints the report; status 1 when something is refused.
pub fn run(args: Args, color: Color) -> Result<(), Failure> {
    let profile = profile::by_name(&args.profile).ok_or_else(|| {
        let names: Vec<_> = PROFILES.iter().map(|p| p.name).collect();
        Failure::new(Exit::Usage, format!("--profile '{}': expected one of {}", args.profile, names.join(", ")))
    })?;
    let mut options = Options::new(clock::now());
    options.tenant = args.tenant;
    options.client_id = args.client_id;
    options.at = args.at;
    options.profile = profile;
    options.redact = args.redact;
    if let Some(path) = &args.password_file {
        options.passwords.push(input::read_secret(path)?);
    }
    if let Some(password) = args.password {
        eprintln!("warning: --password shows the password to other users of this machine; use --password-file");
        options.passwords.push(Zeroizing::new(password));
    }
    let mut contents = Vec::with_capacity(args.files.len());
    for path in &args.files {
        contents.push((path.display().to_string(), Zeroizing::new(input::read(path)?)));
    }
    let inputs: Vec<Input<'_>> = contents.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    let report = examine(&inputs, &options, &AwsLc);
    output::data(&match args.format {
        ReportFormat::Human => render::text(&report, output::width(), color.on_stdout()),
        ReportFormat::Json => render::json(&report),
        ReportFormat::Sarif => render::sarif(&report),
        ReportFormat::Junit => render::junit(&report),
        ReportFormat::Html => render::html(&report),
    })?;
    match is_bad(&report) {
        true => Err(Failure::silent(Exit::Refused)),
        false => Ok(()),
    }
}

/// Whether the report ends with status 1: a finding of level error, or a refusal.
fn is_bad(report: &Report) -> bool {
    report.verdict == Verdict::Refused || report.findings.iter().any(|f| f.level == Level::Error)
}
