//! The report as the JSON of the contract, indented or on one line.
//!
//! Called by [`super`] and by the service's pages.

use crate::report::Report;

/// Indented, with a final line feed.
pub fn pretty(report: &Report) -> String {
    let mut out = serde_json::to_string_pretty(report).unwrap_or_default();
    out.push('\n');
    out
}

/// On one line, with a final line feed.
pub fn compact(report: &Report) -> String {
    let mut out = serde_json::to_string(report).unwrap_or_default();
    out.push('\n');
    out
}
