//! Turns a panic while answering into an answer: a bug of ours must not look like a broken network to the client.
//!
//! Wraps every request. The panic itself is reported by the process's hook; nothing of it goes over the wire.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// The work panicked.
#[derive(Debug)]
pub struct Panicked;

/// Runs a future to its end or its panic. What the panicking request had touched is dropped with it; shared state is kept
/// in types that stay whole (atomics, transactions, locks that ignore poisoning).
pub struct Guarded<F>(Pin<Box<F>>);

impl<F: Future> Guarded<F> {
    /// Guards a future.
    pub fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Guarded<F> {
    type Output = Result<F::Output, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_an_error() {
        assert!(Guarded::new(async { 7 }).await.is_ok_and(|n| n == 7));
        let bug = async {
            tokio::task::yield_now().await;
            if std::hint::black_box(true) {
                std::panic::resume_unwind(Box::new("bug"));
            }
        };
        assert!(Guarded::new(bug).await.is_err());
    }
}
