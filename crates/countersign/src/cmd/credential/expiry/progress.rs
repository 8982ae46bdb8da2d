//! How far a long reading has come: one line on a terminal that is written over, and nothing anywhere else.
//!
//! Used by `check-expiry`. A reading of less than a second shows nothing.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// Nothing is shown before; after that at most so often.
const PAUSE: Duration = Duration::from_secs(1);

/// A line on stderr.
#[derive(Debug)]
pub struct Progress {
    shows: bool,
    last: Instant,
    is_there: bool,
}

impl Progress {
    /// Shows on a terminal only.
    pub fn on_terminal() -> Self {
        Self { shows: std::io::stderr().is_terminal(), last: Instant::now(), is_there: false }
    }

    /// Shows nothing.
    pub fn none() -> Self {
        Self { shows: false, last: Instant::now(), is_there: false }
    }

    /// So many applications are read.
    pub fn count(&mut self, applications: u64) {
        if let Some(line) = self.line(applications, Instant::now()) {
            eprint!("\r{line}");
            let _ = std::io::stderr().flush();
        }
    }

    fn line(&mut self, applications: u64, now: Instant) -> Option<String> {
        if !self.shows || now.duration_since(self.last) < PAUSE {
            return None;
        }
        (self.last, self.is_there) = (now, true);
        Some(format!("{applications} applications read"))
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.is_there {
            // To the line's begin, and erased to its end (ECMA-48, EL).
            eprint!("\r\x1b[K");
            let _ = std::io::stderr().flush();
            self.is_there = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_after_a_second_and_then_each_second() {
        let begin = Instant::now();
        let after = |ms: u64| begin + Duration::from_millis(ms);
        let mut progress = Progress { shows: true, last: begin, is_there: false };
        assert_eq!(progress.line(100, after(900)), None);
        assert_eq!(progress.line(200, after(1_000)).as_deref(), Some("200 applications read"));
        assert_eq!(progress.line(300, after(1_900)), None);
        assert!(progress.line(400, after(2_000)).is_some());
        let mut silent = Progress { shows: false, last: begin, is_there: false };
        assert_eq!(silent.line(9_000, after(60_000)), None);
    }
}
