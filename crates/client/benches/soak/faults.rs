//! The proxy between client and service: hands on, disturbs, counts, and decides when a token has ended.
//!
//! Plain HTTP/1.1 on the loopback interface, as much of it as this client speaks.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use countersign_core::jose::UnverifiedJwt;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// How long the client believes a token to live.
pub const LIFE: Duration = Duration::from_secs(12);

/// A disturbance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooMany,
    Unavailable,
    Slow,
    Closed,
}

impl Fault {
    pub fn name(self) -> &'static str {
        match self {
            Self::TooMany => "429 with Retry-After",
            Self::Unavailable => "503",
            Self::Slow => "slow answers",
            Self::Closed => "closed connections",
        }
    }
}

#[derive(Debug)]
pub struct Proxy {
    http: reqwest::Client,
    host: String,
    state: Mutex<State>,
    requests: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    service: String,
    fault: Option<Fault>,
    /// When each token ends, by what the client was told.
    ends: HashMap<String, Instant>,
    open: HashMap<String, usize>,
    most_at_once: usize,
    certificates: HashSet<Vec<u8>>,
}

struct Request {
    path: String,
    content_type: String,
    body: Vec<u8>,
    form: HashMap<String, String>,
}

impl Proxy {
    /// A proxy on a free port, and its URL.
    pub async fn listen() -> (Arc<Self>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("http://{host}");
        let http = countersign_client::http_client(&countersign_client::TransportOptions {
            direct: true,
            ..Default::default()
        })
        .unwrap();
        let (state, requests) = (Mutex::default(), AtomicU64::new(0));
        let proxy = Arc::new(Self { http, host, state, requests });
        let accepting = Arc::clone(&proxy);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let proxy = Arc::clone(&accepting);
                tokio::spawn(async move {
                    let mut stream = BufReader::new(stream);
                    while proxy.serve(&mut stream).await.is_some() {}
                });
            }
        });
        (proxy, url)
    }

    /// Hands on to this service from now on.
    pub fn forward_to(&self, service: &str) {
        self.state.lock().unwrap().service = service.to_owned();
    }

    pub fn disturb(&self, fault: Option<Fault>) {
        self.state.lock().unwrap().fault = fault;
    }

    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::SeqCst)
    }

    /// Requests for one scope that were open at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.state.lock().unwrap().most_at_once
    }

    /// Certificates that the service accepted an assertion of.
    pub fn certificates(&self) -> usize {
        self.state.lock().unwrap().certificates.len()
    }

    /// Whether this token has ended; one that never passed here counts as ended.
    pub fn has_ended(&self, token: &str) -> bool {
        self.state.lock().unwrap().ends.get(token).is_none_or(|end| Instant::now() >= *end)
    }

    /// One request of a connection; `None` when the connection is to be closed.
    async fn serve(&self, stream: &mut BufReader<TcpStream>) -> Option<()> {
        let request = read(stream).await?;
        let scope = request.form.get("scope").cloned().unwrap_or_default();
        self.requests.fetch_add(1, Ordering::SeqCst);
        let fault = {
            let mut state = self.state.lock().unwrap();
            let open = state.open.entry(scope.clone()).or_default();
            *open += 1;
            let open = *open;
            state.most_at_once = state.most_at_once.max(open);
            state.fault
        };
        let answer = match fault {
            Some(Fault::TooMany) => {
                Some((429, "retry-after: 1\r\n", r#"{"error":"temporarily_unavailable"}"#.as_bytes().to_vec()))
            }
            Some(Fault::Unavailable) => Some((503, "", b"<html>later</html>".to_vec())),
            Some(Fault::Closed) => None,
            Some(Fault::Slow) => {
                tokio::time::sleep(Duration::from_millis(1_500)).await;
                self.forward(&request).await
            }
            None => self.forward(&request).await,
        };
        *self.state.lock().unwrap().open.get_mut(&scope)? -= 1;
        let (status, more, body) = answer?;
        let head = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{more}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.get_mut().write_all(&[head.as_bytes(), &body].concat()).await.ok()
    }

    async fn forward(&self, request: &Request) -> Option<(u16, &'static str, Vec<u8>)> {
        let service = self.state.lock().unwrap().service.clone();
        let answer = self
            .http
            .post(format!("{service}{}", request.path))
            // The service answers by the name that the client used.
            .header("host", &self.host)
            .header("content-type", &request.content_type)
            .body(request.body.clone())
            .send()
            .await
            .ok()?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await.ok()?.to_vec();
        if status != 200 {
            return Some((status, "", body));
        }
        let mut json: Value = serde_json::from_slice(&body).ok()?;
        json["expires_in"] = json!(LIFE.as_secs());
        let token = json["access_token"].as_str()?.to_owned();
        let assertion = UnverifiedJwt::read(request.form.get("client_assertion")?).ok()?;
        let thumbprint = assertion.header.x5t_s256.as_ref().and_then(|t| t.bytes()).map(<[u8]>::to_vec)?;
        let mut state = self.state.lock().unwrap();
        state.ends.insert(token, Instant::now() + LIFE);
        state.certificates.insert(thumbprint);
        Some((200, "", json.to_string().into_bytes()))
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut path, mut content_type, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        } else if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok()?,
                "content-type" => content_type = value.trim().to_owned(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    // The names and values that matter here hold no escapes but those of URLs.
    let text = String::from_utf8(body.clone()).ok()?;
    let plain = |t: &str| t.replace("%3A", ":").replace("%2F", "/");
    let form = text.split('&').filter_map(|p| p.split_once('=')).map(|(n, v)| (plain(n), plain(v))).collect();
    Some(Request { path, content_type, body, form })
}
