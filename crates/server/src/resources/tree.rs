//! A value from outside (a Graph request body, a seed or state file) with the place where each part stood.
//!
//! Read by [`super::application`] and its neighbours, so that one set of rules serves requests and files alike and a fault
//! can name line and column. It judges nothing but the syntax: duplicate members, depth and size.

use std::collections::HashSet;
use std::fmt;

use countersign_core::json;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Map;
use serde_saphyr::Spanned;

use super::fault::{Fault, Path};

/// Line and column, both from 1; zero when unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
}

/// A value and where it stood.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub at: Spot,
    /// What stands there.
    pub value: Value,
}

/// What JSON and the JSON part of YAML can say.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(serde_json::Number),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Node>),
    /// An object; no name stands in it twice.
    Object(Vec<Member>),
}

/// One member of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Name.
    pub name: String,
    /// Where the name stands.
    pub at: Spot,
    /// Value.
    pub node: Node,
}

impl Node {
    /// The member of that name.
    pub fn get(&self, name: &str) -> Option<&Node> {
        match &self.value {
            Value::Object(members) => members.iter().find(|m| m.name == name).map(|m| &m.node),
            _ => None,
        }
    }

    /// `text`, `number`, …: for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The same value without places.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(flag) => (*flag).into(),
            Value::Number(number) => number.clone().into(),
            Value::Text(text) => text.clone().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Object(members) => {
                let object: Map<_, _> = members.iter().map(|m| (m.name.clone(), m.node.to_json())).collect();
                object.into()
            }
        }
    }

    /// A value of ours, as if it had been read, without places.
    pub fn from_json(value: &serde_json::Value) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(*flag),
            serde_json::Value::Number(number) => Value::Number(number.clone()),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| Member {
                        name: name.clone(),
                        at: Spot::default(),
                        node: Self::from_json(value),
                    })
                    .collect(),
            ),
        };
        Self { at: Spot::default(), value }
    }
}

/// Reads one JSON value (RFC 8259) that fills the text; a member twice in an object is a fault.
///
/// `first_line` is the line of the file on which `text` begins (JSON Lines).
///
/// # Errors
/// A [`Fault`] with the place and what was expected there.
pub fn read_json(text: &str, first_line: u64) -> Result<Node, Fault> {
    let lines = Lines::new(text, first_line);
    let node = json::read(text).map_err(|error| {
        Fault::at(lines.spot(error.offset), &Path::root(), format!("no JSON: expected {}", error.expected))
    })?;
    lines.node(node, &Path::root())
}

/// Reads one YAML document; anchors and merge keys are expanded within limits, a key twice is a fault.
///
/// # Errors
/// A [`Fault`] with the place and what is wrong there.
pub fn read_yaml(text: &str) -> Result<Node, Fault> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    serde_saphyr::from_str_with_options::<Node>(text, options).map_err(|error| {
        let spot = error.location().map(|l| Spot { line: l.line(), column: l.column() }).unwrap_or_default();
        // The parser appends its own "at line …": the fault says it already.
        let message = error.without_snippet().to_string();
        let message = message.split(" at line ").next().unwrap_or(&message).trim().to_owned();
        Fault::at(spot, &Path::root(), format!("no YAML: {message}"))
    })
}

/// Finds line and column of byte offsets.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    first: u64,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str, first: u64) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect(), first }
    }

    fn spot(&self, offset: usize) -> Spot {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        // A long line (a file without line breaks) would cost its length for every value in it.
        let within = offset.saturating_sub(start);
        let characters = if within > MAX_COUNTED {
            within
        } else {
            self.text.get(start..offset).map_or(within, |part| part.chars().count())
        };
        Spot { line: self.first + line as u64, column: characters as u64 + 1 }
    }

    fn node(&self, node: json::Node, path: &Path<'_>) -> Result<Node, Fault> {
        let at = self.spot(node.span.start);
        let value = match node.value {
            json::Value::Null => Value::Null,
            json::Value::Bool(flag) => Value::Bool(flag),
            json::Value::Number(digits) => {
                Value::Number(digits.parse().map_err(|_| Fault::at(at, path, "the number is too large".to_owned()))?)
            }
            json::Value::String(text) => Value::Text(text),
            json::Value::Array(items) => Value::List(
                items
                    .into_iter()
                    .enumerate()
                    .map(|(i, item)| self.node(item, &path.index(i)))
                    .collect::<Result<_, _>>()?,
            ),
            json::Value::Object(members) => {
                let mut seen = HashSet::with_capacity(members.len());
                for member in &members {
                    if !seen.insert(member.name.as_str()) {
                        let spot = self.spot(member.name_span.start);
                        return Err(Fault::at(
                            spot,
                            &path.member(&member.name),
                            "the member stands twice in its object; keep one".to_owned(),
                        ));
                    }
                }
                let mut read = Vec::with_capacity(members.len());
                for member in members {
                    let node = self.node(member.node, &path.member(&member.name))?;
                    let at = self.spot(member.name_span.start);
                    read.push(Member { name: member.name, at, node });
                }
                Value::Object(read)
            }
        };
        Ok(Node { at, value })
    }
}

