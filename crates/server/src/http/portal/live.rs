//! Requests pushed as they come: server-sent events (HTML, "Server-sent events"), one row each, ready to be shown.
//!
//! A watcher costs the token path one send into a bounded channel; whoever is too slow misses rows and is told so. It ends
//! with the session, with the service, or when the page is closed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use askama::Template as _;
use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};
use tokio::sync::{broadcast, mpsc};

use super::requests::Wanted;
use super::row::Row;
use super::{Outcome, Trouble, Visit, gate, shell};
use crate::http::respond::Body;

/// Watchers at once, all sessions together.
const MOST: usize = 64;
/// How often a quiet stream says that it lives, and looks whether its session does. Over HTTP/1.1 a reader that went away is
/// noticed by nothing else.
const PULSE: Duration = Duration::from_secs(5);
/// Parts that wait for a slow reader.
const WAITING: usize = 32;

static WATCHERS: AtomicUsize = AtomicUsize::new(0);

/// Counts a watcher while it lives.
struct Seat;

impl Seat {
    fn take() -> Option<Self> {
        let taken = WATCHERS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < MOST).then_some(n + 1));
        taken.ok().map(|_| Self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        WATCHERS.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Begins a stream.
pub(super) fn stream(visit: &Visit<'_>) -> Outcome {
    visit.needs_logs()?;
    if !gate::own_script(&visit.parts.headers, &visit.context.base) {
        return Err(Trouble::Denied("Live rows are for pages of this service.".to_owned()));
    }
    let Some(seat) = Seat::take() else {
        return Err(Trouble::Refused(StatusCode::TOO_MANY_REQUESTS, "Too many pages watch at the moment.".to_owned()));
    };
    let wanted = Wanted::of(visit);
    let (mut rows, mut ended) = visit.app.journal.watch();
    let (sender, receiver) = mpsc::channel::<Bytes>(WAITING);
    let (app, session) = (std::sync::Arc::clone(visit.app), visit.session.id);
    tokio::spawn(async move {
        let _seat = seat;
        let mut pulse = tokio::time::interval(PULSE);
        loop {
            let part = tokio::select! {
                row = rows.recv() => match row {
                    Ok(row) if wanted.takes(&row) => event(&Row::of(&row)),
                    Ok(_) => continue,
                    Err(broadcast::error::RecvError::Lagged(missed)) => format!("event: missed\ndata: {missed}\n\n"),
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                _ = pulse.tick() => {
                    if !app.sessions.is_open(&session, app.now()) {
                        let _ = sender.send(Bytes::from_static(b"event: ended\ndata: session\n\n")).await;
                        return;
                    }
                    ": alive\n\n".to_owned()
                }
                () = async { drop(ended.wait_for(|e| *e).await) } => return,
                () = sender.closed() => return,
            };
            if sender.send(part.into()).await.is_err() {
                return;
            }
        }
    });
    let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
    let mut response = shell::respond(StatusCode::OK, kind, "");
    // nginx would hold rows back.
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    *response.body_mut() = Body::Parts(receiver);
    Ok(response)
}

fn event(row: &Row) -> String {
    let html = row.render().unwrap_or_default().replace(['\n', '\r'], " ");
    format!("event: row\nid: {}\ndata: {html}\n\n", row.id)
}
