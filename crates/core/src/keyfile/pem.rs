//! Finds PEM blocks (RFC 7468, RFC 1421 headers) in any text, with their spans, mending what can be mended.
//!
//! Used by [`super::read`]. It finds blocks and decodes their base64; what the bytes are is decided elsewhere, from
//! the bytes and not from the label.

use std::ops::Range;

use super::repair::{Problem, Repair};
use super::text::{Text, is_invisible};
use crate::encoding;

/// One block.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// The label of the BEGIN line.
    pub label: String,
    /// `DEK-Info` of RFC 1421, when the block is encrypted in the old way: cipher and IV in hex.
    pub dek_info: Option<(String, String)>,
    /// `Proc-Type: 4,ENCRYPTED` was there.
    pub old_encryption: bool,
    /// The decoded bytes, unless a problem says why not.
    pub bytes: Option<Vec<u8>>,
    /// From BEGIN to END line, in the given input.
    pub span: Range<usize>,
    /// What had to be mended in this block.
    pub repairs: Vec<Repair>,
    /// What could not.
    pub problems: Vec<Problem>,
}

/// All blocks of a text in their order, and END lines that belong to none.
pub(super) fn blocks(text: &Text, limit: usize) -> (Vec<Block>, Vec<Problem>) {
    let (mut found, mut stray) = (Vec::new(), Vec::new());
    let mut at = 0;
    while let Some(marker) = next_marker(&text.text, at) {
        if marker.kind == Kind::End {
            stray.push(Problem::MissingBegin { label: marker.label });
            at = marker.end;
            continue;
        }
        if found.len() == limit {
            stray.push(Problem::TooManyItems { limit });
            break;
        }
        let (block, end) = read_block(text, &marker);
        found.push(block);
        at = end;
    }
    (found, stray)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Begin,
    End,
}

/// A BEGIN or END line.
#[derive(Clone, Debug)]
struct Marker {
    kind: Kind,
    label: String,
    start: usize,
    end: usize,
    repairs: Vec<Repair>,
}

fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{FF0D}')
}

fn next_marker(text: &str, from: usize) -> Option<Marker> {
    let mut at = from;
    loop {
        let rest = text.get(at..)?;
        let (begin, end) = (rest.find("BEGIN"), rest.find("END"));
        let (kind, found) = match (begin, end) {
            (Some(b), Some(e)) if b < e => (Kind::Begin, b),
            (Some(b), None) => (Kind::Begin, b),
            (_, Some(e)) => (Kind::End, e),
            (None, None) => return None,
        };
        let word = at + found;
        let after = word + if kind == Kind::Begin { 5 } else { 3 };
        if let Some(marker) = marker(text, from, kind, word, after) {
            return Some(marker);
        }
        at = after;
    }
}

/// The marker whose word stands at `word`, when dashes stand on both sides of word and label.
fn marker(text: &str, from: usize, kind: Kind, word: usize, after: usize) -> Option<Marker> {
    let mut repairs = Vec::new();
    let mut starts = Vec::new();
    for (i, c) in text.get(from..word)?.char_indices().rev() {
        if is_dash(c) {
            starts.push(from + i);
            note(&mut repairs, Repair::Dashes, c != '-');
        } else if starts.is_empty() && (c == ' ' || is_invisible(c)) {
            note(&mut repairs, Repair::Dashes, true);
        } else {
            break;
        }
    }
    let dashes = starts.len();
    // Ten hyphens are two lines run together: `-----END X----------BEGIN Y-----`.
    let start = if dashes < 10 { *starts.last()? } else { *starts.get(4)? };
    let mut label = String::new();
    let mut ends = Vec::new();
    for (i, c) in text.get(after..)?.char_indices() {
        if is_dash(c) {
            ends.push(after + i + c.len_utf8());
            note(&mut repairs, Repair::Dashes, c != '-');
        } else if !ends.is_empty() {
            break;
        } else if c == ' ' || c == '\t' || c == '\u{A0}' {
            note(&mut repairs, Repair::InvisibleCharacters, c != ' ');
            if !label.is_empty() && !label.ends_with(' ') {
                label.push(' ');
            }
        } else if is_invisible(c) {
            note(&mut repairs, Repair::InvisibleCharacters, true);
        } else if label.len() < 48 && (c.is_ascii_uppercase() || c.is_ascii_digit() || c == '#') {
            label.push(c);
        } else {
            return None;
        }
    }
    let label = label.trim_end().to_owned();
    if label.is_empty() {
        return None;
    }
    let end = if ends.len() < 10 { *ends.last()? } else { *ends.get(4)? };
    let five = |n: usize| n == 5 || n >= 10;
    note(&mut repairs, Repair::Dashes, !five(dashes) || !five(ends.len()));
    Some(Marker { kind, label, start, end, repairs })
}

