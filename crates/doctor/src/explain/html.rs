//! A page as a fragment of HTML. Everything is escaped; links lead to https pages or to `?page=KEY`.

use std::fmt::Write as _;

use super::{Page, label};

pub(super) fn render(page: &Page) -> String {
    let mut out = format!("<h1><code>{}</code> {}</h1>\n", escape(page.key), escape(page.title));
    if !page.facts.is_empty() {
        out.push_str("<dl>\n");
        for (name, value) in &page.facts {
            // Writing to a String cannot fail.
            let _ = writeln!(out, "<dt>{}</dt><dd>{}</dd>", escape(label(name)), escape(value));
        }
        out.push_str("</dl>\n");
    }
    for (heading, body) in page.sections() {
        let _ = writeln!(out, "<h2>{}</h2>", escape(heading));
        section(&mut out, body, heading == "Fix");
    }
    out
}

/// `labelled`: each block of code is headed by whom it is for.
fn section(out: &mut String, body: &str, labelled: bool) {
    let (mut paragraph, mut in_block, mut in_list) = (String::new(), false, false);
    for (number, line) in body.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            flush(out, &mut paragraph, &mut in_list);
            close(out, &mut in_list);
            in_block = !in_block;
            if in_block {
                let mut words = info.split_whitespace();
                if labelled && let Some(language) = words.next().filter(|l| *l != "text") {
                    let code: Vec<&str> = body.lines().skip(number + 1).take_while(|l| !l.starts_with("```")).collect();
                    let audience = super::audience(language, &words.collect::<Vec<_>>(), &code.join("\n"));
                    let _ = writeln!(out, "<p class=\"for\">{}</p>", escape(audience));
                }
                let _ = write!(out, "<pre data-kind=\"{}\" tabindex=\"0\"><code>", escape(info.trim()));
            } else {
                out.push_str("</code></pre>\n");
            }
        } else if in_block {
            out.push_str(&escape(line));
            out.push('\n');
        } else if line.trim().is_empty() {
            flush(out, &mut paragraph, &mut in_list);
            close(out, &mut in_list);
        } else {
            if line.starts_with("- ") {
                flush(out, &mut paragraph, &mut in_list);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    flush(out, &mut paragraph, &mut in_list);
    close(out, &mut in_list);
}

fn flush(out: &mut String, paragraph: &mut String, in_list: &mut bool) {
    if paragraph.is_empty() {
        return;
    }
    match paragraph.strip_prefix("- ") {
        Some(item) => {
            if !*in_list {
                out.push_str("<ul>\n");
                *in_list = true;
            }
            let _ = writeln!(out, "<li>{}</li>", inline(item));
        }
        None => {
            let _ = writeln!(out, "<p>{}</p>", inline(paragraph));
        }
    }
    paragraph.clear();
}

fn close(out: &mut String, in_list: &mut bool) {
    if *in_list {
        out.push_str("</ul>\n");
        *in_list = false;
    }
}

/// Code spans, links and bare URLs of one paragraph.
fn inline(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            let _ = write!(out, "<code>{}</code>", escape(part));
        } else {
            links(&mut out, part);
        }
    }
    stress(&out)
}

/// `*word*` as emphasis. A pair on one side of a tag alone; a star before a blank is a star.
fn stress(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('*') {
        out.push_str(&rest[..at]);
        let tail = &rest[at + 1..];
        let end = tail.find(['*', '<']).filter(|end| tail[*end..].starts_with('*'));
        match end.filter(|end| !tail[..*end].is_empty() && tail[..*end].trim() == &tail[..*end]) {
            Some(end) => {
                let _ = write!(out, "<em>{}</em>", &tail[..end]);
                rest = &tail[end + 1..];
            }
            None => {
                out.push('*');
                rest = tail;
            }
        }
    }
    out.push_str(rest);
    out
}

fn links(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['[', '<']) {
        out.push_str(&escape(&rest[..at]));
        rest = &rest[at..];
        let found = if rest.starts_with('<') {
            rest.find('>').map(|end| (&rest[1..end], &rest[1..end], end + 1))
        } else {
            rest.find("](").and_then(|m| rest[m..].find(')').map(|e| (&rest[1..m], &rest[m + 2..m + e], m + e + 1)))
        };
        match found {
            Some((label, target, end)) if target.starts_with("https://") => {
                let _ = write!(out, "<a href=\"{}\" rel=\"noreferrer\">{}</a>", escape(target), escape(label));
                rest = &rest[end..];
            }
            Some((label, target, end)) if target.ends_with(".md") => {
                let _ =
                    write!(out, "<a href=\"?page={}\">{}</a>", escape(target.trim_end_matches(".md")), escape(label));
                rest = &rest[end..];
            }
            _ => {
                out.push_str(&escape(&rest[..1]));
                rest = &rest[1..];
            }
        }
    }
    out.push_str(&escape(rest));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emphasis_is_shown_and_other_stars_stay() {
        assert_eq!(
            inline("of the *text*, not `*` or a * b * c"),
            "of the <em>text</em>, not <code>*</code> or a * b * c"
        );
        assert_eq!(inline("*<b>*"), "<em>&lt;b&gt;</em>");
    }

    #[test]
    fn a_fix_says_whom_it_is_for() {
        let mut out = String::new();
        section(&mut out, "```python msal\nx = 1\n```\n```text\nplain\n```", true);
        assert!(out.starts_with("<p class=\"for\">MSAL Python</p>\n<pre "), "{out}");
        assert_eq!(out.matches("class=\"for\"").count(), 1);
    }
}
