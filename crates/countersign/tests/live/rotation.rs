//! `credential rotate` against a running service: killed anywhere and run again, two at once, by each authorisation, in each form.
//!
//! While rotations are killed, two askers want tokens without a pause: one reads the file anew each time, as a script does, and one
//! keeps it open as a service does. Neither may ever be refused.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use countersign_client::{
    AssertionStyle, Authority, CertificateCredential, Credential, RotatingCertificate, TokenClient, TokenClientOptions,
};
use serde_json::{Value, json};

use super::{Service, err, files, out, program};

const SCOPE: &str = "https://graph.microsoft.com/.default";

/// A service with an application whose certificate and key are in `NAME.pem`; its id.
fn application(service: &Service, name: &str) -> String {
    service.ok(&["cert", "new", name, "--days", "20"]);
    let id = service.ok(&["app", "create", name, "--certificate", &format!("{name}.cert.pem")]);
    one_file(service, name, &format!("{name}.pem"));
    id
}

/// Puts key and certificate into one private file.
fn one_file(service: &Service, name: &str, file: &str) {
    let part = |ending: &str| std::fs::read_to_string(service.path(&format!("{name}.{ending}.pem"))).unwrap();
    write_private(&service.path(file), &(part("key") + &part("cert")));
}

fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn ready(service: &Service) -> Value {
    serde_json::from_slice(&std::fs::read(service.path("ready.json")).unwrap()).unwrap()
}

/// SHA-1 of the certificates on the application.
fn registered(service: &Service, id: &str) -> Vec<String> {
    let list = service.json(&["credential", "list", id, "--format", "json"]);
    let mut all: Vec<String> =
        list.as_array().unwrap().iter().filter_map(|e| e["thumbprint"].as_str().map(str::to_owned)).collect();
    all.sort();
    all
}

/// SHA-1 of the certificate in a file.
fn sha1_of(service: &Service, file: &str) -> String {
    let shown = service.json(&["cert", "show", file, "--format", "json"]);
    shown[0]["sha1"]["hex"].as_str().unwrap().to_ascii_uppercase()
}

fn rotate<'a>(id: &'a str, file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["credential", "rotate", id, "--certificate", file, "--format", "json"];
    args.extend(more);
    args
}

