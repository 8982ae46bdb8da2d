//! The forward proxy: CONNECT to a listed host is answered by the service itself, over TLS; everything else is refused or
//! passed on.
//!
//! Started by `run` on loopback. It makes no decision about tokens: behind TLS stand the same routes as everywhere.

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::hosts::METADATA_ADDRESS;
use super::pass::{self, Body, Upstream, bare};
use super::{Hosts, Remote};
use crate::app::App;
use crate::http::connections;
use crate::http::respond::TEXT;
use crate::http::router;

/// A head must have come in this time; also how long an idle connection is kept.
const HEAD: Duration = Duration::from_secs(30);
/// A TLS handshake must be done in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Header block of a request.
const MAX_HEAD: usize = 64 * 1024;
/// Pause when no connection can be accepted.
const PAUSE: Duration = Duration::from_millis(50);
/// Refused hosts that are named in the log; one line each.
const MAX_NAMED: usize = 100;

/// Who answers for the listed hosts.
#[derive(Debug)]
pub enum Answers {
    /// A service in this process.
    Own {
        /// The service.
        app: Arc<App>,
        /// What clients are shown.
        tls: Arc<ServerConfig>,
    },
    /// A service elsewhere.
    Service {
        /// The service.
        remote: Remote,
        /// What clients are shown; must offer HTTP/1.1 alone.
        tls: Arc<ServerConfig>,
    },
}

/// What becomes of all other hosts. Loopback addresses are always passed on: they are the program's own machine.
#[derive(Debug)]
pub enum Others {
    /// 403.
    Refuse,
    /// Passed on, through another proxy where there is one.
    Pass(Option<Upstream>),
}

/// A running proxy. Dropping it ends it.
#[derive(Debug)]
pub struct Proxy {
    tasks: JoinSet<()>,
}

struct Inner {
    hosts: Hosts,
    answers: Answers,
    others: Others,
    named: Mutex<HashSet<String>>,
    /// Never asked to end anything: connections end with the proxy. It must live as long as they do.
    graceful: GracefulShutdown,
}

impl Proxy {
    /// Serves until it is dropped: as a proxy on `listeners`, and on `direct` what comes through a tunnel elsewhere, for
    /// programs whose connections were led here below HTTP.
    pub fn start(
        listeners: Vec<TcpListener>,
        direct: Vec<TcpListener>,
        hosts: Hosts,
        answers: Answers,
        others: Others,
    ) -> Self {
        let inner =
            Arc::new(Inner { hosts, answers, others, named: Mutex::default(), graceful: GracefulShutdown::new() });
        let mut tasks = JoinSet::new();
        for listener in listeners {
            tasks.spawn(accept(Arc::clone(&inner), listener, false));
        }
        for listener in direct {
            tasks.spawn(accept(Arc::clone(&inner), listener, true));
        }
        Self { tasks }
    }

