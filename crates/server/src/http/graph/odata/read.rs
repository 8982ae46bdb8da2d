//! From the text of `$filter` to an [`Expression`]; depth and length are bounded.
//!
//! Called by the query options. A fault says what was expected and where, in words for the caller.

use countersign_core::UnixTime;

use super::{Expression, Literal, Operator, TextFunction};
use crate::resources::fault::shown;
use crate::resources::fields::read_guid;

/// Longest filter that is read.
const MAX_LENGTH: usize = 8 * 1024;
const MAX_DEPTH: usize = 24;

/// Reads a filter.
///
/// # Errors
/// What was expected, and where.
pub fn read(text: &str) -> Result<Expression, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} characters"));
    }
    let mut reader = Reader { text, at: 0 };
    let expression = reader.or(0)?;
    reader.blanks();
    if reader.at < text.len() {
        return Err(reader.expected("`and`, `or` or the end"));
    }
    Ok(expression)
}

/// Reads a `$search`: `"member:words"`, joined by `AND` or `OR`. Graph looks for the beginnings of words; here the words stand
/// anywhere in the member, which finds at least as much.
///
/// # Errors
/// What was expected, and where.
pub fn read_search(text: &str) -> Result<Expression, String> {
    if text.len() > MAX_LENGTH {
        return Err(format!("longer than {MAX_LENGTH} characters"));
    }
    let mut reader = Reader { text, at: 0 };
    let mut any = vec![vec![reader.searched()?]];
    loop {
        reader.blanks();
        if reader.at == text.len() {
            break;
        }
        if reader.word("AND") {
            let next = reader.searched()?;
            // The list began with one element.
            if let Some(all) = any.last_mut() {
                all.push(next);
            }
        } else if reader.word("OR") {
            any.push(vec![reader.searched()?]);
        } else {
            return Err(reader.expected("`AND`, `OR` or the end"));
        }
    }
    Ok(Expression::Or(any.into_iter().map(Expression::And).collect()))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn expected(&self, what: &str) -> String {
        match self.rest().chars().next() {
            Some(_) => format!("expected {what} at `{}`", shown(self.rest())),
            None => format!("expected {what} at its end"),
        }
    }

    /// Takes a word if it stands here, with a blank or bracket behind it.
    fn word(&mut self, word: &str) -> bool {
        self.blanks();
        let fits = self
            .rest()
            .strip_prefix(word)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'));
        if fits {
            self.at += word.len();
        }
        fits
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        self.blanks();
        if self.rest().starts_with(sign) {
            self.at += sign.len_utf8();
            return Ok(());
        }
        Err(self.expected(&format!("`{sign}`")))
    }

    fn or(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.and(depth)?];
        while self.word("or") {
            parts.push(self.and(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn and(&mut self, depth: usize) -> Result<Expression, String> {
        let mut parts = vec![self.unary(depth)?];
        while self.word("and") {
            parts.push(self.unary(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn unary(&mut self, depth: usize) -> Result<Expression, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        if self.word("not") {
            return Ok(Expression::Not(Box::new(self.unary(depth + 1)?)));
        }
        self.blanks();
        if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.or(depth + 1)?;
            self.sign(')')?;
            return Ok(inner);
        }
        for (name, function) in [
            ("startswith", TextFunction::StartsWith),
            ("startsWith", TextFunction::StartsWith),
            ("endswith", TextFunction::EndsWith),
            ("endsWith", TextFunction::EndsWith),
            ("contains", TextFunction::Contains),
        ] {
            if self.word(name) {
                self.sign('(')?;
                let path = self.path()?;
                self.sign(',')?;
                let Literal::Text(text) = self.literal()? else { return Err(format!("{name} takes a text in quotes")) };
                self.sign(')')?;
                return Ok(Expression::Text(function, path, text));
            }
        }
        self.comparison(depth)
    }

    fn comparison(&mut self, depth: usize) -> Result<Expression, String> {
        let mut path = self.path()?;
        if self.rest().starts_with('(')
            && let Some(function) = path.pop()
            && matches!(function.as_str(), "any" | "all")
            && !path.is_empty()
        {
            return self.lambda(path, function == "all", depth);
        }
        for (word, operator) in [
            ("eq", Operator::Eq),
            ("ne", Operator::Ne),
            ("gt", Operator::Gt),
            ("ge", Operator::Ge),
            ("lt", Operator::Lt),
            ("le", Operator::Le),
        ] {
            if self.word(word) {
                return Ok(Expression::Compare(path, operator, self.literal()?));
            }
        }
        if self.word("in") {
            self.sign('(')?;
            let mut parts = Vec::new();
            loop {
                parts.push(Expression::Compare(path.clone(), Operator::Eq, self.literal()?));
                self.blanks();
                if !self.rest().starts_with(',') {
                    break;
                }
                self.at += 1;
            }
            self.sign(')')?;
            return Ok(Expression::Or(parts));
        }
        Err(self.expected("an operator (eq, ne, gt, ge, lt, le, in)"))
    }

    fn lambda(&mut self, path: Vec<String>, all: bool, depth: usize) -> Result<Expression, String> {
        self.sign('(')?;
        self.blanks();
        if !all && self.rest().starts_with(')') {
            self.at += 1;
            return Ok(Expression::Any(path, None));
        }
        let name = self.identifier()?;
        self.sign(':')?;
        let condition = Box::new(self.or(depth + 1)?);
        self.sign(')')?;
        Ok(if all { Expression::All(path, name, condition) } else { Expression::Any(path, Some((name, condition))) })
    }

    fn path(&mut self) -> Result<Vec<String>, String> {
        let mut path = vec![self.identifier()?];
        while self.rest().starts_with('/') {
            self.at += 1;
            path.push(self.identifier()?);
        }
        Ok(path)
    }

    fn identifier(&mut self) -> Result<String, String> {
        self.blanks();
        let length = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '.')))
            .unwrap_or(self.rest().len());
        if length == 0 || self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.expected("the name of a member"));
        }
        let name = self.rest()[..length].to_owned();
        self.at += length;
        Ok(name)
    }

    /// `"member:words"`
    fn searched(&mut self) -> Result<Expression, String> {
        self.sign('"')?;
        let name = self.identifier()?;
        self.sign(':')?;
        let length = self.rest().find('"').ok_or_else(|| "a text lacks its closing quote".to_owned())?;
        let words = self.rest()[..length].trim().to_owned();
        if words.is_empty() {
            return Err(self.expected("words to look for"));
        }
        self.at += length + 1;
        Ok(Expression::Text(TextFunction::Contains, vec![name], words))
    }

    fn literal(&mut self) -> Result<Literal, String> {
        self.blanks();
        if self.rest().starts_with('\'') {
            return self.quoted();
        }
        let length = self.rest().find([' ', ')', ',', '(']).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let literal = match word {
            "" => return Err(self.expected("a value")),
            "null" => Literal::Null,
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ if read_guid(word).is_some() || UnixTime::parse(word).is_some() => Literal::Text(word.to_owned()),
            _ => match word.parse::<f64>() {
                Ok(number) if number.is_finite() => Literal::Number(number),
                _ => return Err(self.expected("a value; texts stand in single quotes")),
            },
        };
        self.at += length;
        Ok(literal)
    }

    /// A text in single quotes; a quote inside is doubled.
    fn quoted(&mut self) -> Result<Literal, String> {
        let start = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1).peekable();
        while let Some((i, c)) = characters.next() {
            if c != '\'' {
                text.push(c);
            } else if characters.next_if(|(_, next)| *next == '\'').is_some() {
                text.push('\'');
            } else {
                self.at = start + i + 1;
                return Ok(Literal::Text(text));
            }
        }
        Err("a text lacks its closing quote".to_owned())
    }
}
