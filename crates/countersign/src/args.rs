//! The tree of verbs. Help, man pages and completions are made from it.

use clap::{Parser, Subcommand};

use crate::cmd;
use crate::output::Color;

/// Certificates that prove a program to Entra ID: a token service, a client, and a doctor that proves why one was refused.
#[derive(Debug, Parser)]
#[command(name = "countersign", version, propagate_version = true, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// When to use colour
    #[arg(long, global = true, value_enum, default_value_t, env = "COUNTERSIGN_COLOR", hide_env = true)]
    pub color: Color,
    /// The verb
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Run the token service
    Serve(cmd::serve::Args),
    /// Wait until a service is ready
    Wait(cmd::wait::WaitArgs),
    /// Ask a service once whether it is ready
    Healthcheck(cmd::wait::HealthcheckArgs),
    /// Get a token
    #[command(subcommand)]
    Token(cmd::token::Verb),
    /// Sign a client assertion, or take one apart
    #[command(subcommand)]
    Assertion(cmd::assertion::Verb),
    /// Make a key with a certificate, or show every identifier of one
    #[command(subcommand)]
    Cert(cmd::cert::Verb),
    /// Export, import or reset a service's directory
    #[command(subcommand)]
    State(cmd::state::Verb),
    /// Show settings
    #[command(subcommand)]
    Config(cmd::config::Verb),
    /// Print a completion script
    Completion(cmd::completion::Args),
    /// Print the manual page
    Man(cmd::man::Args),
}
