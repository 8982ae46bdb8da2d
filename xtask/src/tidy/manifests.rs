//! Who may import whom, by the dependencies in each `Cargo.toml`; and that every crate takes the shared lints.

use super::Fault;
use super::files::Tree;

/// A crate's folder, the crates of ours it may use outside tests, and what it must not use at all.
struct Rule {
    folder: &'static str,
    ours: &'static [&'static str],
    never: &'static [&'static str],
}

/// Anything with a clock, randomness, threads of its own, files or a network: the pure crates get these as arguments.
const IMPURE: &[&str] = &[
    "tokio",
    "async-std",
    "rand",
    "getrandom",
    "jiff",
    "chrono",
    "time",
    "reqwest",
    "hyper",
    "axum",
    "sqlx",
    "tracing",
    "tempfile",
    "walkdir",
    "rayon",
];

const RULES: &[Rule] = &[
    Rule { folder: "core", ours: &[], never: IMPURE },
    Rule { folder: "doctor", ours: &["countersign-core"], never: IMPURE },
    Rule { folder: "wasm", ours: &["countersign-core", "countersign-doctor"], never: &["tokio", "sqlx", "axum"] },
    Rule { folder: "wire", ours: &[], never: &["sqlx", "axum", "clap"] },
    Rule { folder: "client", ours: &["countersign-core", "countersign-doctor"], never: &["sqlx", "axum"] },
    Rule {
        folder: "agent",
        ours: &["countersign-core", "countersign-client", "countersign-wire"],
        never: &["sqlx", "axum", "clap"],
    },
    Rule { folder: "server", ours: &["countersign-core", "countersign-doctor", "countersign-wire"], never: &["clap"] },
    Rule { folder: "testkit", ours: &["countersign-core"], never: &["sqlx", "axum", "clap"] },
    Rule {
        folder: "countersign",
        ours: &[
            "countersign-core",
            "countersign-doctor",
            "countersign-client",
            "countersign-agent",
            "countersign-server",
            "countersign-wire",
        ],
        never: &["sqlx", "axum"],
    },
];

pub fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.files.iter().filter(|file| is_crate(&file.path)) {
        let folder = file.path.trim_start_matches("crates/").trim_end_matches("/Cargo.toml");
        let Some(rule) = RULES.iter().find(|rule| rule.folder == folder) else {
            faults.push(Fault::new(
                &file.path,
                "a crate without import rules: give it a row in xtask/src/tidy/manifests.rs",
            ));
            continue;
        };
        for (line, section, name) in dependencies(&file.text) {
            let in_tests_only = section.ends_with("dev-dependencies");
            let ours = name.starts_with("countersign-");
            if ours && !in_tests_only && !rule.ours.contains(&name) {
                faults.push(Fault::at(
                    &file.path,
                    line,
                    format!("{folder} must not import {name} (docs/ARCHITECTURE.md, the crates)"),
                ));
            }
            if !in_tests_only && rule.never.contains(&name) {
                faults.push(Fault::at(&file.path, line, format!("{folder} must not use {name}")));
            }
        }
        if !file.text.contains("[lints]\nworkspace = true") {
            faults
                .push(Fault::new(&file.path, "does not take the shared lints: add `[lints]` with `workspace = true`"));
        }
    }
    faults
}

fn is_crate(path: &str) -> bool {
    path.starts_with("crates/") && path.ends_with("/Cargo.toml") && path.matches('/').count() == 2
}

/// Line, section and name of each dependency. Our manifests give one dependency a line, or a section.
fn dependencies(text: &str) -> Vec<(usize, &str, &str)> {
    let mut found = Vec::new();
    let mut section = "";
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            if let Some((parent, name)) = name.rsplit_once("dependencies.") {
                found.push((number, if parent.ends_with("dev-") { "dev-dependencies" } else { "dependencies" }, name));
            }
        } else if section.ends_with("dependencies")
            && !line.starts_with('#')
            && let Some((name, _)) = line.split_once('=')
        {
            let name = name.trim();
            found.push((number, section, name.split_once('.').map_or(name, |(name, _)| name)));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINTS: &str = "\n[lints]\nworkspace = true\n";

    fn faults(folder: &str, manifest: &str) -> Vec<String> {
        let path = format!("crates/{folder}/Cargo.toml");
        check(&Tree::of(&[(&path, &format!("{manifest}{LINTS}"))])).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn core_imports_none_of_ours_and_no_clock() {
        assert_eq!(faults("core", "[dependencies]\nsha2.workspace = true\n"), [""; 0]);
        assert_eq!(faults("core", "[dependencies]\ncountersign-doctor.workspace = true\n").len(), 1);
        assert_eq!(faults("core", "[dependencies]\njiff = { workspace = true }\n"), ["core must not use jiff"]);
        assert_eq!(faults("core", "[dependencies.tokio]\nversion = \"1\"\n"), ["core must not use tokio"]);
    }

    #[test]
    fn tests_may_use_more() {
        assert_eq!(faults("core", "[dev-dependencies]\ncountersign-testkit.workspace = true\nrand = \"1\"\n"), [""; 0]);
    }

    #[test]
    fn every_crate_has_rules_and_lints() {
        assert_eq!(faults("another", "").len(), 1);
        assert_eq!(check(&Tree::of(&[("crates/core/Cargo.toml", "")])).len(), 1);
    }
}
