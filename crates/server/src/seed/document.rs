//! The forms a seed or state file may have, recognised by content: YAML, JSON, JSON Lines, or what Graph answered.
//!
//! Called by `super::load`. It finds tenants and applications in the file; what they may say is judged there.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path as FilePath;

use super::load::LoadError;
use crate::resources::fault::{Fault, Path};
use crate::resources::tree::{self, Node, Spot, Value};

/// A line of a JSON Lines file: an application with all its certificates stays far below.
const LONGEST_LINE: u64 = 16 << 20;
/// A file that is read as a whole; larger ones are to be JSON Lines.
const LARGEST_WHOLE: u64 = 1 << 30;

/// An opened file.
pub enum Source {
    /// Read as a whole.
    Whole(Node),
    /// JSON Lines, read line by line.
    Lines(Lines),
}

/// Reads JSON Lines, one value a line, blank lines skipped.
pub struct Lines {
    /// The first line, which told what the file is.
    first: Option<String>,
    rest: BufReader<File>,
    line: u64,
}

impl Source {
    /// Opens a file and finds out its form.
    ///
    /// # Errors
    /// It cannot be read, or it is no YAML and no JSON.
    pub fn open(path: &FilePath) -> Result<Self, LoadError> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut rest = BufReader::with_capacity(1 << 16, file);
        let mut line = 0;
        let first = loop {
            let Some(text) = next_line(&mut rest, line + 1)? else {
                let message = "the file is empty; a list `tenants` is expected".to_owned();
                return Err(Fault::at(Spot::default(), &Path::root(), message).into());
            };
            line += 1;
            if !text.trim_start_matches('\u{feff}').trim().is_empty() {
                break text.trim_start_matches('\u{feff}').to_owned();
            }
        };
        let json = first.trim_start().starts_with(['{', '[']);
        if json && first.trim_start().starts_with('{') && tree::read_json(first.trim_end(), line).is_ok() {
            return Ok(Self::Lines(Lines { first: Some(first), rest, line }));
        }
        if size > LARGEST_WHOLE {
            let message = "the file is too large to be read as a whole; write it as JSON Lines, one application a line";
            return Err(Fault::at(Spot::default(), &Path::root(), message.to_owned()).into());
        }
        let mut text = "\n".repeat(usize::try_from(line - 1).unwrap_or(0));
        text.push_str(&first);
        rest.read_to_string(&mut text).map_err(not_text)?;
        let node = if json { tree::read_json(&text, 1)? } else { tree::read_yaml(&text)? };
        Ok(Self::Whole(node))
    }
}

impl Lines {
    /// The next value, with its line.
    ///
    /// # Errors
    /// The file cannot be read, or the line is no JSON.
    pub fn next_value(&mut self) -> Result<Option<Node>, LoadError> {
        loop {
            let text = match self.first.take() {
                Some(text) => text,
                None => match next_line(&mut self.rest, self.line + 1)? {
                    None => return Ok(None),
                    Some(text) => {
                        self.line += 1;
                        text
                    }
                },
            };
            if !text.trim().is_empty() {
                return Ok(Some(tree::read_json(text.trim_end(), self.line)?));
            }
        }
    }
}

fn next_line(from: &mut BufReader<File>, number: u64) -> Result<Option<String>, LoadError> {
    let mut text = String::new();
    let read = from.by_ref().take(LONGEST_LINE).read_line(&mut text).map_err(not_text)?;
    if read as u64 == LONGEST_LINE {
        // A whole document on one line is read by its own rules.
        if number > 1 {
            let spot = Spot { line: number, column: 1 };
            return Err(Fault::at(spot, &Path::root(), format!("the line is longer than {LONGEST_LINE} bytes")).into());
        }
        from.read_line(&mut text).map_err(not_text)?;
    }
    Ok((read > 0).then_some(text))
}

fn not_text(cause: std::io::Error) -> LoadError {
    if cause.kind() == std::io::ErrorKind::InvalidData {
        let message = "the file is no UTF-8 text; YAML, JSON or JSON Lines is expected";
        return Fault::at(Spot::default(), &Path::root(), message.to_owned()).into();
    }
    cause.into()
}

/// What a value in a file is.
#[derive(Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"tenants": […]}`
    Tenants,
    /// One tenant: `tenantId`, no `appId`.
    Tenant,
    /// One application: `appId`.
    Application,
    /// `{"value": […]}`, as Graph answers a list.
    Listing,
    /// `{"keys": {…}}` of a state file.
    Keys,
}

/// Tells what a value is by its members.
///
/// # Errors
/// It is none of the known shapes.
pub fn shape(node: &Node) -> Result<Shape, Fault> {
    let has = |name: &str| node.get(name).is_some();
    match &node.value {
        Value::Object(_) if has("tenants") => Ok(Shape::Tenants),
        Value::Object(_) if has("appId") => Ok(Shape::Application),
        Value::Object(_) if has("tenantId") => Ok(Shape::Tenant),
        Value::Object(_) if has("value") => Ok(Shape::Listing),
        Value::Object(_) if has("keys") => Ok(Shape::Keys),
        Value::Object(members) => {
            let at = members.first().map_or(node.at, |m| m.at);
            let message = "neither `tenants`, nor a tenant (`tenantId`), nor an application (`appId`)";
            Err(Fault::at(at, &Path::root(), message.to_owned()))
        }
        _ => Err(Fault::at(
            node.at,
            &Path::root(),
            format!("{}, where an object with a list `tenants` is expected", node.kind()),
        )),
    }
}
