//! `cargo xtask fuzz`: every fuzz target for a while. A crash is an error; its input belongs among the regressions.
//!
//! Called by people and by `ci`. Plain stable Rust: the coverage that libFuzzer needs comes from flags that stable takes, and
//! since all that is fuzzed is safe Rust, no sanitizer (which would need nightly) is missed. See `docs/fuzzing.md`.

mod seeds;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context, Result, bail, ensure};

use crate::process;

/// What cargo-fuzz passes as well, without the sanitizer: counters for each edge, a table of them, operands of comparisons.
const FLAGS: &[&str] = &[
    "--cfg fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
/// Bytes of an input: certificates with chains and whole requests fit, and small inputs are tried more often.
const MAX_LENGTH: u64 = 16 << 10;
/// Seconds that one input may take: anything near it is endless work, a finding like a crash.
const INPUT_SECONDS: u32 = 10;

struct Plan {
    seconds: u32,
    jobs: usize,
    wanted: Vec<String>,
}

/// Runs the targets that the arguments name, all without names.
///
/// # Errors
/// When there is no such target, something does not build, or a target crashed.
pub fn run(arguments: &[String]) -> Result<()> {
    let plan = plan(arguments)?;
    let targets = targets()?;
    if let Some(unknown) = plan.wanted.iter().find(|name| !targets.contains(name)) {
        bail!("there is no fuzz target `{unknown}`; targets are {}", targets.join(", "));
    }
    let chosen: Vec<&String> =
        targets.iter().filter(|name| plan.wanted.is_empty() || plan.wanted.contains(name)).collect();
    let binaries = build(&chosen)?;
    let folder = process::target().join("fuzz");
    let pieces = seeds::collect()?;
    for name in &chosen {
        seeds::write(&folder.join("seeds").join(name), name, &pieces, MAX_LENGTH)?;
    }
    println!("{} targets, {} s each, {} at a time", chosen.len(), plan.seconds, plan.jobs);
    let queue = Mutex::new(chosen.iter());
    let crashed = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..plan.jobs.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(name) = queue.lock().ok().and_then(|mut queue| queue.next()) {
                    if let Err(error) = fuzz(&binaries.join(name), name, &folder, plan.seconds) {
                        eprintln!("{name}: {error:#}");
                        if let Ok(mut crashed) = crashed.lock() {
                            crashed.push(name.as_str());
                        }
                    }
                }
            });
        }
    });
    let crashed = crashed.into_inner().unwrap_or_default();
    ensure!(
        crashed.is_empty(),
        "crashed: {}; the inputs are in {}, `docs/fuzzing.md` says what to do with them",
        crashed.join(", "),
        folder.join("artifacts").display()
    );
    Ok(())
}

fn plan(arguments: &[String]) -> Result<Plan> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut plan = Plan { seconds: 20, jobs: cores, wanted: Vec::new() };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let mut number = || -> Result<u32> {
            let value = rest.next().with_context(|| format!("{argument} needs a number"))?;
            let number = value.parse().with_context(|| format!("{argument} {value}: not a whole number"))?;
            ensure!(number > 0, "{argument} {value}: at least 1");
            Ok(number)
        };
        match argument.as_str() {
            "--seconds" => plan.seconds = number()?,
            "--jobs" => plan.jobs = number()? as usize,
            flag if flag.starts_with('-') => bail!("fuzz takes `--seconds N`, `--jobs N` and targets, no `{flag}`"),
            name => plan.wanted.push(name.to_owned()),
        }
    }
    Ok(plan)
}

/// Builds the targets apart from everything else and answers the folder they are in.
fn build(chosen: &[&String]) -> Result<PathBuf> {
    let host =
        process::output("rustc", &["--print", "host-tuple"]).context("`rustc --print host-tuple` says nothing")?;
    let folder = process::target().join("fuzz");
    let mut command = process::cargo();
    // A named target keeps the flags away from build scripts and procedural macros.
    command.args(["build", "--release", "--locked", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    for name in chosen {
        command.args(["--bin", name]);
    }
    command.env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &folder);
    process::run(&mut command)?;
    Ok(folder.join(host).join("release"))
}

/// One target; what it prints goes to a file, its last words to the terminal.
fn fuzz(binary: &Path, name: &str, folder: &Path, seconds: u32) -> Result<()> {
    let corpus = folder.join("corpus").join(name);
    let artifacts = folder.join("artifacts").join(name);
    let logs = folder.join("logs");
    for each in [&corpus, &artifacts, &logs] {
        fs::create_dir_all(each).with_context(|| format!("cannot make {}", each.display()))?;
    }
    let path = logs.join(format!("{name}.log"));
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut command = Command::new(binary);
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={MAX_LENGTH}"),
        format!("-timeout={INPUT_SECONDS}"),
        "-rss_limit_mb=2048".to_owned(),
        "-print_final_stats=1".to_owned(),
        "-use_value_profile=1".to_owned(),
        format!("-artifact_prefix={}/", artifacts.display()),
    ]);
    // The first folder is the one that grows; the others are only read.
    command.arg(&corpus).arg(folder.join("seeds").join(name));
    let kept = process::root().join("fuzz/seeds").join(name);
    if kept.is_dir() {
        command.arg(kept);
    }
    let status = command
        .current_dir(process::root())
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
    if !status.success() {
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        bail!("ended with {status}\n{tail}\n(all of it: {})", path.display());
    }
    println!("{name}: {}", summary(&text));
    Ok(())
}

/// Runs, covered edges and corpus, from what libFuzzer printed last.
fn summary(log: &str) -> String {
    let runs = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:")).unwrap_or("?").trim();
    let done = log.lines().rev().find(|line| line.starts_with('#') && line.contains(" cov: ")).unwrap_or_default();
    let after = |mark: &str| done.split(mark).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or("?");
    format!("{runs} runs, {} edges, {} inputs in the corpus", after(" cov: "), after(" corp: "))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_or_refused() {
        let of = |arguments: &[&str]| plan(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let asked = of(&["--seconds", "600", "json", "--jobs", "1", "read"]).unwrap();
        assert_eq!((asked.seconds, asked.jobs, asked.wanted), (600, 1, vec!["json".to_owned(), "read".to_owned()]));
        for wrong in [&["--seconds"][..], &["--seconds", "soon"], &["--jobs", "0"], &["--hours", "1"]] {
            assert!(of(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_target_is_declared() {
        let manifest = fs::read_to_string(process::root().join("fuzz/Cargo.toml")).unwrap();
        let names = targets().unwrap();
        assert!(names.len() >= 10);
        for name in &names {
            assert!(
                manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")),
                "{name} is not in fuzz/Cargo.toml"
            );
        }
        assert_eq!(manifest.matches("[[bin]]").count(), names.len(), "a target without a file");
    }

    #[test]
    fn the_summary_is_read_from_libfuzzers_last_lines() {
        let log = "#2\tINITED cov: 1 ft: 2 corp: 1/1b\n#9\tDONE   cov: 812 ft: 3000 corp: 77/12Kb lim: 4\nstat::number_of_executed_units: 9\n";
        assert_eq!(summary(log), "9 runs, 812 edges, 77/12Kb inputs in the corpus");
    }
}
