//! `cargo xtask ci`: what must hold before anything lands. `.ci/run` calls this and nothing else.
//!
//! The quick looks come first and are all made before the verdict, so that one run shows all of them; tests follow.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{cache, docs, process, test, tidy};

/// The cargo-deny that is installed when none is at hand.
const DENY: &str = "0.20.2";

/// A quick look: its name, and what to do.
type Look = (&'static str, fn() -> Result<()>);

/// Format, lints, licences and sources, documentation, the repository's own rules, then every test.
///
/// # Errors
/// When one of them does not hold.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("ci takes no `{argument}`");
    }
    let looks: [Look; 5] = [
        ("format", || process::run(process::cargo().args(["fmt", "--all", "--check"]))),
        ("tidy", || tidy::run(&[])),
        ("clippy", || {
            let command = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
            process::run(process::cargo().args(command))
        }),
        ("documentation", || docs::run(&[])),
        ("licences, bans and sources", deny),
    ];
    let mut failed = Vec::new();
    for (name, look) in looks {
        process::heading(name);
        if let Err(error) = look() {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    let tested = test::run(&[]);
    if !failed.is_empty() {
        bail!("did not hold: {}", failed.join(", "));
    }
    tested
}

/// Advisories only where their database lies already: it is fetched from a git host, which not every machine reaches.
fn deny() -> Result<()> {
    let mut command = Command::new(cargo_deny()?);
    command.current_dir(process::root()).args([
        "--workspace",
        "--all-features",
        "check",
        "licenses",
        "bans",
        "sources",
    ]);
    process::run(&mut command)?;
    let databases = std::env::var_os("CARGO_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"), PathBuf::from);
    if !databases.join("advisory-dbs").is_dir() {
        println!("advisories not checked: their database is not on this machine (`cargo deny fetch db` brings it)");
        return Ok(());
    }
    process::run(Command::new(cargo_deny()?).current_dir(process::root()).args([
        "check",
        "--disable-fetch",
        "advisories",
    ]))
}

/// The pinned cargo-deny, built once into the cache.
fn cargo_deny() -> Result<PathBuf> {
    let made = cache::entry("cargo-deny", &[], DENY, |folder| {
        process::heading(&format!("cargo-deny {DENY} in {}", folder.display()));
        process::run(
            process::cargo()
                .args(["install", "cargo-deny", "--locked", "--quiet", "--version", DENY, "--root"])
                .arg(folder)
                // Built for one short use: half the time without the last optimisations. Not the checkout's target folder.
                .env("CARGO_PROFILE_RELEASE_LTO", "off")
                .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
                .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
                .env_remove("CARGO_TARGET_DIR"),
        )
    })?;
    Ok(made.join("bin/cargo-deny"))
}
