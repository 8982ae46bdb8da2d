//! `cargo xtask bench …`: speed against the goals. Each benchmark stands in a file of its own.
//!
//! `load`, `wire`, `service` and `workload` are what those of the token service share.

mod client;
mod doctor;
mod load;
mod overload;
mod service;
mod stages;
mod token;
mod wire;
mod workload;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// Runs the benchmark that the arguments name.
///
/// # Errors
/// When the service fails, an answer is wrong, or a goal is missed.
pub fn run(arguments: &[String]) -> Result<()> {
    let (which, rest) =
        arguments.split_first().context("bench what? `cargo xtask bench token|overload|portal|doctor|client`")?;
    match which.as_str() {
        "token" => token::run(rest),
        "overload" => overload::run(rest),
        "portal" => portal(rest),
        "doctor" => doctor::run(rest),
        "client" => client::run(rest),
        _ => bail!("there is no benchmark `{which}`; they are `token`, `overload`, `portal`, `doctor` and `client`"),
    }
}

/// The program that is measured: the one that is named, else the release build.
fn program(named: Option<PathBuf>) -> Result<PathBuf> {
    if let Some(named) = named {
        ensure!(named.is_file(), "--binary names {}, which is no file", named.display());
        return Ok(std::path::absolute(named)?);
    }
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
    Ok(crate::test::binary())
}

/// Pages over 100,000 applications and 1,000,000 log rows, judged by their limits; `--short` looks at answers alone.
fn portal(rest: &[String]) -> Result<()> {
    let sizes: &[&str] = match rest {
        [] => &["--judge"],
        [short] if short == "--short" => &["--applications", "2000", "--rows", "20000"],
        _ => bail!("bench portal takes `--short`, nothing else"),
    };
    let binary = program(None)?;
    let tools = crate::needs::tools()?;
    process::run(
        std::process::Command::new(&tools.python)
            .arg("scale.py")
            .args(sizes)
            .current_dir(process::root().join("e2e/portal"))
            .env("PYTHONPYCACHEPREFIX", &tools.bytecode)
            .env_remove("PYTHONDONTWRITEBYTECODE")
            .env("COUNTERSIGN_BIN", binary),
    )
}
