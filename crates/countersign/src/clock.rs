//! The machine's clock and the times people write, at the edge of a core that takes time as an argument.

use std::time::{SystemTime, UNIX_EPOCH};

use countersign_core::UnixTime;

/// Now.
pub fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Reads the value of `--at`.
pub fn parse(text: &str) -> Result<UnixTime, String> {
    UnixTime::parse(text)
        .ok_or_else(|| format!("'{text}' is no time; expected RFC 3339, for example 2026-11-24T10:00:00Z"))
}
