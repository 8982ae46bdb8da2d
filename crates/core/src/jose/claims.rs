//! The claims set of a client assertion (RFC 7519 §4, RFC 7523 §3) as received.
//!
//! MSAL Python writes NumericDates as fractions, MSAL .NET as JSON strings; both are read, and noted.

use crate::jose::header::{Field, read_object};
use crate::json::{JsonError, Member, Node, Value};
use crate::time::UnixTime;

/// The `aud` claim (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Not there, or null.
    Absent,
    /// One string.
    One(String),
    /// An array of strings.
    Many(Vec<String>),
    /// Another JSON type, or an array with other members than strings.
    OtherType(&'static str),
}

/// `exp`, `nbf` or `iat` (RFC 7519 §2, NumericDate).
#[derive(Clone, Debug, PartialEq)]
pub enum NumericDate {
    /// Not there.
    Absent,
    /// A time.
    At {
        /// The time; clamped to what [`UnixTime`] can hold.
        time: UnixTime,
        /// As written.
        text: String,
        /// How it was written.
        form: NumericForm,
    },
    /// There, but no number and no text of a number.
    Unreadable {
        /// As written, or the JSON type.
        text: String,
    },
}

/// How a NumericDate was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumericForm {
    /// A JSON integer.
    Integer,
    /// A JSON number with a fraction or exponent (MSAL Python).
    Fraction,
    /// A JSON string of digits (MSAL .NET).
    Text,
}

impl NumericDate {
    fn of(json: &Node, name: &str) -> Self {
        let Some(node) = json.get(name) else { return Self::Absent };
        match &node.value {
            Value::Number(text) => Self::read(text, false),
            Value::String(text) => Self::read(text, true),
            _ => Self::Unreadable { text: node.kind().to_owned() },
        }
    }

    fn read(text: &str, quoted: bool) -> Self {
        let unreadable = || Self::Unreadable { text: text.to_owned() };
        let at = |time, form| Self::At { time, text: text.to_owned(), form };
        if quoted && !is_plain_number(text) {
            return unreadable();
        }
        if let Ok(secs) = text.parse::<i64>() {
            return at(UnixTime::from_secs(secs), if quoted { NumericForm::Text } else { NumericForm::Integer });
        }
        match text.parse::<f64>() {
            // Microseconds keep the fraction; f64 is exact far beyond any date, and `as` saturates at the ends.
            Ok(secs) if secs.is_finite() => at(
                UnixTime::from_micros((secs * 1e6) as i64),
                if quoted { NumericForm::Text } else { NumericForm::Fraction },
            ),
            _ => unreadable(),
        }
    }

    /// The time, when there is one.
    pub fn time(&self) -> Option<UnixTime> {
        match self {
            Self::At { time, .. } => Some(*time),
            Self::Absent | Self::Unreadable { .. } => None,
        }
    }

    /// Whether the claim is missing.
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }

    /// As written, when the claim is there.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Absent => None,
            Self::At { text, .. } | Self::Unreadable { text } => Some(text),
        }
    }
}

/// Digits, one sign, one point: what a quoted NumericDate may consist of. `inf`, `nan` and hex floats are not dates.
fn is_plain_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}

/// A claims set that nobody has verified.
#[derive(Clone, Debug)]
pub struct UnverifiedClaims {
    /// The claims as JSON, spans counting in the decoded segment.
    pub json: Node,
    /// `iss`, the client (RFC 7523 §3 item 1).
    pub iss: Field,
    /// `sub`, the client (RFC 7523 §3 item 2B).
    pub sub: Field,
    /// `aud`, the authorization server (RFC 7523 §3 item 3).
    pub aud: Audience,
    /// `exp` (RFC 7523 §3 item 4).
    pub exp: NumericDate,
    /// `nbf` (RFC 7523 §3 item 5).
    pub nbf: NumericDate,
    /// `iat` (RFC 7523 §3 item 6).
    pub iat: NumericDate,
    /// `jti` (RFC 7523 §3 item 7).
    pub jti: Field,
}

impl UnverifiedClaims {
    /// Reads the decoded second segment.
    ///
    /// # Errors
    /// [`JsonError`] when the bytes are no JSON object.
    pub fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        let json = read_object(bytes)?;
        let aud = match json.get("aud").map(|n| (&n.value, n.kind())) {
            None | Some((Value::Null, _)) => Audience::Absent,
            Some((Value::String(one), _)) => Audience::One(one.clone()),
            Some((Value::Array(items), _)) => match items.iter().map(|i| i.as_str().map(str::to_owned)).collect() {
                Some(many) => Audience::Many(many),
                None => Audience::OtherType("array of other types than string"),
            },
            Some((_, kind)) => Audience::OtherType(kind),
        };
        Ok(Self {
            iss: Field::of_claim(&json, "iss"),
            sub: Field::of_claim(&json, "sub"),
            aud,
            exp: NumericDate::of(&json, "exp"),
            nbf: NumericDate::of(&json, "nbf"),
            iat: NumericDate::of(&json, "iat"),
            jti: Field::of_claim(&json, "jti"),
            json,
        })
    }

    /// The members in their order.
    pub fn members(&self) -> &[Member] {
        self.json.members().unwrap_or_default()
    }

    /// Whether a claim of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.json.get(name).is_some()
    }
}

impl Field {
    fn of_claim(json: &Node, name: &str) -> Self {
        match json.get(name) {
            None => Self::Absent,
            Some(node) if node.value == Value::Null => Self::Absent,
            Some(node) => node.as_str().map_or(Self::OtherType(node.kind()), |s| Self::Text(s.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numeric_dates_as_clients_write_them() {
        let c = UnverifiedClaims::read(br#"{"exp":1795515974.9270434,"nbf":"1795515374","iat":1795515374}"#).unwrap();
        assert_eq!(c.exp.time().map(UnixTime::secs), Some(1_795_515_974));
        assert!(matches!(c.exp, NumericDate::At { form: NumericForm::Fraction, .. }));
        assert!(matches!(c.nbf, NumericDate::At { form: NumericForm::Text, .. }));
        assert!(matches!(c.iat, NumericDate::At { form: NumericForm::Integer, .. }));
    }

    #[test]
    fn tells_unreadable_from_absent() {
        for json in [
            r#"{"nbf":"tomorrow"}"#,
            r#"{"nbf":true}"#,
            r#"{"nbf":null}"#,
            r#"{"nbf":"1e999"}"#,
            r#"{"nbf":"inf"}"#,
            r#"{"nbf":""}"#,
            r#"{"nbf":1e999}"#,
        ] {
            let c = UnverifiedClaims::read(json.as_bytes()).unwrap();
            assert!(matches!(c.nbf, NumericDate::Unreadable { .. }), "{json}");
        }
    }

    #[test]
    fn tells_audience_forms_apart() {
        let aud = |json: &str| UnverifiedClaims::read(json.as_bytes()).unwrap().aud;
        assert_eq!(aud(r#"{"aud":"a"}"#), Audience::One("a".into()));
        assert_eq!(aud(r#"{"aud":["a","b"]}"#), Audience::Many(vec!["a".into(), "b".into()]));
        assert_eq!(aud(r#"{}"#), Audience::Absent);
        assert!(matches!(aud(r#"{"aud":[1]}"#), Audience::OtherType(_)));
        assert!(matches!(aud(r#"{"aud":{}}"#), Audience::OtherType("object")));
    }
}
