//! `cargo xtask docs`: the API documentation of every crate; a broken link or a missing sentence is an error.
//!
//! Called by people and by `ci`.

use anyhow::{Result, bail};

use crate::process;

/// Builds the documentation without that of the dependencies.
///
/// # Errors
/// When rustdoc warns.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("docs takes no `{argument}`");
    }
    process::run(
        process::cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )
}