    /// Ends it with all its connections.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Accepts connections; they end with this task.
async fn accept(inner: Arc<Inner>, listener: TcpListener, direct: bool) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    let _ = stream.set_nodelay(true);
                    let inner = Arc::clone(&inner);
                    if direct {
                        connections.spawn(async move { inner.answer(peer, stream).await });
                    } else {
                        connections.spawn(connection(inner, stream, peer));
                    }
                }
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(inner: Arc<Inner>, stream: tokio::net::TcpStream, peer: SocketAddr) {
    // A tunnel begins when the connection has answered CONNECT; it is waited for here, so that it ends with this task.
    let (tunnels, mut tunnel) = tokio::sync::mpsc::channel(1);
    let service = service_fn(move |request| {
        let (inner, tunnels) = (Arc::clone(&inner), tunnels.clone());
        async move { Ok::<_, Infallible>(reply(&inner, peer, request, &tunnels).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // What a peer did wrong, or that it went away, is its own affair.
    let _ = serving.await;
    if let Some(tunnel) = tunnel.recv().await {
        tunnel.await;
    }
}

type Tunnel = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
type Tunnels = tokio::sync::mpsc::Sender<Tunnel>;

async fn reply(inner: &Arc<Inner>, peer: SocketAddr, request: Request<Incoming>, tunnels: &Tunnels) -> Response<Body> {
    let connect = request.method() == Method::CONNECT;
    let Some((host, port)) = target(&request, connect) else {
        return text(
            StatusCode::BAD_REQUEST,
            "countersign run: this is a forward proxy; a host with its port is needed".to_owned(),
        );
    };
    let passed = is_loopback(&host) || matches!(inner.others, Others::Pass(_));
    if connect {
        if inner.hosts.contains(&host) && port == 443 {
            let inner = Arc::clone(inner);
            return tunnel(request, tunnels, move |io| async move { inner.answer(peer, io).await });
        }
        if passed {
            return match pass::dial(&host, port, inner.upstream(&host)).await {
                Ok(mut there) => tunnel(request, tunnels, move |mut io| async move {
                    let _ = tokio::io::copy_bidirectional(&mut io, &mut there).await;
                }),
                Err(cause) => unreachable(&host, &cause),
            };
        }
    } else if host == METADATA_ADDRESS && port == 80 {
        return inner.answer_plain(peer, request).await;
    } else if request.uri().authority().is_some() && passed && !inner.hosts.contains(&host) {
        return match pass::forward(request, &host, port, inner.upstream(&host)).await {
            Ok(response) => response,
            Err(cause) => unreachable(&host, &*cause),
        };
    }
    inner.refuse(&host, port)
}

/// The host and port that a request is for: CONNECT's authority, an absolute URI's, or the `Host` of a request that came
/// here because its address did.
fn target(request: &Request<Incoming>, connect: bool) -> Option<(String, u16)> {
    let (host, port) = match request.uri().authority() {
        Some(authority) => (authority.host().to_owned(), authority.port_u16()),
        None => {
            let header = request.headers().get(HOST)?.to_str().ok()?.parse::<http::uri::Authority>().ok()?;
            (header.host().to_owned(), header.port_u16())
        }
    };
    let port = port.or(if connect { None } else { Some(80) })?;
    Some((bare(&host).to_ascii_lowercase(), port))
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Answers CONNECT with 200, and works on the connection once that was sent.
fn tunnel<F, W>(request: Request<Incoming>, tunnels: &Tunnels, work: W) -> Response<Body>
where
    F: Future<Output = ()> + Send + 'static,
    W: FnOnce(TokioIo<hyper::upgrade::Upgraded>) -> F + Send + 'static,
{
    let upgrade = hyper::upgrade::on(request);
    let tunnel: Tunnel = Box::pin(async move {
        if let Ok(upgraded) = upgrade.await {
            work(TokioIo::new(upgraded)).await;
        }
    });
    // One CONNECT to a connection: nothing can follow it, so there is room.
    match tunnels.try_send(tunnel) {
        Ok(()) => Response::new(full("")),
        Err(_) => text(StatusCode::BAD_REQUEST, "countersign run: this connection is a tunnel already".to_owned()),
    }
}

impl Inner {
    fn upstream(&self, host: &str) -> Option<&Upstream> {
        match &self.others {
            Others::Pass(upstream) if !is_loopback(host) => upstream.as_ref(),
            Others::Pass(_) | Others::Refuse => None,
        }
    }

    /// Serves what comes through a tunnel to a listed host.
    async fn answer<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, peer: SocketAddr, io: S) {
        match &self.answers {
            Answers::Own { app, tls } => {
                connections::connection(Arc::clone(app), io, peer, Some(Arc::clone(tls)), self.graceful.watcher())
                    .await;
            }
            Answers::Service { remote, tls } => {
                let handshake = TlsAcceptor::from(Arc::clone(tls)).accept(io);
                let Ok(Ok(mut here)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
                match remote.connect().await {
                    Ok(mut there) => {
                        let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                    }
                    Err(error) => tracing::warn!(%error, "the service cannot be reached"),
                }
            }
        }
    }

    /// Answers a plain HTTP request for the address of managed identities.
    async fn answer_plain(&self, peer: SocketAddr, mut request: Request<Incoming>) -> Response<Body> {
        match &self.answers {
            Answers::Own { app, .. } => match router::reply(Arc::clone(app), peer.ip(), request).await {
                Ok(response) => response.map(|body| body.map_err(|never| match never {}).boxed()),
                Err(never) => match never {},
            },
            Answers::Service { remote, .. } => {
                *request.uri_mut() = pass::origin_form(request.uri());
                let asked = match remote.connect().await {
                    Ok(stream) => pass::ask(stream, request).await,
                    Err(error) => Err(error.into()),
                };
                asked.unwrap_or_else(|cause| unreachable(METADATA_ADDRESS, &*cause))
            }
        }
    }

    fn refuse(&self, host: &str, port: u16) -> Response<Body> {
        {
            let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if named.len() < MAX_NAMED && named.insert(host.to_owned()) {
                tracing::warn!("refused a connection to {host}:{port}, which is not among the hosts answered here");
            }
        }
        let advice = if self.hosts.contains(host) {
            format!("countersign run: {host} is answered over HTTPS, on port 443")
        } else {
            format!(
                "countersign run: {host}:{port} is not among the hosts answered here; --others pass lets other hosts through, \
                 --answer {host} has it answered by the service"
            )
        };
        text(StatusCode::FORBIDDEN, advice)
    }
}

fn unreachable(host: &str, cause: &(dyn std::error::Error + 'static)) -> Response<Body> {
    text(StatusCode::BAD_GATEWAY, format!("countersign run: {host} cannot be reached: {cause}"))
}

fn text(status: StatusCode, mut line: String) -> Response<Body> {
    line.push('\n');
    let mut response = Response::new(full(line));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

fn full(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}
