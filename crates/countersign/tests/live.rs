//! The commands against a running service: the released program started as people start it, driven as scripts drive it.
//!
//! Each test has a service, a folder and a port of its own. What they print is held against keys, secrets and tokens.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed, and says where")]

#[cfg(unix)]
#[path = "live/exporter.rs"]
mod exporter;
#[cfg(unix)]
#[path = "live/rotation.rs"]
mod rotation;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("AZURE_")
            || name.starts_with("COUNTERSIGN_")
            || name.to_ascii_lowercase().ends_with("_proxy")
        {
            command.env_remove(name);
        }
    }
    command.env("NO_COLOR", "1").env("COLUMNS", "80").stdin(Stdio::null());
    command
}

/// A service that lives as long as this value.
struct Service {
    folder: tempfile::TempDir,
    child: Child,
}

impl Service {
    fn start(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = program()
            .current_dir(folder.path())
            .args(["serve", "--listen", "127.0.0.1:0", "--ready-file", "ready.json"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let service = Self { folder, child };
        service.ok(&["wait", "--ready-file", "ready.json", "--timeout", "20"]);
        service
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        program()
            .current_dir(self.folder.path())
            .env("COUNTERSIGN_READY_FILE", "ready.json")
            .args(args)
            .output()
            .unwrap()
    }

    /// Runs a command that must succeed, and answers its stdout without the last line end.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}\n{}", output.status, err(&output));
        out(&output).trim_end().to_owned()
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.ok(args)).unwrap()
    }

    /// Runs a command that must fail with this status, and answers its stderr.
    fn fails(&self, status: i32, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {}\n{}", out(&output), err(&output));
        err(&output)
    }

    /// Ends the service as an operating system does.
    #[cfg(unix)]
    fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A registered application with a certificate: its id.
fn payroll(service: &Service) -> String {
    service.ok(&["cert", "new", "payroll", "--pfx"]);
    service.ok(&["app", "create", "Payroll", "--certificate", "payroll.cert.pem"])
}

#[test]
fn demo_ends_well_in_ten_seconds_and_fits_eighty_columns() {
    let began = Instant::now();
    let output = program().arg("demo").output().unwrap();
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let text = out(&output);
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    assert!(text.contains("verified") && text.matches("AADSTS700027").count() >= 5, "{text}");
    for secret in ["PRIVATE KEY", "eyJ"] {
        assert!(!text.contains(secret), "{text}");
    }
    let json = program().args(["demo", "--format", "json"]).output().unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["verified"], true);
    assert!(json["cases"].as_array().unwrap().iter().all(|c| c["finding"]["certainty"] == "proven"));
}

#[test]
fn tokens_by_certificate_in_every_file_format_and_output() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    let get = |more: &[&str]| {
        let mut args = vec!["token", "get", "--client-id", &id];
        args.extend(more);
        service.ok(&args)
    };
    let token = get(&["--cert", "payroll.cert.pem", "--key", "payroll.key.pem", "--format", "value"]);
    assert_eq!(token.split('.').count(), 3);
    let json: Value = serde_json::from_str(&get(&["--cert", "payroll.pfx"])).unwrap();
    assert_eq!(json["tokenType"], "Bearer");
    assert!(json["expiresOn"].as_str().unwrap().ends_with('Z') && json["expires_on"].is_i64(), "{json}");
    let header =
        get(&["--cert", "payroll.pfx", "--alg", "RS256", "--key-id", "x5t", "--send-chain", "--format", "header"]);
    assert!(header.starts_with("Authorization: Bearer eyJ"));
    // The same endpoint as a server that is no Entra: its URL, and nothing derived from it.
    let ready: Value = serde_json::from_slice(&std::fs::read(service.path("ready.json")).unwrap()).unwrap();
    let url = format!("{}/oauth2/v2.0/token", ready["authority"].as_str().unwrap());
    let scope = "https://vault.azure.net/.default";
    let other = get(&["--cert", "payroll.pfx", "--token-url", &url, "--scope", scope, "--format", "value"]);
    assert_eq!(other.split('.').count(), 3);
    let line = get(&["--cert", "payroll.pfx", "--format", "env"]);
    assert!(line.starts_with("COUNTERSIGN_ACCESS_TOKEN='eyJ") && line.ends_with('\''));
}

#[test]
fn the_variables_of_azure_identity_are_enough() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    let ready: Value = serde_json::from_slice(&std::fs::read(service.path("ready.json")).unwrap()).unwrap();
    let output = program()
        .current_dir(service.folder.path())
        .env("AZURE_AUTHORITY_HOST", ready["url"].as_str().unwrap())
        .env("AZURE_TENANT_ID", ready["tenant"].as_str().unwrap())
        .env("AZURE_CLIENT_ID", &id)
        .env("AZURE_CLIENT_CERTIFICATE_PATH", "payroll.pfx")
        .env("SSL_CERT_FILE", ready["ca_file"].as_str().unwrap())
        .args(["token", "get", "--format", "value"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).starts_with("eyJ"));
}

