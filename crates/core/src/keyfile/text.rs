//! Text of unknown encoding with a map back to the bytes it came from, and the escapes that travel with key files.
//!
//! Used by [`super::read`]; every transformation keeps, for each byte of the text, the offset in the given input.

use super::repair::Repair;

/// Text and, for each of its bytes, the offset of its origin in the input.
#[derive(Clone, Debug, Default)]
pub(super) struct Text {
    pub text: String,
    pub origin: Vec<u32>,
}

impl Text {
    /// Adds a character that came from this offset.
    fn push(&mut self, c: char, offset: usize) {
        self.text.push(c);
        // Inputs are at most one MiB, see `MAX_BYTES`.
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.origin.extend(std::iter::repeat_n(offset, c.len_utf8()));
    }

    /// Offset in the input of a byte of the text; the end maps to the end.
    pub fn offset(&self, at: usize) -> usize {
        match self.origin.get(at) {
            Some(o) => *o as usize,
            None => self.origin.last().map_or(0, |o| *o as usize + 1),
        }
    }
}

/// Decodes UTF-8 (with or without byte order mark) and UTF-16; `None` for binary data.
///
/// Bytes that are no UTF-8 become U+FFFD, so that a PEM block among Latin-1 prose is still found.
pub(super) fn decode(bytes: &[u8], repairs: &mut Vec<Repair>) -> Option<Text> {
    let utf16 = match bytes {
        [0xFF, 0xFE, ..] => Some((2, true)),
        [0xFE, 0xFF, ..] => Some((2, false)),
        // ASCII in UTF-16 without a mark: every other byte is zero.
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 && bytes.len().is_multiple_of(2) => Some((0, true)),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 && bytes.len().is_multiple_of(2) => Some((0, false)),
        _ => None,
    };
    let mut text = Text::default();
    if let Some((skip, little)) = utf16 {
        let units = bytes.get(skip..)?.chunks_exact(2).map(|c| match little {
            true => u16::from(c[1]) << 8 | u16::from(c[0]),
            false => u16::from(c[0]) << 8 | u16::from(c[1]),
        });
        let mut offset = skip;
        for c in char::decode_utf16(units) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            text.push(c, offset);
            offset += 2 * c.len_utf16();
        }
        if is_binary(&text.text) {
            return None;
        }
        repairs.push(Repair::Utf16);
        return Some(text);
    }
    let skip = if bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let mut offset = skip;
    for chunk in bytes.get(skip..)?.utf8_chunks() {
        for (i, c) in chunk.valid().char_indices() {
            text.push(c, offset + i);
        }
        offset += chunk.valid().len();
        for i in 0..chunk.invalid().len() {
            text.push(char::REPLACEMENT_CHARACTER, offset + i);
        }
        offset += chunk.invalid().len();
    }
    if is_binary(&text.text) && !text.text.contains("-----BEGIN ") {
        return None;
    }
    if skip > 0 {
        repairs.push(Repair::Bom);
    }
    Some(text)
}

/// More than one character in twenty is none that text has.
fn is_binary(text: &str) -> bool {
    let (mut odd, mut all) = (0_usize, 0_usize);
    for c in text.chars() {
        all += 1;
        let control = c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{1b}' | '\u{c}');
        if control || c == char::REPLACEMENT_CHARACTER {
            odd += 1;
        }
    }
    odd * 20 > all
}

/// Characters that cannot be seen and travel along when text is copied from documents and chats.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{00A0}' | '\u{2007}' | '\u{202F}')
}

/// Resolves HTML entities; `None` when there are none.
pub(super) fn unescape_html(input: &Text) -> Option<Text> {
    transform(input, |rest| {
        let body = rest.strip_prefix('&')?;
        let end = body.find(';').filter(|e| *e <= 8)?;
        let name = &body[..end];
        let c = match name {
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            "lt" => '<',
            "gt" => '>',
            "nbsp" => ' ',
            "plus" => '+',
            "sol" => '/',
            "equals" => '=',
            "NewLine" => '\n',
            "hyphen" | "dash" => '-',
            _ => {
                let number = name.strip_prefix('#')?;
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.parse().ok()?,
                };
                char::from_u32(code)?
            }
        };
        Some((c, end + 2))
    })
}

/// Resolves percent escapes of ASCII characters; with `plus`, `+` is a blank as in forms. `None` when there are none.
pub(super) fn unescape_percent(input: &Text, plus: bool) -> Option<Text> {
    transform(input, |rest| {
        if plus && rest.starts_with('+') {
            return Some((' ', 1));
        }
        let hex = rest.strip_prefix('%')?.get(..2)?;
        let code = u8::from_str_radix(hex, 16).ok().filter(u8::is_ascii)?;
        Some((char::from(code), 3))
    })
}

fn transform(input: &Text, replace: impl Fn(&str) -> Option<(char, usize)>) -> Option<Text> {
    let mut out = Text::default();
    let (mut at, mut changed) = (0, false);
    while let Some(rest) = input.text.get(at..).filter(|r| !r.is_empty()) {
        let (c, length) = match replace(rest) {
            Some(found) => {
                changed = true;
                found
            }
            None => {
                let c = rest.chars().next()?;
                (c, c.len_utf8())
            }
        };
        out.push(c, input.offset(at));
        at += length;
    }
    changed.then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16().flat_map(|u| if little { u.to_le_bytes() } else { u.to_be_bytes() }).collect()
    }

    #[test]
    fn decodes_with_offsets() {
        let mut repairs = vec![];
        let text = decode(b"\xEF\xBB\xBFab\xFFc", &mut repairs);
        // One odd character in four is binary.
        assert!(text.is_none());
        let text = decode("\u{FEFF}aé and some more".as_bytes(), &mut repairs).unwrap();
        assert_eq!(repairs, [Repair::Bom]);
        assert_eq!(text.text, "aé and some more");
        assert_eq!((text.offset(0), text.offset(1), text.offset(3)), (3, 4, 6));
    }

    #[test]
    fn decodes_utf16_of_both_orders_with_and_without_mark() {
        for little in [true, false] {
            for mark in ["\u{FEFF}", ""] {
                let mut repairs = vec![];
                let text = decode(&utf16(&format!("{mark}BEGIN x"), little), &mut repairs).unwrap();
                assert_eq!(text.text, "BEGIN x");
                assert_eq!(repairs, [Repair::Utf16]);
                assert_eq!(text.offset(6), 12 + 2 * mark.chars().count());
            }
        }
    }

    #[test]
    fn binary_is_no_text() {
        assert!(decode(&[0x30, 0x82, 1, 2, 3, 0xFF, 0, 1, 2, 3], &mut vec![]).is_none());
    }

    #[test]
    fn escapes_resolve_and_keep_offsets() {
        let mut repairs = vec![];
        let html = unescape_html(&decode(b"a&#43;b&#x2F;&plus;&unknown;", &mut repairs).unwrap()).unwrap();
        assert_eq!(html.text, "a+b/+&unknown;");
        assert_eq!(html.offset(2), 6);
        let percent = unescape_percent(&decode(b"a%2Bb+c", &mut repairs).unwrap(), true).unwrap();
        assert_eq!(percent.text, "a+b c");
        assert!(unescape_html(&decode(b"a & b", &mut repairs).unwrap()).is_none());
    }
}
