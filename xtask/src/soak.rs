//! `cargo xtask soak`: 200 tasks, one client, a service that goes away, certificates that rotate, answers that fail.
//!
//! The soak itself is `crates/client/benches/soak`: it asserts, this builds what it needs and hands it the released program.

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process, test};

/// Ten minutes, or as long as `--seconds` says.
///
/// # Errors
/// When something does not build, or the soak found a fault.
pub fn run(arguments: &[String]) -> Result<()> {
    let seconds: u64 = match arguments {
        [] => 600,
        [flag, value] if flag == "--seconds" => value.parse().context("--seconds takes a number")?,
        _ => bail!("soak takes `--seconds N`, nothing else"),
    };
    ensure!(seconds >= 60, "--seconds {seconds}: rotations and restarts need 60 s or more");
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
    // It counts and compares, and measures no speed: built as `cargo test --workspace` builds, it finds every dependency made by that,
    // where an optimised build of its own would take minutes.
    process::run(
        process::cargo()
            .args(["test", "--quiet", "--locked", "--workspace", "--bench", "soak", "--"])
            .args(["--seconds", &seconds.to_string(), "--program"])
            .arg(test::binary()),
    )
}
