//! Service, doctor and command line give the same verdict on the right request and on every single fault that a registration
//! and a request can show: the service in process at the scenario's time and under its name, the doctor as a library, the
//! command as a process.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::crypto::aws_lc::AwsLc;
use countersign_core::encoding::encode_base64;
use countersign_core::registration::Registration;
use countersign_doctor::report::Verdict;
use countersign_doctor::{Input, Options, Report, examine};
use countersign_server::clock::FixedClock;
use countersign_server::config::{Config, Listen, PublicUrl, Sources, Tls};
use countersign_server::store::model::SignInRecord;
use countersign_server::{App, Running, Server, diagnosis};
use countersign_testkit::scenario::{AUTHORITY, NOW, TENANT_ID};
use countersign_testkit::{MUTATIONS, Scenario};
use serde_json::{Value, json};

/// A registration as Graph shows it, keys included.
fn application(registration: &Registration) -> Value {
    let keys: Vec<Value> = registration
        .key_credentials
        .iter()
        .map(|k| {
            json!({
                "keyId": k.key_id,
                "type": "AsymmetricX509Cert",
                "usage": "Verify",
                "displayName": k.display_name,
                "startDateTime": k.start.rfc3339(),
                "endDateTime": k.end.rfc3339(),
                "key": k.certificate.as_ref().map(|c| encode_base64(c.der())),
            })
        })
        .collect();
    json!({"id": registration.object_id, "appId": registration.app_id, "displayName": registration.display_name, "keyCredentials": keys})
}

/// Whether a seed can express what the scenario is judged by.
fn expressible(s: &Scenario) -> bool {
    let usual = |r: &Registration| r.enabled && !r.is_public && r.service_principal.as_ref().is_some_and(|p| p.enabled);
    let resource = s.resource.as_ref().is_some_and(|r| r.enabled && !r.assignment_required);
    s.tenant_exists && resource && s.registration.as_ref().is_some_and(usual)
}

async fn serve(folder: &Path, application: &Value) -> Running {
    let seed = folder.join("seed.json");
    let tenants = json!({"tenants": [{
        "tenantId": TENANT_ID, "displayName": "Contoso", "domains": ["contoso.example"], "applications": [application],
    }]});
    std::fs::write(&seed, tenants.to_string()).unwrap();
    let mut flags = std::collections::BTreeMap::new();
    flags.insert("public-url".to_owned(), vec![AUTHORITY.to_owned()]);
    let sources = Sources { flags, ..Sources::default() };
    let names: Vec<PublicUrl> = Config::load(&sources).unwrap().0.public_urls.value;
    let mut config = Config::new(folder.join("data"));
    config.listen.value = Listen { host: "127.0.0.1".to_owned(), port: 0 };
    config.tls.value = Tls::Off;
    config.public_urls.value = names;
    config.seed.value = Some(seed);
    Server::start_at(config, Arc::new(FixedClock::at(NOW))).await.unwrap()
}

fn raw_request(s: &Scenario) -> String {
    let body = s.body();
    format!(
        "POST /{}/oauth2/v2.0/token HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        s.tenant_segment,
        AUTHORITY.trim_start_matches("https://"),
        body.len()
    )
}

/// The service's answer: the AADSTS code, or nothing for a token.
fn ask(address: SocketAddr, request: &str) -> Option<u32> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let json: Value = serde_json::from_str(body).unwrap_or_else(|e| panic!("{e}: {answer}"));
    if head.starts_with("HTTP/1.1 200") {
        assert!(json["access_token"].is_string());
        return None;
    }
    Some(u32::try_from(json["error_codes"][0].as_u64().expect("error_codes")).unwrap())
}

fn diagnose(request: &str, application: &str) -> Report {
    diagnose_with(request, application, "")
}

fn diagnose_with(request: &str, application: &str, answer: &str) -> Report {
    let mut inputs = vec![
        Input { name: "request", bytes: request.as_bytes() },
        Input { name: "app", bytes: application.as_bytes() },
    ];
    if !answer.is_empty() {
        inputs.push(Input { name: "answer", bytes: answer.as_bytes() });
    }
    let mut options = Options::new(NOW);
    options.at = Some(NOW);
    examine(&inputs, &options, &AwsLc)
}

/// The report and status of the command.
fn command(folder: &Path, request: &str, application: &str) -> (Value, i32) {
    std::fs::write(folder.join("request"), request).unwrap();
    std::fs::write(folder.join("app"), application).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(folder)
        .args(["doctor", "request", "app", "--format", "json", "--at", &NOW.rfc3339()])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
    (report, done.status.code().unwrap_or(-1))
}

/// What two diagnoses must agree on.
#[derive(Debug, PartialEq)]
struct Said {
    verdict: String,
    refusals: Vec<String>,
    /// Findings that are errors, the most decisive first.
    errors: Vec<String>,
}

