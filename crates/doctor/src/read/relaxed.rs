//! Turns JSON-like text into JSON: a Python dict, a JavaScript object, comments, trailing commas, a missing brace.
//!
//! Called by [`super`] when a text in braces is no JSON. It changes spelling only; what it holds is recognised elsewhere.

/// Longest text that is mended.
pub(super) const MAX: usize = 64 * 1024;

/// Rewrites a text that begins with `{` as JSON, as far as the matching brace, and says whether that was missing;
/// `None` when it makes no sense.
pub fn to_json(text: &str) -> Option<(String, usize, bool)> {
    let mut out = String::new();
    let mut depth = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        if i > MAX {
            return None;
        }
        match c {
            '{' | '[' => {
                depth.push(if c == '{' { '}' } else { ']' });
                out.push(c);
            }
            '}' | ']' => {
                drop_comma(&mut out);
                if depth.pop() != Some(c) {
                    return None;
                }
                out.push(c);
                if depth.is_empty() {
                    return Some((out, i + 1, false));
                }
            }
            '"' | '\'' => string(&mut chars, c, &mut out)?,
            // Quotation marks of a word processor.
            '“' | '”' | '„' => string(&mut chars, '”', &mut out)?,
            '‘' | '’' => string(&mut chars, '’', &mut out)?,
            '\u{a0}' | '\u{feff}' | '\u{200b}' => out.push(' '),
            '/' if chars.peek().is_some_and(|(_, n)| *n == '/') => skip_line(&mut chars),
            '#' => skip_line(&mut chars),
            c if c.is_alphanumeric() || matches!(c, '_' | '-' | '$') => word(&mut chars, c, &mut out),
            ';' | '=' => return None,
            c => out.push(c),
        }
    }
    // Cut off at the end: close what is open.
    if out.len() < 8 || out.trim_end().ends_with(':') {
        return None;
    }
    drop_comma(&mut out);
    while let Some(close) = depth.pop() {
        out.push(close);
    }
    Some((out, text.len(), true))
}

type Chars<'a> = std::iter::Peekable<std::str::CharIndices<'a>>;

fn skip_line(chars: &mut Chars<'_>) {
    while chars.next_if(|(_, c)| *c != '\n').is_some() {}
}

fn drop_comma(out: &mut String) {
    let trimmed = out.trim_end().len();
    if out[..trimmed].ends_with(',') {
        out.truncate(trimmed - 1);
    }
}

fn string(chars: &mut Chars<'_>, quote: char, out: &mut String) -> Option<()> {
    out.push('"');
    while let Some((_, c)) = chars.next() {
        match c {
            c if c == quote => {
                out.push('"');
                return Some(());
            }
            '"' => out.push_str("\\\""),
            '\\' => match chars.next()?.1 {
                '\'' => out.push('\''),
                c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u') => {
                    out.push('\\');
                    out.push(c);
                }
                c => out.push(c),
            },
            '\n' | '\r' | '\t' => out.push(' '),
            c => out.push(c),
        }
    }
    // A string that was cut off.
    out.push('"');
    Some(())
}

/// A bare word: a name when a colon follows, else a constant or a number.
fn word(chars: &mut Chars<'_>, first: char, out: &mut String) {
    let mut word = String::from(first);
    while let Some((_, c)) =
        chars.next_if(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '#' | '+' | '$'))
    {
        word.push(c);
    }
    match word.as_str() {
        "None" | "undefined" | "nil" => out.push_str("null"),
        "True" => out.push_str("true"),
        "False" => out.push_str("false"),
        "true" | "false" | "null" => out.push_str(&word),
        w if w.parse::<f64>().is_ok() && w.starts_with(|c: char| c.is_ascii_digit() || c == '-') => out.push_str(w),
        w => {
            out.push('"');
            out.push_str(w);
            out.push('"');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mends_what_people_type() {
        for (text, json) in [
            ("{'alg': 'RS256', 'x5t': None}", r#"{"alg": "RS256", "x5t": null}"#),
            ("{alg: \"RS256\", x5t: 'a',}", r#"{"alg": "RS256", "x5t": "a"}"#),
            ("{\"exp\": 5, // seconds\n \"iss\": \"a\"", "{\"exp\": 5, \n \"iss\": \"a\"}"),
        ] {
            assert_eq!(to_json(text).map(|(j, _, _)| j).as_deref(), Some(json));
            assert!(countersign_core::json::read(json).is_ok());
        }
        assert_eq!(to_json("{ int main; }"), None);
    }
}
