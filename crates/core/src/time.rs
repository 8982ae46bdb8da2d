//! Points in time as the rules need them: microseconds since 1970-01-01T00:00:00Z.
//!
//! The only time type in core. It reads and writes the spellings that Entra's texts use; it never asks a clock.

use std::fmt;
use std::ops::{Add, Sub};

/// A point in time, in microseconds since the Unix epoch (RFC 7519 §2, NumericDate, with a finer grain).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixTime {
    micros: i64,
}

/// Calendar fields of a [`UnixTime`] in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, negative before year 0.
    pub year: i64,
    /// Month, 1 to 12.
    pub month: u32,
    /// Day of the month, 1 to 31.
    pub day: u32,
    /// Hour, 0 to 23.
    pub hour: u32,
    /// Minute, 0 to 59.
    pub minute: u32,
    /// Second, 0 to 59.
    pub second: u32,
    /// Microsecond, 0 to 999,999.
    pub micros: u32,
}

impl UnixTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self { micros: 0 };

    /// From whole seconds; saturates far outside any calendar.
    pub const fn from_secs(secs: i64) -> Self {
        Self { micros: secs.saturating_mul(1_000_000) }
    }

    /// From microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Self { micros }
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.micros.div_euclid(1_000_000)
    }

    /// Microseconds since the epoch.
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// This time plus `secs` seconds (may be negative).
    pub const fn plus_secs(self, secs: i64) -> Self {
        Self { micros: self.micros.saturating_add(secs.saturating_mul(1_000_000)) }
    }

    /// Seconds from `earlier` to `self`, rounded down; negative when `self` is the earlier one.
    pub const fn secs_since(self, earlier: Self) -> i64 {
        self.micros.saturating_sub(earlier.micros).div_euclid(1_000_000)
    }

    /// From calendar fields in UTC; `None` when a field is out of range.
    pub fn from_civil(c: Civil) -> Option<Self> {
        let days_in_month = match c.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 if c.year % 4 == 0 && (c.year % 100 != 0 || c.year % 400 == 0) => 29,
            2 => 28,
            _ => return None,
        };
        let in_range = (1..=days_in_month).contains(&c.day)
            && c.hour < 24
            && c.minute < 60
            && c.second < 61
            && c.micros < 1_000_000
            && (-9999..=9999).contains(&c.year);
        if !in_range {
            return None;
        }
        let days = days_from_civil(c.year, c.month, c.day);
        let secs = days * 86_400 + i64::from(c.hour) * 3600 + i64::from(c.minute) * 60 + i64::from(c.second);
        Some(Self { micros: secs * 1_000_000 + i64::from(c.micros) })
    }

    /// Calendar fields in UTC.
    pub fn civil(self) -> Civil {
        let secs = self.secs();
        let micros = self.micros.rem_euclid(1_000_000) as u32;
        let days = secs.div_euclid(86_400);
        let rest = secs.rem_euclid(86_400) as u32;
        let (year, month, day) = civil_from_days(days);
        Civil { year, month, day, hour: rest / 3600, minute: rest / 60 % 60, second: rest % 60, micros }
    }

    /// `2026-06-09T14:01:21Z` (RFC 3339, whole seconds).
    pub fn rfc3339(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// `2026-06-09 14:01:21Z`: the `timestamp` member of Entra's error body.
    pub fn entra_timestamp(self) -> String {
        let c = self.civil();
        format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}Z", c.year, c.month, c.day, c.hour, c.minute, c.second)
    }

    /// `2026-06-09T14:01:21.0000000Z`: the times inside AADSTS700024 (seven fractional digits).
    pub fn entra_seven_digits(self) -> String {
        let c = self.civil();
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}0Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second, c.micros
        )
    }

    /// `06/09/2026 14:01:21`: the `Found key` clause of AADSTS700027 (invariant culture, UTC).
    pub fn entra_found_key(self) -> String {
        let c = self.civil();
        format!("{:02}/{:02}/{:04} {:02}:{:02}:{:02}", c.month, c.day, c.year, c.hour, c.minute, c.second)
    }

    /// Reads RFC 3339, `yyyy-MM-dd HH:mm:ssZ`, the seven-digit form, and a bare date; offsets are applied.
    /// A text without offset counts as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let b = text.trim().as_bytes();
        let number = |range: std::ops::Range<usize>| -> Option<u32> {
            let part = b.get(range)?;
            if part.is_empty() || !part.iter().all(u8::is_ascii_digit) {
                return None;
            }
            std::str::from_utf8(part).ok()?.parse().ok()
        };
        if b.get(4) != Some(&b'-') || b.get(7) != Some(&b'-') {
            return None;
        }
        let mut civil = Civil {
            year: i64::from(number(0..4)?),
            month: number(5..7)?,
            day: number(8..10)?,
            hour: 0,
            minute: 0,
            second: 0,
            micros: 0,
        };
        if b.len() == 10 {
            return Self::from_civil(civil);
        }
        if !matches!(b.get(10), Some(b'T' | b't' | b' ')) || b.get(13) != Some(&b':') {
            return None;
        }
        civil.hour = number(11..13)?;
        civil.minute = number(14..16)?;
        let mut at = 16;
        if b.get(at) == Some(&b':') {
            civil.second = number(17..19)?;
            at = 19;
        }
        if b.get(at) == Some(&b'.') {
            let start = at + 1;
            let mut end = start;
            while b.get(end).is_some_and(u8::is_ascii_digit) {
                end += 1;
            }
            if end == start {
                return None;
            }
            let mut micros = 0_u32;
            for i in 0..6 {
                let digit = b.get(start + i).filter(|_| start + i < end).map_or(0, |d| u32::from(d - b'0'));
                micros = micros * 10 + digit;
            }
            civil.micros = micros;
            at = end;
        }
        let time = Self::from_civil(civil)?;
        match b.get(at..) {
            None | Some(b"" | b"Z" | b"z") => Some(time),
            Some([sign @ (b'+' | b'-'), ..]) => {
                let hours = number(at + 1..at + 3)?;
                let minute_at = if b.get(at + 3) == Some(&b':') { at + 4 } else { at + 3 };
                let minutes = number(minute_at..minute_at + 2)?;
                if b.len() != minute_at + 2 {
                    return None;
                }
                let offset = i64::from(hours * 3600 + minutes * 60);
                Some(time.plus_secs(if *sign == b'+' { -offset } else { offset }))
            }
            Some(_) => None,
        }
    }

    /// Reads the `Found key` spelling `MM/dd/yyyy HH:mm:ss` (also `MM/dd/yyyy` of 2017).
    pub fn parse_found_key(text: &str) -> Option<Self> {
        let (date, clock) = text.trim().split_once(' ').unwrap_or((text.trim(), "00:00:00"));
        let mut date = date.split('/').map(|p| p.parse::<u32>().ok());
        let (month, day, year) = (date.next()??, date.next()??, date.next()??);
        let mut clock = clock.split(':').map(|p| p.parse::<u32>().ok());
        let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
        Self::from_civil(Civil { year: i64::from(year), month, day, hour, minute, second, micros: 0 })
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

impl fmt::Debug for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.entra_seven_digits())
    }
}

