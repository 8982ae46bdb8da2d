//! The token endpoints, v1.0 and v2.0 (RFC 6749 §3.2): bytes in, JSON out. `issue` does the work.

use countersign_core::request::{EndpointVersion, TokenRequest};
use http::{HeaderMap, StatusCode};

use crate::app::App;
use crate::diagnosis::{self, Whole};
use crate::http::context::Context;
use crate::http::error::Refusal;
use crate::http::respond::{Answer, token_answer};
use crate::issue::{self, Asked, Failure, Issued, NotIssued};
use crate::store::StoreError;
use crate::store::model::SignInRecord;

/// Answers a token request.
pub async fn answer(
    app: &App,
    context: &Context,
    version: EndpointVersion,
    tenant: &str,
    headers: &HeaderMap,
    query: Option<&str>,
    body: &[u8],
) -> Answer {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    let authorization = text(http::header::AUTHORIZATION);
    let reading = context.stage("read");
    let mut request = TokenRequest::read(
        tenant,
        version,
        text(http::header::CONTENT_TYPE),
        body,
        query.unwrap_or_default(),
        authorization,
    );
    request.permitted_tenants = headers
        .get("restrict-access-to-tenants")
        .and_then(|v| v.to_str().ok())
        .map(|list| list.split(',').map(|t| t.trim().to_owned()).filter(|t| !t.is_empty()).collect());
    drop(reading);
    let now = app.now();
    let mut record = SignInRecord {
        id: context.trace_id.clone(),
        time: now.micros(),
        correlation_id: context.correlation_id.clone(),
        ip_address: context.address.to_string(),
        ..SignInRecord::default()
    };
    record.client = client(&request, headers);
    let asked =
        Asked { request: &request, base: &context.base, now, random: &context.random, trace: context.trace.as_deref() };
    let response = match issue::issue(app, &asked, &mut record).await {
        Ok(issued) => token_answer(StatusCode::OK, success(version, &issued), context, 0),
        Err(not_issued) => {
            let refusal = refusal(&not_issued, context, app);
            record.error_code = refusal.code;
            record.failure_reason.clone_from(&refusal.description);
            if matches!(not_issued, NotIssued::Refused(_)) {
                let headers: Vec<(String, String)> = headers
                    .iter()
                    .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
                    .collect();
                let whole = Whole { request: &request, base: &context.base, query, headers: &headers, body };
                let _diagnosing = context.stage("diagnose");
                record.diagnosis = diagnosis::of_refused(app, &whole, now, &refusal.description).await;
            }
            refusal.answer(app, context)
        }
    };
    note(app, context, record);
    response
}

/// The answer to something that never became a token request, counted and recorded all the same.
pub fn refuse(app: &App, context: &Context, refusal: &Refusal) -> Answer {
    note(
        app,
        context,
        SignInRecord {
            id: context.trace_id.clone(),
            time: app.now().micros(),
            correlation_id: context.correlation_id.clone(),
            ip_address: context.address.to_string(),
            credential_type: "none".to_owned(),
            error_code: refusal.code,
            failure_reason: refusal.description.clone(),
            ..SignInRecord::default()
        },
    );
    refusal.answer(app, context)
}

/// The answer to a request for which there is no room: counted, but no row of the journal, which would cost more than the
/// answer.
pub fn turn_away(app: &App, context: &Context, refusal: &Refusal) -> Answer {
    app.metrics.turned_away.count();
    refusal.answer(app, context)
}

fn refusal(not_issued: &NotIssued, context: &Context, app: &App) -> Refusal {
    match not_issued {
        NotIssued::Refused(reason) => Refusal::of(reason),
        NotIssued::Failed(failure) => {
            if let Failure::TooMany(seconds) = failure {
                app.metrics.turned_away.count();
                return Refusal::too_many(*seconds);
            }
            if matches!(failure, Failure::Stale) {
                // The node itself has said why, once.
                app.metrics.turned_away.count();
                return Refusal::unavailable();
            }
            app.metrics.failed.count();
            tracing::error!(trace_id = context.trace_id, correlation_id = context.correlation_id, %failure, "a token request failed");
            match failure {
                Failure::Store(StoreError::Unavailable(_) | StoreError::Full) => Refusal::unavailable(),
                Failure::Store(_)
                | Failure::Undecided { .. }
                | Failure::Sign
                | Failure::Stale
                | Failure::TooMany(_) => Refusal::failed(),
            }
        }
    }
}

/// The client's library as it says itself: what MSAL adds to the form, else `User-Agent`.
fn client(request: &TokenRequest, headers: &HeaderMap) -> String {
    const LONGEST: usize = 80;
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let said = |name: &str| request.given(name).or_else(|| header(name));
    let text = match (said("x-client-SKU"), said("x-client-Ver").or_else(|| said("x-client-VER"))) {
        (Some(library), Some(version)) => format!("{library} {version}"),
        (Some(library), None) => library.to_owned(),
        (None, _) => header("user-agent").unwrap_or_default().to_owned(),
    };
    countersign_core::entra::text::clean(&text.chars().take(LONGEST).collect::<String>())
}

/// Counts a token request and keeps its record.
pub fn note(app: &App, context: &Context, mut record: SignInRecord) {
    match record.error_code {
        0 => app.metrics.issued.count(),
        code => app.metrics.refuse(code),
    }
    let took = context.started.elapsed();
    record.micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    app.metrics.token_duration.observe(took);
    if let Some(trace) = &context.trace {
        trace.describe(&record);
    }
    let _recording = context.stage("journal");
    if !app.journal.record(record) {
        app.metrics.sign_ins_dropped.count();
    }
}

/// The token response. v1.0 writes every value as text and adds three members (recorded). `client_info` and `id_token` are
/// never there: either stops MSAL from caching.
fn success(version: EndpointVersion, issued: &Issued) -> String {
    let token = issued.access_token.as_str();
    let expires_in = issued.expires_in;
    match version {
        EndpointVersion::V2 => format!(
            "{{\"token_type\":\"Bearer\",\"expires_in\":{expires_in},\"ext_expires_in\":{expires_in},\"access_token\":\"{token}\"}}"
        ),
        EndpointVersion::V1 => {
            let mut resource = String::new();
            crate::token::claims::quote(&mut resource, &issued.resource);
            format!(
                "{{\"token_type\":\"Bearer\",\"expires_in\":\"{expires_in}\",\"ext_expires_in\":\"{expires_in}\",\
                 \"expires_on\":\"{}\",\"not_before\":\"{}\",\"resource\":{resource},\"access_token\":\"{token}\"}}",
                issued.expires_on, issued.not_before,
            )
        }
    }
}
