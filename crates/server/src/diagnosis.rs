//! The doctor's word on a token request that this service answered, and the form in which the journal keeps it.
//!
//! A refused request is diagnosed while it is whole, so that its page says what the command says of the same bytes; afterwards
//! neither its signature nor a secret is there any more. How many a second is bounded: whoever floods the service with refused
//! requests gets rows that are judged later, by what the journal keeps.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use countersign_core::jose::UnverifiedJwt;
use countersign_core::registration::Registration;
use countersign_core::request::{EndpointVersion, JWT_BEARER, TokenRequest, form_decode};
use countersign_core::time::UnixTime;
use countersign_doctor::report::{Source, Verdict};
use countersign_doctor::sent::Http;
use countersign_doctor::{Options, Report, Sent, examine, examine_sent, general_fixes, render};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::issue::form_encode;
use crate::store::model::{Accepted, SignInRecord};

/// Diagnoses in reserve, and those that are added every second. One costs less than a millisecond.
const RESERVE: f64 = 200.0;
const A_SECOND: f64 = 20.0;
/// Longest diagnosis that is kept.
const LONGEST: usize = 16 * 1024;
/// Stands for a secret, which is not kept: of the form that real ones have, so that it is taken for nothing else.
const SECRET: &str = "&client_secret=0k3~pt.N0t-hErE_qW9rT2yU4iO6pA8sD1fG3hJ5";

/// A report as the pages show it. It holds no signature, no secret and no key: the doctor's reports never do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// `refused`, `accepted`, `undecided`.
    pub verdict: String,
    /// The verdict in one sentence.
    pub headline: String,
    /// The time of the judgement, RFC 3339.
    pub judged_at: String,
    /// Whose rules.
    pub profile: String,
    /// The client that made the request, and what told it.
    #[serde(default)]
    pub client: Option<(String, String)>,
    /// What the server said: Entra's number, the words of another server, and what they mean.
    #[serde(default)]
    pub said: Vec<Said>,
    /// Findings, most decisive first.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Ids of the checks that refuse, in order of evaluation.
    #[serde(default)]
    pub refused_by: Vec<String>,
    /// Ids of the checks that passed.
    #[serde(default)]
    pub passed: Vec<String>,
    /// Kinds of artifact that would decide what is open.
    #[serde(default)]
    pub needed: Vec<String>,
    /// Header and claims, one line a member: artifact, `header` or `claims`, text.
    #[serde(default)]
    pub sources: Vec<(String, String, String)>,
    /// What was read: file, kind, repairs.
    #[serde(default)]
    pub read: Vec<(String, String, String)>,
}

/// What a server said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Entra's number.
    pub code: Option<u32>,
    /// The words of another server.
    pub text: String,
    /// What it means.
    pub meaning: String,
}

/// A finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Key of the taxonomy.
    pub code: String,
    /// `error`, `warning`, `note`.
    pub level: String,
    /// `proven`, `likely`, `possible`.
    pub certainty: String,
    /// One line.
    pub title: String,
    /// Where it shows: artifact, pointer, found, expected.
    pub evidence: Vec<(String, String, String, String)>,
    /// What to do.
    pub fix: String,
    /// The same in code: for whom, and the code. Kept for a client that is known; for others it is looked up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixes: Vec<(String, String)>,
    /// Numbers that go with it.
    pub aadsts: Vec<u32>,
}

