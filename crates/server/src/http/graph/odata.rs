//! `$filter` of Microsoft Graph: reading the expression, judging an object by it, and finding what an index can answer.
//!
//! Called by the lists beside it. The subset: `eq ne gt ge lt le in`, `and or not`, `startswith endswith contains`, `any` and
//! `all` (OData 4.01, URL conventions §5.1.1).

#[cfg(test)]
mod properties;
mod read;

use countersign_core::UnixTime;
use serde_json::Value as Json;

use crate::resources::fields::read_guid;
use crate::store::Filter;

pub use read::{read, read_search};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Expression {
    /// All of them.
    And(Vec<Expression>),
    /// One of them.
    Or(Vec<Expression>),
    /// The opposite.
    Not(Box<Expression>),
    /// `path op value`
    Compare(Vec<String>, Operator, Literal),
    /// `startswith(path,'…')` and its kin.
    Text(TextFunction, Vec<String>, String),
    /// `path/any(v:condition)`, or `path/any()` without one.
    Any(Vec<String>, Option<(String, Box<Expression>)>),
    /// `path/all(v:condition)`
    All(Vec<String>, String, Box<Expression>),
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `eq`
    Eq,
    /// `ne`
    Ne,
    /// `gt`
    Gt,
    /// `ge`
    Ge,
    /// `lt`
    Lt,
    /// `le`
    Le,
}

/// Functions of two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextFunction {
    /// `startswith`
    StartsWith,
    /// `endswith`
    EndsWith,
    /// `contains`
    Contains,
}

/// A value in a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number(f64),
    /// A text in quotes, or a bare GUID or time.
    Text(String),
}

/// What an index can answer of a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Narrow {
    /// The rows of one index range; the whole condition is to be applied to them unless it is `exact`.
    Range {
        /// The range.
        filter: Filter,
        /// The range is the condition.
        exact: bool,
    },
    /// At most one row for each.
    Few(Vec<Filter>),
}

impl Expression {
    /// Whether an object fulfils the condition. Texts compare without regard to case, as Graph compares names and ids.
    pub fn holds(&self, object: &Json) -> bool {
        self.holds_with(object, &[])
    }