/// Runs a rotation until it says this word, and kills it as a power failure would.
fn killed_at(service: &Service, word: &str, args: &[&str]) {
    let mut child = program()
        .current_dir(service.folder.path())
        .env("COUNTERSIGN_READY_FILE", "ready.json")
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let found = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).any(|line| {
        said.push_str(&line);
        line.starts_with(word)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(found, "it never said '{word}': {said}");
}

/// Lets the overlap be over.
fn end_overlap(record: &Path) {
    let mut over: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
    over["removeAfter"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(record, over.to_string()).unwrap();
}

/// Asks for tokens until told to stop.
struct Askers {
    stop: Arc<AtomicBool>,
    tokens: Arc<AtomicUsize>,
    thread: std::thread::JoinHandle<()>,
}

impl Askers {
    fn start(service: &Service, id: &str, file: &str) -> Self {
        let ready = ready(service);
        let authority = Authority::new(ready["url"].as_str().unwrap(), ready["tenant"].as_str().unwrap()).unwrap();
        let mut options = TokenClientOptions::default();
        options.transport.ca_files = vec![PathBuf::from(ready["ca_file"].as_str().unwrap())];
        let (id, file) = (id.to_owned(), service.path(file));
        let (stop, tokens) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, counted) = (Arc::clone(&stop), Arc::clone(&tokens));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let kept = RotatingCertificate::files(vec![file.clone()], None, AssertionStyle::default()).unwrap();
            while !stopped.load(Ordering::Relaxed) {
                let read = CertificateCredential::from_files(&[&file], None).unwrap();
                for credential in [Credential::Certificate(read), Credential::Rotating(kept.clone())] {
                    // A client of its own each time, since a token is kept otherwise.
                    let client =
                        TokenClient::with_options(authority.clone(), id.clone(), credential, &options).unwrap();
                    runtime.block_on(client.token(SCOPE)).unwrap();
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { stop, tokens, thread }
    }

    /// Ends them; how many tokens they got. A refusal is a panic of theirs.
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.tokens.load(Ordering::Relaxed)
    }
}

/// What a rotation leaves behind when it has come to its end.
fn assert_ended(service: &Service, id: &str, file: &str, before: &str) {
    let now = sha1_of(service, file);
    assert_ne!(now, before, "another certificate");
    assert_eq!(registered(service, id), [now.as_str()], "that one alone is registered");
    let record: Value =
        serde_json::from_slice(&std::fs::read(service.path(&format!(".{file}.rotation.json"))).unwrap()).unwrap();
    assert_eq!((&record["step"], &record["new"]["sha1"]), (&json!("removed"), &json!(now)), "{record}");
    for left in ["next", "previous"] {
        assert!(!service.path(&format!(".{file}.{left}")).exists(), "{left}");
    }
    for name in files(service.folder.path()).iter().filter(|n| n.starts_with(&format!(".{file}")) || *n == file) {
        let mode = std::fs::metadata(service.path(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{name}");
    }
    let temporary = files(service.folder.path()).into_iter().filter(|n| n.starts_with(".countersign-"));
    assert_eq!(temporary.count(), 0, "half-written files");
}

#[test]
fn killed_at_each_step_and_run_again_it_ends_the_same_with_a_token_at_every_moment() {
    let service = Service::start(&[]);
    let id = application(&service, "payroll");
    let askers = Askers::start(&service, &id, "payroll.pem");
    let args = rotate(&id, "payroll.pem", &["--overlap", "2s"]);
    for word in ["made", "registered", "accepted", "switched", "keeping", "removed"] {
        let before = sha1_of(&service, "payroll.pem");
        killed_at(&service, word, &args);
        if word != "removed" {
            let done = service.json(&args);
            assert_eq!((&done["step"], &done["old"]["sha1"]), (&json!("removed"), &json!(before)), "{word}: {done}");
        }
        assert_ended(&service, &id, "payroll.pem", &before);
    }
    // Killed between a step and the line that records it: the record is older than what was done.
    for (word, recorded) in
        [("registered", "made"), ("accepted", "made"), ("switched", "accepted"), ("switched", "made")]
    {
        let before = sha1_of(&service, "payroll.pem");
        killed_at(&service, word, &args);
        let path = service.path(".payroll.pem.rotation.json");
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        record["step"] = recorded.into();
        record["removeAfter"] = Value::Null;
        if recorded == "made" {
            record["new"]["keyId"] = Value::Null;
        }
        std::fs::write(&path, record.to_string()).unwrap();
        service.ok(&args);
        assert_ended(&service, &id, "payroll.pem", &before);
    }
    let tokens = askers.end();
    assert!(tokens > 20, "{tokens} tokens");
}

#[test]
fn two_at_once_lose_nothing() {
    let service = Service::start(&[]);
    let id = application(&service, "one");
    service.ok(&["cert", "new", "two", "--days", "20"]);
    one_file(&service, "two", "two.pem");
    service.ok(&["credential", "add", &id, "--certificate", "two.cert.pem"]);
    service.ok(&["credential", "add", &id, "--secret", "--secret-out", "secret"]);
    for _ in 0..2 {
        let before = [sha1_of(&service, "one.pem"), sha1_of(&service, "two.pem")];
        let run = |file| service.run(&rotate(&id, file, &["--overlap", "0s"]));
        let outputs = std::thread::scope(|scope| {
            let threads = ["one.pem", "two.pem"].map(|file| scope.spawn(move || run(file)));
            threads.map(|thread| thread.join().unwrap())
        });
        for output in outputs {
            assert!(output.status.success(), "{}", err(&output));
        }
        let mut wanted = [sha1_of(&service, "one.pem"), sha1_of(&service, "two.pem")];
        assert!(wanted.iter().all(|sha1| !before.contains(sha1)));
        wanted.sort();
        assert_eq!(registered(&service, &id), wanted);
    }
    service.ok(&["token", "get", "--client-id", &id, "--secret-file", "secret"]);

    // Of the same file the second one is turned away, and the first one goes on.
    let args = rotate(&id, "one.pem", &["--overlap", "1h"]);
    let mut first = program()
        .current_dir(service.folder.path())
        .env("COUNTERSIGN_READY_FILE", "ready.json")
        .args(&args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(first.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.into_iter().any(|line| line.starts_with("keeping")));
    assert!(service.fails(3, &args).contains("another rotation of it is running"));
    first.kill().unwrap();
    first.wait().unwrap();
    let kept = service.json(&rotate(&id, "one.pem", &["--no-wait"]));
    assert_eq!(kept["step"], "switched", "the overlap goes on: {kept}");
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let service = Service::start(&[]);
    let id = application(&service, "payroll");
    let (before, registered_before) = (files(service.folder.path()), registered(&service, &id));
    let plan = service.json(&rotate(&id, "payroll.pem", &["--dry-run"]));
    let steps: Vec<&str> = plan["plan"].as_array().unwrap().iter().filter_map(|s| s["step"].as_str()).collect();
    assert_eq!(steps, ["made", "registered", "accepted", "switched", "removed"], "{plan}");
    assert!(plan["plan"][0]["what"].as_str().unwrap().contains("20 days"), "as long as the old one: {plan}");
    assert_eq!((files(service.folder.path()), registered(&service, &id)), (before, registered_before));
    // In the middle of one it names what is left.
    killed_at(&service, "keeping", &rotate(&id, "payroll.pem", &[]));
    let text = service.ok(&["credential", "rotate", &id, "--certificate", "payroll.pem", "--dry-run"]);
    assert!(text.starts_with("1. after 1 h remove "), "{text}");
    // A certificate that lasts longer than asked about is left alone; one that does not is rotated.
    service.ok(&["cert", "new", "long", "--days", "90"]);
    let other = service.ok(&["app", "create", "long", "--certificate", "long.cert.pem"]);
    one_file(&service, "long", "long.pem");
    let idle = service.json(&rotate(&other, "long.pem", &["--within", "30d", "--overlap", "0s"]));
    assert_eq!(idle["step"], Value::Null, "{idle}");
    let done = service.json(&rotate(&other, "long.pem", &["--within", "100d", "--overlap", "0s"]));
    assert_eq!(done["step"], "removed", "{done}");
}

#[test]
fn by_a_token_of_the_environment_and_by_the_applications_own_certificate() {
    let beside = tempfile::tempdir().unwrap();
    let made = program().current_dir(beside.path()).args(["cert", "new", "operator"]).output().unwrap();
    assert!(made.status.success(), "{}", err(&made));
    let seed = beside.path().join("seed.yaml");
    let operator = "6b1a7b55-1d0a-4c0c-9b57-6a1f0c0d5e01";
    let text = format!(
        "tenants:\n  - tenantId: 5f2c1a7e-0000-4000-8000-0000000000a1\n    displayName: Contoso\n    domains: [contoso.example]\n    \
         applications:\n      - appId: {operator}\n        displayName: Operator\n        certificateFiles: [operator.cert.pem]\n        \
         grantedRoles:\n          - {{ resource: \"https://graph.microsoft.com\", role: \"Application.ReadWrite.All\" }}\n"
    );
    std::fs::write(&seed, text).unwrap();
    let service = Service::start(&["--seed", seed.to_str().unwrap()]);
    let id = application(&service, "payroll");
    let ready = ready(&service);
    // Without the ready file, no admin token is at hand.
    let elsewhere = tempfile::tempdir().unwrap();
    let run = |token: Option<&str>, args: &[&str]| {
        let mut command = program();
        command.current_dir(elsewhere.path()).args(args).args(["--authority", ready["authority"].as_str().unwrap()]);
        command.args(["--ca-file", ready["ca_file"].as_str().unwrap()]);
        if let Some(token) = token {
            command.env("COUNTERSIGN_ACCESS_TOKEN", token);
        }
        command.output().unwrap()
    };
    let file = service.path("payroll.pem");
    let args = rotate(&id, file.to_str().unwrap(), &["--overlap", "0s"]);
    let (cert, key) = (beside.path().join("operator.cert.pem"), beside.path().join("operator.key.pem"));
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let token =
        service.ok(&["token", "get", "--client-id", operator, "--cert", cert, "--key", key, "--format", "value"]);
    let before = sha1_of(&service, "payroll.pem");
    let output = run(Some(&token), &args);
    assert!(output.status.success(), "{}", err(&output));
    assert_ended(&service, &id, "payroll.pem", &before);

    // By itself, without any role: it may not even read its registration, so it has to be told two ids once.
    std::fs::remove_file(service.path(".payroll.pem.rotation.json")).unwrap();
    let output = run(None, &args);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    assert!(err(&output).contains("--object-id") && err(&output).contains("Application.Read.All"), "{}", err(&output));
    let app = service.json(&["app", "show", &id, "--format", "json"]);
    let (object_id, key_id) = (app["id"].as_str().unwrap(), app["keyCredentials"][0]["keyId"].as_str().unwrap());
    let mut told = args.clone();
    told.extend(["--object-id", object_id, "--old-key-id", key_id]);
    let before = sha1_of(&service, "payroll.pem");
    let output = run(None, &told);
    assert!(output.status.success(), "{}", err(&output));
    assert!(err(&output).contains("by the application's own certificate"), "{}", err(&output));
    assert_ended(&service, &id, "payroll.pem", &before);

    // The next time it knows them from its record; killed on the way it goes on.
    let before = sha1_of(&service, "payroll.pem");
    let output = run(None, &args);
    assert!(output.status.success(), "{}", err(&output));
    assert_ended(&service, &id, "payroll.pem", &before);
    let log = std::fs::read_to_string(service.path("log")).unwrap();
    assert!(!log.contains("eyJ"), "no token and no proof in the log");
    for text in [out(&output), err(&output)] {
        assert!(!text.contains("eyJ") && !text.contains("PRIVATE"), "{text}");
    }
    // The same with the service's admin token at hand, because it is asked for.
    let before = sha1_of(&service, "payroll.pem");
    let told = rotate(&id, "payroll.pem", &["--overlap", "0s", "--own-certificate"]);
    assert_eq!(service.json(&told)["step"], "removed");
    assert_ended(&service, &id, "payroll.pem", &before);
}

#[test]
fn a_folder_and_a_password_stay_what_they_are() {
    let service = Service::start(&[]);
    std::fs::write(service.path("password"), "correct horse\n").unwrap();
    service.ok(&["cert", "new", "boxed", "--days", "20", "--pfx", "--pfx-password-file", "password"]);
    let id = service.ok(&["app", "create", "boxed", "--certificate", "boxed.cert.pem"]);
    let password = ["--certificate-password-file", "password", "--overlap", "0s"];
    assert!(service.fails(2, &rotate(&id, "boxed.pfx", &["--overlap", "0s"])).contains("encrypted"));
    service.ok(&rotate(&id, "boxed.pfx", &password));
    let get = ["token", "get", "--client-id", &id, "--cert", "boxed.pfx", "--password-file", "password"];
    service.ok(&get);
    assert_eq!(std::fs::read(service.path("boxed.pfx")).unwrap()[0], 0x30, "binary, as it was");

    // A folder: the new pair beside the old one, which goes when the overlap is over.
    service.ok(&["cert", "new", "daemon", "--days", "20"]);
    let id = service.ok(&["app", "create", "daemon", "--certificate", "daemon.cert.pem"]);
    let folder = service.path("certificates");
    std::fs::create_dir(&folder).unwrap();
    for (from, to) in [("daemon.cert.pem", "tls.crt"), ("daemon.key.pem", "tls.key")] {
        std::fs::copy(service.path(from), folder.join(to)).unwrap();
    }
    std::fs::write(folder.join("ca.crt"), "not read\n").unwrap();
    let kept = service.json(&rotate(&id, "certificates", &["--days", "40", "--no-wait"]));
    assert_eq!(kept["step"], "switched", "{kept}");
    let names = files(&folder);
    let new = names.iter().find(|n| n.starts_with("countersign-")).unwrap().clone();
    assert!(names.iter().any(|n| n == "tls.crt") && registered(&service, &id).len() == 2, "{names:?}");
    service.ok(&["token", "get", "--client-id", &id, "--cert-folder", "certificates"]);
    let record = folder.join(".countersign.rotation.json");
    end_overlap(&record);
    service.ok(&rotate(&id, "certificates", &["--no-wait"]));
    let visible: Vec<String> = files(&folder).into_iter().filter(|n| !n.starts_with('.')).collect();
    assert_eq!(visible, ["ca.crt", new.as_str()]);
    assert_eq!(registered(&service, &id).len(), 1);
    service.ok(&["token", "get", "--client-id", &id, "--cert-folder", "certificates"]);
}

#[test]
fn nonsense_is_refused_before_anything_is_done() {
    let service = Service::start(&[]);
    let id = application(&service, "payroll");
    service.ok(&["cert", "new", "other"]);
    let other = service.ok(&["app", "create", "other", "--certificate", "other.cert.pem"]);
    let before = (registered(&service, &id), registered(&service, &other));
    let refused = |status: i32, args: &[&str], words: &[&str]| {
        let text = service.fails(status, args);
        assert!(words.iter().all(|word| text.contains(word)), "{args:?}: {text}");
    };
    refused(3, &rotate(&other, "payroll.pem", &[]), &["is not registered on application", "--force"]);
    refused(3, &rotate(&id, "payroll.pem", &["--overlap", "3d", "--days", "2"]), &["--overlap 3 d"]);
    refused(2, &rotate(&id, "payroll.cert.pem", &[]), &["no private key", "two files cannot be changed"]);
    refused(2, &rotate(&id, "ready.json", &[]), &["ready.json"]);
    let read = |name: &str| std::fs::read_to_string(service.path(name)).unwrap();
    write_private(&service.path("several.pem"), &(read("payroll.pem") + &read("other.key.pem")));
    refused(3, &rotate(&id, "several.pem", &[]), &["several private keys"]);
    refused(2, &rotate(&id, "none.pem", &[]), &["none.pem", "cannot be read"]);
    refused(3, &rotate(&id, "payroll.pem", &["--subject", "XX=1"]), &["XX", "--subject"]);
    refused(3, &rotate(&id, "payroll.pem", &["--old-key-id", "x"]), &["8-4-4-4-12"]);
    refused(1, &rotate("nobody", "payroll.pem", &[]), &["there is no application 'nobody'"]);
    std::fs::set_permissions(service.path("payroll.pem"), std::fs::Permissions::from_mode(0o644)).unwrap();
    refused(2, &rotate(&id, "payroll.pem", &[]), &["mode 644", "chmod 640"]);
    std::fs::set_permissions(service.path("payroll.pem"), std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::create_dir(service.path("..data")).unwrap();
    refused(3, &rotate(&id, ".", &[]), &["Kubernetes"]);
    std::fs::write(service.path(".payroll.pem.rotation.json"), "{").unwrap();
    refused(2, &rotate(&id, "payroll.pem", &[]), &[".payroll.pem.rotation.json", "is no record"]);
    std::fs::remove_file(service.path(".payroll.pem.rotation.json")).unwrap();
    assert_eq!((registered(&service, &id), registered(&service, &other)), before);
    assert!(!service.path(".payroll.pem.next").exists());

    // Under way for one application it does not go on for another, and a certificate put back stays registered.
    killed_at(&service, "keeping", &rotate(&id, "payroll.pem", &[]));
    refused(3, &rotate(&other, "payroll.pem", &[]), &["is under way"]);
    end_overlap(&service.path(".payroll.pem.rotation.json"));
    std::fs::copy(service.path(".payroll.pem.previous"), service.path("payroll.pem")).unwrap();
    refused(2, &rotate(&id, "payroll.pem", &[]), &["again and not the new certificate"]);
    assert_eq!(registered(&service, &id).len(), 2, "both stay");
}
