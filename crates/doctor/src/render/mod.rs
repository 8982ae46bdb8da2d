//! The report in each output format; one file each.
//!
//! Called by the command line, the service's pages and the browser. A renderer adds no fact and drops none that decides.

pub mod html;
pub mod json;
pub mod junit;
pub mod sarif;
pub mod text;

use crate::report::{Report, Verdict};

/// The first line of every format for people: the verdict, and the reason in one line.
pub fn headline(report: &Report) -> String {
    let first = report.findings.iter().find(|f| f.level == crate::proof::Level::Error);
    match (report.verdict, first) {
        (Verdict::Refused, Some(f)) => format!("refused: {}", f.title),
        (Verdict::Refused, None) => match report.said.first() {
            Some(s) => format!("refused with {}, and what is at hand does not say why", s.name()),
            None => "refused".to_owned(),
        },
        (Verdict::Accepted, _) => "accepted: nothing is wrong with what was given".to_owned(),
        (Verdict::Undecided, Some(f)) => format!("undecided, but this would be refused: {}", f.title),
        (Verdict::Undecided, None) => "undecided: nothing wrong was found, and something is missing".to_owned(),
    }
}