impl Add<i64> for UnixTime {
    type Output = Self;
    fn add(self, secs: i64) -> Self {
        self.plus_secs(secs)
    }
}

impl Sub<i64> for UnixTime {
    type Output = Self;
    fn sub(self, secs: i64) -> Self {
        self.plus_secs(secs.saturating_neg())
    }
}

/// Days since the epoch of a proleptic Gregorian date (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let mp = i64::from((month + 9) % 12);
    let doy = (153 * mp + 2) / 5 + i64::from(day) - 1;
    let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    era * 146_097 + doe - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = if mp < 10 { mp + 3 } else { mp - 9 } as u32;
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_reads_every_spelling() {
        let t = UnixTime::from_secs(1_781_013_681);
        assert_eq!(t.rfc3339(), "2026-06-09T14:01:21Z");
        assert_eq!(t.entra_timestamp(), "2026-06-09 14:01:21Z");
        assert_eq!(t.entra_seven_digits(), "2026-06-09T14:01:21.0000000Z");
        assert_eq!(t.entra_found_key(), "06/09/2026 14:01:21");
        for text in [t.rfc3339(), t.entra_timestamp(), t.entra_seven_digits(), "2026-06-09T16:01:21+02:00".into()] {
            assert_eq!(UnixTime::parse(&text), Some(t), "{text}");
        }
        assert_eq!(UnixTime::parse_found_key(&t.entra_found_key()), Some(t));
    }

    #[test]
    fn keeps_fractions_and_negative_times() {
        let t = UnixTime::parse("1969-12-31T23:59:59.5Z").unwrap();
        assert_eq!(t.micros(), -500_000);
        assert_eq!(t.secs(), -1);
        assert_eq!(t.entra_seven_digits(), "1969-12-31T23:59:59.5000000Z");
    }

    #[test]
    fn refuses_what_is_no_time() {
        for text in
            ["", "2026", "2026-13-01", "2026-02-30", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00Zx", "a026-01-01"]
        {
            assert_eq!(UnixTime::parse(text), None, "{text}");
        }
    }

    #[test]
    fn calendar_round_trips_over_four_centuries() {
        let mut t = UnixTime::from_secs(-11_676_096_000);
        while t.civil().year < 2101 {
            assert_eq!(UnixTime::from_civil(t.civil()), Some(t));
            t = t.plus_secs(86_400 * 17 + 3_661);
        }
    }
}
