//! `cargo xtask test`: everything that shows the product works, ending in one line `N passed, M failed`.
//!
//! The README's test command, and the longer part of `ci`. `cargo test --workspace` alone runs what needs nothing but Rust;
//! this adds the released binary under real SDKs, hostile requests, kill -9, the worked cases, short benchmarks, the doctor in
//! WebAssembly beside the native one, and a short run of every fuzz target.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::needs::{self, Tools};
use crate::tally::{Count, Runner, Tally};
use crate::{clients, package, process};

/// Steps in order. A step may be asked for by name; `build` comes before all that run the binary.
const STEPS: &[&str] = &[
    "rust",
    "build",
    "http",
    "sdk",
    "snippets",
    "run",
    "clients",
    "credentials",
    "agent",
    "portal",
    "watch",
    "kill",
    "cases",
    "bench",
    "soak",
    "wasm",
    "package",
    "fuzz",
];

/// Runs the steps that the arguments name, all without arguments.
///
/// # Errors
/// When a tool is missing and may not be installed, or when a test failed; every step is run before that is said.
pub fn run(arguments: &[String]) -> Result<()> {
    let wanted = wanted(arguments)?;
    // Before the long steps, so that a missing package is said at once.
    let tools = needs::tools()?;
    let mut tally = Tally::default();
    for step in STEPS.iter().copied().filter(|step| wanted.iter().any(|name| name == step)) {
        process::heading(step);
        match step {
            "rust" => suite(
                &mut tally,
                "cargo test",
                Runner::Cargo,
                // What `cargo test` skips where PostgreSQL is missing is a failure here: it was installed above.
                process::cargo()
                    .args(["test", "--workspace", "--locked", "--no-fail-fast"])
                    .env("COUNTERSIGN_TEST_POSTGRES", "required"),
            ),
            "build" => {
                // Without the program nothing below means anything.
                process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
            }
            "http" => suite(&mut tally, "hostile and sloppy requests", Runner::Pytest, &mut pytest(&tools, &["http"])),
            "sdk" => {
                suite(&mut tally, "Python SDKs", Runner::Pytest, &mut pytest(&tools, &["python"]));
                suite(&mut tally, "Node SDKs", Runner::Node, &mut node(&tools)?);
            }
            "snippets" => {
                needs::compilers()?;
                let mut command = pytest(&tools, &["snippets"]);
                command.env("NODE", &tools.node).env("NODE_MODULES_FOLDER", &tools.modules);
                suite(&mut tally, "code on the explanation pages", Runner::Pytest, &mut command);
            }
            "run" => {
                // Node is one of the programs that are run there.
                let mut command = pytest(&tools, &["run"]);
                command.env("NODE", &tools.node).env("NODE_MODULES_FOLDER", &tools.modules);
                suite(&mut tally, "run and trust", Runner::Pytest, &mut command);
            }
            "portal" => {
                suite(&mut tally, "portal in Chromium", Runner::Node, &mut portal(&tools)?);
                let mut pages = Command::new(&tools.python);
                pages.arg("scale.py").args(["--applications", "2000", "--rows", "20000"]);
                suite(&mut tally, "portal over a filled store", Runner::Status, in_portal(&mut pages, &tools));
            }
            "clients" => clients(&mut tally, &tools),
            "credentials" => {
                let (module, modules) = match needs::credentials() {
                    Ok(found) => found,
                    Err(error) => {
                        tally.fault("every kind of credential", &format!("{error:#}"));
                        continue;
                    }
                };
                let mut command = pytest(&tools, &["credentials"]);
                command.env("NODE", &tools.node).env("OIDC_MODULES_FOLDER", &modules).env("SOFTHSM_MODULE", &module);
                suite(&mut tally, "every kind of credential", Runner::Pytest, &mut command);
            }
            "agent" => {
                let mut command = pytest(&tools, &["agent"]);
                command.env("NODE", &tools.node).env("NODE_MODULES_FOLDER", &tools.modules);
                suite(&mut tally, "the agent", Runner::Pytest, &mut command);
            }
            "soak" => suite(&mut tally, "soak", Runner::Status, &mut itself(&["soak", "--seconds", "60"])?),
            "watch" => {
                needs::promtool()?;
                suite(&mut tally, "traces and metrics", Runner::Pytest, &mut pytest(&tools, &["watch"]));
            }
            "kill" => suite(&mut tally, "kill -9", Runner::Pytest, &mut pytest(&tools, &["kill"])),
            "cases" => cases(&mut tally, &tools),
            "bench" => {
                for (name, what) in [("tokens", "token"), ("the doctor", "doctor"), ("the client", "client")] {
                    let name = format!("short benchmark of {name}");
                    suite(&mut tally, &name, Runner::Status, &mut itself(&["bench", what, "--short"])?);
                }
            }
            "wasm" => suite(&mut tally, "the doctor in WebAssembly", Runner::Node, &mut itself(&["wasm", "--test"])?),
            "package" => packages(&mut tally, &tools),
            _ => suite(&mut tally, "fuzz targets", Runner::Status, &mut itself(&["fuzz", "--seconds", "20"])?),
        }
    }
    if !tally.close() {
        bail!("not everything passed");
    }
    Ok(())
}

