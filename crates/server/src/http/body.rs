//! Request bodies within bounds of size and time.
//!
//! Used by the router for every request that has a body.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Sleep;

/// Longest body of a request.
pub const MAX_BODY: usize = 256 * 1024;
/// How long a body may take to come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a body is not at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than [`MAX_BODY`], by its declaration or in fact.
    TooLarge,
    /// It did not come in time.
    TooSlow,
    /// It ended early or was framed wrongly.
    Broken,
}

/// Reads a body. What is declared too long is not read at all.
///
/// # Errors
/// [`BodyError`]
pub async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, BodyError> {
    let declared =
        headers.get(http::header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if declared.is_some_and(|d| d > MAX_BODY as u64) {
        return Err(BodyError::TooLarge);
    }
    if declared == Some(0) || body.is_end_stream() {
        return Ok(Bytes::new());
    }
    match Limited::new(Timed::new(body), MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Err(error) if error.is::<Late>() => Err(BodyError::TooSlow),
        Err(_) => Err(BodyError::Broken),
    }
}

/// A body that must have come within `PATIENCE`.
pub struct Timed {
    body: Incoming,
    /// Set up when the body makes one wait: most are there with the head.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    /// A body and the time it has from now on.
    pub fn new(body: Incoming) -> Self {
        Self { body, deadline: None }
    }
}

/// The body did not come in time.
#[derive(Debug, thiserror::Error)]
#[error("the body did not come in time")]
struct Late;

impl Body for Timed {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            return Poll::Ready(frame.map(|f| f.map_err(Into::into)));
        }
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(PATIENCE)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Some(Err(Box::new(Late))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
