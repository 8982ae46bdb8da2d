//! A whole agent in this process, over real sockets, with an authority that a test plays: who gets a token, and who gets nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot set up its world has failed, and says where")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use countersign_agent::{Agent, AllowList, Apis, Callers, Listen, Listener, OpenForm, Settings};
use countersign_client::{
    Answer, Answering, Authority, Credential, Form, SecretString, TokenClient, Transport, TransportError, Url,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

const SECRET: &str = "secret-of-the-only-caller";
const CLIENT: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
const GRAPH: &str = "https://graph.microsoft.com/.default";

/// What the authority answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Gives,
    Refuses,
    Away,
}

#[derive(Debug)]
struct Played {
    mood: Mood,
    asked: Arc<AtomicUsize>,
}

impl Transport for Played {
    fn post<'a>(&'a self, url: &'a Url, form: Form<'a>) -> Answering<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        // The caller's secret stays here, and the scope is the list's own.
        assert!(form.parameters.iter().all(|(_, value)| *value != SECRET));
        assert!(form.parameters.contains(&("scope", GRAPH)));
        let answer = match self.mood {
            Mood::Gives => Ok((200, r#"{"access_token":"the-token","token_type":"Bearer","expires_in":3599}"#)),
            Mood::Refuses => Ok((
                401,
                r#"{"error":"invalid_client","error_description":"AADSTS7000215: no","error_codes":[7000215]}"#,
            )),
            Mood::Away => {
                Err(TransportError::Unreachable { url: url.to_string(), why: "connection refused".to_owned() })
            }
        };
        let answer = answer.map(|(status, body)| Answer { status, retry_after: None, body: body.as_bytes().to_vec() });
        Box::pin(std::future::ready(answer))
    }
}

struct Running {
    address: String,
    asked: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(mood: Mood, open: Vec<OpenForm>) -> Self {
        let asked = Arc::<AtomicUsize>::default();
        let transport = Box::new(Played { mood, asked: Arc::clone(&asked) });
        let authority = Authority::new("https://login.example", "contoso.example").unwrap();
        let secret = Credential::Secret(SecretString::from("the agent's own"));
        let client = TokenClient::with_transport(authority, CLIENT, secret, transport, Duration::from_millis(200));
        let mut callers = Callers::new(AllowList::new([GRAPH], true).unwrap());
        callers.add("default", SECRET).unwrap();
        let mut apis = Apis::default();
        apis.add("Graph", GRAPH, true).unwrap();
        let tenant = Some("contoso.example".to_owned());
        let agent = Agent::new(Settings { client, tenant, callers, apis, open });
        let listener = Listener::bind(&"127.0.0.1:0".parse::<Listen>().unwrap()).await.unwrap();
        let address = listener.url().unwrap().trim_start_matches("http://").to_owned();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(agent.serve(vec![listener], async {
            let _ = stopped.await;
        }));
        Self { address, asked, stop: Some(stop), serving }
    }

