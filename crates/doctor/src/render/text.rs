//! The report for a terminal, in the manner of rustc: verdict first, the member with a caret, bytes received and
//! expected, the fix.
//!
//! Called by the command line. It reads well without colour and at any width from 40 columns on.

use countersign_core::encoding;

use super::headline;
use crate::proof::Level;
use crate::report::{EvidenceItem, Finding, Report, Verdict};

/// Narrowest width that is laid out for.
const MIN_WIDTH: usize = 40;
/// Bytes on a line of hex, where the terminal is wide enough; half of them elsewhere.
const BYTES_A_LINE: usize = 16;

/// Renders a report; `color` adds ANSI colours.
pub fn render(report: &Report, width: usize, color: bool) -> String {
    let mut page = Page { out: String::new(), width: width.max(MIN_WIDTH), color };
    page.verdict(report);
    for said in &report.said {
        page.labelled("the service said: ", &format!("{}: {}", said.name(), said.meaning), "");
    }
    for finding in &report.findings {
        page.blank();
        page.finding(report, finding);
    }
    if !report.needed.is_empty() {
        page.blank();
        page.labelled("to decide the rest, add: ", &report.needed.join(", "), "");
    }
    page.files(report);
    page.out
}

struct Page {
    out: String,
    width: usize,
    color: bool,
}

impl Page {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.color && !code.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn blank(&mut self) {
        self.out.push('\n');
    }

    fn verdict(&mut self, report: &Report) {
        let code = match report.verdict {
            Verdict::Refused => "1;31",
            Verdict::Accepted => "1;32",
            Verdict::Undecided => "1;33",
        };
        let lines = wrap(&headline(report), self.width, 0);
        for line in lines {
            let painted = self.paint(code, &line);
            self.line(&painted);
        }
        let judged = format!("judged at {} by the rules of {}", report.judged_at, report.profile);
        self.line(&judged);
        if let Some(client) = &report.client {
            self.labelled("made by ", &format!("{}, told by {}", client.name, client.told_by), "");
        }
    }

    /// A label and text behind it, wrapped under itself.
    fn labelled(&mut self, label: &str, text: &str, paint: &str) {
        let indent = if label.len() > self.width / 2 { 4 } else { label.chars().count() };
        for (i, line) in
            wrap(text, self.width.saturating_sub(indent).max(20), label.chars().count().saturating_sub(indent))
                .into_iter()
                .enumerate()
        {
            let head = if i == 0 { self.paint(paint, label) } else { " ".repeat(indent) };
            self.line(&format!("{head}{line}"));
        }
    }

    fn finding(&mut self, report: &Report, f: &Finding) {
        let (word, code) = match f.level {
            Level::Error => ("error", "1;31"),
            Level::Warning => ("warning", "1;33"),
            Level::Note => ("note", "1;32"),
        };
        let head = format!("{word}[{}]: ", f.code);
        let certainty = if f.level == Level::Note { String::new() } else { format!(" ({})", f.certainty.name()) };
        let plain = format!("{head}{}{certainty}", f.title);
        for (i, line) in wrap(&plain, self.width, 0).into_iter().enumerate() {
            let line = if i == 0 && line.starts_with(&head) {
                format!("{}{}", self.paint(code, &head), &line[head.len()..])
            } else {
                line
            };
            self.line(&line);
        }
        for item in &f.evidence {
            self.evidence(report, item);
        }
        if !f.fix.is_empty() {
            self.rail("= fix: ", &f.fix, "1;36");
        }
        if report.client.is_some() {
            for fix in &f.fixes {
                self.rail("= for ", &format!("{}:", fix.client), "1;36");
                for line in fix.code.lines() {
                    self.line(&format!("     {line}"));
                }
            }
        }
        let mut more: Vec<String> = f.aadsts.iter().map(|c| format!("AADSTS{c}")).collect();
        more.push(format!("countersign explain {}", f.code));
        self.rail("= see: ", &more.join(", "), "1;36");
    }

    /// A line behind the vertical bar.
    fn rail(&mut self, label: &str, text: &str, paint: &str) {
        let bar = self.paint("1;34", "   ");
        let indent = 3 + label.chars().count();
        for (i, line) in wrap(text, self.width.saturating_sub(indent).max(20), 0).into_iter().enumerate() {
            let head = if i == 0 { self.paint(paint, label) } else { " ".repeat(label.chars().count()) };
            self.line(&format!("{bar}{head}{line}"));
        }
    }