    fn holds_with(&self, object: &Json, variables: &[(&str, &Json)]) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|p| p.holds_with(object, variables)),
            Self::Or(parts) => parts.iter().any(|p| p.holds_with(object, variables)),
            Self::Not(part) => !part.holds_with(object, variables),
            Self::Compare(path, operator, literal) => compare(resolve(object, variables, path), *operator, literal),
            Self::Text(function, path, wanted) => resolve(object, variables, path).as_str().is_some_and(|text| {
                let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
                match function {
                    TextFunction::StartsWith => text.starts_with(&wanted),
                    TextFunction::EndsWith => text.ends_with(&wanted),
                    TextFunction::Contains => text.contains(&wanted),
                }
            }),
            Self::Any(path, condition) => {
                let items = resolve(object, variables, path).as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().any(|item| match condition {
                    None => true,
                    Some((name, condition)) => condition.holds_with(object, &with(variables, name, item)),
                })
            }
            Self::All(path, name, condition) => {
                let items = resolve(object, variables, path).as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().all(|item| condition.holds_with(object, &with(variables, name, item)))
            }
        }
    }

    /// What an index can answer: by `appId`, `id`, `displayName`, `identifierUris`, `servicePrincipalNames`.
    pub fn narrow(&self) -> Narrow {
        let one = |e: &Self| match e {
            Self::Compare(path, Operator::Eq, Literal::Text(text)) => match path.as_slice() {
                [name] if name == "appId" => Some(Filter::AppId(text.to_ascii_lowercase())),
                [name] if name == "id" => Some(Filter::ObjectId(text.to_ascii_lowercase())),
                [name] if name == "displayName" => Some(Filter::DisplayName(text.clone())),
                _ => None,
            },
            Self::Text(TextFunction::StartsWith, path, text) if path.as_slice() == ["displayName"] => {
                Some(Filter::DisplayNamePrefix(text.clone()))
            }
            Self::Any(path, Some((name, condition))) => match (path.as_slice(), &**condition) {
                ([list], Self::Compare(path, Operator::Eq, Literal::Text(text)))
                    if path.as_slice() == [name.as_str()] =>
                {
                    match list.as_str() {
                        "identifierUris" => Some(Filter::IdentifierUri(text.clone())),
                        // An app id or an identifier URI; the list of service principals looks the latter up.
                        "servicePrincipalNames" => {
                            Some(read_guid(text).map_or_else(|| Filter::IdentifierUri(text.clone()), Filter::AppId))
                        }
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        };
        let single = |f: &Filter| matches!(f, Filter::AppId(_) | Filter::ObjectId(_) | Filter::IdentifierUri(_));
        match self {
            Self::And(parts) => {
                let found: Vec<Filter> = parts.iter().filter_map(one).collect();
                let best = found.iter().find(|f| single(f)).or_else(|| found.first());
                Narrow::Range { filter: best.cloned().unwrap_or_default(), exact: false }
            }
            Self::Or(parts) => {
                let found: Vec<Filter> = parts.iter().filter_map(|p| one(p).filter(single)).collect();
                if found.len() == parts.len() {
                    Narrow::Few(found)
                } else {
                    Narrow::Range { filter: Filter::All, exact: false }
                }
            }
            other => match one(other) {
                Some(filter) => Narrow::Range { filter, exact: true },
                None => Narrow::Range { filter: Filter::All, exact: false },
            },
        }
    }

    /// The text that `path` must equal, where the condition as a whole demands it.
    pub fn demanded(&self, name: &str, operators: &[Operator]) -> Option<&str> {
        match self {
            Self::Compare(path, operator, Literal::Text(text)) => {
                (path.as_slice() == [name] && operators.contains(operator)).then_some(text)
            }
            Self::And(parts) => parts.iter().find_map(|p| p.demanded(name, operators)),
            _ => None,
        }
    }
}

fn with<'a>(variables: &[(&'a str, &'a Json)], name: &'a str, item: &'a Json) -> Vec<(&'a str, &'a Json)> {
    let mut all = variables.to_vec();
    all.push((name, item));
    all
}

fn resolve<'a>(object: &'a Json, variables: &[(&'a str, &'a Json)], path: &[String]) -> &'a Json {
    let (start, rest) = match path.split_first() {
        Some((first, rest)) => match variables.iter().rev().find(|(name, _)| name == first) {
            Some((_, item)) => (*item, rest),
            None => (object, path),
        },
        None => (object, path),
    };
    rest.iter().fold(start, |value, step| value.get(step).unwrap_or(&Json::Null))
}

