//! `credential check-expiry` over a whole tenant, once and as an exporter that Prometheus scrapes, with the service going away.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::{Service, err, out, payroll, program};

/// An exporter that ends with this value.
struct Exporter {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    address: String,
}

impl Exporter {
    fn start(service: &Service, more: &[&str]) -> Self {
        let mut child = program()
            .current_dir(service.folder.path())
            .env("COUNTERSIGN_READY_FILE", "ready.json")
            .args(["credential", "check-expiry", "--listen", "0", "--every", "10s", "--timeout", "2"])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let line = said(&mut stderr, "metrics at ");
        let address = line.strip_prefix("metrics at http://").unwrap().strip_suffix("/metrics").unwrap().to_owned();
        Self { child, stderr, address }
    }

    fn ask(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The value of a metric without labels.
    fn value(&self, name: &str) -> Option<i64> {
        let answer = self.ask("GET", "/metrics");
        let line = answer.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned))?;
        line.parse().ok()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

/// Waits for a line that begins so.
fn said(stderr: &mut impl std::io::BufRead, begin: &str) -> String {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        if stderr.read_line(&mut line).unwrap() == 0 {
            panic!("it never said '{begin}': {all}");
        }
        if line.starts_with(begin) {
            return line.trim_end().to_owned();
        }
        all.push_str(&line);
    }
}

#[test]
fn an_exporter_keeps_old_figures_and_marks_them_while_the_service_is_away() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    service.ok(&["credential", "add", &id, "--secret", "--secret-out", "secret", "--days", "10"]);
    let mut exporter = Exporter::start(&service, &[]);
    assert!(exporter.address.starts_with("127.0.0.1:"), "{}", exporter.address);
    let answer = exporter.ask("GET", "/metrics");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("text/plain; version=0.0.4"), "{answer}");
    let ends = |answer: &str| answer.lines().filter(|l| l.starts_with("countersign_credential_end_")).count();
    assert_eq!(ends(&answer), 2, "{answer}");
    assert!(answer.contains(&format!("app_id=\"{id}\",application=\"Payroll\"")), "{answer}");
    assert_eq!(exporter.value("countersign_credential_reading_up"), Some(1));
    assert_eq!(exporter.value("countersign_credential_applications"), Some(1));
    let read_at = exporter.value("countersign_credential_reading_timestamp_seconds").unwrap();
    assert!(exporter.ask("POST", "/metrics").starts_with("HTTP/1.1 405"));
    assert!(exporter.ask("GET", "/").starts_with("HTTP/1.1 404"));
    let head = exporter.ask("HEAD", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");

    // The service goes away: the figures stay, and say that they are old.
    let service_pid = service.child.id();
    signal("-STOP", service_pid);
    said(&mut exporter.stderr, "the figures could not be read, and stay as they are: ");
    assert_eq!(exporter.value("countersign_credential_reading_up"), Some(0));
    assert!(exporter.value("countersign_credential_reading_failures_total").unwrap() >= 1);
    let old = exporter.value("countersign_credential_reading_timestamp_seconds").unwrap();
    assert!(old >= read_at && ends(&exporter.ask("GET", "/metrics")) == 2);
    signal("-CONT", service_pid);
    said(&mut exporter.stderr, "the figures are fresh again");
    assert_eq!(exporter.value("countersign_credential_reading_up"), Some(1));
    assert!(exporter.value("countersign_credential_reading_timestamp_seconds").unwrap() > old);
    signal("-TERM", exporter.child.id());
    assert_eq!(exporter.child.wait().unwrap().code(), Some(0));
}

#[test]
fn expiry_over_a_whole_tenant_in_every_format() {
    let service = Service::start(&[]);
    let id = payroll(&service);
    for name in ["a", "b", "c"] {
        let app = service.ok(&["app", "create", name]);
        service.ok(&["credential", "add", &app, "--secret", "--secret-out", name, "--days", "5"]);
    }
    let due = ["credential", "check-expiry", "--within", "6d", "--format"];
    let run = |format: &str| service.run(&[&due[..], &[format]].concat());
    let human = run("human");
    assert_eq!(human.status.code(), Some(1));
    assert_eq!(out(&human).lines().count(), 4, "{}", out(&human));
    assert!(err(&human).starts_with("3 of 4 credentials of 4 applications end within 6 d"), "{}", err(&human));
    let json: serde_json::Value = serde_json::from_slice(&run("json").stdout).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
    let prometheus = run("prometheus");
    let all = out(&prometheus).lines().filter(|l| l.starts_with("countersign_credential_end_")).count();
    assert_eq!((prometheus.status.code(), all), (Some(1), 4), "every end, due or not");
    // No terminal, no progress; and nothing due is status 0.
    let idle = service.run(&["credential", "check-expiry", &id, "--within", "12h"]);
    assert_eq!((idle.status.code(), err(&idle).contains('\r')), (Some(0), false), "{}", err(&idle));
    assert!(err(&idle).starts_with("0 of 1 credentials of 1 application end within 12 h"), "{}", err(&idle));

    // Wrong flags and a missing credential end it at once, also as an exporter.
    let text = service.fails(3, &["credential", "check-expiry", "--listen", "example.com:1"]);
    assert!(text.contains("IP:PORT"), "{text}");
    assert!(service.fails(3, &["credential", "check-expiry", "--listen", "0", "--every", "1s"]).contains("10s to 1d"));
    assert!(service.fails(1, &["credential", "check-expiry", "nobody", "--listen", "0"]).contains("'nobody'"));
    let used = Exporter::start(&service, &[]);
    let text = service.fails(2, &["credential", "check-expiry", "--listen", &used.address]);
    assert!(text.contains("name another port"), "{text}");
}
