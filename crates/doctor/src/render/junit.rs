//! The report as JUnit XML, for CI: one test case for each finding, and one for the verdict.
//!
//! Called by the command line. A finding of level error is a failure; warnings and notes pass and are told in the output.

use std::fmt::Write as _;

use super::headline;
use crate::proof::Level;
use crate::report::{Report, Verdict};

/// Renders a report.
pub fn render(report: &Report) -> String {
    let failures = report.findings.iter().filter(|f| f.level == Level::Error).count();
    let refused = report.verdict == Verdict::Refused;
    let total = report.findings.len() + 1;
    let failed = failures + usize::from(refused);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "<testsuites tests=\"{total}\" failures=\"{failed}\">");
    let _ = writeln!(
        out,
        "  <testsuite name=\"countersign doctor\" tests=\"{total}\" failures=\"{failed}\" timestamp=\"{}\">",
        escape(report.judged_at.trim_end_matches('Z'))
    );
    let _ = write!(out, "    <testcase classname=\"doctor\" name=\"verdict\"");
    if refused {
        let _ = writeln!(out, ">\n      <failure message=\"{}\"/>\n    </testcase>", escape(&headline(report)));
    } else {
        let _ = writeln!(out, "/>");
    }
    for f in &report.findings {
        let mut detail = String::new();
        for e in &f.evidence {
            let _ = writeln!(detail, "{}: {}", e.artifact, e.pointer);
            let _ = writeln!(detail, "  found    {}", e.found);
            if !e.expected.is_empty() {
                let _ = writeln!(detail, "  expected {}", e.expected);
            }
        }
        let _ = write!(detail, "fix: {}", f.fix);
        let _ = writeln!(out, "    <testcase classname=\"doctor.{}\" name=\"{}\">", f.level.name(), escape(&f.code));
        if f.level == Level::Error {
            let _ = writeln!(
                out,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                f.certainty.name(),
                escape(&f.title),
                escape(&detail)
            );
        } else {
            let _ = writeln!(out, "      <system-out>{}</system-out>", escape(&format!("{}\n{detail}", f.title)));
        }
        out.push_str("    </testcase>\n");
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// XML text; characters that XML 1.0 does not allow become `?`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push(' '),
            c if (c as u32) < 0x20 || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('?'),
            c => out.push(c),
        }
    }
    out
}
