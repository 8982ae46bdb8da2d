//! Why a request was refused, and the same for anything pasted or dropped: the doctor's verdict as a page.
//!
//! The doctor decides as it does for the command. What a refused request said is in the journal, its assertion without the
//! signature; what somebody pastes is read, shown and forgotten.

use askama::Template;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::registration::Registration;
use countersign_core::request::{EndpointVersion, TokenRequest};
use countersign_core::time::UnixTime;
use countersign_doctor::proof::Level;
use countersign_doctor::{Input, Options, Report, Sent, examine, examine_sent, render, words};
use http::StatusCode;

use super::bytes::{self, Table};
use super::form::Form;
use super::row::Row;
use super::shell::{self, Shell};
use super::{Outcome, Trouble, Visit};
use crate::resources::application;
use crate::store::model::SignInRecord;

/// Stands for a secret, which is not kept: of the form that real ones have, so that it is taken for nothing else.
const SECRET: &str = "&client_secret=0k3~pt.N0t-hErE_qW9rT2yU4iO6pA8sD1fG3hJ5";

/// Ids in a pasted text for which the directory is asked.
const MOST_IDS: usize = 8;

#[derive(Template)]
#[template(path = "diagnosis.html")]
struct Page {
    shell: Shell,
    row: Option<Row>,
    request: Vec<(&'static str, String)>,
    app_href: Option<String>,
    view: Option<View>,
    form: bool,
    fault: Option<String>,
}

/// A report, laid out.
struct View {
    verdict: &'static str,
    headline: Vec<(bool, String)>,
    judged_at: String,
    profile: String,
    client: Option<(String, Vec<(bool, String)>)>,
    said: Vec<(bool, String, String)>,
    findings: Vec<Finding>,
    sources: Vec<Source>,
    table: Option<Table>,
    passed: Vec<String>,
    needed: Vec<String>,
    read: Vec<(String, String, String)>,
}

struct Finding {
    code: String,
    level: &'static str,
    certainty: String,
    title: Vec<(bool, String)>,
    evidence: Vec<(String, String, String)>,
    fix: Vec<(bool, String)>,
    fixes: Vec<(String, String)>,
    aadsts: Vec<u32>,
}

struct Source {
    title: String,
    lines: Vec<(String, bool)>,
}

/// `GET /portal/diagnose`
pub(super) fn form(visit: &Visit<'_>) -> Outcome {
    Ok(shell::page(StatusCode::OK, &empty(visit, None)))
}

fn empty(visit: &Visit<'_>, fault: Option<String>) -> Page {
    Page {
        shell: Shell::of(visit, "Diagnose", "diagnose"),
        row: None,
        request: Vec::new(),
        app_href: None,
        view: None,
        form: true,
        fault,
    }
}

/// `POST /portal/diagnose`
pub(super) async fn of_text(visit: &Visit<'_>, form: &Form) -> Outcome {
    let mut inputs: Vec<(String, &[u8])> = Vec::new();
    if let Some(text) = form.text("text") {
        inputs.push(("pasted".to_owned(), text.as_bytes()));
    }
    inputs.extend(form.files().map(|f| (f.name.clone(), f.bytes.as_slice())));
    if inputs.is_empty() {
        let fault = Some("Paste something, or choose a file.".to_owned());
        return Ok(shell::page(StatusCode::BAD_REQUEST, &empty(visit, fault)));
    }
    let mut ids = Vec::new();
    let mut jwt = None;
    for (_, bytes) in &inputs {
        let text = String::from_utf8_lossy(bytes);
        guids(&text, &mut ids);
        for word in text
            .split(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c)))
            .filter(|w| words::token_start(w) == Some(0))
        {
            let whole = if word.matches('.').count() == 1 { format!("{word}.") } else { word.to_owned() };
            if let Ok(read) = UnverifiedJwt::read(&whole) {
                guids(&String::from_utf8_lossy(&read.compact.payload.bytes), &mut ids);
                jwt.get_or_insert(read);
            }
        }
    }
    let mut registered = Vec::new();
    let mut registration = None;
    if visit.needs_registrations().is_ok() {
        for id in ids.iter().take(MOST_IDS) {
            if let Some(client) = visit.app.store().client(&visit.tenant.id, id).await? {
                let shown = application::show(&client.application, &visit.tenant, true);
                registered.push(serde_json::Value::Object(shown).to_string());
                registration = registration.or(registration_of(visit, id).await?);
            }
        }
    }
    let name = "the registration here".to_owned();
    inputs.extend(registered.iter().map(|r| (name.clone(), r.as_bytes())));
    let inputs: Vec<Input<'_>> = inputs.iter().map(|(name, bytes)| Input { name, bytes }).collect();
    let mut options = Options::new(visit.now);
    options.profile = visit.app.profile;
    if let Some(password) = form.text("password") {
        options.passwords.push(zeroize::Zeroizing::new(password.to_owned()));
    }
    let report = examine(&inputs, &options, &*visit.app.crypto);
    let table = jwt.as_ref().and_then(|j| bytes::table(j, registration.as_ref()));
    let view = Some(View::of(&report, table));
    Ok(shell::page(StatusCode::OK, &Page { view, ..empty(visit, None) }))
}