fn note(repairs: &mut Vec<Repair>, repair: Repair, when: bool) {
    if when && !repairs.contains(&repair) {
        repairs.push(repair);
    }
}

fn read_block(text: &Text, begin: &Marker) -> (Block, usize) {
    let closing = next_marker(&text.text, begin.end);
    let (body_end, end) = match &closing {
        Some(m) if m.kind == Kind::End => (m.start, m.end),
        Some(m) => (m.start, m.start),
        None => (text.text.len(), text.text.len()),
    };
    let mut block = Block {
        label: begin.label.clone(),
        dek_info: None,
        old_encryption: false,
        bytes: None,
        span: text.offset(begin.start)..text.offset(end),
        repairs: begin.repairs.clone(),
        problems: Vec::new(),
    };
    let ended = matches!(&closing, Some(m) if m.kind == Kind::End);
    if let Some(m) = closing.filter(|m| m.kind == Kind::End) {
        block.repairs.extend(m.repairs);
        if m.label != block.label {
            let (begin, end) = (block.label.clone(), m.label);
            block.problems.push(Problem::LabelsDiffer { begin, end });
        }
    } else {
        block.problems.push(Problem::MissingEnd { label: block.label.clone() });
    }
    let quoted = |c: Option<char>| matches!(c, Some('"' | '\'' | '`' | '\u{201C}'..='\u{201D}'));
    let before = text.text[..begin.start].chars().next_back();
    if quoted(before) && quoted(text.text[end..].chars().next()) {
        block.repairs.push(Repair::Quotes);
    }
    let mut body = Body { text, at: begin.end, end: body_end, block: &mut block };
    body.headers();
    match body.base64(ended) {
        Ok(bytes) => block.bytes = Some(bytes),
        Err(problem) => block.problems.push(problem),
    }
    block.repairs.sort_unstable();
    block.repairs.dedup();
    (block, end)
}

/// Reads what stands between BEGIN and END line.
struct Body<'a> {
    text: &'a Text,
    at: usize,
    end: usize,
    block: &'a mut Block,
}

/// What one step over the body gave.
enum Step {
    Base64(char),
    Padding,
    Newline,
    EscapedNewline,
    Blank,
    Ignored,
    Bad,
}

