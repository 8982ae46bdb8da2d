//! `check-expiry --listen`: the ends of credentials at `/metrics`, read anew from time to time.
//!
//! A scrape asks Graph nothing: it gets the figures of the last reading, and beside them when that was and whether the last attempt
//! succeeded. While Graph is away the old figures stay. Nobody is authenticated, so it listens on loopback unless told otherwise.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::UnixTime;
use countersign_server::signals::Signals;
use countersign_wire::{PAUSE, Patient, is_of_the_peer};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::progress::Progress;
use super::{Args, Figures, prometheus, read};
use crate::clock;
use crate::exit::{Exit, Failure};

/// Longest pause after a failed reading.
const AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Connections at once; Prometheus holds one.
const CONNECTIONS: usize = 32;
/// Time for the head of a request, also between two on one connection.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is known, and how fresh it is.
#[derive(Default)]
struct State {
    figures: Option<Figures>,
    read_at: Option<UnixTime>,
    last_failed: bool,
    failures: u64,
}

type Shared = Arc<Mutex<State>>;

/// Serves until a signal ends it.
pub async fn run(args: &Args, address: SocketAddr) -> Result<(), Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(Exit::Unreadable, format!("--listen {address}: cannot be listened on: {e}; name another port"))
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let state = Shared::default();
    // A wrong flag or a missing role is told at once; a Graph that is away for a while is not the end.
    if let Err(failure) = refresh(args, &state).await
        && !matches!(failure.exit, Exit::Unreachable | Exit::TimedOut)
    {
        return Err(failure);
    }
    // Before the address is told: whoever reads it may end this at once.
    let mut end = Signals::listen();
    eprintln!("metrics at http://{address}/metrics");
    tokio::select! {
        () = keep_fresh(args, &state) => {}
        () = accept(&listener, &state) => {}
        () = end.end() => {}
    }
    Ok(())
}

async fn keep_fresh(args: &Args, state: &Shared) {
    let every = Duration::from_secs(args.every.unsigned_abs());
    loop {
        let pause = if lock(state).last_failed { every.min(AGAIN_AFTER) } else { every };
        tokio::time::sleep(pause).await;
        // Told in `refresh`, and marked in the figures.
        let _ = refresh(args, state).await;
    }
}

async fn refresh(args: &Args, state: &Shared) -> Result<(), Failure> {
    let outcome = read(args, &mut Progress::none()).await;
    let mut state = lock(state);
    match outcome {
        Ok(figures) => {
            if state.last_failed {
                eprintln!("the figures are fresh again");
            }
            (state.figures, state.read_at, state.last_failed) = (Some(figures), Some(clock::now()), false);
            Ok(())
        }
        Err(failure) => {
            // Once, not at every attempt.
            if !state.last_failed {
                let then = if state.figures.is_some() { ", and stay as they are" } else { "" };
                eprintln!("the figures could not be read{then}: {}", failure.message);
            }
            state.last_failed = true;
            state.failures += 1;
            Err(failure)
        }
    }
}

fn lock(state: &Shared) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: &TcpListener, state: &Shared) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let state = Arc::clone(state);
                tokio::spawn(async move {
                    serve(stream, state).await;
                    drop(place);
                });
            }
            Err(error) if is_of_the_peer(&error) => {}
            // Out of file descriptors, for example: those that are open end by themselves.
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn serve(stream: TcpStream, state: Shared) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &state);
        async move { Ok::<_, Infallible>(answer) }
    });
    // A client that goes away in the middle is no event.
    let _ = countersign_wire::http_1()
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(Patient::new(stream)), service)
        .await;
}

fn answer(request: &Request<Incoming>, state: &Shared) -> Response<Full<Bytes>> {
    let text = |status: StatusCode, kind: &'static str, body: String| {
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
        response
    };
    let plain = "text/plain; charset=utf-8";
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/metrics") => {
            text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics(&lock(state)))
        }
        (_, "/metrics") => {
            let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, plain, "GET or HEAD\n".to_owned());
            refused.headers_mut().insert(ALLOW, http::HeaderValue::from_static("GET, HEAD"));
            refused
        }
        _ => text(StatusCode::NOT_FOUND, plain, "the figures are at /metrics\n".to_owned()),
    }
}

fn metrics(state: &State) -> String {
    let fresh = u8::from(!state.last_failed && state.read_at.is_some());
    let mut out = prometheus::single(
        "countersign_credential_reading_up",
        "gauge",
        "1 when the last reading succeeded, 0 while older figures are shown.",
        fresh,
    );
    out.push_str(&prometheus::single(
        "countersign_credential_reading_failures_total",
        "counter",
        "Readings that failed.",
        state.failures,
    ));
    if let (Some(figures), Some(at)) = (&state.figures, state.read_at) {
        out.push_str(&prometheus::single(
            "countersign_credential_reading_timestamp_seconds",
            "gauge",
            "When the figures were read.",
            at.secs(),
        ));
        out.push_str(&prometheus::single(
            "countersign_credential_applications",
            "gauge",
            "Applications that were read.",
            figures.applications,
        ));
        out.push_str(&prometheus::credentials(&figures.rows));
    }
    out
}
