//! A small JSON reader (RFC 8259) that keeps byte spans and notices members that occur twice.
//!
//! For JOSE headers and claims, where both matter: a second `alg` is an attack, and the doctor points at bytes.
//! Output and our own interfaces use serde_json; this module writes nothing.

use std::ops::Range;

/// A JSON value and where it stood in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Byte range in the text that was read.
    pub span: Range<usize>,
    /// What stood there.
    pub value: Value,
}

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number, as written.
    Number(String),
    /// A string, escapes resolved.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// An object, members in their order, repeated ones included.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The name, escapes resolved.
    pub name: String,
    /// Where the name stood, quotes included.
    pub name_span: Range<usize>,
    /// The value.
    pub node: Node,
}

/// Why a text is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at offset {offset}")]
pub struct JsonError {
    /// Byte offset where reading stopped.
    pub offset: usize,
    /// What would have been right there.
    pub expected: &'static str,
}

/// Nesting deeper than this is refused: no header or claims set needs it, and recursion must be bounded.
pub const MAX_DEPTH: usize = 32;

impl Node {
    /// The members, when this is an object.
    pub fn members(&self) -> Option<&[Member]> {
        match &self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The first member of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.members()?.iter().find(|m| m.name == name).map(|m| &m.node)
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// Names that occur more than once in this object or any object below it.
    pub fn repeated_members(&self) -> Vec<&Member> {
        let mut out = Vec::new();
        self.collect_repeated(&mut out);
        out
    }

    fn collect_repeated<'a>(&'a self, out: &mut Vec<&'a Member>) {
        match &self.value {
            Value::Object(members) => {
                for (i, m) in members.iter().enumerate() {
                    if members[..i].iter().any(|earlier| earlier.name == m.name) {
                        out.push(m);
                    }
                    m.node.collect_repeated(out);
                }
            }
            Value::Array(items) => items.iter().for_each(|n| n.collect_repeated(out)),
            _ => {}
        }
    }

    /// `string`, `number`, …: for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }
    }
}

/// Reads one JSON value that fills the whole text (white space around it allowed).
///
/// # Errors
/// [`JsonError`] with the offset and what was expected there.
pub fn read(text: &str) -> Result<Node, JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    reader.white_space();
    let node = reader.value(0)?;
    reader.white_space();
    if reader.at != reader.bytes.len() {
        return Err(reader.error("the end of the text"));
    }
    Ok(node)
}

/// Reads one JSON value at the start of the text and returns it with the offset behind it.
///
/// # Errors
/// [`JsonError`] as for [`read`].
pub fn read_prefix(text: &str) -> Result<(Node, usize), JsonError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0 };
    reader.white_space();
    let node = reader.value(0)?;
    Ok((node, reader.at))
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn error(&self, expected: &'static str) -> JsonError {
        JsonError { offset: self.at, expected }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn white_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node, JsonError> {
        if depth > MAX_DEPTH {
            return Err(self.error("less nesting"));
        }
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            _ => return Err(self.error("a JSON value")),
        };
        Ok(Node { span: start..self.at, value })
    }

    fn word(&mut self, word: &'static str, value: Value) -> Result<Value, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("a JSON value"))
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        self.white_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(members));
        }
        loop {
            self.white_space();
            if self.peek() != Some(b'"') {
                return Err(self.error("a member name in quotes"));
            }
            let start = self.at;
            let name = self.string()?;
            let name_span = start..self.at;
            self.white_space();
            if self.peek() != Some(b':') {
                return Err(self.error("a colon"));
            }
            self.at += 1;
            self.white_space();
            let node = self.value(depth + 1)?;
            members.push(Member { name, name_span, node });
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Value::Object(members));
                }
                _ => return Err(self.error("a comma or a closing brace")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        self.white_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::Array(items));
        }
        loop {
            self.white_space();
            items.push(self.value(depth + 1)?);
            self.white_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Value::Array(items));
                }
                _ => return Err(self.error("a comma or a closing bracket")),
            }
        }
    }

    fn number(&mut self) -> Result<String, JsonError> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.error("a digit")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), JsonError> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("a digit"));
        }
        self.digits();
        Ok(())
    }

    fn string(&mut self) -> Result<String, JsonError> {
        self.at += 1;
        let mut start = self.at;
        let mut out = String::new();
        loop {
            match self.peek() {
                None => return Err(self.error("a closing quote")),
                Some(b'"') => {
                    out.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(&self.text[start..self.at]);
                    self.at += 1;
                    out.push(self.escape()?);
                    start = self.at;
                }
                Some(0..=0x1f) => return Err(self.error("no control character inside a string")),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                let first = self.four_hex()?;
                if (0xD800..0xDC00).contains(&first) {
                    if !self.bytes[self.at..].starts_with(b"\\u") {
                        return Err(self.error("the second half of a surrogate pair"));
                    }
                    self.at += 2;
                    let second = self.four_hex()?;
                    if !(0xDC00..0xE000).contains(&second) {
                        return Err(self.error("the second half of a surrogate pair"));
                    }
                    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                    return char::from_u32(code).ok_or_else(|| self.error("a Unicode character"));
                }
                return char::from_u32(first).ok_or_else(|| self.error("a Unicode character"));
            }
            _ => return Err(self.error("an escape")),
        };
        self.at += 1;
        Ok(c)
    }

    fn four_hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let Some(digits) = digits.and_then(|d| std::str::from_utf8(d).ok()) else {
            return Err(self.error("four hexadecimal digits"));
        };
        let value = u32::from_str_radix(digits, 16).map_err(|_| self.error("four hexadecimal digits"))?;
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_values_with_their_spans() {
        let text = r#" {"alg":"PS256","n":[1,-2.5e3,true,null],"o":{"a":"\u00e9\ud83d\ude00\n"}} "#;
        let node = read(text).unwrap();
        assert_eq!(node.get("alg").and_then(Node::as_str), Some("PS256"));
        assert_eq!(&text[node.get("alg").unwrap().span.clone()], "\"PS256\"");
        assert_eq!(node.get("o").and_then(|o| o.get("a")).and_then(Node::as_str), Some("é😀\n"));
        assert!(node.repeated_members().is_empty());
    }

    #[test]
    fn finds_repeated_members_at_every_depth() {
        let node = read(r#"{"alg":"RS256","a":[{"x":1,"x":2}],"alg":"none","\u0061lg":1}"#).unwrap();
        let names: Vec<_> = node.repeated_members().iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["x", "alg", "alg"]);
    }

    #[test]
    fn refuses_what_is_no_json() {
        for (text, offset) in [
            ("", 0),
            ("{", 1),
            ("{\"a\":1}x", 7),
            ("{'a':1}", 1),
            ("{\"a\":01}", 6),
            ("[1,]", 3),
            ("\"\u{1}\"", 1),
            ("\"\\ud800\"", 7),
            ("nul", 0),
            ("1.", 2),
        ] {
            assert_eq!(read(text).map_err(|e| e.offset), Err(offset), "{text}");
        }
        assert!(read(&"[".repeat(20_000)).is_err());
        assert!(read(&format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))).is_ok());
    }
}
