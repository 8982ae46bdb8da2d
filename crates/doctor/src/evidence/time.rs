//! What the times of an assertion say against the time of the judgement: units, shifts, age, clocks.
//!
//! Called by the evidence once, from claims or from the times in AADSTS700024. It measures; causes name.

use countersign_core::UnixTime;
use countersign_core::jose::claims::{NumericDate, UnverifiedClaims};

/// Where the times came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The claims.
    Claims,
    /// An error text.
    Error,
}

/// What the times amount to.
#[derive(Clone, Debug, PartialEq)]
pub enum Timing {
    /// Nothing is wrong with them.
    Fine,
    /// A claim counts milliseconds.
    Milliseconds {
        /// Which claims.
        claims: Vec<&'static str>,
    },
    /// A claim's digits are those of a time, times a power of ten.
    Mangled {
        /// The claim.
        claim: &'static str,
        /// As written.
        text: String,
        /// The time that the digits mean.
        means: UnixTime,
    },
    /// A claim that no reading makes a sensible time.
    Wrong {
        /// The claim.
        claim: &'static str,
        /// As written.
        text: String,
        /// Which rule it breaks.
        why: String,
    },
    /// Shifted by whole half hours: local time taken for UTC.
    Shifted {
        /// Seconds; positive when the assertion lies ahead.
        seconds: i64,
        /// What is left beside whole half hours.
        rest: i64,
    },
    /// Begins in the future.
    Ahead {
        /// Seconds.
        seconds: i64,
        /// The claim.
        claim: &'static str,
    },
    /// Expired.
    Expired {
        /// Seconds since `exp`.
        by: i64,
        /// Seconds since it was made, when that is known.
        age: Option<i64>,
        /// Seconds from making to `exp`, when that is known.
        lifetime: Option<i64>,
    },
}

/// The times at hand.
#[derive(Clone, Debug)]
pub struct Times {
    /// Where from.
    pub from: From,
    /// When it was judged.
    pub now: UnixTime,
    /// `iat`
    pub iat: Option<UnixTime>,
    /// `nbf`
    pub nbf: Option<UnixTime>,
    /// `exp`
    pub exp: Option<UnixTime>,
    /// The client's own clock when it sent the request.
    pub client_clock: Option<UnixTime>,
    /// They are those of an external issuer's token.
    pub foreign: bool,
    /// Seconds by which two clocks may differ before the server notices.
    pub leeway: i64,
    /// What they amount to.
    pub timing: Timing,
}

/// Seconds that a request takes, at most, from the making of its assertion.
const LATENCY: i64 = 45;
/// Lifetimes that libraries use (MSAL 600, the Azure SDK for Rust 300).
const LIFETIMES: [i64; 2] = [600, 300];
const HALF_HOUR: i64 = 1800;
/// No time zone is further away than 14 hours.
const FARTHEST_ZONE: i64 = 14 * 3600 + 120;

impl Times {
    /// From claims; the clocks of foreign issuers are right, so their tokens are never shifted, only old.
    pub fn of_claims(
        claims: &UnverifiedClaims,
        now: UnixTime,
        client_clock: Option<UnixTime>,
        foreign: bool,
        leeway: i64,
    ) -> Self {
        let mut times = Self {
            from: From::Claims,
            now,
            iat: claims.iat.time(),
            nbf: claims.nbf.time(),
            exp: claims.exp.time(),
            client_clock,
            foreign,
            leeway,
            timing: Timing::Fine,
        };
        times.timing = units(claims, now).unwrap_or_else(|| times.measure());
        times
    }

    /// From the times that an error prints; the epoch there means that the claim was missing.
    pub fn of_error(
        now: UnixTime,
        valid_from: Option<UnixTime>,
        expiry: Option<UnixTime>,
        client_clock: Option<UnixTime>,
        leeway: i64,
    ) -> Self {
        let nbf = valid_from.filter(|t| t.secs() > 0);
        let mut times = Self {
            from: From::Error,
            now,
            iat: None,
            nbf,
            exp: expiry,
            client_clock,
            foreign: false,
            leeway,
            timing: Timing::Fine,
        };
        times.timing = match expiry {
            Some(exp) if exp.secs() < 978_307_200 => Timing::Wrong {
                claim: "exp",
                text: exp.rfc3339(),
                why: "the expiry printed lies before 2001: `exp` was missing, a duration, or in the wrong unit"
                    .to_owned(),
            },
            _ if nbf.is_some_and(|t| t.civil().year > 2200) => Timing::Milliseconds { claims: vec!["nbf"] },
            _ => times.measure(),
        };
        times
    }

