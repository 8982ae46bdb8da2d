//! Reads curl command lines (bash, cmd, PowerShell quoting) and hands their parts to [`mod@super::request`].
//!
//! Called by [`super`]. Nothing is expanded or run; a variable stays as it was written.

use std::ops::Range;

use zeroize::Zeroizing;

use super::request::Parts;

/// Command lines looked at in one text.
const MAX_ATTEMPTS: usize = 64;

/// A command line found in text.
pub struct Command {
    /// Where it stood.
    pub range: Range<usize>,
    /// Method.
    pub method: String,
    /// URL.
    pub url: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Zeroizing<String>,
}

impl Command {
    /// As parts of a request.
    pub fn parts(&self) -> Parts<'_> {
        Parts { method: &self.method, target: &self.url, headers: self.headers.clone(), body: self.body.as_bytes() }
    }
}

/// Finds curl command lines.
pub fn find(text: &str) -> Vec<Command> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut attempts = 0;
    while let Some(start) = text[at..].find("curl").map(|i| i + at) {
        at = start + 4;
        let before = text[..start].chars().next_back();
        let after = &text[start + 4..];
        let named = after.strip_prefix(".exe").unwrap_or(after);
        if before.is_some_and(|c| !c.is_whitespace() && !matches!(c, '$' | '>' | '`' | '"' | '/'))
            || !named.starts_with([' ', '\t', '\\', '\n'])
        {
            continue;
        }
        attempts += 1;
        if attempts > MAX_ATTEMPTS {
            break;
        }
        let (words, length) = words(named);
        let end = text.len() - named.len() + length;
        if let Some(command) = command(&words, start..end) {
            out.push(command);
            at = end;
        }
        if out.len() >= 32 {
            break;
        }
    }
    out
}

