//! Data on stdout, words on stderr; colour only where it is wanted. Tables and wrapped text for people.
//!
//! Every verb prints through this module. What comes from elsewhere passes [`printable`] first.

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;
use serde::Serialize;

use crate::exit::{Exit, Failure};

/// How data is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// Whether output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl Color {
    /// Whether stdout gets colour.
    pub fn on_stdout(self) -> bool {
        self.wanted(std::io::stdout().is_terminal())
    }

    /// Whether stderr gets colour.
    pub fn on_stderr(self) -> bool {
        self.wanted(std::io::stderr().is_terminal())
    }

    fn wanted(self, terminal: bool) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()),
        }
    }
}

/// Width of the terminal, 80 where there is none; never under 40, and never so wide that lines are hard to read.
pub fn width() -> usize {
    std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok()).unwrap_or(80).clamp(40, 100)
}

/// Prints data. A reader that went away (`| head`) is no error.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Unreadable, format!("stdout cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a value as JSON with a line end.
pub fn json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Failure::new(Exit::Unreadable, format!("cannot be written as JSON: {e}")))?;
    text.push('\n');
    data(&text)
}

/// Text from a stranger without control characters, so that it cannot steer the terminal.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Text broken at blanks to the terminal's width, each line behind `indent`. Words longer than a line stay whole.
pub fn wrapped(text: &str, indent: &str) -> String {
    let room = width().saturating_sub(indent.len());
    let mut out = String::new();
    let mut line = String::new();
    for word in text.split_whitespace().map(printable) {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > room {
            out.push_str(&format!("{indent}{line}\n"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word);
    }
    if !line.is_empty() {
        out.push_str(&format!("{indent}{line}\n"));
    }
    out
}

/// Columns, each as wide as its widest cell; the last one is not padded.
pub fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let mut wide = head.map(|h| h.chars().count());
    for row in rows {
        for (w, cell) in wide.iter_mut().zip(row) {
            *w = (*w).max(cell.chars().count());
        }
    }
    let line = |cells: [&str; N]| {
        let mut line = String::new();
        for (cell, w) in cells.iter().zip(wide) {
            line.push_str(&format!("{:<w$}  ", printable(cell)));
        }
        format!("{}\n", line.trim_end())
    };
    let mut out = line(head);
    for row in rows {
        out.push_str(&line(std::array::from_fn(|i| row[i].as_str())));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up_and_show_no_control_characters() {
        let rows = [["a".to_owned(), "x\u{1b}[31m".to_owned()], ["long cell".to_owned(), String::new()]];
        assert_eq!(table(["one", "two"], &rows), "one        two\na          x\u{fffd}[31m\nlong cell\n");
    }

    #[test]
    fn wraps_at_blanks_and_keeps_long_words() {
        let text = wrapped(&format!("{} {}", "word ".repeat(20), "x".repeat(90)), "  ");
        assert!(text.lines().all(|l| l.starts_with("  ") && (l.len() <= 80 || l.contains("xxx"))), "{text}");
    }
}