const MAX_COUNTED: usize = 4096;

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        let at = Spot { line: spanned.referenced.line(), column: spanned.referenced.column() };
        Ok(Self { at, value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Value, E> {
        serde_json::Number::from_f64(number).map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, node)) = entries.next_entry::<Spanned<String>, Node>()? {
            let at = Spot { line: name.referenced.line(), column: name.referenced.column() };
            members.push(Member { name: name.value, at, node });
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "\\PC{0,12}|[ -~\n\t]{0,12}|true|null|~|1e3|0x1F|2026-01-02".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[ -~]{0,8}", inner, 0..4)
                    .prop_map(|members| members.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_read_as_it_was_written_and_as_yaml_too(value in value(), first in 1_u64..1000) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            let node = read_json(&text, first).unwrap();
            prop_assert_eq!(node.to_json(), value.clone());
            prop_assert_eq!(Node::from_json(&value).to_json(), value.clone());
            prop_assert!(node.at.line == first && node.at.column == 1);
            // JSON is YAML (YAML 1.2, §1.3).
            prop_assert_eq!(read_yaml(&text).unwrap().to_json(), value);
        }

        #[test]
        fn any_text_is_read_or_refused_at_a_place_in_it(
            text in "\\PC{0,60}|[\\[\\]{}:,&*!|>'\"#%@` \n\ta-c0-9-]{0,120}|(- |a: |\\[|\\{\"a\":){0,300}"
        ) {
            let lines = text.lines().count() as u64 + 1;
            for read in [read_json(&text, 1), read_yaml(&text)] {
                if let Err(fault) = read {
                    prop_assert!(fault.at.line <= lines, "{fault}");
                }
            }
        }

        #[test]
        fn a_changed_character_breaks_nothing(value in value(), at in any::<prop::sample::Index>(), with in any::<char>()) {
            let mut text: Vec<char> = value.to_string().chars().collect();
            let at = at.index(text.len());
            text[at] = with;
            let text: String = text.into_iter().collect();
            let _ = (read_json(&text, 1), read_yaml(&text));
        }
    }

    #[test]
    fn json_and_yaml_say_the_same_and_know_their_places() {
        let json = read_json("{\"a\": [1, \"é\", null],\n  \"b\": true}", 1).unwrap();
        let yaml = read_yaml("a: [1, é, null]\nb: true\n").unwrap();
        assert_eq!(json.to_json(), yaml.to_json());
        assert_eq!(json.get("b").unwrap().at, Spot { line: 2, column: 8 });
        assert_eq!(yaml.get("b").unwrap().at, Spot { line: 2, column: 4 });
        let Value::Object(members) = &yaml.value else { panic!("{yaml:?}") };
        assert_eq!(members[1].at, Spot { line: 2, column: 1 });
    }

    #[test]
    fn a_member_twice_is_a_fault_in_either() {
        let fault = read_json("{\"x\": {\"a\": 1,\n\"a\": 2}}", 5).unwrap_err();
        assert_eq!((fault.at.line, fault.at.column, fault.path.as_str()), (6, 1, "x/a"));
        let fault = read_yaml("a: 1\na: 2\n").unwrap_err();
        assert_eq!(fault.at.line, 2, "{fault}");
    }

    #[test]
    fn syntax_faults_name_their_place() {
        assert_eq!(read_json("{\"a\":\n ]", 1).unwrap_err().at, Spot { line: 2, column: 2 });
        assert_eq!(read_yaml("tenants: [").unwrap_err().at.line, 1);
        assert!(read_json(&"[".repeat(50_000), 1).is_err());
        assert!(read_yaml(&"[".repeat(50_000)).is_err());
    }

    #[test]
    fn yaml_guids_times_and_base64_stay_text() {
        let yaml =
            read_yaml("a: 5f2c1a7e-0000-4000-8000-0000000000a1\nb: 2026-01-02T00:00:00Z\nc: 2026-01-02\n").unwrap();
        for name in ["a", "b", "c"] {
            assert!(matches!(yaml.get(name).unwrap().value, Value::Text(_)), "{yaml:?}");
        }
    }
}