fn command(words: &[String], range: Range<usize>) -> Option<Command> {
    let (mut method, mut url, mut headers, mut body) = (None, None, Vec::new(), Zeroizing::new(String::new()));
    let (mut get, mut multipart, mut json) = (false, false, false);
    let mut i = 0;
    while i < words.len() {
        let word = words[i].as_str();
        let (name, inline) = option(word);
        let value = || inline.map(str::to_owned).or_else(|| words.get(i + 1).cloned()).unwrap_or_default();
        let takes = usize::from(inline.is_none());
        match name {
            "-X" | "--request" => method = Some(value()),
            "-H" | "--header" => {
                if let Some((n, v)) = value().split_once(':') {
                    headers.push((n.trim().to_owned(), v.trim().to_owned()));
                }
            }
            "-A" | "--user-agent" => headers.push(("User-Agent".to_owned(), value())),
            "-d" | "--data" | "--data-raw" | "--data-binary" | "--data-ascii" => join(&mut body, &value()),
            "--data-urlencode" => {
                let v = value();
                let encoded = v.split_once('=').map_or_else(|| encode(&v), |(n, v)| format!("{n}={}", encode(v)));
                join(&mut body, &encoded);
            }
            "--json" => {
                json = true;
                body.push_str(&value());
            }
            "-F" | "--form" | "--form-string" => {
                multipart = true;
                let v = value();
                let (n, v) = v.split_once('=').unwrap_or((&v, ""));
                body.push_str(&format!("--curl\r\nContent-Disposition: form-data; name=\"{n}\"\r\n\r\n{v}\r\n"));
            }
            "-u" | "--user" => headers.push((
                "Authorization".to_owned(),
                format!("Basic {}", countersign_core::encoding::encode_base64(value().as_bytes())),
            )),
            "-G" | "--get" => {
                get = true;
                i += 1;
                continue;
            }
            "--url" => url = Some(value()),
            "-o" | "--output" | "--cacert" | "--cert" | "-E" | "--key" | "--max-time" | "-m" | "--retry" | "-x"
            | "--proxy" | "-b" | "--cookie" | "-w" | "--write-out" | "-e" | "--referer" | "--connect-timeout"
            | "--resolve" => {}
            _ if word.starts_with('-') => {
                i += 1;
                continue;
            }
            _ => {
                if url.is_none() {
                    url = Some(word.to_owned());
                }
                i += 1;
                continue;
            }
        }
        i += 1 + takes;
    }
    let mut url = url?;
    if !url.contains("://") && !url.contains('.') && !url.contains("localhost") {
        return None;
    }
    if multipart {
        body.push_str("--curl--\r\n");
        headers.push(("Content-Type".to_owned(), "multipart/form-data; boundary=curl".to_owned()));
    }
    if json {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    if get && !body.is_empty() {
        url = format!("{url}{}{}", if url.contains('?') { '&' } else { '?' }, body.as_str());
        body = Zeroizing::new(String::new());
    }
    let method = method.unwrap_or_else(|| if body.is_empty() { "GET".to_owned() } else { "POST".to_owned() });
    Some(Command { range, method, url, headers, body })
}

/// `-Xvalue` and `--name=value` have their value inside the word.
fn option(word: &str) -> (&str, Option<&str>) {
    if let Some((name, value)) = word.split_once('=').filter(|(n, _)| n.starts_with("--")) {
        return (name, Some(value));
    }
    let short = ["-X", "-H", "-d", "-F", "-u", "-A"].into_iter().find(|s| word.starts_with(s) && word.len() > 2);
    match short {
        Some(name) => (name, Some(&word[2..])),
        None => (word, None),
    }
}

fn join(body: &mut String, more: &str) {
    if !body.is_empty() {
        body.push('&');
    }
    body.push_str(more);
}

fn encode(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for b in value.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~') {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// Splits a command line into words, quotes resolved; returns how many bytes belong to it.
fn words(text: &str) -> (Vec<String>, usize) {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.char_indices().peekable();
    let mut end = text.len();
    while let Some((i, c)) = chars.next() {
        match c {
            '\'' | '"' => {
                let ansi = c == '\'' && word.as_deref() == Some("$");
                if ansi {
                    word = Some(String::new());
                }
                let target = word.get_or_insert_with(String::new);
                quoted(&mut chars, c, ansi, target);
            }
            '\\' | '^' | '`' => match chars.peek() {
                Some((_, '\r' | '\n')) => {
                    chars.next();
                    if c == '\\' || c == '^' || c == '`' {
                        while matches!(chars.peek(), Some((_, '\n'))) {
                            chars.next();
                        }
                    }
                    out.extend(word.take());
                }
                Some((_, next)) if c == '\\' => {
                    word.get_or_insert_with(String::new).push(*next);
                    chars.next();
                }
                _ => word.get_or_insert_with(String::new).push(c),
            },
            '\n' | ';' | '|' => {
                end = i;
                break;
            }
            '&' if matches!(chars.peek(), Some((_, '&'))) => {
                end = i;
                break;
            }
            c if c.is_whitespace() => out.extend(word.take()),
            c => word.get_or_insert_with(String::new).push(c),
        }
    }
    out.extend(word.take());
    (out, end)
}

fn quoted(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>, quote: char, ansi: bool, out: &mut String) {
    while let Some((_, c)) = chars.next() {
        match c {
            c if c == quote => return,
            '\\' if quote == '"' || ansi => match chars.next() {
                Some((_, 'n')) if ansi => out.push('\n'),
                Some((_, 'r')) if ansi => out.push('\r'),
                Some((_, c @ ('"' | '\\' | '$' | '`' | '\''))) => out.push(c),
                Some((_, '\n')) => {}
                Some((_, c)) => {
                    out.push('\\');
                    out.push(c);
                }
                None => return,
            },
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_command_over_lines() {
        let text = "$ curl -s -X POST \\\n  'https://login.microsoftonline.com/t/oauth2/v2.0/token' \\\n -H \"Content-Type: application/x-www-form-urlencoded\" -d 'grant_type=client_credentials' --data-urlencode 'scope=https://x/.default'\n{\"error\":1}";
        let found = find(text);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].url, "https://login.microsoftonline.com/t/oauth2/v2.0/token");
        assert_eq!(found[0].body.as_str(), "grant_type=client_credentials&scope=https%3A%2F%2Fx%2F.default");
        assert_eq!(&text[found[0].range.end..], "\n{\"error\":1}");
    }

    #[test]
    fn turns_form_and_user_into_what_is_sent() {
        let found = find("curl https://x.example/token -F a=b -u id:secret");
        assert!(found[0].body.starts_with("--curl\r\n"));
        assert_eq!(found[0].headers[0].1, "Basic aWQ6c2VjcmV0");
        assert!(find("curling is a sport, curl is not found").is_empty());
    }
}
