//! The cache and the retries, over a transport that answers from a script.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;
use secrecy::SecretString;

use super::*;
use crate::transport::{Answer, Answering, TransportError};

/// Answers in order, then repeats the last one; counts requests and keeps their forms.
#[derive(Debug)]
struct Script {
    answers: Mutex<VecDeque<Result<Answer, TransportError>>>,
    seen: Arc<Seen>,
    delay: Duration,
}

#[derive(Debug, Default)]
struct Seen {
    requests: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
    forms: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answer({})", self.status)
    }
}

impl Transport for Script {
    fn post<'a>(&'a self, _url: &'a Url, form: Form<'a>) -> Answering<'a> {
        Box::pin(async move {
            self.seen.requests.fetch_add(1, Ordering::SeqCst);
            let now = self.seen.at_once.fetch_add(1, Ordering::SeqCst) + 1;
            self.seen.most_at_once.fetch_max(now, Ordering::SeqCst);
            self.seen.forms.lock().unwrap().push(form.parameters.iter().map(|(n, v)| format!("{n}={v}&")).collect());
            tokio::time::sleep(self.delay).await;
            self.seen.at_once.fetch_sub(1, Ordering::SeqCst);
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        })
    }
}

fn answer(status: u16, body: &str) -> Result<Answer, TransportError> {
    Ok(Answer { status, retry_after: None, body: body.as_bytes().to_vec() })
}

fn good(name: &str, expires_in: i64) -> Result<Answer, TransportError> {
    answer(200, &format!(r#"{{"access_token":"{name}","token_type":"Bearer","expires_in":{expires_in}}}"#))
}

fn gone() -> Result<Answer, TransportError> {
    Err(TransportError::Unreachable { url: "https://x".to_owned(), why: "refused".to_owned() })
}

fn client(
    answers: Vec<Result<Answer, TransportError>>,
    delay: Duration,
    deadline: Duration,
) -> (TokenClient, Arc<Seen>) {
    let seen = Arc::new(Seen::default());
    let script = Script { answers: Mutex::new(answers.into()), seen: Arc::clone(&seen), delay };
    let authority = Authority::new("https://login.example", "contoso.example").unwrap();
    let credential = Credential::Secret(SecretString::from("s3cret"));
    (TokenClient::with_transport(authority, "app", credential, Box::new(script), deadline), seen)
}

const LONG: Duration = Duration::from_secs(60);

fn run(test: impl Future<Output = ()>) {
    // The clock stands but for sleeps, which pass at once.
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(test);
}

#[test]
fn many_tasks_share_one_request_and_its_token() {
    run(async {
        let (client, seen) = client(vec![good("one", 3_600), good("two", 3_600)], Duration::from_millis(50), LONG);
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    client.token("a/.default").await.unwrap().access_token.expose_secret().to_owned()
                })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), "one");
        }
        assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
        // Another scope, and the claims of a challenge, are other tokens.
        client.token("b/.default").await.unwrap();
        client.token_with_claims("b/.default", Some("{}")).await.unwrap();
        assert_eq!(seen.requests.load(Ordering::SeqCst), 3);
        let forms = seen.forms.lock().unwrap();
        assert!(
            forms[0].starts_with("grant_type=client_credentials&client_id=app&scope=a/.default&client_secret=s3cret&")
        );
        assert!(forms[2].contains("claims={}&"));
    });
}

#[test]
fn waiting_tasks_share_a_refusal_and_later_ones_ask_again() {
    run(async {
        let refusal =
            answer(401, r#"{"error":"invalid_client","error_description":"AADSTS7000215: x","error_codes":[7000215]}"#);
        let (client, seen) = client(vec![refusal], Duration::from_millis(50), LONG);
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.token("a").await.unwrap_err() })
            })
            .collect();
        for task in tasks {
            let ClientError::Refused(refusal) = task.await.unwrap() else { panic!("refused") };
            assert_eq!(refusal.codes, [7_000_215]);
        }
        assert_eq!(seen.requests.load(Ordering::SeqCst), 1, "a refusal is not tried again");
        assert!(client.token("a").await.is_err());
        assert_eq!(seen.requests.load(Ordering::SeqCst), 2);
        assert_eq!(seen.most_at_once.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn tries_again_after_429_5xx_and_lost_connections() {
    run(async {
        let mut later = answer(429, r#"{"error":"temporarily_unavailable"}"#);
        later.as_mut().unwrap().retry_after = Some(Duration::from_secs(7));
        let (client, seen) = client(vec![later, answer(503, "<html>"), gone(), good("t", 3_600)], Duration::ZERO, LONG);
        let began = tokio::time::Instant::now();
        assert_eq!(client.token("a").await.unwrap().access_token.expose_secret(), "t");
        assert_eq!(seen.requests.load(Ordering::SeqCst), 4);
        assert!(began.elapsed() >= Duration::from_secs(7), "Retry-After is honoured");
    });
}

#[test]
fn gives_up_after_four_requests_or_when_a_pause_outlasts_the_deadline() {
    run(async {
        let (hopeless, seen) = client(vec![gone()], Duration::ZERO, LONG);
        assert!(matches!(hopeless.token("a").await, Err(ClientError::Transport(_))));
        assert_eq!(seen.requests.load(Ordering::SeqCst), 4);

        let mut later = answer(429, r#"{"error":"temporarily_unavailable"}"#);
        later.as_mut().unwrap().retry_after = Some(Duration::from_secs(600));
        let (impatient, seen) = client(vec![later], Duration::ZERO, LONG);
        assert!(matches!(impatient.token("a").await, Err(ClientError::Refused(_))));
        assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_silent_server_ends_with_the_deadline() {
    run(async {
        let (client, _) = client(vec![good("t", 1)], Duration::from_secs(3_600), Duration::from_secs(2));
        let waiting = client.clone();
        let second = tokio::spawn(async move { waiting.token("a").await.err() });
        let first = client.token("a").await.err();
        assert!(matches!(first, Some(ClientError::TimedOut { .. })), "{first:?}");
        assert!(matches!(second.await.unwrap(), Some(ClientError::TimedOut { .. })));
    });
}

#[test]
fn an_old_token_serves_while_the_authority_is_away_and_only_while_it_is_good() {
    run(async {
        // Within the five minutes before its end a token is refreshed.
        let (client, seen) = client(vec![good("old", 200), gone()], Duration::ZERO, LONG);
        client.token("a").await.unwrap();
        assert_eq!(client.token("a").await.unwrap().access_token.expose_secret(), "old");
        let after_outage = seen.requests.load(Ordering::SeqCst);
        assert_eq!(after_outage, 5);
        assert_eq!(client.token("a").await.unwrap().access_token.expose_secret(), "old");
        assert_eq!(seen.requests.load(Ordering::SeqCst), after_outage, "no storm: the refresh pauses");
    });
    run(async {
        let (client, _) = client(vec![good("ended", 0), gone()], Duration::ZERO, LONG);
        client.token("a").await.unwrap();
        assert!(client.token("a").await.is_err());
    });
}

#[test]
fn debug_output_holds_no_secret() {
    let (client, _) = client(vec![good("t0ken", 1)], Duration::ZERO, LONG);
    let text = format!("{client:?}");
    assert!(text.contains("login.example") && !text.contains("s3cret"), "{text}");
}

#[test]
fn back_off_grows_and_stays_bounded() {
    for attempt in 1..20 {
        assert!(back_off(attempt) <= Duration::from_secs(64));
    }
    assert!(back_off(1) >= Duration::from_millis(500) && back_off(3) >= Duration::from_secs(2));
}
