//! Reads a report of the doctor back, JSON or text as the terminal shows it, also quoted in an issue.
//!
//! Called by [`crate::examine`]. What such a report says is taken over as it stands and computed anew by nobody; the list of
//! artifacts says so.

use crate::causes;
use crate::proof::{Certainty, Level};
use crate::report::{ArtifactEntry, EvidenceItem, Finding, Report, SCHEMA, Verdict};

/// Longest text in which a report is looked for.
const MAX_REPORT: usize = 4 * 1024 * 1024;
/// Most findings taken over.
const MAX_FINDINGS: usize = 200;

/// The report in a file, when there is one.
pub(crate) fn find(bytes: &[u8]) -> Option<Report> {
    let text = std::str::from_utf8(bytes).ok().filter(|t| t.len() <= MAX_REPORT)?;
    let mut report = json(text).or_else(|| shown(text))?;
    // Only what the doctor says itself.
    report.findings.retain(|f| causes::by_key(&f.code).is_some());
    report.findings.truncate(MAX_FINDINGS);
    Some(report)
}

/// Takes the reports over, beside what the other files showed.
pub(crate) fn join(reports: Vec<(&str, Report)>, own: Option<Report>) -> Report {
    let mut reports = reports.into_iter().map(|(file, report)| Report {
        artifacts: vec![ArtifactEntry { file: file.to_owned(), kind: "report".to_owned(), repairs: Vec::new() }],
        ..report
    });
    // The caller has a report at least.
    let mut out = own.or_else(|| reports.next()).unwrap_or_else(|| empty(Verdict::Undecided, "", ""));
    for report in reports {
        out.artifacts.extend(report.artifacts);
        // What was computed here counts; what is open here may have been decided there.
        if out.verdict == Verdict::Undecided {
            out.verdict = report.verdict;
        }
        let more: Vec<Finding> =
            report.findings.into_iter().filter(|f| out.findings.iter().all(|o| o.code != f.code)).collect();
        out.findings.extend(more);
        out.findings.sort_by_key(|f| std::cmp::Reverse(f.level));
    }
    out
}

fn empty(verdict: Verdict, judged_at: &str, profile: &str) -> Report {
    Report {
        schema: SCHEMA,
        artifacts: Vec::new(),
        verdict,
        judged_at: judged_at.to_owned(),
        profile: profile.to_owned(),
        client: None,
        said: Vec::new(),
        findings: Vec::new(),
        refusals: Vec::new(),
        needed: Vec::new(),
        passed: Vec::new(),
        sources: Vec::new(),
    }
}

fn json(text: &str) -> Option<Report> {
    if !(text.contains("\"schema\"") && text.contains("\"verdict\"")) {
        return None;
    }
    text.match_indices('{').take(64).find_map(|(at, _)| {
        let head = text[at..].chars().take(40).collect::<String>();
        let mut values =
            head.contains("\"schema\"").then(|| serde_json::Deserializer::from_str(&text[at..]))?.into_iter();
        values.next()?.ok().filter(|r: &Report| r.schema == SCHEMA)
    })
}

/// The form of [`crate::render::text`], without colours and marks of quotation.
fn shown(text: &str) -> Option<Report> {
    // Most files are no report; that is seen without taking them apart.
    if !text.contains("judged at ") {
        return None;
    }
    let lines: Vec<String> = text.lines().map(plain).collect();
    let (at, judged) = lines.iter().enumerate().find_map(|(i, l)| Some((i, l.strip_prefix("judged at ")?)))?;
    let (judged_at, profile) = judged.split_once(" by the rules of ")?;
    let verdict = lines[at.saturating_sub(4)..at].iter().rev().find_map(|l| verdict(l))?;
    let mut report = empty(verdict, judged_at, profile.trim());
    let mut rest = lines[at + 1..].iter().map(String::as_str).peekable();
    while let Some(line) = rest.next() {
        if let Some((level, key, title)) = headed(line) {
            let mut title = title.to_owned();
            while let Some(more) = rest.next_if(|l| !l.is_empty() && !l.starts_with("  ")) {
                title = format!("{title} {more}");
            }
            report.findings.push(finding(level, key, &title));
        } else if let Some(finding) = report.findings.last_mut().filter(|_| line.starts_with("  ")) {
            under(finding, line);
        } else if let Some(list) = line.strip_prefix("to decide the rest, add: ") {
            report.needed = list.split(", ").map(|n| n.trim_end_matches(',').to_owned()).collect();
        }
    }
    Some(report)
}