    /// When the assertion was made, as it says itself.
    pub fn made(&self) -> Option<UnixTime> {
        self.iat.or(self.nbf)
    }

    fn lifetime(&self) -> Option<i64> {
        self.made().zip(self.exp).map(|(made, exp)| exp.secs_since(made))
    }

    fn measure(&self) -> Timing {
        let now = self.now;
        if let (Some(made), Some(exp)) = (self.made(), self.exp)
            && exp <= made
        {
            return Timing::Wrong {
                claim: "exp",
                text: exp.rfc3339(),
                why: "it does not lie behind `iat` and `nbf`".to_owned(),
            };
        }
        let ahead = [("nbf", self.nbf), ("iat", self.iat)].into_iter().find_map(|(claim, t)| {
            let seconds = t?.secs_since(now);
            (seconds > self.leeway).then_some((claim, seconds))
        });
        if let Some((claim, seconds)) = ahead {
            if let Some(shift) = shift(-seconds).filter(|_| !self.foreign) {
                return shift;
            }
            if seconds > 3 * 86_400 {
                let text = self.made().map(|t| t.rfc3339()).unwrap_or_default();
                return Timing::Wrong {
                    claim,
                    text,
                    why: format!("it lies {} ahead", crate::words::duration(seconds)),
                };
            }
            return Timing::Ahead { seconds, claim };
        }
        let Some(exp) = self.exp else { return Timing::Fine };
        let by = now.secs_since(exp);
        if by < self.leeway && !(self.from == From::Error && by >= 0) {
            return Timing::Fine;
        }
        self.expired(by)
    }

    fn expired(&self, by: i64) -> Timing {
        let age = self.made().map(|made| self.now.secs_since(made));
        let lifetime = self.lifetime();
        match age {
            // Made, by its own clock, whole half hours ago: a fresh assertion dated in local time.
            Some(age) => {
                if let Some(shift) = shift(age).filter(|_| !self.foreign) {
                    return shift;
                }
            }
            // Only the expiry is known: whole half hours less a usual lifetime.
            None => {
                for lifetime in LIFETIMES {
                    let shifted = by + lifetime;
                    let rest = shifted % HALF_HOUR;
                    if (HALF_HOUR - 10..=FARTHEST_ZONE).contains(&shifted) && (rest <= 30 || rest >= HALF_HOUR - 2) {
                        return Timing::Shifted { seconds: -shifted, rest };
                    }
                }
            }
        }
        if by > 400 * 86_400 && lifetime.is_none_or(|l| l < 0) {
            let text = self.exp.map(|t| t.rfc3339()).unwrap_or_default();
            return Timing::Wrong { claim: "exp", text, why: format!("it lies {} back", crate::words::duration(by)) };
        }
        Timing::Expired { by, age, lifetime }
    }
}

/// Whether seconds since making are whole half hours and the time a request takes.
fn shift(age: i64) -> Option<Timing> {
    let rest = age.rem_euclid(HALF_HOUR);
    let near = rest <= LATENCY || rest >= HALF_HOUR - 5;
    // A shift of a single half hour exists in no zone that anybody uses against UTC; one hour and more do.
    (near && age.abs() >= 2 * HALF_HOUR - 5 && age.abs() <= FARTHEST_ZONE)
        .then_some(Timing::Shifted { seconds: -age, rest })
}

