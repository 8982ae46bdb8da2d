//! Why a request was refused, and the same for anything pasted or dropped: the doctor's verdict as a page.
//!
//! The doctor decides as it does for the command. What a refused request said is in the journal, its assertion without the
//! signature; what somebody pastes is read, shown and forgotten.

use askama::Template;
use countersign_core::jose::UnverifiedJwt;
use countersign_core::time::UnixTime;
use countersign_doctor::{Input, Options, examine, words};
use http::StatusCode;

use super::bytes::{self, Table};
use super::form::Form;
use super::row::Row;
use super::shell::{self, Shell};
use super::{Outcome, Trouble, Visit};
use crate::diagnosis::{self, Diagnosis};
use crate::resources::application;
use crate::store::model::SignInRecord;

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
    verdict: String,
    headline: Vec<(bool, String)>,
    judged_at: String,
    profile: String,
    client: Option<(String, Vec<(bool, String)>)>,
    said: Vec<diagnosis::Said>,
    findings: Vec<Finding>,
    sources: Vec<Source>,
    table: Option<Table>,
    passed: Vec<String>,
    needed: Vec<String>,
    read: Vec<(String, String, String)>,
}

struct Finding {
    code: String,
    level: String,
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
                registration = match registration {
                    Some(known) => Some(known),
                    None => diagnosis::registration(visit.app, &visit.tenant.id, id).await,
                };
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
    let view = Some(View::of(Diagnosis::of(&report), table));
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
    let registration = diagnosis::registration(visit.app, &record.tenant_id, &record.app_id).await;
    let table = diagnosis::assertion(&record).and_then(|j| bytes::table(&j, registration.as_ref()));
    let view = View::of(diagnosis::of_record(visit.app, &record, &visit.context.base).await, table);
    let row = Row::of(&record);
    let page = Page {
        shell: Shell::of(visit, if row.refused { "Why it was refused" } else { "Request" }, "requests"),
        request: facts(&record),
        app_href: registration.map(|r| format!("{}applications/{}", super::ROOT, r.object_id)),
        row: Some(row),
        view: Some(view),
        form: false,
        fault: None,
    };
    Ok(shell::page(StatusCode::OK, &page))
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
    fn of(diagnosis: Diagnosis, table: Option<Table>) -> Self {
        let guilty: Vec<&str> = diagnosis
            .findings
            .iter()
            .filter(|f| f.level == "error")
            .flat_map(|f| &f.evidence)
            .map(|(_, pointer, ..)| pointer.split(' ').next().unwrap_or_default())
            .collect();
        let source = |(artifact, part, text): &(String, String, String)| {
            let is_guilty = |line: &str| {
                guilty.iter().any(|g| {
                    let member = g.strip_prefix(part.as_str()).and_then(|r| r.strip_prefix('/'));
                    let member = member.map(|m| m.split('[').next().unwrap_or(m));
                    member.is_some_and(|m| line.trim_start().starts_with(&format!("\"{m}\":")))
                })
            };
            Source {
                title: format!("{} ({artifact})", if part == "header" { "Header" } else { "Claims" }),
                lines: text.lines().map(|l| (l.to_owned(), is_guilty(l))).collect(),
            }
        };
        let finding = |f: &diagnosis::Finding| Finding {
            code: f.code.clone(),
            level: f.level.clone(),
            certainty: if f.level == "note" { String::new() } else { f.certainty.clone() },
            title: spans(&f.title),
            evidence: f
                .evidence
                .iter()
                .map(|(artifact, pointer, found, expected)| {
                    (format!("{artifact}: {pointer}"), found.clone(), expected.clone())
                })
                .collect(),
            fix: spans(&f.fix),
            fixes: f.fixes.clone(),
            aadsts: f.aadsts.clone(),
        };
        Self {
            headline: spans(&diagnosis.headline),
            findings: diagnosis.findings.iter().map(finding).collect(),
            sources: diagnosis.sources.iter().map(source).collect(),
            client: diagnosis.client.map(|(name, told_by)| (name, spans(&told_by))),
            table,
            passed: diagnosis.passed.iter().map(|c| c.replace('-', " ")).collect(),
            verdict: diagnosis.verdict,
            judged_at: diagnosis.judged_at,
            profile: diagnosis.profile,
            said: diagnosis.said,
            needed: diagnosis.needed,
            read: diagnosis.read,
        }
    }
}