    fn evidence(&mut self, report: &Report, item: &EvidenceItem) {
        let arrow = self.paint("1;34", "  -->");
        self.line(&format!("{arrow} {}: {}", item.artifact, item.pointer));
        let pictured = self.picture(report, item);
        let bytes = self.bytes(item);
        if !bytes && !pictured && !item.found.is_empty() {
            self.rail("| found     ", &item.found, "1;34");
        }
        if !item.expected.is_empty() {
            self.rail("| expected  ", &item.expected, "1;34");
        }
    }

    /// The header or claims member with a caret under its value.
    fn picture(&mut self, report: &Report, item: &EvidenceItem) -> bool {
        let Some((part, name)) = item.pointer.split_once('/') else { return false };
        let name = name.split(' ').next().unwrap_or(name);
        let Some(source) = report.sources.iter().find(|s| s.part == part && s.artifact == item.artifact) else {
            return false;
        };
        let key = format!("\"{}\":", name.split('[').next().unwrap_or(name));
        let Some((number, line)) = source.text.lines().enumerate().find(|(_, l)| l.trim_start().starts_with(&key))
        else {
            return false;
        };
        if item.pointer.contains(" (decoded)") {
            return false;
        }
        let at = line.find(&key).unwrap_or(0) + key.len() + 1;
        let value: String = line.get(at..).unwrap_or_default().trim_end_matches(',').to_owned();
        let gutter = (number + 1).to_string();
        let room = self.width.saturating_sub(gutter.len() + 4).max(20);
        let shown: String = line.chars().take(room).collect();
        let carets = value.chars().count().min(room.saturating_sub(at)).max(1);
        let bar = self.paint("1;34", &format!("{:>1$} |", "", gutter.len() + 1));
        self.line(&bar);
        let numbered = self.paint("1;34", &format!(" {gutter} |"));
        self.line(&format!("{numbered} {shown}"));
        let marks = self.paint("1;31", &"^".repeat(carets));
        self.line(&format!("{bar} {}{marks}", " ".repeat(at)));
        true
    }

    /// Thumbprints as bytes, received and expected one above the other.
    fn bytes(&mut self, item: &EvidenceItem) -> bool {
        if !item.pointer.contains("x5t") || item.pointer.contains("decoded") {
            return false;
        }
        let (Ok(found), Ok(expected)) = (encoding::decode_base64(&item.found), encoding::decode_base64(&item.expected))
        else {
            return false;
        };
        if !matches!(expected.bytes.len(), 20 | 32) || found.bytes.is_empty() {
            return false;
        }
        let a_line = if self.width >= 76 { BYTES_A_LINE } else { BYTES_A_LINE / 2 };
        for (label, bytes) in [("received", &found.bytes), ("right", &expected.bytes)] {
            self.rail("| ", &format!("{label}: {} bytes", bytes.len()), "1;34");
            for chunk in bytes.chunks(a_line).take(64 / a_line) {
                let hex: Vec<String> = chunk.iter().map(|b| format!("{b:02X}")).collect();
                let text: String =
                    chunk.iter().map(|b| if b.is_ascii_graphic() || *b == b' ' { *b as char } else { '.' }).collect();
                let bar = self.paint("1;34", "   | ");
                self.line(&format!("{bar}  {:<1$}{text}", hex.join(" "), a_line * 3));
            }
        }
        true
    }

    fn files(&mut self, report: &Report) {
        if report.artifacts.is_empty() {
            return;
        }
        self.blank();
        for a in &report.artifacts {
            let repairs =
                if a.repairs.is_empty() { String::new() } else { format!(" (mended: {})", a.repairs.join("; ")) };
            self.labelled("read ", &format!("{}: {}{repairs}", a.file, a.kind), "");
        }
    }
}

/// Wraps at blanks; a word that is longer than a line stands alone. `first` columns of the first line are taken.
fn wrap(text: &str, width: usize, first: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = first;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && !line.is_empty() && used + 1 + length > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += length;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_at_blanks() {
        assert_eq!(wrap("one two three", 8, 0), ["one two", "three"]);
        assert_eq!(wrap("a verylongwordindeed b", 5, 0), ["a", "verylongwordindeed", "b"]);
        assert_eq!(wrap("", 5, 0), [""]);
    }
}