#[test]
fn a_refusal_is_status_1_with_the_reason_on_stderr_and_nothing_on_stdout() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    service.ok(&["cert", "new", "stranger"]);
    let args = ["token", "get", "--client-id", &id, "--cert", "stranger.cert.pem", "--key", "stranger.key.pem"];
    let output = service.run(&args);
    assert_eq!((output.status.code(), out(&output)), (Some(1), String::new()));
    let text = err(&output);
    assert!(text.starts_with("refused: AADSTS700027 invalid_client (HTTP 401)"), "{text}");
    assert!(text.contains("Correlation ID"), "{text}");
    let assertion = service.ok(&["assertion", "make", "--client-id", &id, "--cert", "payroll.pfx"]);
    assert!(!text.contains(&assertion[..40]) && !text.contains("PRIVATE"), "{text}");

    let wrong_tenant = ["token", "get", "--client-id", &id, "--cert", "payroll.pfx", "--tenant", "nowhere.example"];
    assert!(service.fails(1, &wrong_tenant).contains("AADSTS90002"));
    let secret = service.path("secret");
    std::fs::write(&secret, "no-such-secret").unwrap();
    let text = service.fails(1, &["token", "get", "--client-id", &id, "--secret-file", "secret"]);
    assert!(text.contains("AADSTS7000215") && !text.contains("no-such-secret"), "{text}");
}