/// GUIDs in a text, in lower case, each once.
fn guids(text: &str, out: &mut Vec<String>) {
    for word in text.split(|c: char| !(c.is_ascii_hexdigit() || c == '-')) {
        let word = word.to_ascii_lowercase();
        if out.len() < 64 && countersign_core::authority::is_guid(&word) && !out.contains(&word) {
            out.push(word);
        }
    }
}

async fn registration_of(visit: &Visit<'_>, app_id: &str) -> Result<Option<Registration>, Trouble> {
    let Some(tenant) = visit.app.directory.tenant(&visit.tenant.id).await? else { return Ok(None) };
    Ok(visit.app.directory.client(&tenant, app_id).await?.map(|c| c.registration.clone()))
}

/// `GET /portal/requests/{trace id}`
pub(super) async fn of_request(visit: &Visit<'_>, id: &str) -> Outcome {
    visit.needs_logs()?;
    let id = id.to_ascii_lowercase();
    let missing = || Trouble::Missing("No request with this trace id is in the journal (any more).".to_owned());
    let in_memory = visit.app.journal.recent().into_iter().find(|r| r.id == id).map(|r| (*r).clone());
    let record = match in_memory {
        Some(record) => record,
        None => {
            let at = visit.query.get("at").and_then(|t| t.parse().ok()).map(UnixTime::from_micros);
            let tenant = visit.query.get("tenant").unwrap_or(&visit.tenant.id);
            visit.app.store().sign_in(&id, at.map(|t| (tenant, t))).await?.ok_or_else(missing)?
        }
    };
    if !(visit.is_operator() || record.tenant_id == visit.tenant.id) {
        return Err(missing());
    }
    let registration = match visit.app.directory.tenant(&record.tenant_id).await? {
        Some(tenant) => visit.app.directory.client(&tenant, &record.app_id).await?.map(|c| c.registration.clone()),
        None => None,
    };
    let jwt = UnverifiedJwt::read(&format!("{}.", record.assertion)).ok();
    let view = (record.error_code != 0).then(|| {
        let report = judge(visit, &record, registration.as_ref());
        View::of(&report, jwt.as_ref().and_then(|j| bytes::table(j, registration.as_ref())))
    });
    let row = Row::of(&record);
    let page = Page {
        shell: Shell::of(visit, if row.refused { "Why it was refused" } else { "Request" }, "requests"),
        request: facts(&record),
        app_href: registration.map(|r| format!("{}applications/{}", super::ROOT, r.object_id)),
        row: Some(row),
        view,
        form: false,
        fault: None,
    };
    Ok(shell::page(StatusCode::OK, &page))
}

