//! `completion SHELL`: made from the same definitions as `--help`.

use clap_complete::Shell;

use crate::args;
use crate::exit::Failure;
use crate::output;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::command(), "countersign", &mut script);
    output::data(&String::from_utf8_lossy(&script))
}