impl Diagnosis {
    /// Of a report.
    pub fn of(report: &Report) -> Self {
        let source = |s: &Source| (s.artifact.clone(), s.part.to_owned(), s.text.clone());
        Self {
            verdict: report.verdict.name().to_owned(),
            headline: render::headline(report),
            judged_at: report.judged_at.clone(),
            profile: report.profile.clone(),
            client: report.client.as_ref().map(|c| (c.name.clone(), c.told_by.clone())),
            said: report
                .said
                .iter()
                .map(|s| Said {
                    code: s.code,
                    text: s.text.clone().unwrap_or_default(),
                    meaning: s.meaning.trim_end_matches('.').to_owned(),
                })
                .collect(),
            findings: report
                .findings
                .iter()
                .map(|f| Finding {
                    code: f.code.clone(),
                    level: f.level.name().to_owned(),
                    certainty: f.certainty.name().to_owned(),
                    title: f.title.clone(),
                    evidence: f
                        .evidence
                        .iter()
                        .map(|e| (e.artifact.clone(), e.pointer.clone(), e.found.clone(), e.expected.clone()))
                        .collect(),
                    fix: f.fix.clone(),
                    fixes: f.fixes.iter().map(|x| (x.client.clone(), x.code.clone())).collect(),
                    aadsts: f.aadsts.clone(),
                })
                .collect(),
            refused_by: report.refusals.iter().map(|r| r.check.clone()).collect(),
            passed: report.passed.iter().map(|c| (*c).to_owned()).collect(),
            needed: report.needed.clone(),
            sources: report.sources.iter().map(source).collect(),
            read: report.artifacts.iter().map(|a| (a.file.clone(), a.kind.clone(), a.repairs.join("; "))).collect(),
        }
    }

    /// Of a request that got a token and of which nothing else is kept: all checks had passed.
    fn of_issued(app: &App, at: UnixTime) -> Self {
        let mut report = examine(&[], &options(app, at), &*app.crypto);
        report.verdict = Verdict::Accepted;
        report.needed.clear();
        Self::of(&report)
    }

    /// Bytes of its texts, about.
    fn length(&self) -> usize {
        let texts =
            |list: &[(String, String, String)]| list.iter().map(|(a, b, c)| a.len() + b.len() + c.len()).sum::<usize>();
        let finding = |f: &Finding| {
            let evidence = f.evidence.iter().map(|(a, b, c, d)| a.len() + b.len() + c.len() + d.len()).sum::<usize>();
            f.title.len() + f.fix.len() + evidence + f.fixes.iter().map(|(a, b)| a.len() + b.len()).sum::<usize>()
        };
        self.headline.len()
            + texts(&self.sources)
            + texts(&self.read)
            + self.findings.iter().map(finding).sum::<usize>()
    }
}

/// How many diagnoses may be made at the moment.
#[derive(Debug)]
pub struct Allowance(Mutex<(Instant, f64)>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Mutex::new((Instant::now(), RESERVE)))
    }
}

impl Allowance {
    /// Takes one, if there is one.
    fn take(&self, now: Instant) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, left) = *state;
        let left = (left + now.saturating_duration_since(since).as_secs_f64() * A_SECOND).min(RESERVE);
        let takes = left >= 1.0;
        *state = (now, if takes { left - 1.0 } else { left });
        takes
    }
}

/// A token request with everything that came with it.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// As it was read.
    pub request: &'a TokenRequest,
    /// Base URL of the service, as the client called it.
    pub base: &'a str,
    /// Query of the URL.
    pub query: Option<&'a str>,
    /// Names and values of its headers.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}

/// Diagnoses a refused request while it is whole; `None` when there are too many of them at the moment.
pub async fn of_refused(app: &App, whole: &Whole<'_>, now: UnixTime, answer: &str) -> Option<Box<Diagnosis>> {
    if !app.diagnoses.take(Instant::now()) {
        return None;
    }
    let registration = registration(app, &whole.request.tenant, whole.request.client_id().unwrap_or_default()).await;
    let path = path(whole.request);
    let sent = Sent {
        request: whole.request,
        base_url: whole.base,
        path: &path,
        registration: registration.as_ref(),
        client: None,
        answer: Some(answer),
        http: Some(Http { query: whole.query.unwrap_or_default(), headers: whole.headers, body: whole.body }),
        accepted: false,
    };
    let mut diagnosis = Diagnosis::of(&examine_sent(&sent, &options(app, now), &*app.crypto));
    if diagnosis.client.is_none() {
        diagnosis.findings.iter_mut().for_each(|f| f.fixes.clear());
    }
    (diagnosis.length() <= LONGEST).then(|| Box::new(diagnosis))
}

