//! The tree of verbs. Help, manual pages, completions and variables are made from it, so that they agree.
//!
//! [`parse`] is called by `main`; [`command`] by the verbs that print what is made from the tree.

use clap::{Arg, Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cmd;
use crate::output::Color;

/// Certificates that prove a program to Entra ID: a token service, a client, and a doctor that proves why one was refused.
#[derive(Debug, Parser)]
#[command(
    name = "countersign",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "Every flag is also a variable: --ca-file is COUNTERSIGN_CA_FILE.\n\
                  Status: 0 ok, 1 refused or a finding of level error, 2 input unreadable,\n\
                  3 usage, 4 no credential, 5 authority unreachable or TLS, 6 timed out."
)]
pub struct Cli {
    /// When to use colour: auto (on a terminal, unless NO_COLOR is set), always or never
    #[arg(long, global = true, value_enum, default_value_t, hide_possible_values = true, help_heading = "Output")]
    pub color: Color,
    /// The verb
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show the whole story: a certificate gets a token, wrong assertions are refused and explained
    Demo(cmd::demo::Args),
    /// Run the token service
    Serve(cmd::serve::Args),
    /// Run a command that reaches a token service under Microsoft's own names
    Run(cmd::run::Args),
    /// The service's own CA: print it, have it trusted, take it out again
    #[command(subcommand)]
    Trust(cmd::trust::Verb),
    /// Wait until a service is ready
    Wait(cmd::wait::WaitArgs),
    /// Ask a service once whether it is ready
    Healthcheck(cmd::wait::HealthcheckArgs),
    /// Get a token
    #[command(subcommand)]
    Token(cmd::token::Verb),
    /// Serve tokens to programs of this machine that cannot sign
    Agent(Box<cmd::agent::Args>),
    /// Sign a client assertion, or take one apart
    #[command(subcommand)]
    Assertion(cmd::assertion::Verb),
    /// Make a key with a certificate, or show every identifier of one
    #[command(subcommand)]
    Cert(cmd::cert::Verb),
    /// Application registrations, through Microsoft Graph
    #[command(subcommand)]
    App(cmd::app::Verb),
    /// Certificates and secrets of an application, through Microsoft Graph
    #[command(subcommand)]
    Credential(cmd::credential::Verb),
    /// Prove why an assertion was, or would be, refused
    Doctor(cmd::doctor::Args),
    /// Explain an AADSTS code or a cause, offline
    Explain(cmd::explain::Args),
    /// Export, import or reset a service's directory
    #[command(subcommand)]
    State(cmd::state::Verb),
    /// The keys with which a service signs tokens
    #[command(subcommand)]
    SigningKey(cmd::signing_key::Verb),
    /// Show settings
    #[command(subcommand)]
    Config(cmd::config::Verb),
    /// Print a completion script
    Completion(cmd::completion::Args),
    /// Print the manual page
    Man(cmd::man::Args),
}

/// The tree, each flag with its variable.
pub fn command() -> Command {
    with_variables(Cli::command())
}

/// Reads the command line and the variables.
pub fn parse() -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&command().try_get_matches()?)
}

/// Every variable that a flag of some verb reads, so that `serve` need not call them unknown.
pub fn variables() -> Vec<String> {
    fn gather(command: &Command, out: &mut Vec<String>) {
        out.extend(command.get_arguments().filter_map(variable));
        command.get_subcommands().for_each(|c| gather(c, out));
    }
    let mut out = Vec::new();
    gather(&Cli::command(), &mut out);
    out
}

/// The variable of a flag (contract: `COUNTERSIGN_` and the flag's name).
fn variable(arg: &Arg) -> Option<String> {
    let long = arg.get_long().filter(|long| !matches!(*long, "help" | "version"))?;
    Some(format!("COUNTERSIGN_{}", long.to_ascii_uppercase().replace('-', "_")))
}

fn with_variables(command: Command) -> Command {
    // The service lays its settings over each other itself, file included, and names where each came from.
    let setting = |arg: &Arg| arg.get_help_heading() == Some(cmd::serve::SETTINGS_HEADING);
    let verbs: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let command = command.mut_args(|arg| match variable(&arg) {
        Some(name) if !setting(&arg) => arg.env(name).hide_env(true),
        _ => arg,
    });
    verbs.into_iter().fold(command, |command, verb| command.mut_subcommand(verb, with_variables))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn every_flag_has_a_variable_but_settings() {
        fn check(command: &Command) {
            for arg in command.get_arguments().filter(|a| variable(a).is_some()) {
                let setting = arg.get_help_heading() == Some(cmd::serve::SETTINGS_HEADING);
                let has = arg.get_env().map(|v| v.to_string_lossy().into_owned());
                let wanted = if setting { None } else { variable(arg) };
                assert_eq!(has, wanted, "{} --{}", command.get_name(), arg.get_long().unwrap());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn every_setting_is_a_flag_of_serve() {
        let command = command();
        let serve = command.find_subcommand("serve").unwrap();
        for key in countersign_server::config::KEYS {
            let arg = serve.get_arguments().find(|a| a.get_long() == Some(key.name));
            assert!(arg.is_some(), "--{} is missing", key.name);
        }
    }
}
