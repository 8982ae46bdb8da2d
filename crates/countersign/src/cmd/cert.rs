//! `cert new` and `cert show`: a key with a certificate, and every written form of a certificate's identifiers.
//!
//! Needs no network and no runtime.

mod form;
mod new;
mod show;

pub use form::Form;
pub use new::{Made, make, subject};

use crate::exit::Failure;

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make an RSA key and a self-signed certificate for it
    New(new::Args),
    /// Show every identifier of the certificates in a file, whatever its format
    Show(show::Args),
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::New(args) => new::run(&args),
        Verb::Show(args) => show::run(&args),
    }
}
