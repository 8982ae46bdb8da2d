//! The report as one HTML page that needs nothing else: no script, no request, light and dark.
//!
//! Called by the command line, the portal and the browser page ([`fragment`] goes inside theirs).

use std::fmt::Write as _;

use super::headline;
use crate::proof::Level;
use crate::report::{Finding, Report};

const STYLE: &str = "\
:root{color-scheme:light dark;--bad:#b3261e;--warn:#8a5a00;--good:#1b6e3c;--line:#8884;--soft:#8881}\
@media(prefers-color-scheme:dark){:root{--bad:#ff8a80;--warn:#ffcf70;--good:#7fd6a2}}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
.verdict{font-size:1.3rem;font-weight:600}.refused{color:var(--bad)}.undecided{color:var(--warn)}.accepted{color:var(--good)}\
article{border:1px solid var(--line);border-left:.4rem solid var(--line);border-radius:.4rem;padding:.2rem 1rem 1rem;margin:1rem 0}\
article.error{border-left-color:var(--bad)}article.warning{border-left-color:var(--warn)}article.note{border-left-color:var(--good)}\
h2{font-size:1.05rem;margin:.8rem 0 .4rem}code,pre,td{font-family:ui-monospace,monospace;font-size:.88rem}\
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;overflow-wrap:anywhere}\
pre{overflow-x:auto;margin:.3rem 0}th{font-weight:600;white-space:nowrap}.fix{background:var(--soft);padding:.5rem .8rem;border-radius:.3rem}.tag{font-weight:400;opacity:.8}";

/// A whole page.
pub fn render(report: &Report) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        escape(&headline(report)),
        fragment(report)
    )
}

/// The report without page and style.
pub fn fragment(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<h1 class=\"verdict {}\">{}</h1>", report.verdict.name(), escape(&headline(report)));
    let _ = writeln!(
        out,
        "<p>Judged at <time>{}</time> by the rules of {}.</p>",
        escape(&report.judged_at),
        escape(&report.profile)
    );
    if let Some(client) = &report.client {
        let _ = writeln!(out, "<p>Made by {}, told by {}.</p>", escape(&client.name), code_spans(&client.told_by));
    }
    for said in &report.said {
        let _ =
            writeln!(out, "<p>The service said <code>{}</code>: {}</p>", escape(&said.name()), escape(&said.meaning));
    }
    for f in &report.findings {
        finding(&mut out, f);
    }
    if !report.needed.is_empty() {
        let _ = writeln!(out, "<p>To decide the rest, add: {}</p>", escape(&report.needed.join(", ")));
    }
    if !report.artifacts.is_empty() {
        out.push_str("<h2>Read</h2>\n<ul>\n");
        for a in &report.artifacts {
            let repairs =
                if a.repairs.is_empty() { String::new() } else { format!(" (mended: {})", a.repairs.join("; ")) };
            let _ = writeln!(out, "<li><code>{}</code>: {}{}</li>", escape(&a.file), escape(&a.kind), escape(&repairs));
        }
        out.push_str("</ul>\n");
    }
    out
}

fn finding(out: &mut String, f: &Finding) {
    let certainty = if f.level == Level::Note { String::new() } else { format!(", {}", f.certainty.name()) };
    let _ = writeln!(
        out,
        "<article class=\"{}\">\n<h2>{} <span class=\"tag\">({}{certainty})</span></h2>",
        f.level.name(),
        escape(&f.title),
        f.level.name()
    );
    if !f.evidence.is_empty() {
        out.push_str("<table>\n");
        for e in &f.evidence {
            let _ = writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(&e.artifact), escape(&e.pointer));
            if !e.found.is_empty() {
                let _ = writeln!(out, "<tr><th>found</th><td>{}</td></tr>", escape(&e.found));
            }
            if !e.expected.is_empty() {
                let _ = writeln!(out, "<tr><th>expected</th><td>{}</td></tr>", escape(&e.expected));
            }
        }
        out.push_str("</table>\n");
    }
    if !f.fix.is_empty() {
        let _ = writeln!(out, "<p class=\"fix\"><strong>Fix:</strong> {}</p>", code_spans(&f.fix));
    }
    for fix in &f.fixes {
        // The client's own stands open; of many, the reader opens one.
        let open = if f.fixes.len() == 1 { " open" } else { "" };
        let _ = writeln!(
            out,
            "<details{open}><summary>For {}</summary><pre tabindex=\"0\"><code>{}</code></pre></details>",
            escape(&fix.client),
            escape(&fix.code)
        );
    }
    let codes: Vec<String> = f.aadsts.iter().map(|c| format!("AADSTS{c}")).collect();
    let _ = writeln!(out, "<p class=\"tag\">{} {}</p>\n</article>", escape(&f.code), escape(&codes.join(", ")));
}

/// Text with `code` between backticks.
fn code_spans(text: &str) -> String {
    let mut out = String::new();
    for (i, part) in text.split('`').enumerate() {
        let part = escape(part);
        if i % 2 == 1 {
            let _ = write!(out, "<code>{part}</code>");
        } else {
            out.push_str(&part);
        }
    }
    out
}

/// HTML text, also inside attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
