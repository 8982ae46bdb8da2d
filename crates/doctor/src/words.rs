//! Small pieces of wording that several causes share: durations, bytes, clipped values.
//!
//! Used by evidence, causes and renderers. Every value that goes into a report is clipped here, so that no whole
//! assertion and no secret gets out.

use countersign_core::encoding;

/// Longest value that a report repeats.
const MAX_VALUE: usize = 160;

/// `2 h 5 min`, `43 s`.
pub fn duration(seconds: i64) -> String {
    let s = seconds.unsigned_abs();
    match s {
        0..=119 => format!("{s} s"),
        120..=7199 if s.is_multiple_of(60) => format!("{} min", s / 60),
        120..=7199 => format!("{} min {} s", s / 60, s % 60),
        7200..=172_799 if s % 3600 / 60 == 0 => format!("{} h", s / 3600),
        7200..=172_799 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        172_800..=63_071_999 => format!("{} days", s / 86_400),
        _ => format!("{} years", s / 31_557_600),
    }
}

/// A value for the report: control and invisible characters written out, long ones cut, tokens without signature.
pub fn value(text: &str) -> String {
    let mut out = String::new();
    for c in mask_tokens(text).chars() {
        if out.chars().count() >= MAX_VALUE {
            out.push('…');
            break;
        }
        if crate::read::text::is_invisible(c) {
            out.push_str(&format!("\\u{{{:04x}}}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}

/// How base64 of a JSON object begins: `{"`, `{ "`, two blanks, LF, CR LF, tab behind the brace. PowerShell's
/// ConvertTo-Json and Python's `indent` write the latter. Each begins with an `e`.
const TOKEN_STARTS: [&[u8]; 6] = [b"eyJ", b"eyAi", b"eyAg", b"ewo", b"ew0", b"ewk"];

/// Where the next JWT may begin. Only `eyJ` is searched for inside words: the others occur in language. Looks no further than
/// that place, so that going through a text from one to the next takes time in proportion to its length.
pub fn token_start(text: &str) -> Option<usize> {
    let begins_word = |at: usize| {
        !text[..at].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '+'))
    };
    text.bytes().enumerate().filter(|(_, byte)| *byte == b'e').map(|(at, _)| at).find(|at| {
        let here = &text.as_bytes()[*at..];
        TOKEN_STARTS.iter().any(|start| here.starts_with(start) && (*start == b"eyJ" || begins_word(*at)))
    })
}

/// Takes the signature off every JWT in a text: what remains cannot be used.
pub fn mask_tokens(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = token_start(rest) {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=');
        let end = tail.find(|c| !is_part(c)).unwrap_or(tail.len());
        let token = &tail[..end];
        if token.len() > 80 && token.matches('.').count() >= 1 {
            let header = token.split('.').next().unwrap_or_default();
            out.push_str(&header[..header.len().min(24)]);
            out.push_str("….(rest left out)");
        } else {
            out.push_str(token);
        }
        rest = &tail[end..];
    }
    out.push_str(rest);
    out
}

/// Bytes as upper-case hex, cut after 72 of them.
pub fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(72)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{}{more}", encoding::encode_hex_upper(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(43), "43 s");
        assert_eq!(duration(-3600), "60 min");
        assert_eq!(duration(7500), "2 h 5 min");
        assert_eq!(duration(400 * 86_400), "400 days");
    }

    #[test]
    fn no_usable_token_gets_out() {
        let token = format!("eyJ{}.eyJ{}.{}", "a".repeat(40), "b".repeat(60), "c".repeat(300));
        let shown = value(&format!("client_assertion={token}&x=1"));
        assert!(!shown.contains(&"b".repeat(20)) && !shown.contains(&"c".repeat(20)), "{shown}");
        assert_eq!(value("\u{200e}AB"), "\\u{200e}AB");
        let spaced = format!("ew0KICAi{}.ew0K{}.{}", "a".repeat(40), "b".repeat(60), "c".repeat(300));
        assert!(!value(&spaced).contains(&"b".repeat(20)));
        let path = format!("/opt/framework/{}/file.pem", "x".repeat(90));
        assert_eq!(mask_tokens(&path), path);
    }
}