/// A line without colours, and without what marks it as quoted.
fn plain(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line.strip_prefix("> ").unwrap_or(line);
    while let Some((head, tail)) = rest.split_once('\u{1b}') {
        out.push_str(head);
        rest = tail.split_once('m').map_or("", |(_, tail)| tail);
    }
    out.push_str(rest);
    out.truncate(out.trim_end().len());
    out
}

fn verdict(line: &str) -> Option<Verdict> {
    [Verdict::Refused, Verdict::Accepted, Verdict::Undecided]
        .into_iter()
        .find(|v| line.strip_prefix(v.name()).is_some_and(|r| r.is_empty() || r.starts_with([':', ',', ' '])))
}

/// `error[key]: title`.
fn headed(line: &str) -> Option<(Level, &str, &str)> {
    [Level::Error, Level::Warning, Level::Note].into_iter().find_map(|level| {
        let (key, title) = line.strip_prefix(level.name())?.strip_prefix('[')?.split_once("]: ")?;
        causes::by_key(key).map(|c| (level, c.key, title))
    })
}

fn finding(level: Level, key: &str, title: &str) -> Finding {
    let said = [Certainty::Proven, Certainty::Likely, Certainty::Possible]
        .into_iter()
        .find_map(|c| Some((c, title.strip_suffix(&format!(" ({})", c.name()))?)));
    let (certainty, title) = said.unwrap_or((Certainty::Proven, title));
    Finding {
        code: key.to_owned(),
        level,
        certainty,
        title: title.to_owned(),
        evidence: Vec::new(),
        fix: String::new(),
        fixes: Vec::new(),
        aadsts: Vec::new(),
    }
}

/// What stands under a finding: places, fix, numbers.
fn under(finding: &mut Finding, line: &str) {
    let line = line.trim_start();
    if let Some((artifact, pointer)) = line.strip_prefix("--> ").and_then(|l| l.split_once(": ")) {
        let place = (artifact.to_owned(), pointer.to_owned());
        finding.evidence.push(EvidenceItem {
            artifact: place.0,
            pointer: place.1,
            found: String::new(),
            expected: String::new(),
        });
    } else if let Some(value) = line.strip_prefix("| found     ") {
        if let Some(item) = finding.evidence.last_mut() {
            item.found = value.to_owned();
        }
    } else if let Some(value) = line.strip_prefix("| expected  ") {
        if let Some(item) = finding.evidence.last_mut() {
            item.expected = value.to_owned();
        }
    } else if let Some(fix) = line.strip_prefix("= fix: ") {
        finding.fix = fix.to_owned();
    } else if let Some(see) = line.strip_prefix("= see: ") {
        finding.aadsts = see.split(", ").filter_map(|w| w.strip_prefix("AADSTS")?.parse().ok()).collect();
    } else if !finding.fix.is_empty() && finding.aadsts.is_empty() && !line.starts_with(['=', '|', '-']) {
        finding.fix = format!("{} {line}", finding.fix);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "\
> \u{1b}[1;31mrefused: the assertion has no `aud`\u{1b}[0m
> judged at 2026-03-02T10:00:00Z by the rules of entra
>
> error[aud-missing]: the assertion has no
> `aud` (proven)
>   --> a1: claims/aud
>    | found     nothing
>    = fix: put it in,
>           now
>    = see: AADSTS90014, countersign explain aud-missing
>
> to decide the rest, add: application, certificate
";

    #[test]
    fn a_quoted_text_is_read() {
        let report = find(SHOWN.replace("\n>\n", "\n\n").as_bytes()).unwrap();
        assert_eq!((report.verdict, report.profile.as_str()), (Verdict::Refused, "entra"));
        let f = &report.findings[0];
        assert_eq!((f.code.as_str(), f.certainty), ("aud-missing", Certainty::Proven));
        assert_eq!(f.title, "the assertion has no `aud`");
        assert_eq!((f.evidence[0].found.as_str(), f.fix.as_str()), ("nothing", "put it in, now"));
        assert_eq!(f.aadsts, [90014]);
        assert_eq!(report.needed, ["application", "certificate"]);
    }

    #[test]
    fn what_is_no_report_is_none() {
        for text in
            ["", "{}", "{\"schema\": 1, \"verdict\": 3}", "refused: yes", "judged at noon by the rules of the game"]
        {
            assert!(find(text.as_bytes()).is_none(), "{text}");
        }
        // A cause that nobody knows is not taken over.
        let made_up = SHOWN.replace("aud-missing", "made-up");
        assert!(find(made_up.as_bytes()).unwrap().findings.is_empty());
    }
}
