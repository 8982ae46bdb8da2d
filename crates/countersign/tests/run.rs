//! `run` with this program's own client as the command: what needs nothing but Rust. `e2e/run` has the real SDKs.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed, and says where")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

const TENANT: &str = "5f2c1a7e-0000-4000-8000-0000000000a1";
const CLIENT: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

/// The program, in a folder, with a temporary folder of its own and nothing of the surroundings.
fn run(folder: &Path, args: &[&str]) -> Output {
    let temporary = folder.join("tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("azure_") || lower.starts_with("countersign_") || lower.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.current_dir(folder).env("NO_COLOR", "1").env("TMPDIR", temporary).stdin(Stdio::null());
    command.args(args).output().unwrap()
}

fn texts(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_client_with_nothing_but_its_credential_gets_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let f = folder.path();
    assert!(run(f, &["cert", "new", "payroll"]).status.success());
    std::fs::write(
        f.join("seed.yaml"),
        format!(
            "tenants:\n- tenantId: {TENANT}\n  applications:\n  - {{ appId: {CLIENT}, displayName: Payroll, \
             certificateFiles: [payroll.cert.pem] }}\n"
        ),
    )
    .unwrap();
    let both = ["payroll.cert.pem", "payroll.key.pem"].map(|n| std::fs::read_to_string(f.join(n)).unwrap()).concat();
    std::fs::write(f.join("both.pem"), both).unwrap();
    let program = env!("CARGO_BIN_EXE_countersign");
    let token = [program, "token", "get", "--tenant", TENANT, "--client-id", CLIENT, "--cert", "both.pem"];

    let got = run(f, &[&["run", "--seed", "seed.yaml", "--"], &token[..]].concat());
    assert!(got.status.success() && texts(&got).contains("\"accessToken\": \"eyJ"), "{}", texts(&got));
    // The command's status is the status: this service knows no such application.
    let refused = run(f, &[&["run", "--"], &token[..]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(texts(&refused).contains("AADSTS"), "{}", texts(&refused));
    // A run inside a run uses the service that is there.
    let inside = run(f, &[&["run", "--seed", "seed.yaml", "--", program, "run", "--"], &token[..]].concat());
    assert!(inside.status.success() && texts(&inside).contains("\"accessToken\": \"eyJ"), "{}", texts(&inside));
    assert_eq!(std::fs::read_dir(f.join("tmp")).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn what_a_command_left_behind_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let f = folder.path();
    let ended = run(f, &["run", "--", "sh", "-c", "setsid sleep 300 & echo $! > pid; ls -ld \"$TMPDIR\"/*; exit 4"]);
    assert_eq!(ended.status.code(), Some(4));
    // Programs run a script from there: it is nobody else's.
    assert!(texts(&ended).starts_with("drwx------"), "{}", texts(&ended));
    let pid = std::fs::read_to_string(f.join("pid")).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    assert!(stat.is_empty() || stat.contains(") Z "), "still there: {stat}");
}
