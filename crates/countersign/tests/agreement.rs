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
use countersign_server::{Running, Server};
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
    let inputs =
        [Input { name: "request", bytes: request.as_bytes() }, Input { name: "app", bytes: application.as_bytes() }];
    let mut options = Options::new(NOW);
    options.at = Some(NOW);
    examine(&inputs, &options, &AwsLc)
}

/// The verdict and status of the command.
fn command(folder: &Path, request: &str, application: &str) -> (String, i32) {
    std::fs::write(folder.join("request"), request).unwrap();
    std::fs::write(folder.join("app"), application).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .current_dir(folder)
        .args(["doctor", "request", "app", "--format", "json", "--at", &NOW.rfc3339()])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap_or_else(|e| panic!("{e}: {done:?}"));
    (report["verdict"].as_str().unwrap_or_default().to_owned(), done.status.code().unwrap_or(-1))
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
        let (verdict, status) = command(folder.path(), &request, &application);
        if verdict != expected.name() || (status == 0) != answer.is_none() {
            wrong.push(format!("{name}: the command says {verdict} and ends with {status}"));
        }
    }
    for (.., running) in services {
        running.shutdown().await;
    }
    assert!(wrong.is_empty(), "of {} cases:\n{}", cases.len(), wrong.join("\n"));
}
