//! Keeps the certificate in force up to date: files that were replaced are taken up, the leaf of our own CA is renewed before it
//! ends. Open connections stay as they are; the next handshake sees the certificate that is in force by then.
//!
//! Started by `start`, which also asks for a look at once when the process gets SIGHUP. What cannot be used never takes the place
//! of what serves.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use countersign_core::time::UnixTime;
use rustls::ServerConfig;
use tokio::sync::{mpsc, oneshot, watch};

use super::{Ready, TlsError, Wanted, prepare};
use crate::app::App;
use crate::config::{Config, Tls};

/// How often the files are looked at. A look is two calls of the system; it reads the files only when they changed.
const LOOK: Duration = Duration::from_secs(5);
/// A day: often enough for a leaf that is renewed a month before its end.
const DAY: i64 = 86_400;

/// Asks for a look at once.
#[derive(Clone, Debug)]
pub struct Reload(mpsc::Sender<oneshot::Sender<Result<(), TlsError>>>);

impl Reload {
    /// Reads the certificate anew and says whether it is in force; without files, whether our own leaf still serves.
    ///
    /// # Errors
    /// [`TlsError`] naming the file; what served before still does.
    pub async fn now(&self) -> Result<(), TlsError> {
        let (answer, answered) = oneshot::channel();
        // Both fail only when the service is ending, and then no certificate matters any more.
        if self.0.send(answer).await.is_err() {
            return Ok(());
        }
        answered.await.unwrap_or(Ok(()))
    }
}

/// Starts looking, until `stop` says so. `seen` is what the files were before they were first read.
pub(crate) fn start(
    app: Arc<App>,
    in_force: Arc<ArcSwapOption<ServerConfig>>,
    seen: Stamp,
    mut stop: watch::Receiver<bool>,
) -> Reload {
    let (sender, mut asked) = mpsc::channel::<oneshot::Sender<_>>(4);
    let mut renewal = Renewal { seen, app, in_force, failing: None };
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {
                    // Said in the log; nobody waits for it.
                    let _ = renewal.look(false).await;
                }
                Some(answer) = asked.recv() => {
                    let _ = answer.send(renewal.look(true).await);
                }
                _ = stop.changed() => return,
            }
        }
    });
    Reload(sender)
}

/// Tells the metrics and the log of a certificate that comes into force.
pub(crate) fn note(app: &App, ready: &Ready) {
    app.metrics.tls_not_after.set(ready.not_after.map_or(0, UnixTime::secs));
    if let Some(warning) = &ready.warning {
        tracing::warn!("{warning}");
    }
}

struct Renewal {
    app: Arc<App>,
    in_force: Arc<ArcSwapOption<ServerConfig>>,
    /// What the files were when they were last read to some use.
    seen: Stamp,
    /// Why they could not be used at the last look: said once, not every five seconds.
    failing: Option<String>,
}

impl Renewal {
    async fn look(&mut self, anyway: bool) -> Result<(), TlsError> {
        // Before the files are read: one that changes meanwhile is read again.
        let stamp = Stamp::of(&self.app.config, self.app.now().secs());
        if stamp == self.seen && !anyway && self.failing.is_none() {
            return Ok(());
        }
        let app = Arc::clone(&self.app);
        let read = tokio::task::spawn_blocking(move || {
            let now = app.now();
            prepare(&app.config, &app.names, now, Wanted::ToReplace)
        });
        let read = read.await.unwrap_or_else(|e| Err(TlsError::Make(e.to_string())));
        match read {
            Ok(ready) => {
                self.take(ready);
                self.seen = stamp;
                self.failing = None;
                Ok(())
            }
            Err(error) => {
                // A file may have been caught half-written, so it is tried again at every look.
                let why = error.to_string();
                if anyway || self.failing.as_ref() != Some(&why) {
                    tracing::warn!(%error, "the TLS certificate could not be taken up; the one before stays in force");
                }
                self.failing = Some(why);
                Err(error)
            }
        }
    }

    fn take(&self, ready: Option<Ready>) {
        let Some(ready) = ready else { return };
        note(&self.app, &ready);
        self.in_force.store(Some(ready.config));
        let not_after = ready.not_after.map(UnixTime::rfc3339).unwrap_or_default();
        tracing::info!(not_after, "TLS certificate taken up");
    }
}

/// What shows that there is something to read.
#[derive(PartialEq, Eq)]
pub(crate) enum Stamp {
    Nothing,
    Day(i64),
    Files([Option<FileStamp>; 2]),
}

impl Stamp {
    /// Of the certificate that the settings name.
    pub(crate) fn of(config: &Config, now: i64) -> Self {
        match &config.tls.value {
            _ if config.given_tls.is_some() => Self::Nothing,
            Tls::Off => Self::Nothing,
            Tls::Auto => Self::Day(now.div_euclid(DAY)),
            Tls::Files { certificate, key } => Self::Files([FileStamp::of(certificate), FileStamp::of(key)]),
        }
    }
}

/// What changes when a file is written, replaced, or reached through another link (as Kubernetes replaces what it mounts). The
/// time of modification alone would not do: copies often keep it.
#[derive(PartialEq, Eq)]
pub(crate) struct FileStamp([i64; 6]);

impl FileStamp {
    #[cfg(unix)]
    fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let m = std::fs::metadata(path).ok()?;
        let number = |n: u64| i64::from_ne_bytes(n.to_ne_bytes());
        Some(Self([number(m.dev()), number(m.ino()), number(m.size()), m.ctime(), m.ctime_nsec(), m.mtime()]))
    }

    #[cfg(not(unix))]
    fn of(path: &Path) -> Option<Self> {
        let m = std::fs::metadata(path).ok()?;
        let modified = m.modified().ok()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let number = |n: u64| i64::from_ne_bytes(n.to_ne_bytes());
        Some(Self([number(m.len()), number(modified.as_secs()), i64::from(modified.subsec_nanos()), 0, 0, 0]))
    }
}
