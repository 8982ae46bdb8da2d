//! What is wrong with a value from outside: which member, which rule, where it stood.
//!
//! Made by every reader of [`super`]; Graph turns it into its error body, seed and import into a line for the terminal.
//! It never carries keys, secrets or more than the head of a value.

use std::fmt;

use super::tree::Spot;

/// A rule that a value breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the value stands; all zero for request bodies built in memory.
    pub at: Spot,
    /// Member path like `keyCredentials/0/key`; empty for the whole.
    pub path: String,
    /// Value, rule and fix in words, without full stop.
    pub message: String,
    /// Graph's word for this fault, where it has one of its own.
    pub code: Option<&'static str>,
}

impl Fault {
    /// A fault at a place.
    pub fn at(at: Spot, path: &Path<'_>, message: String) -> Self {
        Self { at, path: path.to_string(), message, code: None }
    }

    /// The same fault under Graph's own word.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The way from the whole value to a part of it, kept on the stack.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Root,
    Member(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The whole value.
    pub const fn root() -> Self {
        Self { parent: None, step: Step::Root }
    }

    /// A member of the value at this path.
    pub const fn member(&'a self, name: &'a str) -> Self {
        Self { parent: Some(self), step: Step::Member(name) }
    }

    /// An item of the list at this path, from 0.
    pub const fn index(&'a self, index: usize) -> Self {
        Self { parent: Some(self), step: Step::Index(index) }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            if !matches!(parent.step, Step::Root) {
                f.write_str("/")?;
            }
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Member(name) => f.write_str(&shown(name)),
            Step::Index(index) => write!(f, "{index}"),
        }
    }
}

/// The head of a value from outside, fit for a message: at most 60 characters, nothing that could act on a terminal.
pub fn shown(text: &str) -> String {
    let mut out: String = text.chars().take(SHOWN).map(|c| if c.is_control() || c == '`' { '?' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}

const SHOWN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_json_pointers_without_the_first_slash() {
        let root = Path::root();
        let list = root.member("keyCredentials");
        let item = list.index(3);
        assert_eq!(item.member("key").to_string(), "keyCredentials/3/key");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn values_are_cut_and_made_harmless() {
        assert_eq!(shown("a\u{1b}[31m\n"), "a?[31m?");
        assert_eq!(shown(&"x".repeat(100)).chars().count(), 61);
    }
}
