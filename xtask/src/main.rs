//! `cargo xtask …`: the repository's own tasks, as one small program so that they need no shell and no other tool.
//!
//! Called by people and by `.ci/run`. Each task stands in a file of its own; nothing here is part of the product.

mod bench;
mod cache;
mod ci;
mod clients;
mod docs;
mod fuzz;
mod needs;
mod package;
mod process;
mod published;
mod refusals;
mod scale;
mod servers;
mod soak;
mod tally;
mod test;
mod tidy;
mod wasm;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask TASK

  test [--only STEP,…]     everything: Rust tests, real SDKs, hostile requests, kill -9, cases, short benchmarks,
                           the doctor in WebAssembly, packages installed and run, every fuzz target for 20 s
                           (steps: rust, build, http, sdk, snippets, run, clients, credentials, portal, watch, kill,
                           cases, bench, soak, wasm, package, fuzz)
  ci                       format, clippy, cargo deny, documentation, tidy, then test
  tidy                     rules of this repository that no compiler checks
  clients [--bless]        docs/clients.md against what the matrix of clients reported; --bless writes it
  docs                     the API documentation, warnings are errors
  refusals                 writes docs/refusals.md from the code (tidy compares it)
  servers                  writes docs/servers.md from the profiles (tidy compares it)
  scale [NAME=VALUE …]     which limit comes first with many nodes: the tables of docs/scale.md
  published                writes the list of keys and secrets that stand in this repository (tidy compares it)
  fuzz [--seconds N] [--jobs N] [T…]
                           the fuzz targets, each for N seconds (20), N at a time (one for each core)
  bench token [--short]    tokens per CPU-second of the service, its starts and its memory; --tls, --database URL,
                           --applications N --drawn N, --load SHARE, --binary FILE
  bench overload [--short] [--seconds N]
                           four times the load that the service can do, and what is left of it afterwards
  bench portal [--short]   time of every page over 100,000 applications and 1,000,000 log rows
  bench doctor [--short]   how long a diagnosis takes, in process and as a command
  bench client [--short]   a cached token, and an assertion beside its RSA operation
  soak [--seconds N]       200 tasks for 600 s: restarts, rotations, failing answers
  package [static|deb]     a static program and a Debian package, in target/package
  wasm [--test]            the doctor for browsers: module and page; --test compares it with the native program (Node)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = match arguments.split_first() {
        Some((task, rest)) => (task.as_str(), rest),
        None => ("--help", &[][..]),
    };
    let outcome = match task {
        "test" => test::run(rest),
        "ci" => ci::run(rest),
        "tidy" => tidy::run(rest),
        "docs" => docs::run(rest),
        "refusals" => refusals::run(rest),
        "scale" => scale::run(rest),
        "servers" => servers::run(rest),
        "published" => published::run(rest),
        "clients" => clients::run(rest),
        "fuzz" => fuzz::run(rest),
        "bench" => bench::run(rest),
        "soak" => soak::run(rest),
        "wasm" => wasm::run(rest),
        "package" => package::run(rest),
        "--help" | "-h" | "help" => {
            print!("{USAGE}");
            Ok(())
        }
        unknown => {
            eprint!("error: there is no task `{unknown}`\n\n{USAGE}");
            return ExitCode::from(3);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
