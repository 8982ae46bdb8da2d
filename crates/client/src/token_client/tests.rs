//! The cache and the retries, over a transport that answers from a script.

use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;

use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};

use super::ask::back_off;
use super::*;
use crate::credential::{AssertionStyle, RotatingCertificate};
use crate::transport::{Answer, Answering, Form, TransportError};

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

/// Lets tasks in the background come to an end.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

fn secret(token: &Token) -> &str {
    token.access_token.expose_secret()
}

#[test]
fn a_due_token_is_refreshed_behind_the_callers_back() {
    run(async {
        let due = answer(200, r#"{"access_token":"old","token_type":"Bearer","expires_in":3600,"refresh_in":0}"#);
        let (client, seen) = client(vec![due, good("new", 3_600)], Duration::ZERO, LONG);
        client.token("a").await.unwrap();
        for _ in 0..20 {
            assert_eq!(secret(&client.token("a").await.unwrap()), "old", "nobody waits");
        }
        settle().await;
        assert_eq!(secret(&client.token("a").await.unwrap()), "new");
        assert_eq!(seen.requests.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn an_old_token_serves_while_the_authority_is_away_and_only_while_it_is_good() {
    run(async {
        let due = answer(200, r#"{"access_token":"old","token_type":"Bearer","expires_in":3600,"refresh_in":0}"#);
        let (client, seen) = client(vec![due, gone()], Duration::ZERO, LONG);
        client.token("a").await.unwrap();
        assert_eq!(secret(&client.token("a").await.unwrap()), "old");
        tokio::time::sleep(Duration::from_secs(30)).await;
        let after_outage = seen.requests.load(Ordering::SeqCst);
        assert_eq!(after_outage, 5);
        for _ in 0..50 {
            assert_eq!(secret(&client.token("a").await.unwrap()), "old");
            settle().await;
        }
        assert_eq!(seen.requests.load(Ordering::SeqCst), after_outage, "no storm: the refresh pauses");
    });
    run(async {
        let (client, _) = client(vec![good("ended", 0), gone()], Duration::ZERO, LONG);
        client.token("a").await.unwrap();
        assert!(client.token("a").await.is_err());
    });
}

#[test]
fn an_outage_is_no_storm() {
    run(async {
        let (client, seen) = client(vec![gone()], Duration::ZERO, LONG);
        let began = Instant::now();
        let tasks: Vec<_> = (0..200)
            .map(|_| {
                let client = client.clone();
                // Tasks that ask again at once, whatever they are told.
                tokio::spawn(async move {
                    while began.elapsed() < Duration::from_secs(60) {
                        assert!(client.token("a").await.is_err());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let requests = seen.requests.load(Ordering::SeqCst);
        assert_eq!(seen.most_at_once.load(Ordering::SeqCst), 1);
        assert!((8..=60).contains(&requests), "{requests} requests in a minute");
    });
}

#[test]
fn a_pause_that_the_server_asks_for_holds_for_every_token() {
    run(async {
        let mut later = answer(429, r#"{"error":"temporarily_unavailable"}"#);
        later.as_mut().unwrap().retry_after = Some(Duration::from_secs(600));
        let (client, seen) = client(vec![later, good("t", 3_600)], Duration::ZERO, LONG);
        assert!(client.token("a").await.is_err());
        for scope in ["a", "b", "c"] {
            let Err(ClientError::Refused(refusal)) = client.token(scope).await else { panic!("throttled") };
            assert_eq!(refusal.status, 429);
        }
        assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(secret(&client.token("b").await.unwrap()), "t");
    });
}

#[test]
fn a_token_for_a_challenge_takes_the_place_of_the_challenged_one() {
    run(async {
        let (client, seen) = client(vec![good("first", 3_600), good("second", 3_600)], Duration::ZERO, LONG);
        assert_eq!(secret(&client.token("a").await.unwrap()), "first");
        let claims = r#"{"access_token":{"nbf":{"essential":true}}}"#;
        assert_eq!(secret(&client.token_with_claims("a", Some(claims)).await.unwrap()), "second");
        assert_eq!(secret(&client.token_with_claims("a", Some(claims)).await.unwrap()), "second");
        assert_eq!(secret(&client.token("a").await.unwrap()), "second");
        assert_eq!(seen.requests.load(Ordering::SeqCst), 2);
        assert!(seen.forms.lock().unwrap()[1].contains(claims));
    });
}

#[test]
fn the_old_certificate_serves_until_the_new_one_is_known() {
    use countersign_testkit::{Identity, Spec};
    let folder = tempfile::tempdir().unwrap();
    let write = |number: usize, days: i64| {
        let spec = Spec { not_before: now().plus_secs(days * 86_400), ..Spec::default() };
        let identity = Identity::rsa(number, &spec);
        std::fs::write(folder.path().join(format!("{number}.crt")), identity.certificate_pem()).unwrap();
        std::fs::write(folder.path().join(format!("{number}.key")), identity.key_pem()).unwrap();
        identity.certificate
    };
    let thumbprint = |form: &str| {
        let assertion = form.split("client_assertion=").nth(1).unwrap().trim_end_matches('&');
        let jwt = countersign_core::jose::UnverifiedJwt::read(assertion).unwrap();
        jwt.header.x5t_s256.unwrap().bytes().unwrap().to_vec()
    };
    let unknown =
        || answer(401, r#"{"error":"invalid_client","error_description":"AADSTS700027: x","error_codes":[700027]}"#);
    run(async {
        let old = write(0, -9);
        let rotating = RotatingCertificate::folder(folder.path(), None, AssertionStyle::default()).unwrap();
        let answers = vec![good("one", 0), unknown(), good("two", 0), good("three", 0), unknown()];
        let (mut client, seen) = client(answers, Duration::ZERO, LONG);
        Arc::get_mut(&mut client.inner).unwrap().asker.set_credential(Credential::Rotating(rotating));
        assert_eq!(secret(&client.token("a").await.unwrap()), "one");
        let new = write(1, -1);
        assert_eq!(
            secret(&client.token("a").await.unwrap()),
            "two",
            "refused with the new one, taken with the old one"
        );
        assert_eq!(secret(&client.token("a").await.unwrap()), "three");
        let refused = client.token("a").await.unwrap_err();
        let ClientError::Refused(refusal) = refused else { panic!("{refused}") };
        assert_eq!(refusal.sent.certificate.as_ref(), Some(&new), "the last one tried");
        let sent: Vec<_> = seen.forms.lock().unwrap().iter().map(|f| thumbprint(f)).collect();
        let (old, new) = (old.sha256().to_vec(), new.sha256().to_vec());
        assert_eq!(sent, [&old, &new, &old, &old, &old, &new].map(Vec::clone));
    });
}

#[test]
fn tokens_are_kept_on_disk_where_that_is_asked_for() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let cache = DiskCache::open(&folder.path().join("tokens"), None).unwrap();
        let with_cache = |answers| {
            let (mut client, seen) = client(answers, Duration::ZERO, LONG);
            Arc::get_mut(&mut client.inner).unwrap().disk_cache = Some(cache.clone());
            (client, seen)
        };
        let (first, _) = with_cache(vec![good("kept", 3_600)]);
        first.token("a").await.unwrap();
        let (second, seen) = with_cache(vec![good("fresh", 3_600)]);
        assert_eq!(secret(&second.token("a").await.unwrap()), "kept");
        assert_eq!(seen.requests.load(Ordering::SeqCst), 0);
        assert_eq!(secret(&second.token("b").await.unwrap()), "fresh");
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
        assert!(ask::again_after(attempt, None) <= Duration::from_secs(10));
        assert_eq!(ask::again_after(attempt, Some(Duration::from_secs(90))), Duration::from_secs(90));
    }
    assert!(back_off(1) >= Duration::from_millis(500) && back_off(3) >= Duration::from_secs(2));
}
