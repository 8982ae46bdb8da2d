//! The one binary. Reads the command line, runs a verb, prints its failure, ends with its status.

mod args;
mod client_args;
mod clock;
mod cmd;
mod exit;
mod graph;
mod input;
mod output;
mod ready;

use std::process::ExitCode;

use args::{Cli, Verb};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    if let Some(status) = cmd::run::become_command(std::env::args_os()) {
        return status.into();
    }
    let cli = match args::parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, not mistakes.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let color = cli.color;
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Status(status)) => ExitCode::from(status),
        Err(Stop::Failure(failure)) => {
            if !failure.message.is_empty() {
                let label = if color.on_stderr() { "\x1b[1;31merror\x1b[0m" } else { "error" };
                eprintln!("{label}: {}", failure.message);
            }
            failure.exit.into()
        }
    }
}

/// How a verb ends that does not end well.
enum Stop {
    /// With a message.
    Failure(Failure),
    /// With the status of a child.
    Status(u8),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn run(cli: Cli) -> Result<(), Stop> {
    let color = cli.color;
    match cli.verb {
        Verb::Demo(args) => cmd::demo::run(&args, color)?,
        Verb::Serve(args) => cmd::serve::run(args, color)?,
        Verb::Run(args) => return status(cmd::run::run(args, color)?),
        Verb::Trust(verb) => cmd::trust::run(verb)?,
        Verb::Wait(args) => cmd::wait::wait(&args)?,
        Verb::Healthcheck(args) => cmd::wait::healthcheck(&args)?,
        Verb::Token(verb) => cmd::token::run(verb, color)?,
        Verb::Agent(args) => cmd::agent::run(*args, color)?,
        Verb::Assertion(verb) => cmd::assertion::run(verb)?,
        Verb::Cert(verb) => cmd::cert::run(verb)?,
        Verb::App(verb) => cmd::app::run(verb)?,
        Verb::Credential(verb) => cmd::credential::run(verb)?,
        Verb::Doctor(args) => return status(cmd::doctor::run(&args, color)?),
        Verb::Explain(args) => cmd::explain::run(&args, color)?,
        Verb::State(verb) => cmd::state::run(verb)?,
        Verb::SigningKey(verb) => cmd::signing_key::run(verb)?,
        Verb::Config(verb) => cmd::config::run(verb)?,
        Verb::Completion(args) => cmd::completion::run(&args)?,
        Verb::Man(args) => cmd::man::run(&args)?,
    }
    Ok(())
}

fn status(code: u8) -> Result<(), Stop> {
    if code == 0 { Ok(()) } else { Err(Stop::Status(code)) }
}

/// A runtime for verbs that need one; others start without.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(Exit::Unreadable, format!("threads cannot be started: {e}")))
}
