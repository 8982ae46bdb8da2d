//! `man [VERB]`: the manual page, made from the same definitions as `--help`.

use crate::args;
use crate::exit::{Exit, Failure};
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The verb, word by word; the program's own page without one
    verb: Vec<String>,
}

/// Prints the page (roff; read it with `man -l -`).
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut command = args::command();
    command.build();
    for word in &args.verb {
        let found = command.find_subcommand(word).cloned();
        command = found.ok_or_else(|| {
            Failure::new(Exit::Usage, format!("there is no verb '{}'; see countersign --help", args.verb.join(" ")))
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).map_err(|e| Failure::new(Exit::Unreadable, e))?;
    output::data(&String::from_utf8_lossy(&page))
}