#[test]
fn a_ca_that_nobody_trusts_is_status_5() {
    let service = Service::start(&[]);
    let ready: Value = serde_json::from_slice(&std::fs::read(service.path("ready.json")).unwrap()).unwrap();
    // Elsewhere: in the service's folder its CA would be found.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(elsewhere.path().join("secret"), "x").unwrap();
    let output = program()
        .current_dir(elsewhere.path())
        .args([
            "token",
            "get",
            "--client-id",
            "app",
            "--tenant",
            "contoso.example",
            "--secret-file",
            "secret",
            "--timeout",
            "2",
        ])
        .args(["--authority", ready["url"].as_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", err(&output));
    assert!(err(&output).contains("UnknownIssuer"), "{}", err(&output));
}

#[test]
fn credentials_are_added_beside_the_old_ones_and_the_last_one_stays() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    service.ok(&["cert", "new", "next"]);
    service.ok(&["credential", "add", &id, "--certificate", "next.cert.pem"]);
    service.fails(3, &["credential", "add", &id, "--certificate", "next.cert.pem"]);
    for name in ["payroll", "next"] {
        let (cert, key) = (format!("{name}.cert.pem"), format!("{name}.key.pem"));
        service.ok(&["token", "get", "--client-id", &id, "--cert", &cert, "--key", &key]);
    }
    service.ok(&["credential", "add", "Payroll", "--secret", "--secret-out", "secret", "--days", "10"]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(service.path("secret")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    service.ok(&["token", "get", "--client-id", &id, "--secret-file", "secret"]);

    let list = service.json(&["credential", "list", &id, "--format", "json"]);
    let entries = list.as_array().unwrap();
    assert_eq!(entries.len(), 3);
    let due = service.fails(1, &["credential", "check-expiry", &id, "--within", "30d"]);
    assert!(due.starts_with("1 of 3 credentials"), "{due}");
    service.ok(&["credential", "check-expiry", "--within", "2d"]);

    let key_id = |name: &str| {
        let entry = entries.iter().find(|e| e["displayName"] == name).unwrap();
        entry["keyId"].as_str().unwrap().to_owned()
    };
    // It got a token a moment ago, as the service's sign-in log says.
    assert!(
        service.fails(3, &["credential", "remove", &id, &key_id("payroll")]).contains("is in use, last for a token")
    );
    service.ok(&["credential", "remove", &id, &key_id("payroll"), "--force"]);
    // What was removed works no more, on the next request.
    let args = ["token", "get", "--client-id", &id, "--cert", "payroll.pfx"];
    assert!(service.fails(1, &args).contains("AADSTS700027"));
    service.ok(&["credential", "remove", &id, &key_id("countersign"), "--force"]);
    // One that nobody used goes without a word.
    service.ok(&["credential", "add", &id, "--secret", "--name", "spare", "--secret-out", "spare"]);
    let list = service.json(&["credential", "list", &id, "--format", "json"]);
    let spare = list.as_array().unwrap().iter().find(|e| e["displayName"] == "spare").unwrap();
    service.ok(&["credential", "remove", &id, spare["keyId"].as_str().unwrap()]);
    assert!(service.fails(3, &["credential", "remove", &id, &key_id("next")]).contains("last usable"));
    service.ok(&["credential", "remove", &id, &key_id("next"), "--force"]);
    service.ok(&["app", "delete", &id, "--yes"]);
    assert!(service.fails(1, &["app", "show", &id]).contains("there is no application"));
}

#[test]
fn a_file_with_the_private_key_registers_the_certificate_only() {
    let service = Service::start(&[]);
    service.ok(&["cert", "new", "payroll", "--pfx"]);
    let id = service.ok(&["app", "create", "Payroll", "--certificate", "payroll.pfx"]);
    service.ok(&["token", "get", "--client-id", &id, "--cert", "payroll.pfx"]);
    let key = std::fs::read_to_string(service.path("payroll.key.pem")).unwrap();
    let line = key.lines().nth(3).unwrap();
    for text in
        [service.ok(&["app", "show", &id, "--format", "json"]), std::fs::read_to_string(service.path("log")).unwrap()]
    {
        assert!(!text.contains(line));
    }
}

#[cfg(unix)]
#[test]
fn a_directory_goes_through_a_file_and_back() {
    let service = Service::start(&["--data", "first"]);
    let id = payroll(&service);
    let folder = service.folder.path().to_owned();
    // One process a folder: an export beside a running service is refused, not half right.
    service.fails(2, &["state", "export", "x.json", "--data", "first"]);
    let keep = tempfile::tempdir().unwrap();
    let copy = |name: &str| std::fs::copy(folder.join(name), keep.path().join(name)).unwrap();
    copy("payroll.pfx");
    let moved = keep.path().join("first");
    let service_folder = service.folder.path().join("first");
    let mut service = service;
    let pid = service.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(service.child.wait().unwrap().code(), Some(0), "SIGTERM ends it in good order");
    std::fs::rename(service_folder, &moved).unwrap();

    let run = |args: &[&str]| program().current_dir(keep.path()).args(args).output().unwrap();
    let ok = |args: &[&str]| {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {}", err(&output));
        out(&output)
    };
    ok(&["state", "export", "state.json", "--data", "first"]);
    let text = std::fs::read_to_string(keep.path().join("state.json")).unwrap();
    assert!(text.contains(&id));
    ok(&["state", "import", "state.json", "--data", "second"]);
    assert_eq!(
        run(&["state", "import", "state.json", "--data", "second"]).status.code(),
        Some(2),
        "not over what is there"
    );
    let again = ok(&["state", "export", "--data", "second"]);
    assert!(again.contains(&id));
    // Keys travel only under a passphrase, and only the right one opens them.
    for (name, passphrase) in [("right", "correct horse battery"), ("wrong", "another horse entirely")] {
        std::fs::write(keep.path().join(name), passphrase).unwrap();
    }
    let with_keys = ["state", "export", "keys.json", "--with-keys", "--passphrase-file", "right", "--data", "first"];
    ok(&with_keys);
    let text = std::fs::read_to_string(keep.path().join("keys.json")).unwrap();
    assert!(!text.contains("PRIVATE KEY") && !text.contains("correct horse"));
    let import =
        |passphrase: &str| run(&["state", "import", "keys.json", "--passphrase-file", passphrase, "--data", "third"]);
    assert_eq!(import("wrong").status.code(), Some(2));
    assert_eq!(import("right").status.code(), Some(0), "{}", err(&import("right")));
    ok(&["state", "reset", "--yes", "--data", "second"]);
    assert!(!ok(&["state", "export", "--data", "second"]).contains(&id));
}

#[cfg(unix)]
#[test]
fn sigterm_ends_a_service_with_status_0() {
    assert_eq!(Service::start(&[]).end(), Some(0));
}

#[test]
fn settings_come_from_flag_environment_file_default_in_that_order() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("countersign.toml"), "listen = \"127.0.0.1:1\"\nmode = \"production\"\n")
        .unwrap();
    let output = program()
        .current_dir(folder.path())
        .env("COUNTERSIGN_LISTEN", "127.0.0.1:2")
        .env("COUNTERSIGN_DATA", "here")
        .env("COUNTERSIGN_LISSTEN", "x")
        .args(["config", "show", "--origin", "--data", "there", "--format", "json"])
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let origin = |name: &str| json[name]["origin"].as_str().unwrap().to_owned();
    assert_eq!(origin("listen"), "COUNTERSIGN_LISTEN");
    assert_eq!(origin("data"), "--data");
    assert_eq!(origin("mode"), "countersign.toml:2");
    assert_eq!(origin("tls"), "default");
    let warnings = err(&output);
    assert!(warnings.contains("COUNTERSIGN_LISSTEN") && warnings.lines().count() == 1, "{warnings}");
}

#[test]
fn what_is_no_key_file_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| program().current_dir(folder.path()).args(args).output().unwrap();
    assert!(run(&["cert", "new", "a"]).status.success());
    let again = run(&["cert", "new", "a"]);
    assert_eq!(again.status.code(), Some(3));
    assert!(err(&again).contains("a.key.pem") && err(&again).contains("--force"), "{}", err(&again));
    let before = std::fs::read(folder.path().join("a.key.pem")).unwrap();
    assert!(run(&["cert", "new", "a", "--force"]).status.success());
    assert_ne!(std::fs::read(folder.path().join("a.key.pem")).unwrap(), before);
    assert_eq!(files(folder.path()), ["a.cert.pem", "a.key.pem"]);
    // A folder that cannot be written leaves nothing behind.
    let missing = run(&["cert", "new", "b", "--out", "no/such/b"]);
    assert_eq!(missing.status.code(), Some(2), "{}", err(&missing));
    assert_eq!(files(folder.path()), ["a.cert.pem", "a.key.pem"]);
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_doctor_asks_only_when_told_to_and_judges_by_what_comes_back() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    let cert = ["--cert", "payroll.cert.pem", "--key", "payroll.key.pem"];
    // An assertion as people make it wrong: the thumbprint's hex text instead of its bytes. Made by hand, unsigned is enough.
    let ready: Value = serde_json::from_slice(&std::fs::read(service.path("ready.json")).unwrap()).unwrap();
    let token_url = format!("{}/oauth2/v2.0/token", ready["authority"].as_str().unwrap());
    let shown = service.json(&["cert", "show", "payroll.cert.pem", "--format", "json"]);
    let sha1 = shown[0]["sha1"]["hex"].as_str().unwrap();
    let soon = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 600;
    let segment = |json: String| countersign_core::encoding::encode_base64url(json.as_bytes());
    let wrong = format!(
        "{}.{}.",
        segment(format!(
            r#"{{"alg":"RS256","typ":"JWT","x5t":"{}"}}"#,
            countersign_core::encoding::encode_base64url(sha1.as_bytes())
        )),
        segment(format!(r#"{{"aud":"{token_url}","iss":"{id}","sub":"{id}","jti":"1","exp":{soon}}}"#)),
    );
    std::fs::write(service.path("wrong.jwt"), &wrong).unwrap();

    let mut args = vec!["doctor", "wrong.jwt", "--live", "--client-id", &id, "--format", "json"];
    args.extend(cert);
    let output = service.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}{}", out(&output), err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["live"]["answer"], "accepted", "{report:#}");
    assert_eq!(report["live"]["registration"], "read", "{report:#}");
    assert_eq!(report["findings"][0]["code"], "thumbprint-hex-not-decoded", "{report:#}");
    assert_eq!(report["findings"][0]["certainty"], "proven", "{report:#}");
    let differences = report["live"]["differences"].to_string();
    assert!(differences.contains("header/alg") && differences.contains("header/x5t"), "{differences}");
    assert!(!differences.contains("claims/"), "the claims were right: {differences}");

    // The certificate is taken off the registration: now the right assertion is refused too, and Graph shows why.
    let key = service.json(&["credential", "list", &id, "--format", "json"]);
    let key_id = key[0]["keyId"].as_str().unwrap();
    service.ok(&["cert", "new", "other"]);
    service.ok(&["credential", "add", &id, "--certificate", "other.cert.pem"]);
    service.ok(&["credential", "remove", &id, key_id, "--force"]);
    let mut args = vec!["doctor", "--live", "--client-id", &id, "--format", "json"];
    args.extend(cert);
    let output = service.run(&args);
    assert_eq!(output.status.code(), Some(1), "{}{}", out(&output), err(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&report["live"]["answer"], &report["live"]["aadsts"][0]),
        (&"refused".into(), &700_027.into()),
        "{report:#}"
    );
    assert_eq!(report["live"]["registration"], "read", "{report:#}");
    let codes: Vec<&str> = report["findings"].as_array().unwrap().iter().filter_map(|f| f["code"].as_str()).collect();
    assert!(codes.contains(&"cert-not-registered"), "{report:#}");

    // Its words for people give nothing away, and without --live nothing is asked.
    args.truncate(4);
    args.extend(cert);
    let output = service.run(&args);
    let text = out(&output);
    assert!(text.contains("refused: AADSTS700027") && text.contains("registration: read"), "{text}");
    assert!(!text.contains("PRIVATE KEY") && !text.contains("eyJ"), "{text}");
    let output = service.run(&["doctor", "wrong.jwt", "--cert", "payroll.cert.pem"]);
    assert_eq!(output.status.code(), Some(3), "flags of --live need it: {}", err(&output));
    assert!(!out(&service.run(&["doctor", "wrong.jwt"])).contains("asked "));
}