impl Said {
    fn of(report: &Value) -> Self {
        let texts = |list: &Value, member: &str| -> Vec<String> {
            list.as_array().unwrap().iter().map(|v| v[member].as_str().unwrap().to_owned()).collect()
        };
        let errors = report["findings"].as_array().unwrap().iter().filter(|f| f["level"] == "error").cloned().collect();
        Self {
            verdict: report["verdict"].as_str().unwrap_or_default().to_owned(),
            refusals: texts(&report["refusals"], "check"),
            errors: texts(&Value::Array(errors), "code"),
        }
    }

    fn in_any_order(&self) -> Self {
        let mut errors = self.errors.clone();
        errors.sort();
        Self { verdict: self.verdict.clone(), refusals: self.refusals.clone(), errors }
    }

    async fn on_the_page(app: &App, record: &SignInRecord) -> Self {
        let made = diagnosis::of_record(app, record, AUTHORITY).await;
        let errors = made.findings.into_iter().filter(|f| f.level == "error").map(|f| f.code).collect();
        Self { verdict: made.verdict, refusals: made.refused_by, errors }
    }
}

#[tokio::test]
async fn service_doctor_and_command_agree_on_every_case() {
    let mut cases: Vec<(&str, Option<u32>, Scenario)> = vec![("the right request", None, Scenario::right())];
    for mutation in MUTATIONS {
        let mut s = Scenario::right();
        (mutation.apply)(&mut s);
        if expressible(&s) {
            cases.push((mutation.name, Some(mutation.code), s));
        }
    }
    assert!(cases.len() >= 60, "{}", cases.len());

    let mut services: Vec<(String, tempfile::TempDir, Running)> = Vec::new();
    let mut wrong = Vec::new();
    for (name, code, s) in &cases {
        let application = application(s.registration.as_ref().unwrap()).to_string();
        if !services.iter().any(|(a, ..)| *a == application) {
            let folder = tempfile::tempdir().unwrap();
            let running = serve(folder.path(), &serde_json::from_str(&application).unwrap()).await;
            services.push((application.clone(), folder, running));
        }
        let (_, folder, running) = services.iter().find(|(a, ..)| *a == application).unwrap();
        let (request, address) = (raw_request(s), running.address);
        let answer = {
            let request = request.clone();
            tokio::task::spawn_blocking(move || ask(address, &request)).await.unwrap()
        };
        if answer != *code {
            wrong.push(format!("{name}: the service answers {answer:?} instead of {code:?}"));
        }
        let report = diagnose(&request, &application);
        let expected = if answer.is_some() { Verdict::Refused } else { Verdict::Accepted };
        if report.verdict != expected {
            wrong.push(format!("{name}: the service answers {answer:?}, the doctor says {}", report.verdict.name()));
        }
        if report.refusals.first().and_then(|r| r.aadsts) != answer {
            let first = report.refusals.first().map(|r| (r.check.as_str(), r.aadsts));
            wrong.push(format!("{name}: the service answers {answer:?}, the doctor's first refusal is {first:?}"));
        }
        let (report, status) = command(folder.path(), &request, &application);
        let said = Said::of(&report);
        if said.verdict != expected.name() || (status == 0) != answer.is_none() {
            wrong.push(format!("{name}: the command says {} and ends with {status}", said.verdict));
        }
        let record = (*running.app.journal.recent()[0]).clone();
        let page = Said::on_the_page(&running.app, &record).await;
        if page.in_any_order() != said.in_any_order() {
            wrong.push(format!("{name}: the command says {said:?}, the request's page {page:?}"));
        }
        // The answer tells which of several faults was the first; with it, the order is the same too.
        let with_answer = diagnose_with(&request, &application, &record.failure_reason);
        let with_answer = Said::of(&serde_json::to_value(&with_answer).unwrap());
        if page != with_answer {
            wrong.push(format!("{name}: with the answer the doctor says {with_answer:?}, the request's page {page:?}"));
        }
        // In the store, and when there were too many to diagnose them whole.
        let kept = serde_json::to_string(&record).unwrap();
        let signature = s.assertion().split('.').nth(2).unwrap_or_default().to_owned();
        assert!(signature.is_empty() || !kept.contains(&signature), "{name}: the signature is kept");
        let stored: SignInRecord = serde_json::from_str(&kept).unwrap();
        let plain = SignInRecord { diagnosis: None, ..stored.clone() };
        assert_eq!(Said::on_the_page(&running.app, &stored).await.verdict, said.verdict, "{name}");
        assert_eq!(Said::on_the_page(&running.app, &plain).await.verdict, said.verdict, "{name}");
    }
    for (.., running) in services {
        running.shutdown().await;
    }
    assert!(wrong.is_empty(), "of {} cases:\n{}", cases.len(), wrong.join("\n"));
}
