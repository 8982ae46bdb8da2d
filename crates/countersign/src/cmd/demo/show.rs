//! How the demo is told: line by line while it happens for people, one object at the end for programs.
//!
//! At most 80 columns wide; colour only supports what the words say.

use std::time::Duration;

use serde_json::{Value, json};

use super::wrong::{Case, Told};
use crate::exit::Failure;
use crate::output;

/// Columns of the demo.
const WIDTH: usize = 80;
/// Where texts begin.
const INDENT: usize = 15;

/// The teller.
pub struct Show {
    human: bool,
    color: bool,
    steps: Vec<Value>,
    cases: Vec<Value>,
}

impl Show {
    /// A teller for people or for programs.
    pub fn new(human: bool, color: bool) -> Self {
        Self { human, color, steps: Vec::new(), cases: Vec::new() }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        if self.human { output::data(text) } else { Ok(()) }
    }

    fn paint(&self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// A label and a text behind it, wrapped.
    fn labelled(&self, label: &str, style: &str, text: &str) -> String {
        let mut lines = wrap(text, WIDTH - INDENT).into_iter();
        let pad = " ".repeat((INDENT - 2).saturating_sub(label.chars().count()));
        let mut out = format!("  {}{pad}{}\n", self.paint(style, label), lines.next().unwrap_or_default());
        for line in lines {
            out.push_str(&format!("{}{line}\n", " ".repeat(INDENT)));
        }
        out
    }

    /// The first line.
    pub fn title(&self) -> Result<(), Failure> {
        self.say(&format!("{}\n\n", self.paint("1", "A certificate gets a token")))
    }

    /// A step that was done and checked.
    pub fn step(&mut self, name: &str, words: &str, value: Value) -> Result<(), Failure> {
        self.steps.push(json!({"step": name, "detail": value}));
        let style = if name == "verified" { "32" } else { "0" };
        self.say(&self.labelled(name, style, words))
    }

    /// The heading of the second part.
    pub fn wrong_ones(&self, count: usize) -> Result<(), Failure> {
        let number = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
            .get(count)
            .copied()
            .unwrap_or("many");
        let heading = format!("The same with {number} mistakes that people make");
        self.say(&format!("\n{}\n", self.paint("1", &heading)))
    }

    /// A wrong assertion: the answer beside its diagnosis.
    pub fn case(&mut self, case: &Case, told: &Told) -> Result<(), Failure> {
        self.cases.push(json!({
            "mistake": case.title,
            "status": told.status,
            "error_codes": [case.code],
            "error_description": told.description,
            "finding": told.finding,
        }));
        let number = self.cases.len();
        let mut out = format!("\n{number}. {}\n", case.title);
        out.push_str(&self.labelled("refused", "31", &brief(&told.description)));
        out.push_str(&self.labelled(told.finding.certainty.name(), "32", &told.finding.title));
        if let Some(shown) = told.finding.evidence.iter().find(|e| !e.expected.is_empty()) {
            out.push_str(&self.labelled("found", "0", &shorten(&shown.found)));
            out.push_str(&self.labelled("expected", "0", &shorten(&shown.expected)));
        }
        out.push_str(&self.labelled("fix", "0", &told.finding.fix));
        self.say(&out)
    }

    /// The last line, or the whole object.
    pub fn end(&self, took: Duration) -> Result<(), Failure> {
        if !self.human {
            return output::json(&json!({
                "schema": 1, "verified": true, "seconds": took.as_secs_f64(), "steps": self.steps, "cases": self.cases,
            }));
        }
        let line = format!("Done and verified: {} steps, {} refusals proven", self.steps.len(), self.cases.len());
        let next = "Go on: countersign serve, countersign doctor FILE, countersign explain 700027";
        self.say(&format!("\n{} in {:.1} s\n{next}\n", self.paint("1;32", &line), took.as_secs_f64()))
    }

    /// After a step that went wrong: an empty line before the message.
    pub fn failed(&self) {
        let _ = self.say("\n");
    }
}

/// What the service's words say of this case: without the ids behind them and the advice that is the same in all, long numbers
/// shortened. `--format json` has them whole.
fn brief(description: &str) -> String {
    let mut text = description;
    for advice in [" Trace ID", ", Please visit", " Review the documentation"] {
        text = text.split(advice).next().unwrap_or_default();
    }
    let mut text = shorten(text);
    if text.contains('[') && !text.contains(']') {
        text.push_str(" …]");
    }
    text
}

/// Words of more than 44 characters show their beginning and their length: a thumbprint's echo has up to 128 digits.
fn shorten(text: &str) -> String {
    let word = |word: &str| {
        let inner = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        if inner.chars().count() <= 44 || inner.contains("://") {
            return word.to_owned();
        }
        let start: String = inner.chars().take(20).collect();
        word.replace(inner, &format!("{start}… ({} characters)", inner.chars().count()))
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Lines of at most so many columns; a longer word is broken.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace().map(output::printable) {
        let mut word: &str = &word;
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.chars().count() > width {
            let full = word.char_indices().nth(width).map_or(word.len(), |(i, _)| i);
            // A URL is broken behind a slash, if one stands in the line's second half.
            let at = word[..full].rfind('/').map(|i| i + 1).filter(|i| *i > full / 2).unwrap_or(full);
            lines.push(word[..at].to_owned());
            word = &word[at..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let show = Show::new(true, false);
        let text = show.labelled("refused", "31", &format!("{} {}", "word ".repeat(40), "x".repeat(200)));
        assert!(text.lines().all(|l| l.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|l| l.starts_with(&" ".repeat(INDENT))));
    }

    #[test]
    fn long_echoes_are_shortened_and_ids_left_out() {
        let text =
            brief(&format!("AADSTS700027: x [y '{}', Please visit z]. Trace ID: a Correlation ID: b", "3A".repeat(64)));
        assert_eq!(text, "AADSTS700027: x [y '3A3A3A3A3A3A3A3A3A3A… (128 characters)' …]");
    }
}