impl Body<'_> {
    fn rest(&self) -> &str {
        self.text.text.get(self.at..self.end).unwrap_or_default()
    }

    /// RFC 1421 headers, also where line breaks became blanks or `\n`.
    fn headers(&mut self) {
        loop {
            let rest = self.rest();
            let start = rest.trim_start_matches(['\r', '\n', ' ', '\t']);
            let start = strip_escaped_newlines(start);
            let name_length = start.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
            if name_length == 0 || name_length > 32 || !start[name_length..].starts_with(':') {
                return;
            }
            let name = start[..name_length].to_ascii_lowercase();
            let value = start[name_length + 1..].trim_start_matches([' ', '\t']);
            let one_word = name == "proc-type" || name == "dek-info";
            let value_length = value
                .char_indices()
                .find(|(i, c)| {
                    matches!(c, '\r' | '\n')
                        || (one_word && c.is_whitespace())
                        || (*c == '\\' && matches!(value.as_bytes().get(i + 1), Some(b'n' | b'r')))
                })
                .map_or(value.len(), |(i, _)| i);
            let content = value[..value_length].trim_end().to_owned();
            let skipped = rest.len() - value.len() + value_length;
            self.at += skipped;
            match name.as_str() {
                "proc-type" => self.block.old_encryption |= content.contains("ENCRYPTED"),
                "dek-info" => {
                    let (cipher, iv) = content.split_once(',').unwrap_or((&content, ""));
                    self.block.dek_info = Some((cipher.trim().to_owned(), iv.trim().to_owned()));
                }
                _ => {}
            }
        }
    }

    fn base64(&mut self, ended: bool) -> Result<Vec<u8>, Problem> {
        let mut digits = String::with_capacity(self.end.saturating_sub(self.at));
        let (mut newlines, mut escaped, mut blanks_inside) = (0_usize, 0_usize, false);
        let (mut line, mut longest) = (0_usize, 0_usize);
        let (mut pending_blank, mut first_break, mut last_break) = (false, false, false);
        let mut padding = 0_usize;
        while self.at < self.end {
            let from = self.at;
            match self.step(line == 0) {
                Step::Base64(c) => {
                    if padding > 0 {
                        return Err(self.bad(from));
                    }
                    first_break |= digits.is_empty() && newlines > 0;
                    blanks_inside |= pending_blank && line > 0;
                    self.note(Repair::Indented, pending_blank && line == 0 && newlines > 0);
                    pending_blank = false;
                    last_break = false;
                    digits.push(c);
                    line += 1;
                    longest = longest.max(line);
                }
                Step::Padding => padding += 1,
                Step::Newline => {
                    newlines += 1;
                    line = 0;
                    pending_blank = false;
                    last_break = true;
                }
                Step::EscapedNewline => {
                    escaped += 1;
                    line = 0;
                    pending_blank = false;
                }
                Step::Blank => pending_blank = true,
                Step::Ignored => {}
                // Without an END line, prose behind the block ends it.
                Step::Bad if !ended && !digits.is_empty() => break,
                Step::Bad => return Err(self.bad(from)),
            }
        }
        self.note(Repair::EscapedNewlines, escaped > 0);
        self.note(Repair::StrayBlanks, blanks_inside && newlines > 0);
        let lost = !digits.is_empty() && escaped == 0 && (!first_break || (ended && !last_break));
        self.note(Repair::LineBreaksLost, lost);
        self.note(Repair::LongLines, !lost && escaped == 0 && longest > 76);
        let remainder = digits.len() % 4;
        if remainder == 1 {
            let received = digits.len() / 4 * 3;
            return Err(Problem::Truncated { label: self.block.label.clone(), expected: None, received });
        }
        self.note(Repair::MissingPadding, remainder != 0 && padding == 0);
        encoding::decode_base64(&digits)
            .map(|d| d.bytes)
            .map_err(|_| Problem::Malformed { label: self.block.label.clone() })
    }

    fn bad(&self, at: usize) -> Problem {
        Problem::BadBase64 { label: self.block.label.clone(), offset: self.text.offset(at) }
    }

    fn note(&mut self, repair: Repair, when: bool) {
        note(&mut self.block.repairs, repair, when);
    }

    fn step(&mut self, line_start: bool) -> Step {
        let Some(c) = self.rest().chars().next() else {
            self.at = self.end;
            return Step::Ignored;
        };
        self.at += c.len_utf8();
        match c {
            'A'..='Z' | 'a'..='z' | '0'..='9' | '+' | '/' => Step::Base64(c),
            '=' => Step::Padding,
            '\n' => Step::Newline,
            '\r' => {
                if self.rest().starts_with('\n') {
                    self.at += 1;
                }
                self.note(Repair::CrLf, true);
                Step::Newline
            }
            ' ' | '\t' => Step::Blank,
            '-' | '_' => {
                self.note(Repair::UrlSafeAlphabet, true);
                Step::Base64(if c == '-' { '+' } else { '/' })
            }
            '"' | '\'' | '`' | ',' | ';' => {
                self.note(Repair::Quotes, true);
                Step::Ignored
            }
            '>' | '|' if line_start => {
                self.note(Repair::Indented, true);
                Step::Ignored
            }
            '\\' => self.escape(),
            _ if is_invisible(c) => {
                self.note(Repair::InvisibleCharacters, true);
                Step::Ignored
            }
            _ => Step::Bad,
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self) -> Step {
        let rest = self.rest();
        match rest.chars().next() {
            Some('n') => {
                self.at += 1;
                Step::EscapedNewline
            }
            Some('r') => {
                self.at += 1;
                Step::Ignored
            }
            // A doubled backslash of text that was escaped twice; the next step reads the rest.
            Some('\\') => Step::Ignored,
            // A backslash at the end of a line continues it in shells and programs.
            Some('\n' | '\r') | None => {
                self.note(Repair::Quotes, true);
                Step::Ignored
            }
            Some('/') => {
                self.at += 1;
                self.note(Repair::JsonEscaped, true);
                Step::Base64('/')
            }
            Some('u') => {
                let code = rest.get(1..5).and_then(|h| u32::from_str_radix(h, 16).ok());
                let c = code.and_then(char::from_u32);
                self.note(Repair::JsonEscaped, true);
                match c {
                    Some(c @ ('+' | '/')) => {
                        self.at += 5;
                        Step::Base64(c)
                    }
                    Some('=') => {
                        self.at += 5;
                        Step::Padding
                    }
                    Some('\n') => {
                        self.at += 5;
                        Step::EscapedNewline
                    }
                    Some('\r') => {
                        self.at += 5;
                        Step::Ignored
                    }
                    _ => Step::Bad,
                }
            }
            _ => Step::Bad,
        }
    }
}

