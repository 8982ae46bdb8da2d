//! A page for the terminal: headings, wrapped prose, blocks as they are.

use std::fmt::Write as _;

use super::{Page, label};

pub(super) fn render(page: &Page, width: usize, color: bool) -> String {
    let (bold, dim, reset) = if color { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
    let mut out = format!("{bold}{}{reset}\n", wrap(&format!("{}: {}", page.key, page.title), width, ""));
    for (name, value) in &page.facts {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{dim}{}{reset}", wrap(&format!("{}: {value}", label(name)), width, "  "));
    }
    for (heading, body) in page.sections() {
        let _ = write!(out, "\n{bold}{heading}{reset}\n\n");
        section(&mut out, body, width, dim, reset);
    }
    out
}

fn section(out: &mut String, body: &str, width: usize, dim: &str, reset: &str) {
    let mut paragraph = String::new();
    let (mut in_block, mut prose) = (false, false);
    let mut pem_lines = None;
    for line in body.lines() {
        if let Some(info) = line.strip_prefix("```") {
            flush(out, &mut paragraph, width);
            in_block = !in_block;
            if in_block && !info.trim().is_empty() {
                let label = label_of(info.trim());
                let _ = writeln!(out, "  {dim}[{label}]{reset}");
                prose = info.starts_with("text");
            }
        } else if in_block {
            // Error texts are one long line and break at blanks; code is narrow enough and stays as it is.
            // Of a certificate the first line tells enough; `samples` has all of it.
            if line.starts_with("-----BEGIN") && line.ends_with("-----") {
                pem_lines = Some(0);
            } else if line.starts_with("-----END") {
                pem_lines = None;
            } else if let Some(count) = &mut pem_lines {
                *count += 1;
                match *count {
                    1 => {}
                    2 => {
                        out.push_str("  …\n");
                        continue;
                    }
                    _ => continue,
                }
            }
            let indent = &line[..line.len() - line.trim_start().len()];
            let room = width.saturating_sub(2 + indent.len());
            let piece = if prose { wrap(&shorten(line), room, "") } else { line.trim_start().to_owned() };
            for piece in piece.lines() {
                let _ = writeln!(out, "  {indent}{piece}");
            }
            if piece.is_empty() {
                out.push('\n');
            }
        } else if line.trim().is_empty() {
            flush(out, &mut paragraph, width);
            out.push('\n');
        } else if line.starts_with("- ")
            || line.split_once(". ").is_some_and(|(n, _)| n.len() < 3 && n.bytes().all(|b| b.is_ascii_digit()))
        {
            flush(out, &mut paragraph, width);
            paragraph.push_str(line.trim_end());
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(out, &mut paragraph, width);
    while out.ends_with("\n\n") {
        out.pop();
    }
}

/// What stands above a block: the kind of a sample, the client that the code is for, else the language.
fn label_of(info: &str) -> &str {
    let mut words = info.split_whitespace();
    let language = words.next().unwrap_or_default();
    let tags: Vec<&str> = words.collect();
    match language {
        "text" => info.strip_prefix("text ").unwrap_or(info),
        _ if tags.is_empty() => info,
        _ => super::audience(language, &tags, ""),
    }
}

fn flush(out: &mut String, paragraph: &mut String, width: usize) {
    if paragraph.is_empty() {
        return;
    }
    let indent = if paragraph.starts_with("- ") { "  " } else { "" };
    out.push_str(&wrap(&plain(paragraph), width, indent));
    out.push('\n');
    paragraph.clear();
}

/// `[text](target)` becomes the text, `<url>` the URL; the rest of Markdown reads well as it is.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('[') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let link = rest.find("](").and_then(|middle| rest[middle..].find(')').map(|end| (middle, middle + end)));
        match link {
            Some((middle, end)) if !rest[1..middle].contains('[') => {
                out.push_str(&rest[1..middle]);
                rest = &rest[end + 1..];
            }
            _ => {
                out.push('[');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out.replace("<https://", "https://").replace('>', "")
}

fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        // The dash of a list item stays with its first word, however long that is.
        if column > 0 && out != "-" && column + 1 + length > width {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Words longer than a URL, such as a certificate on one line, by their two ends.
fn shorten(line: &str) -> String {
    let mut out = Vec::new();
    for word in line.split_whitespace() {
        let length = word.chars().count();
        if length > 160 {
            let head: String = word.chars().take(48).collect();
            let tail: String = word.chars().skip(length - 12).collect();
            out.push(format!("{head}…{tail}"));
        } else {
            out.push(word.to_owned());
        }
    }
    out.join(" ")
}
