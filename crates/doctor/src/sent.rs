//! A request that the service itself received, with the registration it judged by: the same diagnosis as for files.
//!
//! Called by the service's pages and by `demo`. Nothing is read from text here; the artifacts are made from values.

use countersign_core::crypto::Provider;
use countersign_core::registration::Registration;
use countersign_core::request::TokenRequest;
use zeroize::Zeroizing;

use crate::artifact::{Application, Artifact, Content, KeyEntry, Request};
use crate::proof::Level;
use crate::report::Verdict;
use crate::{Options, Report, diagnose, read};

/// A token request and what the service knew.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// The request as the service read it.
    pub request: &'a TokenRequest,
    /// Scheme, host and port under which it arrived, as `https://localhost:8443`.
    pub base_url: &'a str,
    /// Path as sent.
    pub path: &'a str,
    /// The registration of the client, when there is one.
    pub registration: Option<&'a Registration>,
    /// What the client calls itself, as the journal keeps it: `x-client-SKU` and version, else `User-Agent`.
    pub client: Option<&'a str>,
    /// `error_description` of the answer, when it was a refusal.
    pub answer: Option<&'a str>,
    /// The rest of the HTTP request. Without it, what only headers or another form of body show is not seen.
    pub http: Option<Http<'a>>,
    /// The service verified all of it and issued a token; what is no longer at hand, the signature, is not held against it.
    pub accepted: bool,
}

/// What an HTTP request has besides its path.
#[derive(Clone, Copy, Debug)]
pub struct Http<'a> {
    /// The query of its URL.
    pub query: &'a str,
    /// Names and values of its headers.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
}

/// Says why a request is, or was, refused.
pub fn examine_sent(sent: &Sent<'_>, options: &Options, crypto: &dyn Provider) -> Report {
    let mut artifacts = Vec::new();
    let mut push =
        |file: &str, content: Content| artifacts.push(Artifact { file: file.to_owned(), repairs: Vec::new(), content });
    let (scheme, host) = sent.base_url.split_once("://").unwrap_or(("https", sent.base_url));
    let (scheme, host) = (Some(scheme.to_owned()), Some(host.trim_end_matches('/').to_ascii_lowercase()));
    let request = match sent.http {
        Some(http) => Request { token: sent.request.clone(), scheme, host, exact: true, ..whole(sent.path, &http) },
        None => Request {
            token: sent.request.clone(),
            scheme,
            host,
            path: sent.path.to_owned(),
            body: Zeroizing::new(Vec::new()),
            authorization: None,
            json: Vec::new(),
            client_clock: None,
            server_date: None,
            client: sent.client.map(str::to_owned),
            // Its signature is not at hand any more.
            exact: false,
        },
    };
    read::request(request).into_iter().for_each(|content| push("request", content));
    if let Some(registration) = sent.registration {
        push("registration", Content::Application(Box::new(application(registration))));
    }
    if let Some(error) = sent.answer.and_then(read::error) {
        push("answer", Content::Error(Box::new(error)));
    }
    // The service knows what it is.
    let options = Options { profile_named: true, ..options.clone() };
    let mut report = diagnose::diagnose(&artifacts, &options, crypto);
    if sent.accepted {
        report.verdict = Verdict::Accepted;
        report.needed.clear();
        report.refusals.clear();
        report.findings.retain(|f| f.level != Level::Error);
        if report.passed.contains(&"key-found") && !report.passed.contains(&"signature") {
            report.passed.push("signature");
        }
    }
    report
}

/// The request as a file with the same bytes would be read.
fn whole(path: &str, http: &Http<'_>) -> Request {
    let query = if http.query.is_empty() { String::new() } else { format!("?{}", http.query) };
    read::request::read(&read::request::Parts {
        method: "POST",
        target: &format!("{path}{query}"),
        headers: http.headers.to_vec(),
        body: http.body,
    })
}

fn application(registration: &Registration) -> Application {
    let keys = registration
        .key_credentials
        .iter()
        .map(|k| KeyEntry { custom_readings: k.custom_digest().into_iter().collect(), ..KeyEntry::default() })
        .collect();
    Application {
        registration: registration.clone(),
        keys,
        secret_ids: registration.password_credentials.iter().map(|p| p.key_id.clone()).collect(),
        lists_keys: true,
        ..Application::default()
    }
}
