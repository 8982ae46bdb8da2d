//! `cargo xtask bench doctor`: how long a diagnosis takes, in process and as a command, against the goals.
//!
//! In process by `crates/doctor/benches/diagnosis.rs`; the command is the released program over the same cases. What is held
//! against a goal is CPU time, so that a busy machine changes nothing; only the long form holds the command's wall time.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// What is measured, its goal in the unit of its name, and what it is called.
const GOALS: [(&str, f64, &str); 4] = [
    ("worst_us", 1_000.0, "slowest diagnosis in process, apart from key derivation (µs)"),
    ("registrations_ms", 1_000.0, "10,000 registrations read and matched (ms)"),
    ("passwords_ms", 2_000.0, "16 wrong passwords for the costliest of five key files (ms)"),
    ("command_us", 15_000.0, "the command from start to exit (µs)"),
];

/// Runs the benchmark; the short form is held against twice the goal.
///
/// # Errors
/// When something does not build or run, or takes longer than it may.
pub fn run(arguments: &[String]) -> Result<()> {
    let short = match arguments {
        [] => false,
        [flag] if flag == "--short" => true,
        _ => bail!("bench doctor takes `--short`, nothing else"),
    };
    let mut measured = in_process(short)?;
    process::run(process::cargo().args(["build", "--release", "--locked", "--package", "countersign"]))?;
    let (cpu, wall, count) = command(if short { 1 } else { 5 })?;
    let held = if short { cpu } else { wall };
    measured.insert("command_us".to_owned(), held.as_secs_f64() * 1e6);
    println!("the command, {count} runs: {:.2} ms of CPU each, {:.2} ms median from start to exit", ms(cpu), ms(wall));
    let slack = if short { 2.0 } else { 1.0 };
    let mut missed = Vec::new();
    println!();
    for (name, goal, words) in GOALS {
        let value = measured.get(name).with_context(|| format!("the benchmark did not print `{name}`"))?;
        println!("{words}: {value:.0}, goal {goal:.0}");
        if *value > goal * slack {
            missed.push(words);
        }
    }
    ensure!(missed.is_empty(), "over {slack} times the goal: {}", missed.join("; "));
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn in_process(short: bool) -> Result<HashMap<String, f64>> {
    let mut cargo = process::cargo();
    cargo.args(["bench", "--quiet", "--locked", "--package", "countersign-doctor", "--bench", "diagnosis", "--"]);
    if short {
        cargo.arg("--short");
    }
    let mut measured = HashMap::new();
    let ok = process::run_lines(&mut cargo, |line| {
        if let Some((name, value)) = line.split_once(' ')
            && let Ok(value) = value.parse()
        {
            measured.insert(name.to_owned(), value);
        }
    })?;
    ensure!(ok, "the benchmark in process failed");
    Ok(measured)
}

/// CPU of one run, median wall time, and how many there were: the released program over each case without a key file.
fn command(rounds: usize) -> Result<(Duration, Duration, usize)> {
    let program = process::target().join("release/countersign");
    let cases = cases()?;
    let before = children_cpu()?;
    let mut walls = Vec::new();
    for _ in 0..rounds {
        for (folder, arguments) in &cases {
            let began = Instant::now();
            let status = Command::new(&program)
                .arg("doctor")
                .args(arguments)
                .current_dir(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .with_context(|| format!("cannot run {}", program.display()))?;
            walls.push(began.elapsed());
            ensure!(matches!(status.code(), Some(0 | 1)), "{}: doctor ended with {status}", folder.display());
        }
    }
    let cpu = (children_cpu()? - before) / u32::try_from(walls.len())?;
    walls.sort();
    Ok((cpu, walls[walls.len() / 2], walls.len()))
}

/// CPU time of all children that ended, in the kernel's ticks of 10 ms: exact enough over hundreds of runs.
fn children_cpu() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat").context("no /proc: this benchmark needs Linux")?;
    // The second field may hold blanks; those behind it are numbered from 3. 16 and 17 are the children's.
    let fields: Vec<&str> = text.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    let ticks = |number: usize| -> Result<u64> { Ok(fields.get(number - 3).context("a short stat")?.parse()?) };
    Ok(Duration::from_millis(10 * (ticks(16)? + ticks(17)?)))
}

fn cases() -> Result<Vec<(PathBuf, Vec<String>)>> {
    let mut out = Vec::new();
    let mut open = vec![process::root().join("crates/doctor/tests/cases")];
    while let Some(folder) = open.pop() {
        let about = folder.join("case.json");
        if about.is_file() {
            let json: serde_json::Value = serde_json::from_slice(&fs::read(&about)?)?;
            let texts = |name: &str| {
                let list = json[name].as_array().into_iter().flatten();
                list.filter_map(|text| text.as_str().map(str::to_owned)).collect::<Vec<_>>()
            };
            // Passwords mean key derivation, which is measured by itself.
            let arguments = [texts("files"), texts("args")].concat();
            if !arguments.iter().any(|argument| argument == "--password") {
                out.push((folder, arguments));
            }
            continue;
        }
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    ensure!(out.len() > 200, "the cases are not where they were");
    Ok(out)
}
