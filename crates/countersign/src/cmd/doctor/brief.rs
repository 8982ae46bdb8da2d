//! A report in words: verdict, findings with their evidence and fix, what would decide the rest.
//!
//! Used by `doctor` and by `token get` after a refusal.

use countersign_doctor::Report;

use crate::output::{printable, wrapped};

/// The report as text.
pub fn text(report: &Report, color: bool) -> String {
    let paint = |style: &str, text: &str| if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = format!("{}\n", paint("1", report.verdict.name()));
    for refusal in &report.refusals {
        out.push_str(&format!("\n  the service says AADSTS{}\n", refusal.aadsts));
        out.push_str(&wrapped(&refusal.text, "    "));
    }
    for finding in &report.findings {
        let label = paint("1", finding.level.name());
        out.push_str(&format!(
            "\n{label}[{}] {} ({})\n",
            finding.code,
            printable(&finding.title),
            finding.certainty.name()
        ));
        for e in &finding.evidence {
            out.push_str(&format!("  --> {} {}\n", printable(&e.artifact), printable(&e.pointer)));
            if !e.found.is_empty() {
                out.push_str(&wrapped(&format!("found     {}", e.found), "      "));
            }
            if !e.expected.is_empty() {
                out.push_str(&wrapped(&format!("expected  {}", e.expected), "      "));
            }
        }
        out.push_str(&wrapped(&format!("fix: {}", finding.fix), "  "));
        out.push_str(&format!("  more: countersign explain {}\n", finding.code));
    }
    if !report.needed.is_empty() {
        out.push_str(&format!("\nwould decide the rest: {}\n", report.needed.join(", ")));
    }
    out
}
