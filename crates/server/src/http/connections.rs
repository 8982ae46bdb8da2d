//! The accept loop: TLS, one task per connection, limits of number and time, and an orderly end.
//!
//! Started by `start`. A connection that misbehaves is closed; none can hold up another, or the end of the process.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_wire::{DRAIN, HEAD, MAX_HEAD, PAUSE, Patient, is_of_the_peer};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::router;
use crate::app::App;

/// A TLS handshake must be done in this time.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections at once. An idle TLS connection costs some 40 KiB.
const MAX_CONNECTIONS: usize = 8_192;
/// Descriptors kept for the store and other files.
const SPARE_DESCRIPTORS: usize = 64;

/// Accepts connections until `stop` says so, then lets requests in flight end.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    tls: Arc<ArcSwapOption<ServerConfig>>,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(most_connections()));
    loop {
        // Beyond the limit the kernel's queue waits, and then the clients do.
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = stop.changed() => break,
        };
        let Ok(permit) = permit else { break };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    pause_after(&app, &error).await;
                    continue;
                }
            },
            _ = stop.changed() => break,
        };
        app.metrics.connections.count();
        let app = Arc::clone(&app);
        let tls = tls.load_full();
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            connection(Arc::clone(&app), stream, peer, tls, watcher).await;
            app.metrics.connections_ended.count();
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

/// Waits after an error of accept: out of descriptors nothing else helps.
async fn pause_after(app: &App, error: &io::Error) {
    if !is_of_the_peer(error) {
        app.metrics.connections_refused.count();
        tracing::warn!(%error, "no connection can be accepted at the moment");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Serves one connection until it ends: TLS where there is a configuration for it, then the routes.
pub async fn connection<S>(
    app: Arc<App>,
    stream: S,
    peer: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    watcher: hyper_util::server::graceful::Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Patient::new(stream);
    match tls {
        None => http_1(app, stream, peer, watcher).await,
        Some(config) => {
            let handshake = TlsAcceptor::from(config).accept(stream);
            // Whoever does not speak TLS, or not in time, is no client.
            let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
            if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                http_2(app, stream, peer, watcher).await;
            } else {
                http_1(app, stream, peer, watcher).await;
            }
        }
    }
}

async fn http_1<S>(app: Arc<App>, stream: S, peer: SocketAddr, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| router::reply(Arc::clone(&app), peer.ip(), request));
    let connection = countersign_wire::http_1().serve_connection(TokioIo::new(stream), service);
    // What a peer did wrong, or that it went away, is its own affair.
    let _ = watcher.watch(connection).await;
}

async fn http_2<S>(app: Arc<App>, stream: S, peer: SocketAddr, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| router::reply(Arc::clone(&app), peer.ip(), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_header_list_size(MAX_HEAD as u32)
        .keep_alive_interval(HEAD)
        .keep_alive_timeout(HANDSHAKE)
        .serve_connection(TokioIo::new(stream), service);
    let _ = watcher.watch(connection).await;
}

/// As many connections as the process may have descriptors, less some for files.
fn most_connections() -> usize {
    let limit = std::fs::read_to_string("/proc/self/limits").ok().and_then(|limits| {
        let line = limits.lines().find(|l| l.starts_with("Max open files"))?;
        line.split_whitespace().nth(3)?.parse::<usize>().ok()
    });
    limit.map_or(MAX_CONNECTIONS, |l| l.saturating_sub(SPARE_DESCRIPTORS).clamp(16, MAX_CONNECTIONS))
}
