//! `doctor env`: contradictions in the surroundings, found before anything is sent.
//!
//! Looks at the variables of azure-identity, Terraform, az, MSAL and Graph PowerShell, of TLS and proxies, at the files they name,
//! and, unless told not to, at the clock and the metadata of the authority. It prints names and findings, never a value that may be secret.

mod clients;
mod files;
mod network;
mod variables;

use std::path::PathBuf;
use std::time::Duration;

use countersign_doctor::proof::Level;
use serde_json::{Value, json};

use self::variables::VARIABLES;
use crate::client_args::azure;
use crate::clock;
use crate::exit::Failure;
use crate::output::{self, Color, Format};

/// Where variables are read from; tests have a list of their own.
type Read<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Ask no server: leave out the clock, TLS and the tenant
    #[arg(long)]
    offline: bool,
    /// Seconds to wait for the authority
    #[arg(long, default_value_t = 10, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

const LOGIN: &str = "https://login.microsoftonline.com";

/// What was found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    level: Level,
    what: String,
    fix: String,
}

/// Gathers findings.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, level: Level, what: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding { level, what: what.into(), fix: fix.into() });
    }
}

/// Runs the checks and answers the status.
pub fn run(args: &Args, color: Color) -> Result<u8, Failure> {
    let now = clock::now();
    let mut found = Findings::default();
    variables::variables(&azure, &mut found);
    files::files(&azure, now, &mut found);
    let home = azure("HOME").or_else(|| azure("USERPROFILE")).map(PathBuf::from);
    clients::clients(&azure, home.as_deref(), now, &mut found);
    network::proxies(&azure, &mut found);
    network::discovery(&azure, &mut found);
    if !args.offline {
        crate::runtime()?.block_on(network::authority(Duration::from_secs(args.timeout), &mut found));
    }
    found.0.sort_by_key(|f| std::cmp::Reverse(f.level));
    let failed = found.0.iter().any(|f| f.level == Level::Error);
    match args.format {
        Format::Json => {
            let list: Vec<Value> =
                found.0.iter().map(|f| json!({"level": f.level, "title": f.what, "fix": f.fix})).collect();
            output::json(&json!({"schema": 1, "findings": list}))?;
        }
        Format::Human => output::data(&describe(&found, color.on_stdout()))?,
    }
    Ok(u8::from(failed))
}

fn describe(found: &Findings, color: bool) -> String {
    let set: Vec<&str> = VARIABLES.iter().map(|(name, _)| *name).filter(|name| azure(name).is_some()).collect();
    let set = if set.is_empty() { "none is set".to_owned() } else { format!("set: {}", set.join(", ")) };
    let errors = found.0.iter().filter(|f| f.level == Level::Error).count();
    let verdict = match (errors, found.0.len()) {
        (0, 0) => "nothing contradicts itself".to_owned(),
        (0, _) => "no request would fail for what was found".to_owned(),
        (1, _) => "a request would fail, for one reason".to_owned(),
        (n, _) => format!("a request would fail, for {n} reasons"),
    };
    let mut out = format!("{verdict}\n{}", output::wrapped(&format!("azure-identity's variables: {set}"), ""));
    for f in &found.0 {
        let style = if f.level == Level::Error { "1;31" } else { "1" };
        let label = if color { format!("\x1b[{style}m{}\x1b[0m", f.level.name()) } else { f.level.name().to_owned() };
        out.push_str(&format!("\n{label}\n{}", output::wrapped(&f.what, "  ")));
        out.push_str(&output::wrapped(&format!("fix: {}", f.fix), "  "));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ID: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

    /// What a check finds with these variables set and no others.
    pub(super) fn levels(set: &[(&str, &str)], check: impl Fn(Read<'_>, &mut Findings)) -> Vec<(Level, String)> {
        let read = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        let mut found = Findings::default();
        check(&read, &mut found);
        found.0.into_iter().map(|f| (f.level, f.what)).collect()
    }
}
