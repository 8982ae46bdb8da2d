//! The accept loops: one task per connection, limits of number and time, and an orderly end.
//!
//! Started by [`crate::Agent::serve`]. A connection that misbehaves is closed; none holds up another, or the end.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_wire::{DRAIN, PAUSE, Patient, is_of_the_peer};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use crate::Inner;
use crate::guard::Via;
use crate::listen::{Listener, Place};
use crate::router;

/// Connections at once, over all listeners. Programs of one machine need few.
const MAX_CONNECTIONS: usize = 512;

/// Accepts connections until `stop` comes, then lets requests in flight end.
pub async fn serve(inner: Arc<Inner>, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
    let graceful = Arc::new(GracefulShutdown::new());
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (ending, end) = watch::channel(false);
    let loops: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            tokio::spawn(accept(Arc::clone(&inner), listener, Arc::clone(&room), Arc::clone(&graceful), end.clone()))
        })
        .collect();
    stop.await;
    let _ = ending.send(true);
    for task in loops {
        // Each drops its listener; the socket's file goes with it.
        let _ = task.await;
    }
    let Ok(graceful) = Arc::try_unwrap(graceful) else { return };
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not end in time and were cut off");
    }
}

async fn accept(
    inner: Arc<Inner>,
    listener: Listener,
    room: Arc<Semaphore>,
    graceful: Arc<GracefulShutdown>,
    mut end: watch::Receiver<bool>,
) {
    loop {
        // Beyond the limit the kernel's queue waits, and then the clients do.
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = end.changed() => return,
        };
        let Ok(permit) = permit else { return };
        let serve = |via, stream: Box<dyn Stream>| {
            let (inner, watcher) = (Arc::clone(&inner), graceful.watcher());
            tokio::spawn(async move {
                let _permit = permit;
                inner.metrics.connections.fetch_add(1, Ordering::Relaxed);
                let _count = Leaving(Arc::clone(&inner));
                connection(inner, via, stream, watcher).await;
            });
        };
        let accepted: io::Result<(Via, Box<dyn Stream>)> = match &listener.place {
            Place::Tcp(tcp, address) => tokio::select! {
                accepted = tcp.accept() => accepted.map(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    (Via::Tcp(*address), Box::new(stream) as Box<dyn Stream>)
                }),
                _ = end.changed() => return,
            },
            #[cfg(unix)]
            Place::Unix(unix, _) => tokio::select! {
                accepted = unix.accept() => accepted.map(|(stream, _)| (Via::Unix, Box::new(stream) as Box<dyn Stream>)),
                _ = end.changed() => return,
            },
        };
        match accepted {
            Ok((via, stream)) => serve(via, stream),
            Err(error) => {
                if !is_of_the_peer(&error) {
                    tracing::warn!(%error, "no connection can be accepted at the moment");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Counts a connection as ended, whichever way its task ends.
struct Leaving(Arc<Inner>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn connection(inner: Arc<Inner>, via: Via, stream: Box<dyn Stream>, watcher: Watcher) {
    let service = service_fn(move |request| router::reply(Arc::clone(&inner), via, request));
    let connection = countersign_wire::http_1().serve_connection(TokioIo::new(Patient::new(stream)), service);
    // What a peer did wrong, or that it went away, is its own affair.
    let _ = watcher.watch(connection).await;
}