/// Wrong units: seen from the digits, before anything is compared with now.
fn units(claims: &UnverifiedClaims, now: UnixTime) -> Option<Timing> {
    let dates = [("exp", &claims.exp), ("nbf", &claims.nbf), ("iat", &claims.iat)];
    let digits = |d: &NumericDate| d.text().map(|t| t.trim().to_owned());
    let is_integer = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let millis: Vec<&'static str> = dates
        .iter()
        .filter(|(_, d)| {
            digits(d).is_some_and(|t| {
                let whole = t.split('.').next().unwrap_or_default();
                is_integer(whole) && whole.len() == 13
            })
        })
        .map(|(n, _)| *n)
        .collect();
    if !millis.is_empty() {
        return Some(Timing::Milliseconds { claims: millis });
    }
    for (claim, date) in dates {
        let Some(text) = digits(date) else { continue };
        if let Some(means) = mangled(&text, now) {
            return Some(Timing::Mangled { claim, text, means });
        }
    }
    for (claim, date) in dates {
        match date {
            NumericDate::Unreadable { text } => {
                let why = "it is no number of seconds since 1970".to_owned();
                return Some(Timing::Wrong { claim, text: text.clone(), why });
            }
            NumericDate::At { time, text, .. } if time.secs() < 978_307_200 => {
                let why = if claim == "exp" && time.secs() > 0 && time.secs() <= 90_000 {
                    "it is a duration, and a point in time is wanted: seconds since 1970".to_owned()
                } else {
                    format!("it means {}, before 2001", time.rfc3339())
                };
                return Some(Timing::Wrong { claim, text: text.clone(), why });
            }
            NumericDate::At { time, text, .. } if time.secs_since(now) > 3650 * 86_400 => {
                let why = format!("it lies {} ahead", crate::words::duration(time.secs_since(now)));
                return Some(Timing::Wrong { claim, text: text.clone(), why });
            }
            NumericDate::At { .. } | NumericDate::Absent => {}
        }
    }
    None
}

/// More than 13 digits, or separators lost: dividing by a power of ten gives a time near now.
fn mangled(text: &str, now: UnixTime) -> Option<UnixTime> {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let separated = text.contains(',') || text.matches('.').count() > 1 || text.contains(' ') || text.contains('\'');
    if digits.len() < 10 || (digits.len() <= 13 && !separated) {
        return None;
    }
    // A text of ten digits or with one fraction is accepted (.NET, Python).
    let seconds: i64 = digits.get(..10)?.parse().ok()?;
    let means = UnixTime::from_secs(seconds);
    let near = means.secs_since(now).abs() < 400 * 86_400;
    let has_fraction = text.split('.').nth(1).is_some_and(|f| f.bytes().all(|b| b.is_ascii_digit()))
        && text.split('.').next().is_some_and(|w| w.len() <= 10);
    (near && !has_fraction).then_some(means)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    fn timing(claims: &str) -> Timing {
        Times::of_claims(&UnverifiedClaims::read(claims.as_bytes()).unwrap(), NOW, None, false, 300).timing
    }

    #[test]
    fn units_are_read_off_the_digits() {
        assert_eq!(
            timing(r#"{"exp":1700000600000,"nbf":1700000000000}"#),
            Timing::Milliseconds { claims: vec!["exp", "nbf"] }
        );
        assert!(matches!(timing(r#"{"exp":"17000006001234"}"#), Timing::Mangled { claim: "exp", .. }));
        assert!(matches!(timing(r#"{"exp":"1700000600,5"}"#), Timing::Mangled { .. }));
        assert!(matches!(timing(r#"{"exp":600,"iat":1700000000}"#), Timing::Wrong { claim: "exp", .. }));
        assert_eq!(timing(r#"{"exp":"1700000600","nbf":"1700000000"}"#), Timing::Fine);
        assert_eq!(timing(r#"{"exp":1700000600.123456,"iat":1700000000.5}"#), Timing::Fine);
    }

    #[test]
    fn shifts_age_and_clocks() {
        assert!(matches!(
            timing(r#"{"exp":1699993400,"iat":1699992800}"#),
            Timing::Shifted { seconds: -7200, rest: 0 }
        ));
        assert!(matches!(timing(r#"{"exp":1700007800,"iat":1700007200}"#), Timing::Shifted { seconds: 7200, .. }));
        assert!(matches!(
            timing(r#"{"exp":1700001117,"iat":1700000517}"#),
            Timing::Ahead { seconds: 517, claim: "iat" }
        ));
        assert!(matches!(
            timing(r#"{"exp":1699981000,"iat":1699980400}"#),
            Timing::Expired { age: Some(19_600), lifetime: Some(600), .. }
        ));
        assert_eq!(timing(r#"{"exp":1700000300,"iat":1699999700}"#), Timing::Fine);
    }

    #[test]
    fn times_of_an_error_text() {
        let of = |gap: i64| Times::of_error(NOW, None, Some(NOW - gap), None, 300).timing;
        assert!(matches!(of(3302), Timing::Shifted { seconds: -3602, rest: 2 }));
        assert!(matches!(of(18_760), Timing::Expired { by: 18_760, .. }));
        assert!(matches!(Times::of_error(NOW, None, Some(UnixTime::EPOCH), None, 300).timing, Timing::Wrong { .. }));
    }
}
