//! Reads members of an object from outside: text, lists, GUIDs, times, each with its rule and a fault that names both.
//!
//! Used by the readers beside it; null counts as absent, as Graph treats it on requests.

use countersign_core::UnixTime;

use super::fault::{Fault, Path, shown};
use super::tree::{Member, Node, Value};

/// An object under reading, with the way to it.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    /// The object.
    pub node: &'a Node,
    /// Where it stands in the whole.
    pub path: &'a Path<'a>,
}

impl<'a> Fields<'a> {
    /// Starts reading an object.
    ///
    /// # Errors
    /// When the value is something else.
    pub fn of(node: &'a Node, path: &'a Path<'a>) -> Result<Self, Fault> {
        match &node.value {
            Value::Object(_) => Ok(Self { node, path }),
            _ => Err(Fault::at(node.at, path, format!("{}, where an object is expected", node.kind()))),
        }
    }

    /// All members.
    pub fn members(&self) -> &'a [Member] {
        match &self.node.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    /// A member that is there and not null.
    pub fn present(&self, name: &str) -> Option<&'a Node> {
        self.node.get(name).filter(|node| node.value != Value::Null)
    }

    /// Whether the member is there, null included.
    pub fn has(&self, name: &str) -> bool {
        self.node.get(name).is_some()
    }

    /// A fault in a member; at the object when the member is missing.
    pub fn fault(&self, name: &str, message: impl Into<String>) -> Fault {
        let at = self.node.get(name).map_or(self.node.at, |node| node.at);
        Fault::at(at, &self.path.member(name), message.into())
    }

    /// Text of at most `limit` characters.
    ///
    /// # Errors
    /// Another type, or too long.
    pub fn text(&self, name: &str, limit: usize) -> Result<Option<&'a str>, Fault> {
        let Some(node) = self.present(name) else { return Ok(None) };
        let Value::Text(text) = &node.value else {
            return Err(self.fault(name, format!("{}, where text is expected", node.kind())));
        };
        if text.len() > limit && text.chars().count() > limit {
            return Err(self.fault(name, format!("longer than {limit} characters")));
        }
        Ok(Some(text))
    }

    /// Text that must be there and not empty.
    ///
    /// # Errors
    /// Missing, empty, another type, or too long.
    pub fn required_text(&self, name: &str, limit: usize) -> Result<&'a str, Fault> {
        match self.text(name, limit)? {
            Some(text) if !text.trim().is_empty() => Ok(text),
            Some(_) => Err(self.fault(name, "empty; it must have at least one character")),
            None => Err(self.fault(name, "missing; it is required")),
        }
    }

    /// A GUID, in lower case.
    ///
    /// # Errors
    /// Another type, or no GUID of the form 8-4-4-4-12.
    pub fn guid(&self, name: &str) -> Result<Option<String>, Fault> {
        let Some(text) = self.text(name, 256)? else { return Ok(None) };
        read_guid(text)
            .map(Some)
            .ok_or_else(|| self.fault(name, format!("`{}` is no GUID (8-4-4-4-12 hexadecimal digits)", shown(text))))
    }

    /// A point in time as Graph writes it (RFC 3339).
    ///
    /// # Errors
    /// Another type, or no such time.
    pub fn time(&self, name: &str) -> Result<Option<UnixTime>, Fault> {
        let Some(text) = self.text(name, 64)? else { return Ok(None) };
        UnixTime::parse(text).map(Some).ok_or_else(|| {
            self.fault(name, format!("`{}` is no time like 2027-01-31T00:00:00Z (RFC 3339)", shown(text)))
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// Another type.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        match self.present(name).map(|node| (&node.value, node)) {
            None => Ok(None),
            Some((Value::Bool(flag), _)) => Ok(Some(*flag)),
            Some((_, node)) => Err(self.fault(name, format!("{}, where true or false is expected", node.kind()))),
        }
    }

    /// The items of a list, `None` when it is absent; null is an empty list on no request of Graph's, so it is a fault.
    ///
    /// # Errors
    /// Another type, or more than `limit` items.
    pub fn list(&self, name: &str, limit: usize) -> Result<Option<&'a [Node]>, Fault> {
        match self.node.get(name).map(|node| (&node.value, node)) {
            None => Ok(None),
            Some((Value::List(items), _)) if items.len() > limit => {
                Err(self.fault(name, format!("{} items; at most {limit} are allowed", items.len())))
            }
            Some((Value::List(items), _)) => Ok(Some(items)),
            Some((_, node)) => Err(self.fault(name, format!("{}, where a list is expected", node.kind()))),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// As [`Fields::list`]; an item of another type, empty or too long.
    pub fn texts(&self, name: &str, limit: usize, each: usize) -> Result<Option<Vec<String>>, Fault> {
        let Some(items) = self.list(name, limit)? else { return Ok(None) };
        let list = self.path.member(name);
        let read = items.iter().enumerate().map(|(i, item)| match &item.value {
            Value::Text(text) if !text.is_empty() && text.chars().count() <= each => Ok(text.clone()),
            Value::Text(text) if text.is_empty() => Err(Fault::at(item.at, &list.index(i), "empty".to_owned())),
            Value::Text(_) => Err(Fault::at(item.at, &list.index(i), format!("longer than {each} characters"))),
            _ => Err(Fault::at(item.at, &list.index(i), format!("{}, where text is expected", item.kind()))),
        });
        read.collect::<Result<Vec<_>, _>>().map(Some)
    }

    /// An unknown member is a fault: for files, where a slip of the pen must not pass unseen.
    ///
    /// # Errors
    /// The first member that is none of `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Fault> {
        match self.members().iter().find(|member| !known.contains(&member.name.as_str())) {
            None => Ok(()),
            Some(member) => Err(Fault::at(
                member.at,
                &self.path.member(&member.name),
                format!("unknown member; known are {}", known.join(", ")),
            )),
        }
    }
}