fn strip_escaped_newlines(mut text: &str) -> &str {
    loop {
        let shorter = text
            .strip_prefix("\\n")
            .or_else(|| text.strip_prefix("\\r"))
            .map(|t| t.trim_start_matches(['\r', '\n', ' ', '\t']));
        match shorter {
            Some(t) => text = t,
            None => return text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text;
    use super::*;

    const BODY: [u8; 100] = [0xFB; 100];

    fn pem(separator: &str) -> String {
        let base64 = encoding::encode_base64(&BODY);
        let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|c| std::str::from_utf8(c).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----{separator}{}{separator}-----END PRIVATE KEY-----", lines.join(separator))
    }

    fn scan(input: &str) -> (Vec<Block>, Vec<Problem>) {
        blocks(&text::decode(input.as_bytes(), &mut vec![]).unwrap(), 16)
    }

    fn one(input: &str) -> Block {
        let (mut found, stray) = scan(input);
        assert!(stray.is_empty(), "{stray:?}");
        assert_eq!(found.len(), 1, "{input}");
        found.remove(0)
    }

    #[test]
    fn a_proper_block_needs_no_repair() {
        let input = format!("# comment\n{}\n", pem("\n"));
        let block = one(&input);
        assert_eq!(block.bytes.as_deref(), Some(&BODY[..]));
        assert_eq!((block.label.as_str(), &block.repairs[..]), ("PRIVATE KEY", &[][..]));
        assert_eq!(&input[block.span], pem("\n"));
    }

    #[test]
    fn mends_what_environments_do_to_line_breaks() {
        for (input, repairs) in [
            (pem("\\n"), vec![Repair::EscapedNewlines]),
            (pem("\\r\\n"), vec![Repair::EscapedNewlines]),
            (pem("\\\\n"), vec![Repair::EscapedNewlines]),
            (pem(" "), vec![Repair::LineBreaksLost]),
            (pem(""), vec![Repair::LineBreaksLost]),
            (pem("\r\n"), vec![Repair::CrLf]),
            (pem("\n  "), vec![Repair::Indented]),
            (pem("\n> "), vec![Repair::Indented]),
            (format!("\"{}\"", pem("\\n")), vec![Repair::EscapedNewlines, Repair::Quotes]),
            (pem("\n").replace('/', "\\/"), vec![Repair::JsonEscaped]),
            (pem("\n").replace('+', "\\u002b"), vec![Repair::JsonEscaped]),
            (pem("\n").replace('+', "-").replace('/', "_"), vec![Repair::UrlSafeAlphabet]),
            (pem("\n\u{200b}"), vec![Repair::InvisibleCharacters]),
            (pem("\n").replace("-----", "—–"), vec![Repair::Dashes]),
            (pem("\n").replace("==", ""), vec![Repair::MissingPadding]),
        ] {
            let block = one(&input);
            assert_eq!(block.bytes.as_deref(), Some(&BODY[..]), "{input}");
            assert_eq!(block.repairs, repairs, "{input}");
            assert!(block.problems.is_empty(), "{input}");
        }
    }

    #[test]
    fn several_blocks_run_together_are_told_apart() {
        let input = pem("\n").repeat(3);
        let (found, stray) = scan(&input);
        assert_eq!((found.len(), stray.len()), (3, 0));
        assert!(found.iter().all(|b| b.bytes.as_deref() == Some(&BODY[..])));
        assert_eq!(found[1].span, pem("\n").len()..2 * pem("\n").len());
    }

    #[test]
    fn names_what_is_missing() {
        let whole = pem("\n");
        let cut = &whole[..whole.find("-----END").unwrap()];
        assert_eq!(one(cut).problems, [Problem::MissingEnd { label: "PRIVATE KEY".into() }]);
        assert_eq!(one(cut).bytes.as_deref(), Some(&BODY[..]));
        let (found, stray) = scan(whole.trim_start_matches("-----BEGIN PRIVATE KEY-----"));
        assert!(found.is_empty());
        assert_eq!(stray, [Problem::MissingBegin { label: "PRIVATE KEY".into() }]);
        let other = whole.replace("END PRIVATE KEY", "END CERTIFICATE");
        assert_eq!(
            one(&other).problems,
            [Problem::LabelsDiffer { begin: "PRIVATE KEY".into(), end: "CERTIFICATE".into() }]
        );
        let (found, _) = scan(&format!("{cut}{whole}"));
        assert_eq!(found.len(), 2);
        assert!(found[1].problems.is_empty());
    }

    #[test]
    fn points_at_the_bad_character() {
        let whole = pem("\n");
        let bad = whole.replacen("+/v7", "+!v7", 1);
        let offset = bad.find('!').unwrap();
        assert_eq!(one(&bad).problems, [Problem::BadBase64 { label: "PRIVATE KEY".into(), offset }]);
        let mut short = whole.replace("+/s=", "+");
        short = short.replace("==", "");
        assert!(one(&short).problems.iter().all(|p| !matches!(p, Problem::BadBase64 { .. })));
    }

    #[test]
    fn reads_old_encryption_headers_also_in_one_line() {
        for separator in ["\n", " ", "\\n"] {
            let input = pem(separator).replacen(
                "KEY-----",
                &format!("KEY-----{separator}Proc-Type: 4,ENCRYPTED{separator}DEK-Info: AES-256-CBC,00FF{separator}"),
                1,
            );
            let block = one(&input);
            assert!(block.old_encryption, "{input}");
            assert_eq!(block.dek_info, Some(("AES-256-CBC".into(), "00FF".into())));
            assert_eq!(block.bytes.as_deref(), Some(&BODY[..]), "{input}");
        }
    }
}
