//! Bytes to text: UTF-8 with or without a byte order mark, UTF-16 from Windows, HTML-escaped pages, JSON inside JSON.
//!
//! Called by [`super`] before anything is recognised. It mends and says what it mended; it recognises nothing itself.

/// Text with what had to be mended to get it.
pub struct Text {
    /// The text.
    pub text: String,
    /// What was mended, in words.
    pub repairs: Vec<&'static str>,
}

/// Decodes bytes; `None` when they are binary.
pub fn decode(bytes: &[u8]) -> Option<Text> {
    let mut repairs = Vec::new();
    let text = match bytes {
        [0xFF, 0xFE, rest @ ..] => {
            repairs.push("UTF-16 text");
            utf16(rest, u16::from_le_bytes)
        }
        [0xFE, 0xFF, rest @ ..] => {
            repairs.push("UTF-16 text");
            utf16(rest, u16::from_be_bytes)
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => {
            repairs.push("byte order mark");
            utf8(rest)?
        }
        _ if looks_utf16(bytes, 1) => {
            repairs.push("UTF-16 text without byte order mark");
            utf16(bytes, u16::from_le_bytes)
        }
        _ if looks_utf16(bytes, 0) => {
            repairs.push("UTF-16 text without byte order mark");
            utf16(bytes, u16::from_be_bytes)
        }
        _ => utf8(bytes)?,
    };
    let (text, mail) = unescape_mail(text);
    repairs.extend(mail);
    let (text, escaped) = unescape_html(&text);
    if escaped {
        repairs.push("HTML escapes");
    }
    Some(Text { text, repairs })
}

fn utf16(bytes: &[u8], read: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).filter(|c| *c != '\u{feff}').collect()
}

/// ASCII in UTF-16: every second byte is zero.
fn looks_utf16(bytes: &[u8], zero_at: usize) -> bool {
    let head = &bytes[..bytes.len().min(64) & !1];
    head.len() >= 8 && head.chunks_exact(2).all(|p| p[zero_at] == 0 && p[1 - zero_at] != 0)
}

/// UTF-8, or an old Windows code page with a few foreign letters; binary data has control characters or is mostly not
/// ASCII.
fn utf8(bytes: &[u8]) -> Option<String> {
    let odd_controls =
        bytes.iter().filter(|b| **b < 0x20 && !matches!(**b, b'\t' | b'\n' | b'\r' | 0x1B | 0x0C)).count();
    if odd_controls > bytes.len() / 100 {
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.to_owned()),
        Err(_) => {
            let foreign = bytes.iter().filter(|b| **b >= 0x80).count();
            (foreign <= bytes.len() / 5).then(|| String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

const HTML: [(&str, &str); 9] = [
    ("&quot;", "\""),
    ("&#34;", "\""),
    ("&#39;", "'"),
    ("&#x27;", "'"),
    ("&apos;", "'"),
    ("&#43;", "+"),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&amp;", "&"),
];

/// Resolves the HTML escapes that pages and mails add. `&amp;` alone is left: it also stands between form parameters.
fn unescape_html(text: &str) -> (String, bool) {
    if !HTML[..6].iter().any(|(entity, _)| text.contains(entity)) {
        return (text.replace("&amp;", "&"), text.contains("&amp;"));
    }
    let mut out = text.to_owned();
    for (entity, plain) in HTML {
        out = out.replace(entity, plain);
    }
    (out, true)
}

/// Undoes what mail programs do: quoted-printable (RFC 2045 §6.7), and `> ` before every line.
fn unescape_mail(text: String) -> (String, Option<&'static str>) {
    let soft = text.contains("=\n") || text.contains("=\r\n");
    if soft && text.contains("=3D") {
        let joined = text.replace("=\r\n", "").replace("=\n", "");
        let bytes = joined.as_bytes();
        let mut out = Vec::with_capacity(bytes.len());
        let mut i = 0;
        while i < bytes.len() {
            let pair = bytes
                .get(i + 1..i + 3)
                .and_then(|p| std::str::from_utf8(p).ok())
                .and_then(|p| u8::from_str_radix(p, 16).ok());
            match (bytes[i], pair) {
                (b'=', Some(b)) => {
                    out.push(b);
                    i += 3;
                }
                (b, _) => {
                    out.push(b);
                    i += 1;
                }
            }
        }
        return (String::from_utf8_lossy(&out).into_owned(), Some("quoted-printable"));
    }
    let lines = || text.lines().filter(|l| !l.trim().is_empty());
    // A request shown by curl has lines of the answer as well.
    if lines().count() > 1 && lines().all(|l| l.starts_with('>')) && !text.contains("HTTP/") {
        let stripped: Vec<&str> =
            text.lines().map(|l| l.strip_prefix("> ").or(l.strip_prefix('>')).unwrap_or(l)).collect();
        return (stripped.join("\n"), Some("quotation marks of a mail"));
    }
    (text, None)
}

/// Undoes one level of JSON string escapes, as in a log that holds JSON inside a JSON string.
pub fn unescape_json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some(c @ ('"' | '\\' | '/' | '\'')) => out.push(c),
            Some('u') => {
                let hex: String = chars.clone().take(4).collect();
                match u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32) {
                    Some(c) if hex.len() == 4 => {
                        out.push(c);
                        chars.nth(3);
                    }
                    _ => out.push_str("\\u"),
                }
            }
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
            None => out.push('\\'),
        }
    }
    out
}

/// Characters that nobody sees: zero width, direction marks, byte order mark, soft hyphen, no-break blanks, controls.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{a0}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{2069}' | '\u{feff}' | '\u{fffd}')
        || c.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_windows_writes() {
        let utf16: Vec<u8> = "\u{feff}{\"a\":1}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let text = decode(&utf16).unwrap();
        assert_eq!(text.text, "{\"a\":1}");
        assert_eq!(text.repairs, ["UTF-16 text"]);
        assert_eq!(decode(b"\xef\xbb\xbfx").unwrap().text, "x");
        assert_eq!(decode(&utf16[2..]).unwrap().text, "{\"a\":1}");
    }

    #[test]
    fn binary_is_no_text() {
        assert!(decode(&[0x30, 0x82, 0, 1, 2, 0, 0x9f, 0xff]).is_none());
    }

    #[test]
    fn undoes_escapes() {
        assert_eq!(decode(b"{&quot;a&quot;: &#39;x&#39;}").unwrap().text, "{\"a\": 'x'}");
        assert_eq!(unescape_json(r#"{\"a\":\"x\\r\\n\u0027\"}"#), "{\"a\":\"x\\r\\n'\"}");
    }
}