    /// One request on a connection of its own; the status and all of the answer.
    async fn send(&self, first: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let host = if headers.contains("Host:") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let request = format!("{first} HTTP/1.1\r\n{host}{headers}{length}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    }

    async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        self.send(&format!("GET {path}"), headers, "").await
    }

    async fn end(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        self.serving.await.unwrap();
    }
}

fn with_secret() -> String {
    format!("X-IDENTITY-HEADER: {SECRET}\r\n")
}

const IMDS: &str = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com/";
const APP_SERVICE: &str = "/msi/token?api-version=2019-08-01&resource=https://graph.microsoft.com";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

#[tokio::test]
async fn every_form_hands_out_the_token() {
    let agent = Running::start(Mood::Gives, vec![OpenForm::Imds, OpenForm::Sidecar]).await;
    let secret = with_secret();
    for (path, headers, shows) in [
        ("/token", secret.as_str(), "\"access_token\":\"the-token\""),
        (
            "/token?scope=https%3A%2F%2Fgraph.microsoft.com%2F.default",
            "Authorization: Bearer secret-of-the-only-caller\r\n",
            "the-token",
        ),
        (APP_SERVICE, &secret, "\"resource\":\"https://graph.microsoft.com\""),
        (
            "/msi/token?api-version=2017-09-01&resource=https://graph.microsoft.com",
            "secret: secret-of-the-only-caller\r\n",
            "+00:00",
        ),
        (IMDS, "Metadata: true\r\n", "\"access_token\":\"the-token\""),
        ("/AuthorizationHeader/graph", &secret, "{\"authorizationHeader\":\"Bearer the-token\"}"),
        ("/AuthorizationHeaderUnauthenticated/Graph?optionsOverride.RequestAppToken=true", "", "Bearer the-token"),
    ] {
        let (status, text) = agent.get(path, headers).await;
        assert!(status == 200 && text.contains(shows), "{path}: {text}");
        assert!(text.to_ascii_lowercase().contains("cache-control: no-store"), "{path}: {text}");
    }
    let body = format!("grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}");
    let (status, text) = agent.send("POST /contoso.example/oauth2/v2.0/token", FORM, &body).await;
    assert!(status == 200 && text.contains("the-token"), "{text}");
    let through = "POST http://login.example/contoso.example/oauth2/v2.0/token";
    let (status, text) = agent.send(through, &format!("Host: login.example\r\n{FORM}"), &body).await;
    assert!(status == 200 && text.contains("the-token"), "{text}");
    assert_eq!(agent.asked.load(Ordering::SeqCst), 1, "one request for all of them");
    let (_, metrics) = agent.get("/metrics", "").await;
    assert!(metrics.contains("{caller=\"default\",form=\"endpoint\",outcome=\"token\"} 2"), "{metrics}");
    assert!(!metrics.contains("the-token") && !metrics.contains(SECRET));
    agent.end().await;
}

#[tokio::test]
async fn whoever_may_not_have_it_gets_nothing() {
    let agent = Running::start(Mood::Gives, Vec::new()).await;
    let secret = with_secret();
    let with = |more: &str| format!("{secret}{more}\r\n");
    for (path, headers, wanted) in [
        ("/token", String::new(), 401),
        ("/token", "X-IDENTITY-HEADER: secret-of-the-only-calle\r\n".to_owned(), 401),
        ("/token", with("Origin: https://evil.example"), 403),
        ("/token", with("Sec-Fetch-Site: same-origin"), 403),
        ("/token", with("X-Forwarded-For: 127.0.0.1"), 403),
        ("/token", with("Host: evil.example"), 403),
        ("/token?scope=https://vault.azure.net/.default", secret.clone(), 403),
        ("/token?scope=https://graph.microsoft.com/.default%20https://vault.azure.net/.default", secret.clone(), 403),
        (APP_SERVICE, String::new(), 401),
        ("/msi/token?api-version=2019-08-01&resource=https://vault.azure.net", secret.clone(), 400),
        (&format!("{APP_SERVICE}&client_id=00000000-0000-4000-8000-000000000000"), secret.clone(), 400),
        (IMDS, "Metadata: true\r\n".to_owned(), 404),
        ("/AuthorizationHeaderUnauthenticated/Graph", String::new(), 401),
        ("/AuthorizationHeader/Graph?AgentIdentity=x", secret.clone(), 400),
        ("/AuthorizationHeader/Graph?optionsOverride.BaseUrl=x", secret.clone(), 400),
        ("/AuthorizationHeader/Graph?optionsOverride.Scopes=https://vault.azure.net/.default", secret.clone(), 403),
        ("/nothing", secret.clone(), 404),
    ] {
        let (status, text) = agent.get(path, &headers).await;
        assert!(status == wanted && !text.contains("the-token") && !text.contains(SECRET), "{path} {headers}: {text}");
    }
    for (first, headers, body, wanted) in [
        ("POST /token", secret.as_str(), "", 405),
        ("HEAD /token", &secret, "", 405),
        ("OPTIONS /token", &secret, "", 405),
        (
            "POST /contoso.example/oauth2/v2.0/token",
            FORM,
            "grant_type=client_credentials&client_secret=wrong-secret-of-nobody",
            401,
        ),
        ("POST /contoso.example/oauth2/v2.0/token", FORM, "grant_type=client_credentials", 401),
        ("POST http://evil.example/contoso.example/oauth2/v2.0/token", "Host: evil.example\r\n", "a=b", 403),
        ("GET http://login.example/metrics", "Host: login.example\r\n", "", 403),
        ("CONNECT login.example:443", "Host: login.example:443\r\n", "", 403),
    ] {
        let (status, text) = agent.send(first, headers, body).await;
        assert!(status == wanted && !text.contains("the-token"), "{first}: {text}");
    }
    agent.end().await;
}

#[tokio::test]
async fn a_refusal_and_an_absence_are_told_apart() {
    let refused = Running::start(Mood::Refuses, vec![OpenForm::Imds]).await;
    let secret = with_secret();
    let (status, text) = refused.get("/token", &secret).await;
    assert!(status == 502 && text.contains("AADSTS7000215"), "{text}");
    assert_eq!(refused.get(APP_SERVICE, &secret).await.0, 400);
    assert_eq!(refused.get(IMDS, "Metadata: true\r\n").await.0, 400);
    assert_eq!(refused.get("/AuthorizationHeader/Graph", &secret).await.0, 401);
    let body = format!("grant_type=client_credentials&client_secret={SECRET}");
    let (status, text) = refused.send("POST /oauth2/token", FORM, &body).await;
    assert!(status == 401 && text.ends_with(r#""error_codes":[7000215]}"#), "as the authority said it: {text}");
    assert_eq!(refused.get("/readyz", "").await.0, 503);
    assert_eq!(refused.get("/livez", "").await.0, 200);
    refused.end().await;

    let away = Running::start(Mood::Away, Vec::new()).await;
    for path in ["/token", APP_SERVICE, "/AuthorizationHeader/Graph"] {
        let (status, text) = away.get(path, &secret).await;
        let lower = text.to_ascii_lowercase();
        assert!(status == 503 && lower.contains("retry-after: ") && text.contains("login.example"), "{path}: {text}");
    }
    away.end().await;
}