/// A GUID in any case, in lower case; `None` for everything else.
pub fn read_guid(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let fits = bytes.len() == 36
        && bytes.iter().enumerate().all(|(i, b)| match i {
            8 | 13 | 18 | 23 => *b == b'-',
            _ => b.is_ascii_hexdigit(),
        });
    fits.then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::super::tree::read_json;
    use super::*;

    #[test]
    fn faults_name_member_and_place() {
        let node = read_json("{\n \"appId\": \"nope\", \"n\": 5, \"l\": [1], \"t\": null}", 1).unwrap();
        let root = Path::root();
        let fields = Fields::of(&node, &root).unwrap();
        let fault = fields.guid("appId").unwrap_err();
        assert_eq!((fault.at.line, fault.path.as_str()), (2, "appId"));
        assert!(fault.message.contains("`nope` is no GUID"));
        assert!(fields.text("n", 9).is_err() && fields.flag("n").is_err() && fields.list("n", 9).is_err());
        assert_eq!(fields.texts("l", 9, 9).unwrap_err().path, "l/0");
        assert_eq!(fields.list("l", 0).unwrap_err().message, "1 items; at most 0 are allowed");
        assert_eq!(fields.text("t", 9), Ok(None));
        assert!(fields.list("t", 9).is_err());
        assert_eq!(fields.only(&["appId", "n", "l"]).unwrap_err().path, "t");
        assert!(fields.required_text("missing", 9).is_err());
    }

    #[test]
    fn guids_are_read_in_any_case_and_nothing_else_is() {
        assert_eq!(
            read_guid("8B76B6D9-4732-4558-A4B5-40D5FF2ED6EF").as_deref(),
            Some("8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef")
        );
        for text in [
            "",
            "8b76b6d9473245583a4b540d5ff2ed6ef",
            "{8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef}",
            "8b76b6d9-4732-4558-a4b5-40d5ff2ed6eg",
        ] {
            assert_eq!(read_guid(text), None, "{text}");
        }
    }
}