/// The diagnosis of a request in the journal: the one that was made while it was whole, else one by what is kept. `base` is the
/// service's URL, where the journal does not say by which one it was called.
pub async fn of_record(app: &App, record: &SignInRecord, base: &str) -> Diagnosis {
    if let Some(made) = &record.diagnosis {
        let mut made = (**made).clone();
        if made.client.is_none() {
            for finding in made.findings.iter_mut().filter(|f| f.level != "note") {
                finding.fixes = general_fixes(&finding.code).into_iter().map(|x| (x.client, x.code)).collect();
            }
        }
        return made;
    }
    let at = UnixTime::from_micros(record.time);
    let registration = registration(app, &record.tenant_id, &record.app_id).await;
    let accepted = record.error_code == 0;
    let (tenant, version, body) = match &record.accepted {
        Some(kept) => form_of_accepted(record, kept),
        None if accepted => return Diagnosis::of_issued(app, at),
        None => form_of_refused(record),
    };
    let content_type = Some("application/x-www-form-urlencoded");
    let request = TokenRequest::read(&tenant, version, content_type, body.as_bytes(), "", None);
    let sent = Sent {
        request: &request,
        base_url: record.accepted.as_ref().map_or(base, |kept| &kept.base),
        path: &if record.path.is_empty() && !accepted { String::new() } else { path(&request) },
        registration: registration.as_ref(),
        client: Some(record.client.as_str()).filter(|c| !c.is_empty()),
        answer: Some(record.failure_reason.as_str()).filter(|_| !accepted),
        http: None,
        accepted,
    };
    Diagnosis::of(&examine_sent(&sent, &options(app, at), &*app.crypto))
}

/// Header and claims of a request in the journal, as far as they are kept.
pub fn assertion(record: &SignInRecord) -> Option<UnverifiedJwt> {
    let kept = record.accepted.as_ref().map_or(&record.assertion, |a| &a.assertion);
    UnverifiedJwt::read(&format!("{kept}.")).ok()
}

/// The client's registration at the moment, when there is one.
pub async fn registration(app: &App, tenant: &str, app_id: &str) -> Option<Registration> {
    let tenant = app.directory.tenant(tenant).await.ok()??;
    let client = app.directory.client(&tenant, app_id).await.ok()??;
    Some(client.registration.clone())
}

fn options(app: &App, at: UnixTime) -> Options {
    let mut options = Options::new(at);
    options.at = Some(at);
    options.profile = app.profile;
    options
}

fn path(request: &TokenRequest) -> String {
    match request.version {
        EndpointVersion::V1 => format!("/{}/oauth2/token", request.tenant),
        EndpointVersion::V2 => format!("/{}/oauth2/v2.0/token", request.tenant),
    }
}

fn form_of_refused(record: &SignInRecord) -> (String, EndpointVersion, String) {
    let mut segments = record.path.trim_start_matches('/').split('/');
    let tenant = form_decode(segments.next().unwrap_or_default());
    let version = if record.path.ends_with("/v2.0/token") { EndpointVersion::V2 } else { EndpointVersion::V1 };
    let mut body = record.form.clone();
    if !record.assertion.is_empty() {
        body.push_str("&client_assertion=");
        body.push_str(&record.assertion);
    }
    if record.credential_type == "clientSecret" {
        body.push_str(SECRET);
    }
    (tenant, version, body)
}

/// What else an accepted request said can be told from its row: everything in it was right.
fn form_of_accepted(record: &SignInRecord, kept: &Accepted) -> (String, EndpointVersion, String) {
    let resource = record.resource.as_str();
    let wish = match kept.version {
        EndpointVersion::V1 => format!("resource={}", form_encode(resource)),
        EndpointVersion::V2 => format!("scope={}", form_encode(&format!("{resource}/.default"))),
    };
    let body = format!(
        "grant_type=client_credentials&client_id={}&{wish}&client_assertion_type={}&client_assertion={}.",
        form_encode(&record.app_id),
        form_encode(JWT_BEARER),
        form_encode(&kept.assertion),
    );
    (record.tenant_id.clone(), kept.version, body)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_refused_requests_is_not_diagnosed_whole() {
        let (allowance, start) = (Allowance::default(), Instant::now());
        let taken = (0..1000).filter(|_| allowance.take(start)).count();
        assert_eq!(taken, RESERVE as usize);
        let later = start + Duration::from_secs(1);
        assert_eq!((0..1000).filter(|_| allowance.take(later)).count(), A_SECOND as usize);
        assert!(allowance.take(start + Duration::from_secs(3600)), "it recovers");
    }
}
