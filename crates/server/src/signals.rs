//! What the system tells a running service: end in good order, or read files anew.
//!
//! Used by `start` and by `countersign agent`. While [`Signals`] lives, none of these signals ends the process by itself.

#[cfg(unix)]
use std::io::IsTerminal as _;
#[cfg(unix)]
use std::task::Poll;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// SIGTERM, SIGINT, or a terminal that went away.
    End,
    /// SIGHUP: read certificate files anew.
    Reload,
}

/// The signals of the process.
#[cfg(unix)]
#[derive(Debug)]
pub struct Signals {
    end: Vec<Signal>,
    hangup: Option<Signal>,
    /// Whether the service was started at a terminal: then SIGHUP may mean that the terminal was closed.
    at_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    /// Takes the signals over. A handler that cannot be set up leaves the signal's default, which ends the process too.
    pub fn listen() -> Self {
        Self {
            end: [SignalKind::terminate(), SignalKind::interrupt()]
                .into_iter()
                .filter_map(|k| signal(k).ok())
                .collect(),
            hangup: signal(SignalKind::hangup()).ok(),
            at_terminal: at_terminal(),
        }
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Told {
        let told = std::future::poll_fn(|cx| {
            if self.end.iter_mut().any(|s| s.poll_recv(cx).is_ready()) {
                return Poll::Ready(Told::End);
            }
            let hung_up = self.hangup.as_mut().is_some_and(|hangup| hangup.poll_recv(cx).is_ready());
            if hung_up { Poll::Ready(Told::Reload) } else { Poll::Pending }
        })
        .await;
        // A closed terminal is none any more; a service without one, under a supervisor, is only ever told to reload.
        if told == Told::Reload && self.at_terminal && !at_terminal() { Told::End } else { told }
    }

    /// Waits for the end; whatever else comes before that is of no use yet.
    pub async fn end(&mut self) {
        while self.next().await != Told::End {}
    }
}

#[cfg(unix)]
fn at_terminal() -> bool {
    std::io::stdin().is_terminal() || std::io::stdout().is_terminal() || std::io::stderr().is_terminal()
}

/// The signals of the process.
#[cfg(not(unix))]
#[derive(Debug)]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Takes them over.
    pub fn listen() -> Self {
        Self
    }

    /// Waits for the next one.
    pub async fn next(&mut self) -> Told {
        let _ = tokio::signal::ctrl_c().await;
        Told::End
    }

    /// Waits for the end.
    pub async fn end(&mut self) {
        self.next().await;
    }
}
