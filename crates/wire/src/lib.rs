//! HTTP/1.1 connections as every listener of ours takes them: the service, the agent, the exporter of `check-expiry`.
//!
//! What a peer may take in size and time stands here once. Who listens where, and what is answered, is theirs.

mod patience;

use std::io;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;

pub use patience::Patient;

/// A head must have come in this time; also how long an idle connection is kept (promised: 35 s at most).
pub const HEAD: Duration = Duration::from_secs(30);
/// Requests in flight at the end get this long.
pub const DRAIN: Duration = Duration::from_secs(8);
/// Bytes of a request's head.
pub const MAX_HEAD: usize = 64 * 1024;
/// Pause when no connection can be accepted.
pub const PAUSE: Duration = Duration::from_millis(50);

/// How requests of one connection are read.
pub fn http_1() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        // A client may end its side once the request is sent (RFC 9112 §9.6); its answer is still owed.
        .half_close(true);
    builder
}

/// Whether a connection could not be accepted because its peer had gone: no reason to pause.
pub fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}
