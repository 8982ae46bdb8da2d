//! `cargo xtask fuzz`: every fuzz target for a while. A crash is an error; its input belongs among the cases.
//!
//! Needs a nightly toolchain and cargo-fuzz, which `ci` does not install.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// Runs the targets that the arguments name, all without names.
///
/// # Errors
/// When there is no such target, a tool is missing, or a target crashed.
pub fn run(arguments: &[String]) -> Result<()> {
    let (mut seconds, mut wanted) = (20_u32, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--seconds" {
            let value = rest.next().context("--seconds needs a number")?;
            seconds = value.parse().with_context(|| format!("--seconds {value}: not a number of seconds"))?;
        } else {
            wanted.push(argument.clone());
        }
    }
    let targets = targets()?;
    if let Some(unknown) = wanted.iter().find(|name| !targets.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; targets are {}", targets.join(", "));
    }
    ensure!(
        process::output("cargo", &["+nightly", "fuzz", "--version"]).is_some(),
        "fuzzing needs a nightly toolchain and cargo-fuzz: `rustup toolchain install nightly`, `cargo install cargo-fuzz --locked`"
    );
    let mut crashed = Vec::new();
    for target in targets.iter().filter(|name| wanted.is_empty() || wanted.contains(name)) {
        process::heading(&format!("fuzz {target}, {seconds} s"));
        let mut command = std::process::Command::new("cargo");
        command.current_dir(process::root());
        command.args(["+nightly", "fuzz", "run", target, "--", &format!("-max_total_time={seconds}")]);
        if let Err(error) = process::run(&mut command) {
            eprintln!("{error:#}");
            crashed.push(target.as_str());
        }
    }
    ensure!(crashed.is_empty(), "crashed: {} (inputs are under fuzz/artifacts)", crashed.join(", "));
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let folder = process::root().join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .filter_map(|path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
