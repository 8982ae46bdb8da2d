//! `cargo xtask tidy`: the rules of this repository that no compiler checks, each with the reason in its message.
//!
//! Called by people and by `ci`. Reads files only; every rule reports all it finds before the verdict.

pub mod files;
mod manifests;
mod pages;
mod security;
mod sources;
mod words;

use anyhow::{Result, bail};

use self::files::Tree;
use crate::{process, published, refusals, servers};

/// A rule that does not hold somewhere.
#[derive(Debug, PartialEq)]
pub struct Fault {
    /// Path in the checkout, with a line where there is one.
    place: String,
    /// What is wrong and what would be right.
    what: String,
}

impl Fault {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{}", line + 1), what)
    }
}

/// Applies every rule to the checkout.
///
/// # Errors
/// When a rule does not hold, or a file cannot be read.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("tidy takes no `{argument}`");
    }
    let tree = Tree::read(&process::root())?;
    let mut faults = manifests::check(&tree);
    faults.extend(sources::check(&tree));
    faults.extend(pages::check(&tree)?);
    faults.extend(words::check(&tree));
    faults.extend(security::check(&tree));
    if tree.file(refusals::PATH).is_none_or(|file| file.text != refusals::text()) {
        faults.push(Fault::new(refusals::PATH, "is not what the code says; `cargo xtask refusals` writes it"));
    }
    let servers = servers::text()?;
    if tree.file(servers::PATH).is_none_or(|file| file.text != servers) {
        faults.push(Fault::new(servers::PATH, "is not what the code says; `cargo xtask servers` writes it"));
    }
    if tree.file(published::PATH).is_none_or(|file| Some(&file.text) != published::text(&tree).ok().as_ref()) {
        faults.push(Fault::new(
            published::PATH,
            "is not what stands in the repository; `cargo xtask published` writes it",
        ));
    }
    for fault in &faults {
        println!("{}: {}", fault.place, fault.what);
    }
    if !faults.is_empty() {
        bail!("{} places are not tidy", faults.len());
    }
    println!("tidy: {} files", tree.files.len());
    Ok(())
}