/// The doctor, by what the journal kept.
fn judge(visit: &Visit<'_>, record: &SignInRecord, registration: Option<&Registration>) -> Report {
    let mut segments = record.path.trim_start_matches('/').split('/');
    let tenant = countersign_core::request::form_decode(segments.next().unwrap_or_default());
    let version = if record.path.ends_with("/v2.0/token") { EndpointVersion::V2 } else { EndpointVersion::V1 };
    let mut body = record.form.clone();
    if !record.assertion.is_empty() {
        body.push_str("&client_assertion=");
        body.push_str(&record.assertion);
    }
    if record.credential_type == "clientSecret" {
        body.push_str(SECRET);
    }
    let request =
        TokenRequest::read(&tenant, version, Some("application/x-www-form-urlencoded"), body.as_bytes(), "", None);
    let sent = Sent {
        request: &request,
        base_url: &visit.context.base,
        path: &record.path,
        registration,
        client: Some(&record.client).filter(|c| !c.is_empty()).map(String::as_str),
        answer: Some(&record.failure_reason),
    };
    let mut options = Options::new(visit.now);
    options.at = Some(UnixTime::from_micros(record.time));
    options.profile = visit.app.profile;
    examine_sent(&sent, &options, &*visit.app.crypto)
}

fn facts(r: &SignInRecord) -> Vec<(&'static str, String)> {
    [
        ("Trace id", &r.id),
        ("Correlation id", &r.correlation_id),
        ("Address", &r.ip_address),
        ("Resource", &r.resource),
        ("Credential", &r.credential_type),
        ("Key id", &r.credential_key_id),
        ("Thumbprint", &r.credential_thumbprint),
        ("Refused by the check", &r.refused_by),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name, value.clone()))
    .collect()
}

/// Text and code between backticks.
fn spans(text: &str) -> Vec<(bool, String)> {
    text.split('`').enumerate().map(|(i, t)| (i % 2 == 1, t.to_owned())).collect()
}

impl View {
    fn of(report: &Report, table: Option<Table>) -> Self {
        let guilty: Vec<&str> = report
            .findings
            .iter()
            .filter(|f| f.level == Level::Error)
            .flat_map(|f| &f.evidence)
            .map(|e| e.pointer.split(' ').next().unwrap_or_default())
            .collect();
        let source = |s: &countersign_doctor::report::Source| {
            let is_guilty = |line: &str| {
                guilty.iter().any(|g| {
                    let member = g.strip_prefix(s.part).and_then(|r| r.strip_prefix('/'));
                    let member = member.map(|m| m.split('[').next().unwrap_or(m));
                    member.is_some_and(|m| line.trim_start().starts_with(&format!("\"{m}\":")))
                })
            };
            Source {
                title: format!("{} ({})", if s.part == "header" { "Header" } else { "Claims" }, s.artifact),
                lines: s.text.lines().map(|l| (l.to_owned(), is_guilty(l))).collect(),
            }
        };
        let finding = |f: &countersign_doctor::report::Finding| Finding {
            code: f.code.clone(),
            level: f.level.name(),
            certainty: if f.level == Level::Note { String::new() } else { f.certainty.name().to_owned() },
            title: spans(&f.title),
            evidence: f
                .evidence
                .iter()
                .map(|e| (format!("{}: {}", e.artifact, e.pointer), e.found.clone(), e.expected.clone()))
                .collect(),
            fix: spans(&f.fix),
            fixes: f.fixes.iter().map(|x| (x.client.clone(), x.code.clone())).collect(),
            aadsts: f.aadsts.clone(),
        };
        Self {
            verdict: report.verdict.name(),
            headline: spans(&render::headline(report)),
            judged_at: report.judged_at.clone(),
            profile: report.profile.clone(),
            client: report.client.as_ref().map(|c| (c.name.clone(), spans(&c.told_by))),
            // Only Entra's numbers have a page to link to.
            said: report.said.iter().map(|s| (s.code.is_some(), s.name(), s.meaning.clone())).collect(),
            findings: report.findings.iter().map(finding).collect(),
            sources: report.sources.iter().map(source).collect(),
            table,
            passed: report.passed.iter().map(|c| c.replace('-', " ")).collect(),
            needed: report.needed.clone(),
            read: report.artifacts.iter().map(|a| (a.file.clone(), a.kind.clone(), a.repairs.join("; "))).collect(),
        }
    }
}
