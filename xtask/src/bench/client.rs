//! `cargo xtask bench client`: what the client library costs a program, against the goals, in one run.
//!
//! Measured in process by `crates/client/benches/client.rs`; here the numbers are read and judged.

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// What is measured, its goal in the unit of its name, and what it is called.
const GOALS: [(&str, f64, &str); 3] = [
    ("cached_ns", 200.0, "reading a cached token (ns)"),
    ("cached_bytes", 0.0, "memory that all the reads left behind (bytes)"),
    ("assertion_percent", 5.0, "making an assertion, beyond its RSA operation (%)"),
];

/// Runs the benchmark; the short form is held against twice the goal.
///
/// # Errors
/// When it does not build or run, or a number is over its goal.
pub fn run(arguments: &[String]) -> Result<()> {
    let short = match arguments {
        [] => false,
        [flag] if flag == "--short" => true,
        _ => bail!("bench client takes `--short`, nothing else"),
    };
    let mut cargo = process::cargo();
    cargo.args(["bench", "--quiet", "--locked", "--package", "countersign-client", "--bench", "client", "--"]);
    if short {
        cargo.arg("--short");
    }
    let mut measured: HashMap<String, f64> = HashMap::new();
    let ok = process::run_lines(&mut cargo, |line| {
        if let Some((name, value)) = line.split_once(' ')
            && let Ok(value) = value.parse()
        {
            measured.insert(name.to_owned(), value);
        }
    })?;
    ensure!(ok, "the benchmark failed");
    let slack = if short { 2.0 } else { 1.0 };
    let mut missed = Vec::new();
    println!();
    for (name, goal, words) in GOALS {
        let value = measured.get(name).with_context(|| format!("the benchmark did not print `{name}`"))?;
        println!("{words}: {value}, goal {goal}");
        if *value > goal * slack {
            missed.push(words);
        }
    }
    ensure!(missed.is_empty(), "over {slack} times the goal: {}", missed.join("; "));
    Ok(())
}
