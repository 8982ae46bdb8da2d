//! The protected header (RFC 7515 §4) as received: which members are there, of which type, with which bytes.
//!
//! Nothing is refused here but what is no JSON object. The names keep the word *unverified*.

use crate::encoding::{self, Decoded};
use crate::json::{self, JsonError, Member, Node, Value};

/// A header member that should be a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// Not there.
    Absent,
    /// There, as text.
    Text(String),
    /// There, but of another JSON type.
    OtherType(&'static str),
}

impl Field {
    fn of(json: &Node, name: &str) -> Self {
        match json.get(name) {
            None => Self::Absent,
            Some(node) => node.as_str().map_or(Self::OtherType(node.kind()), |s| Self::Text(s.to_owned())),
        }
    }

    /// The text, when there is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(s) => Some(s),
            Self::Absent | Self::OtherType(_) => None,
        }
    }

    /// Whether the member is missing.
    pub fn is_absent(&self) -> bool {
        *self == Self::Absent
    }
}

/// `x5t` or `x5t#S256` as received (RFC 7515 §4.1.7, §4.1.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThumbprintMember {
    /// The text in the header.
    pub text: String,
    /// The bytes it stands for; `None` when the text is no base64 of any alphabet.
    pub decoded: Option<Decoded>,
}

impl ThumbprintMember {
    /// Reads a thumbprint text tolerantly: both alphabets, padded or not (MSAL Go, Java, Python and the Azure SDK
    /// for Rust send those, and Entra accepts them).
    pub fn read(text: &str) -> Self {
        Self { text: text.to_owned(), decoded: encoding::decode_base64(text).ok() }
    }

    /// The decoded bytes, if the text could be decoded to at least one byte.
    pub fn bytes(&self) -> Option<&[u8]> {
        self.decoded.as_ref().map(|d| d.bytes.as_slice()).filter(|b| !b.is_empty())
    }
}

/// A protected header that nobody has verified.
#[derive(Clone, Debug)]
pub struct UnverifiedHeader {
    /// The header as JSON, spans counting in the decoded segment.
    pub json: Node,
    /// `alg` (RFC 7515 §4.1.1).
    pub alg: Field,
    /// `typ` (RFC 7515 §4.1.9).
    pub typ: Field,
    /// `kid` (RFC 7515 §4.1.4).
    pub kid: Field,
    /// `x5t`, SHA-1 of the certificate (RFC 7515 §4.1.7).
    pub x5t: Option<ThumbprintMember>,
    /// `x5t#S256`, SHA-256 of the certificate (RFC 7515 §4.1.8).
    pub x5t_s256: Option<ThumbprintMember>,
    /// `x5c` entries as text: an array, or one string as MSAL .NET sends (RFC 7515 §4.1.6).
    pub x5c: Option<Vec<String>>,
}

impl UnverifiedHeader {
    /// Reads the decoded first segment.
    ///
    /// # Errors
    /// [`JsonError`] when the bytes are no JSON object.
    pub fn read(bytes: &[u8]) -> Result<Self, JsonError> {
        let json = read_object(bytes)?;
        let thumbprint = |name| {
            json.get(name).map(|node| match node.as_str() {
                Some(text) => ThumbprintMember::read(text),
                None => ThumbprintMember { text: String::new(), decoded: None },
            })
        };
        let x5c = json.get("x5c").map(|node| match &node.value {
            Value::String(one) => vec![one.clone()],
            Value::Array(items) => items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        });
        Ok(Self {
            alg: Field::of(&json, "alg"),
            typ: Field::of(&json, "typ"),
            kid: Field::of(&json, "kid"),
            x5t: thumbprint("x5t"),
            x5t_s256: thumbprint("x5t#S256"),
            x5c,
            json,
        })
    }

    /// The members in their order.
    pub fn members(&self) -> &[Member] {
        self.json.members().unwrap_or_default()
    }

    /// Whether a member of that name is there.
    pub fn has(&self, name: &str) -> bool {
        self.json.get(name).is_some()
    }
}

/// Reads bytes that must be one JSON object in UTF-8 (RFC 7515 §4, RFC 7519 §7.2).
pub(super) fn read_object(bytes: &[u8]) -> Result<Node, JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|e| JsonError { offset: e.valid_up_to(), expected: "UTF-8" })?;
    let node = json::read(text)?;
    match node.value {
        Value::Object(_) => Ok(node),
        _ => Err(JsonError { offset: node.span.start, expected: "a JSON object" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_thumbprints_in_every_alphabet() {
        let header =
            UnverifiedHeader::read(br#"{"alg":"PS256","x5t":"+/8AEA==","x5t#S256":"-_8AEA","kid":5}"#).unwrap();
        assert_eq!(header.x5t.as_ref().and_then(|t| t.bytes()), Some(&[0xfb, 0xff, 0, 0x10][..]));
        assert_eq!(header.x5t_s256.as_ref().and_then(|t| t.bytes()), Some(&[0xfb, 0xff, 0, 0x10][..]));
        assert_eq!(header.kid, Field::OtherType("number"));
        assert!(header.typ.is_absent());
    }

    #[test]
    fn reads_x5c_as_list_and_as_string() {
        let list = UnverifiedHeader::read(br#"{"x5c":["a","b"]}"#).unwrap();
        assert_eq!(list.x5c, Some(vec!["a".to_owned(), "b".to_owned()]));
        let one = UnverifiedHeader::read(br#"{"x5c":"a"}"#).unwrap();
        assert_eq!(one.x5c, Some(vec!["a".to_owned()]));
    }

    #[test]
    fn refuses_what_is_no_object() {
        assert!(UnverifiedHeader::read(b"[]").is_err());
        assert!(UnverifiedHeader::read(b"\xff{}").is_err());
        assert!(UnverifiedHeader::read(b"{} {}").is_err());
    }
}