fn compare(value: &Json, operator: Operator, literal: &Literal) -> bool {
    use std::cmp::Ordering;
    let order = match (value, literal) {
        (Json::Null, Literal::Null) => Some(Ordering::Equal),
        (Json::Bool(a), Literal::Bool(b)) => Some(a.cmp(b)),
        (Json::Number(a), Literal::Number(b)) => a.as_f64().and_then(|a| a.partial_cmp(b)),
        // Enumerations and ids come quoted or not.
        (Json::Number(a), Literal::Text(b)) => Some(a.to_string().as_str().cmp(b)),
        (Json::String(a), Literal::Text(b)) => match (UnixTime::parse(a), UnixTime::parse(b)) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => Some(a.to_lowercase().cmp(&b.to_lowercase())),
        },
        _ => None,
    };
    match operator {
        Operator::Eq => order == Some(Ordering::Equal),
        Operator::Ne => order != Some(Ordering::Equal),
        Operator::Gt => order == Some(Ordering::Greater),
        Operator::Ge => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        Operator::Lt => order == Some(Ordering::Less),
        Operator::Le => matches!(order, Some(Ordering::Less | Ordering::Equal)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object() -> Json {
        json!({
            "appId": "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", "displayName": "O'Hara's Payroll", "identifierUris": ["api://payroll"],
            "accountEnabled": true, "createdDateTime": "2026-05-01T00:00:00Z", "status": {"errorCode": 700027}, "tags": [],
            "keyCredentials": [{"keyId": "a", "usage": "Verify"}], "notes": null,
        })
    }

    #[test]
    fn judges_objects() {
        for (filter, holds) in [
            ("appId eq '8B76B6D9-4732-4558-a4b5-40d5ff2ed6ef'", true),
            ("appId eq 8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", true),
            ("displayName eq 'O''Hara''s Payroll'", true),
            ("displayName ne 'x' and accountEnabled eq true", true),
            ("startswith(displayName,'o''hara') or appId eq 'x'", true),
            ("startsWith(displayName, 'Payroll')", false),
            ("endswith(displayName,'roll') and contains(displayName,'hara')", true),
            ("identifierUris/any(u:u eq 'api://payroll')", true),
            ("identifierUris/any(u:startswith(u,'https'))", false),
            ("keyCredentials/any(k:k/keyId eq 'a' and k/usage eq 'Verify')", true),
            ("keyCredentials/all(k:k/usage eq 'Sign')", false),
            ("tags/any()", false),
            ("not (accountEnabled eq true)", false),
            ("status/errorCode eq 700027", true),
            ("createdDateTime ge 2026-05-01T00:00:00Z and createdDateTime lt 2026-05-01T00:00:01Z", true),
            ("createdDateTime gt 2026-05-01", false),
            ("notes eq null", true),
            ("appId in ('x', '8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef')", true),
            ("status/none/deeper eq null", true),
        ] {
            assert_eq!(read(filter).unwrap().holds(&object()), holds, "{filter}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for filter in [
            "",
            "appId",
            "appId eq",
            "appId eq 'x",
            "appId eq x",
            "appId like 'x'",
            "(appId eq 'x'",
            "appId eq 'x' extra",
            "startswith(displayName)",
            "startswith(displayName, 5)",
            "identifierUris/any(u)",
            "eq 'x'",
            "5 eq 5",
            "appId in ()",
            "identifierUris/any(u:u eq 'x'",
            "not",
            "a eq 1e999",
        ] {
            assert!(read(filter).is_err(), "{filter}");
        }
        assert!(read(&"(".repeat(5_000)).is_err());
        assert!(read(&"not ".repeat(2_000)).is_err());
        assert!(read(&"a".repeat(10_000)).is_err());
    }

    #[test]
    fn searches_are_conditions() {
        for (search, holds) in [
            ("\"displayName:hara\"", true),
            ("\"displayName:nobody\"", false),
            ("\"displayName:hara\" AND \"appId:8b76\"", true),
            ("\"displayName:nobody\" OR \"appId:8b76\"", true),
        ] {
            assert_eq!(read_search(search).unwrap().holds(&object()), holds, "{search}");
        }
        let deep = "\"a:b\" AND ".repeat(3_000);
        for wrong in
            ["", "hara", "\"hara\"", "\"displayName:\"", "\"displayName:x", "\"a:b\" \"c:d\"", "\"a:b\" AND", &deep]
        {
            assert!(read_search(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn finds_what_an_index_answers() {
        let narrow = |filter| read(filter).unwrap().narrow();
        let range = |filter, exact| Narrow::Range { filter, exact };
        assert_eq!(narrow("appId eq 'A'"), range(Filter::AppId("a".into()), true));
        assert_eq!(narrow("displayName eq 'A'"), range(Filter::DisplayName("A".into()), true));
        assert_eq!(narrow("startswith(displayName,'A') and id eq 'b'"), range(Filter::ObjectId("b".into()), false));
        assert_eq!(
            narrow("identifierUris/any(u:u eq 'api://x')"),
            range(Filter::IdentifierUri("api://x".into()), true)
        );
        assert_eq!(narrow("tags/any(u:u eq 'x')"), range(Filter::All, false));
        assert_eq!(
            narrow("appId in ('a','b')"),
            Narrow::Few(vec![Filter::AppId("a".into()), Filter::AppId("b".into())])
        );
        assert_eq!(narrow("appId eq 'a' or displayName eq 'b'"), range(Filter::All, false));
        let time = read("createdDateTime ge 2026-01-01T00:00:00Z and appId eq 'x'").unwrap();
        assert_eq!(time.demanded("createdDateTime", &[Operator::Ge, Operator::Gt]), Some("2026-01-01T00:00:00Z"));
        assert_eq!(time.demanded("appId", &[Operator::Eq]), Some("x"));
        assert_eq!(read("not (appId eq 'x')").unwrap().demanded("appId", &[Operator::Eq]), None);
    }
}
