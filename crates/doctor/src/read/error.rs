//! Finds Entra's errors in text: alone, in log lines, behind an exception's name, in a JSON body or a list of words.
//!
//! Called by [`super`]; the facts of one text come from `core::entra::parse`.

use std::ops::Range;

use countersign_core::UnixTime;
use countersign_core::entra::{self, ParsedError};
use countersign_core::request::form_decode;

use crate::artifact::ErrorText;
use crate::read::text::unescape_json;

/// Longest text taken for one error.
const MAX_ERROR: usize = 8 * 1024;

/// Reads one text that holds an AADSTS number.
pub fn read(text: &str) -> Option<ErrorText> {
    let clean = clean(text);
    let parsed = entra::parse(&clean)?;
    Some(ErrorText { parsed, text: clean, date: None, logged: None, client: None })
}

/// An error body without description: numbers only.
pub fn of_codes(codes: Vec<u32>, timestamp: Option<UnixTime>) -> ErrorText {
    ErrorText {
        parsed: ParsedError { codes, timestamp, ..ParsedError::default() },
        text: String::new(),
        date: None,
        logged: None,
        client: None,
    }
}

/// Undoes escapes that a copied JSON string still has, and continuation marks of logs.
fn clean(text: &str) -> String {
    let mut out = text.to_owned();
    for _ in 0..3 {
        if !out.contains("\\u00") && !out.contains("\\n") && !out.contains("\\\"") && !out.contains("\\/") {
            break;
        }
        out = unescape_json(&out);
    }
    out
}

/// Finds every error in a text, with its byte range.
pub fn find(text: &str) -> Vec<(Range<usize>, ErrorText)> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("AADSTS").map(|i| i + at) {
        if !text[start + 6..].starts_with(|c: char| c.is_ascii_digit()) {
            at = start + 6;
            continue;
        }
        let end = extent(text, start);
        if let Some(mut error) = read(&text[start..end]) {
            error.logged = logged(text, start);
            let seen = out.iter().any(|(_, e): &(_, ErrorText)| same(&e.parsed, &error.parsed));
            if !seen {
                out.push((start..end, error));
            }
        }
        at = end.max(start + 6);
        if out.len() >= 32 {
            break;
        }
    }
    out
}

/// Values of `error_description` in a URL or a form, decoded, with their byte ranges.
pub fn find_encoded(text: &str) -> Vec<(Range<usize>, String)> {
    const NAME: &str = "error_description=";
    text.match_indices(NAME)
        .take(32)
        .filter_map(|(at, _)| {
            let start = at + NAME.len();
            let end = text[start..]
                .find(|c: char| c == '&' || c == '"' || c.is_whitespace())
                .map_or(text.len(), |n| start + n);
            let value = text.get(start..end.min(start + MAX_ERROR))?;
            (value.contains('%') || value.contains('+')).then(|| (start..start + value.len(), form_decode(value)))
        })
        .collect()
}

/// Whether two texts report the same refusal.
pub fn same(a: &ParsedError, b: &ParsedError) -> bool {
    a.code() == b.code()
        && (a.trace_id.is_some() && a.trace_id == b.trace_id
            || (a.trace_id.is_none() || b.trace_id.is_none())
                && a.thumbprint == b.thumbprint
                && a.reason == b.reason
                && a.app_id == b.app_id)
}

/// Where the error that begins at `start` ends: behind its Timestamp, else before the next error of its own, an empty
/// line, or the end of the JSON string it stands in.
fn extent(text: &str, start: usize) -> usize {
    let mut limit = (start + MAX_ERROR).min(text.len());
    while !text.is_char_boundary(limit) {
        limit -= 1;
    }
    let window = &text[start..limit];
    let mut end = window.len();
    // An old text has two numbers: the general one first, the second within a short distance.
    let mut from = 6;
    while let Some(next) = window[from..].find("AADSTS").map(|i| i + from) {
        let pair = window[..next].len() < 80 && window.starts_with("AADSTS70002");
        if !pair {
            end = end.min(next);
            break;
        }
        from = next + 6;
    }
    if let Some(empty) = ["\n\n", "\r\n\r\n"].iter().filter_map(|s| window.find(s)).min() {
        // Before December 2023 the ids stand on lines of their own; those have no empty line between.
        end = end.min(empty);
    }
    if let Some(stamp) = window[..end].find("Timestamp:") {
        let tail = &window[stamp..end];
        let stop = tail
            .char_indices()
            .skip(10)
            .find(|(_, c)| !(c.is_ascii_digit() || matches!(c, ' ' | '-' | ':' | 'T' | 'Z' | '.')));
        end = stamp + stop.map_or(tail.len(), |(i, _)| i);
    }
    start + end
}

/// The time at the beginning of the line, before the error: the client's clock.
fn logged(text: &str, start: usize) -> Option<UnixTime> {
    let line = text[..start].rfind('\n').map_or(0, |i| i + 1);
    let head = text[line..start].trim_start_matches(['[', '(', '"', ' ', '{']).trim_start();
    let stamp: String = head.chars().take(40).collect();
    let word = stamp.split([']', ',', '"', '\t']).next()?.trim();
    let first = word.split_whitespace().next()?;
    UnixTime::parse(first).filter(|_| first.contains('T')).or_else(|| {
        let mut words = word.split_whitespace();
        let (date, clock) = (words.next()?, words.next()?);
        UnixTime::parse(&format!("{date} {clock}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_errors_out_of_logs() {
        let log = "2024-09-05T20:06:02.1234567Z fail: AADSTS700016: Application with identifier 'x' was not found in the directory 'Contoso'. \
                   Trace ID: a Correlation ID: b Timestamp: 2024-09-05 20:06:02Z\n   at Foo.Bar()\nAADSTS90002: Tenant 'y' not found.";
        let found = find(log);
        assert_eq!(found.iter().map(|(_, e)| e.parsed.code()).collect::<Vec<_>>(), [Some(700_016), Some(90_002)]);
        assert!(found[0].1.logged.is_some());
        assert_eq!(found[0].1.parsed.directory.as_deref(), Some("Contoso"));
    }

    #[test]
    fn an_old_pair_is_one_error() {
        let found = find(
            "AADSTS70002: Error validating credentials. AADSTS50012: Client assertion contains an invalid signature.",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.parsed.code(), Some(50_012));
    }

    #[test]
    fn escapes_of_json_in_json_are_undone() {
        let found = find(
            r#"body: \"AADSTS700027: x [Reason - The key was not found., Thumbprint of key used by client: \\u0027AB12\\u0027]\\r\\nTrace ID: t\""#,
        );
        assert_eq!(found[0].1.parsed.thumbprint.as_deref(), Some(&[0xAB, 0x12][..]));
    }
}