fn wanted(arguments: &[String]) -> Result<Vec<String>> {
    match arguments {
        [] => Ok(STEPS.iter().map(|step| (*step).to_owned()).collect()),
        [flag, names] if flag == "--only" => {
            let names: Vec<String> = names.split(',').map(str::to_owned).collect();
            if let Some(unknown) = names.iter().find(|name| !STEPS.contains(&name.as_str())) {
                bail!("there is no step `{unknown}`; steps are {}", STEPS.join(", "));
            }
            Ok(names)
        }
        _ => bail!("test takes `--only STEP,…`, nothing else"),
    }
}

fn suite(tally: &mut Tally, name: &str, runner: Runner, command: &mut Command) {
    let mut count = Count::default();
    match process::run_lines(command, |line| count.read(runner, line)) {
        Ok(status_ok) => tally.add(name, runner, count, status_ok),
        Err(error) => tally.fault(name, &format!("{error:#}")),
    }
}

/// pytest over folders of `e2e`, leaving nothing behind in the checkout.
fn pytest(tools: &Tools, folders: &[&str]) -> Command {
    let mut command = Command::new(&tools.python);
    command
        .args(["-m", "pytest", "--quiet", "--tb=short"])
        .args(folders)
        .current_dir(process::root().join("e2e"))
        .env("PYTHONPYCACHEPREFIX", &tools.bytecode)
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .env("COUNTERSIGN_BIN", binary());
    command
}

/// Every real client against the service; what they reported must be what the page says.
fn clients(tally: &mut Tally, tools: &Tools) {
    let programs = match needs::clients() {
        Ok(programs) => programs,
        Err(error) => return tally.fault("real clients", &format!("{error:#}")),
    };
    let mut command = pytest(tools, &["clients"]);
    command
        .env("NODE", &tools.node)
        .env("NODE_MODULES_FOLDER", &tools.modules)
        .env("E2E_PROGRAMS_FOLDER", &programs.modules)
        .env("E2E_AZ", &programs.az)
        .env("E2E_AZURE_IDENTITY_CRATE", &programs.azure_identity)
        .env("E2E_CLIENTS_RESULTS", clients::results());
    suite(tally, "real clients", Runner::Pytest, &mut command);
    if let Err(error) = clients::run(&[]) {
        tally.fault("docs/clients.md", &format!("{error:#}"));
    }
}

/// What is handed to others, installed and run as they would: the static program in an empty root, the Debian package in a system
/// of its own, the units and manifests before their judges.
fn packages(tally: &mut Tally, tools: &Tools) {
    let name = "packages, installed and run";
    let made = || -> Result<Command> {
        let judges = needs::packaging()?;
        let mut command = pytest(tools, &["package"]);
        command
            .env("E2E_STATIC_PROGRAM", package::static_program()?)
            .env("E2E_DEBIAN_PACKAGE", package::debian_package()?)
            .env("E2E_DEBIAN_ROOT", &judges.debian_root)
            .env("E2E_JUDGES", &judges.programs);
        Ok(command)
    };
    match made() {
        Ok(mut command) => suite(tally, name, Runner::Pytest, &mut command),
        Err(error) => tally.fault(name, &format!("{error:#}")),
    }
}

/// Node's own runner over every `*.test.mjs`, under a service that is there before Node starts.
fn node(tools: &Tools) -> Result<Command> {
    let folder = process::root().join("e2e/node");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    let mut command = Command::new(&tools.python);
    command
        .arg("start.py")
        .arg(&tools.node)
        // One file at a time: the suites read the service's count of requests.
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(files)
        .current_dir(folder)
        .env("PYTHONPYCACHEPREFIX", &tools.bytecode)
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .env("NODE_MODULES_FOLDER", &tools.modules)
        .env("COUNTERSIGN_BIN", binary());
    Ok(command)
}

/// The portal's browser tests. Attacks come last: one of them makes this address wait.
fn portal(tools: &Tools) -> Result<Command> {
    let mut command = Command::new(&tools.python);
    command
        .arg("../node/start.py")
        .arg(&tools.node)
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1", "pages.test.mjs", "attacks.test.mjs"])
        .env("PORTAL_MODULES_FOLDER", needs::portal_modules()?);
    in_portal(&mut command, tools);
    Ok(command)
}

fn in_portal<'a>(command: &'a mut Command, tools: &Tools) -> &'a mut Command {
    command
        .current_dir(process::root().join("e2e/portal"))
        .env("PYTHONPYCACHEPREFIX", &tools.bytecode)
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .env("COUNTERSIGN_BIN", binary())
}

/// The worked cases for the doctor, where a checkout has them beside it. The repository's own cases run under `cargo test`.
fn cases(tally: &mut Tally, tools: &Tools) {
    let folder = process::root().join("../shared/cases/doctor");
    if !folder.join("score.py").is_file() {
        println!("no worked cases beside this checkout; its own ran under `cargo test`");
        return;
    }
    let layers = "thumbprint,registration,certificate validity,algorithm,time";
    suite(
        tally,
        "worked cases",
        Runner::Status,
        Command::new(&tools.python)
            .arg(folder.join("score.py"))
            .arg("--bin")
            .arg(binary())
            .arg("--cases")
            .arg(&folder)
            .args(["--layer", layers])
            .args([
                "--min-top1",
                "0.95",
                "--min-certainty",
                "0.95",
                "--min-clean",
                "0.95",
                "--min-honesty",
                "1",
                "--jobs",
                "2",
            ]),
    );
}

/// This program again, so that a task's own words come line by line like any other suite's.
fn itself(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).current_dir(process::root());
    Ok(command)
}

/// The released program.
pub fn binary() -> PathBuf {
    process::target().join("release/countersign")
}
