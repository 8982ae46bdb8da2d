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

/// Seconds of a text like `30d`.
pub fn duration(text: &str) -> Result<i64, String> {
    let wrong = || format!("'{text}' is no duration; expected a number with s, m, h, d or w, for example 30d");
    let unit = match text.chars().last().ok_or_else(wrong)? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let number: i64 = text[..text.len() - 1].parse().ok().filter(|n| (0..=100_000).contains(n)).ok_or_else(wrong)?;
    Ok(number * unit)
}

/// Seconds as people read them.
pub fn span(seconds: i64) -> String {
    match seconds {
        s if s >= 86_400 && s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s >= 3_600 && s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s >= 60 && s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        assert_eq!(duration("30d"), Ok(30 * 86_400));
        assert_eq!(duration("12h"), Ok(43_200));
        assert_eq!(duration("2w"), Ok(14 * 86_400));
        assert_eq!((duration("90s"), duration("5m")), (Ok(90), Ok(300)));
        assert_eq!([30 * 86_400, 43_200, 300, 90].map(span), ["30 d", "12 h", "5 min", "90 s"]);
        for wrong in ["", "d", "30", "30y", "-1d", "1é", "+"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
