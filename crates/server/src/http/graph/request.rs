//! A request to the Graph subset, taken apart: path segments with keys, query options, body, `If-Match`.
//!
//! Called by `super`. It knows the forms, not the objects.

use std::collections::BTreeMap;

use http::{HeaderMap, header};
use serde_json::{Map, Value as Json};

use super::error::GraphError;
use super::odata::{self, Expression};
use crate::resources::fault::shown;
use crate::resources::fields::read_guid;
use crate::resources::tree::{self, Node, Value};

/// Elements on a page where `$top` does not say, and at most (Graph, "Paging").
const PAGE: u32 = 100;
const LARGEST_PAGE: u32 = 999;
/// Segments and options of a request; no call of the subset has a third of it.
const MOST: usize = 24;

/// The path behind `/v1.0` or `/beta`: `applications(appId='x')/owners` becomes `applications`, `appId=x`, `owners`.
///
/// # Errors
/// A segment that cannot be read.
pub fn segments(path: &str) -> Result<Vec<String>, GraphError> {
    let mut out = Vec::new();
    for segment in path.split('/').filter(|s| !s.is_empty()) {
        let segment = decode(segment, false).ok_or_else(|| GraphError::no_segment(segment))?;
        match segment.split_once('(') {
            Some((name, key)) => {
                let key = key.strip_suffix(')').ok_or_else(|| GraphError::no_segment(&segment))?;
                out.push(name.to_owned());
                if !key.is_empty() {
                    out.push(key.replace('\'', ""));
                }
            }
            None => out.push(segment),
        }
        if out.len() > MOST {
            return Err(GraphError::no_segment("…"));
        }
    }
    Ok(out)
}

/// How a request names one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// `/applications/{id}`
    ObjectId(String),
    /// `/applications(appId='…')`
    AppId(String),
}

impl Key {
    /// Reads the segment behind a collection.
    ///
    /// # Errors
    /// 404 when it can name no object.
    pub fn read(segment: &str) -> Result<Self, GraphError> {
        let by_app = segment.strip_prefix("appId=").or_else(|| segment.strip_prefix("appid="));
        let id = read_guid(by_app.unwrap_or(segment)).ok_or_else(|| GraphError::not_found(segment))?;
        Ok(if by_app.is_some() { Self::AppId(id) } else { Self::ObjectId(id) })
    }
}

/// Query options.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// `$filter`
    pub filter: Option<Expression>,
    /// `$select`; empty: everything.
    pub select: Vec<String>,
    /// `$top`, within bounds.
    pub top: u32,
    /// `$skiptoken`
    pub skip_token: Option<String>,
    /// `$count`
    pub count: bool,
    /// `$expand`
    pub expand: Vec<String>,
    /// `$orderby`
    pub order_by: Option<String>,
    /// `$search`, as the condition that it means; it is part of `filter` as well.
    pub searches: bool,
    /// All options as they came, to repeat them in `@odata.nextLink`.
    raw: Vec<(String, String)>,
}

impl Options {
    /// Reads the query. Names may lack their `$`; what is no option of OData's is left alone.
    ///
    /// # Errors
    /// An option that is there twice, cannot be read or is not supported.
    pub fn read(query: &str) -> Result<Self, GraphError> {
        let mut options = Self { top: PAGE, ..Self::default() };
        let mut seen = BTreeMap::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(name), Some(value)) = (decode(name, true), decode(value, true)) else {
                return Err(GraphError::bad("The query is not properly percent-encoded UTF-8."));
            };
            options.take(&name, &value)?;
            if seen.insert(name.clone(), ()).is_some() {
                return Err(GraphError::bad(format!("Query option '{}' was specified more than once.", shown(&name))));
            }
            if options.raw.len() < MOST {
                options.raw.push((name, value));
            }
        }
        Ok(options)
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), GraphError> {
        let list = |value: &str| value.split(',').map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()).collect();
        match name.strip_prefix('$').unwrap_or(name) {
            "filter" => {
                let read = odata::read(value).map_err(|e| GraphError::bad(format!("Invalid filter clause: {e}.")))?;
                self.narrow_by(read);
            }
            "select" => self.select = list(value),
            "expand" => self.expand = list(value),
            "top" => {
                let top = value.trim().parse::<u32>().ok().filter(|n| (1..=LARGEST_PAGE).contains(n));
                self.top = top.ok_or_else(|| {
                    GraphError::bad(format!(
                        "Invalid value '{}' for $top: a number from 1 to {LARGEST_PAGE} is expected.",
                        shown(value)
                    ))
                })?;
            }
            "skiptoken" => self.skip_token = Some(value.to_owned()),
            "count" => match value.trim() {
                "true" | "True" => self.count = true,
                "false" | "False" => {}
                _ => {
                    return Err(GraphError::bad(format!(
                        "Invalid value '{}' for $count: true or false is expected.",
                        shown(value)
                    )));
                }
            },
            "orderby" => self.order_by = Some(value.trim().to_owned()),
            "search" if name.starts_with('$') => {
                let found =
                    odata::read_search(value).map_err(|e| GraphError::bad(format!("Invalid $search clause: {e}.")))?;
                self.searches = true;
                self.narrow_by(found);
            }
            "skip" | "apply" | "compute" if name.starts_with('$') => {
                return Err(GraphError::unsupported(format!("Query option '{}' is not supported.", shown(name))));
            }
            // `api-version`, `$format=json` and whatever proxies add.
            _ => {}
        }
        Ok(())
    }

    /// `$filter` and `$search` both hold where both are given.
    fn narrow_by(&mut self, condition: Expression) {
        self.filter = Some(match self.filter.take() {
            None => condition,
            Some(other) => Expression::And(vec![other, condition]),
        });
    }

    /// The same request for what comes after `token`.
    pub fn next_link(&self, url: &str, token: &str) -> String {
        let mut link = format!("{url}?");
        for (name, value) in self.raw.iter().filter(|(name, _)| name.trim_start_matches('$') != "skiptoken") {
            link.push_str(&encode(name));
            link.push('=');
            link.push_str(&encode(value));
            link.push('&');
        }
        link.push_str("$skiptoken=");
        link.push_str(&encode(token));
        link
    }

    /// Leaves of an object what `$select` names.
    pub fn selected(&self, mut object: Map<String, Json>) -> Map<String, Json> {
        if !self.select.is_empty() && !self.select.iter().any(|s| s == "*") {
            object.retain(|name, _| {
                self.select.iter().any(|s| s.split('/').next() == Some(name)) || name.starts_with("@odata")
            });
        }
        object
    }

    /// Whether `$select` names this member.
    pub fn selects(&self, name: &str) -> bool {
        self.select.iter().any(|s| s == name)
    }

    /// Only these may be expanded.
    ///
    /// # Errors
    /// The first other one.
    pub fn expands_only(&self, known: &[&str]) -> Result<(), GraphError> {
        match self.expand.iter().find(|e| !known.contains(&e.as_str())) {
            Some(other) => Err(GraphError::unsupported(format!("$expand of '{}' is not supported.", shown(other)))),
            None => Ok(()),
        }
    }
}

/// The body as a value; `None` when it is empty.
///
/// # Errors
/// Another media type, no UTF-8, no JSON, a member twice.
pub fn body(headers: &HeaderMap, bytes: &[u8]) -> Result<Option<Node>, GraphError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.is_empty() && !kind.eq_ignore_ascii_case("application/json") {
            return Err(GraphError::media_type());
        }
    }
    let text = std::str::from_utf8(bytes).map_err(|_| GraphError::bad("The request body is not UTF-8."))?;
    tree::read_json(text.trim_start_matches('\u{feff}'), 1).map(Some).map_err(|fault| {
        let place = if fault.at.line > 0 {
            format!(" (line {}, column {})", fault.at.line, fault.at.column)
        } else {
            String::new()
        };
        GraphError::bad(format!("Unable to read JSON request payload: {fault}{place}."))
    })
}

/// An object body that must be there.
///
/// # Errors
/// It is missing or something else.
pub fn object(body: Option<Node>) -> Result<Node, GraphError> {
    match body {
        None => Err(GraphError::bad("The request needs a body: a JSON object.")),
        Some(node) if matches!(node.value, Value::Object(_)) => Ok(node),
        Some(node) => Err(GraphError::bad(format!("The request body is {}; a JSON object is expected.", node.kind()))),
    }
}

/// The version that `If-Match` demands; `None` without the header or for `*`.
///
/// # Errors
/// 412 when the header names what was never an ETag of ours.
pub fn if_match(headers: &HeaderMap) -> Result<Option<u64>, GraphError> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let value = value.to_str().unwrap_or_default().trim();
    if value == "*" {
        return Ok(None);
    }
    let version = value.strip_prefix("W/").unwrap_or(value).trim_matches('"').parse();
    version.map(Some).map_err(|_| GraphError::precondition())
}

/// The ETag of a version.
pub fn etag(version: u64) -> String {
    format!("W/\"{version}\"")
}

fn decode(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        match b {
            b'%' => {
                let digit = |b: u8| char::from(b).to_digit(16);
                let (high, low) = (digit(bytes.next()?)?, digit(bytes.next()?)?);
                out.push((high << 4 | low) as u8);
            }
            b'+' if plus_is_blank => out.push(b' '),
            b => out.push(b),
        }
    }
    String::from_utf8(out).ok()
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'$'
            | b'\''
            | b'('
            | b')'
            | b','
            | b':'
            | b'/' => {
                out.push(char::from(b));
            }
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn paths_come_apart_with_their_keys() {
        let read = |path| segments(path).unwrap();
        assert_eq!(read("/applications"), ["applications"]);
        assert_eq!(
            read("/applications(appId='8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef')/owners"),
            ["applications", "appId=8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", "owners"]
        );
        assert_eq!(read("/applications('a')/x"), ["applications", "a", "x"]);
        assert_eq!(read("/applications%28appId%3D%27b%27%29"), ["applications", "appId=b"]);
        assert!(segments("/a(b").is_err() && segments("/%zz").is_err() && segments(&"/a".repeat(100)).is_err());
        assert!(Key::read("x").is_err() && Key::read("appId=x").is_err());
        let id = "8B76B6D9-4732-4558-A4B5-40D5FF2ED6EF";
        assert_eq!(Key::read(id).unwrap(), Key::ObjectId(id.to_lowercase()));
        assert_eq!(Key::read(&format!("appId={id}")).unwrap(), Key::AppId(id.to_lowercase()));
    }

    #[test]
    fn options_are_read_and_repeated_in_the_next_link() {
        let options =
            Options::read("$filter=displayName+eq+'a%20b'&$top=2&$select=id,appId&$count=true&$skiptoken=x").unwrap();
        assert_eq!((options.top, options.count, options.skip_token.as_deref()), (2, true, Some("x")));
        let link = options.next_link("https://x/v1.0/applications", "y z");
        assert_eq!(
            link,
            "https://x/v1.0/applications?$filter=displayName%20eq%20'a%20b'&$top=2&$select=id,appId&$count=true&$skiptoken=y%20z"
        );
        for wrong in [
            "$top=0",
            "$top=1000",
            "$top=x",
            "$count=maybe",
            "$filter=x",
            "$search=a",
            "$skip=1",
            "$top=1&$top=2",
            "$filter=%ff",
        ] {
            assert!(Options::read(wrong).is_err(), "{wrong}");
        }
        assert!(Options::read("api-version=1.6&$format=json").is_ok());
    }

    #[test]
    fn bodies_are_json_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(body(&headers, b"").unwrap(), None);
        assert!(object(body(&headers, b"null").unwrap()).is_err());
        for wrong in [&b"{"[..], b"\xff", b"{\"a\":1,\"a\":2}", b"{} {}", b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["] {
            assert_eq!(body(&headers, wrong).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
        headers.insert(header::CONTENT_TYPE, "text/plain".parse().unwrap());
        assert_eq!(body(&headers, b"{}").unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        headers.insert(header::CONTENT_TYPE, "application/json;odata.metadata=minimal".parse().unwrap());
        assert!(object(body(&headers, b"{}").unwrap()).is_ok());
    }

    #[test]
    fn etags_are_versions() {
        let mut headers = HeaderMap::new();
        assert_eq!(if_match(&headers), Ok(None));
        headers.insert(header::IF_MATCH, etag(7).parse().unwrap());
        assert_eq!(if_match(&headers), Ok(Some(7)));
        headers.insert(header::IF_MATCH, "\"x\"".parse().unwrap());
        assert_eq!(if_match(&headers).unwrap_err().status, StatusCode::PRECONDITION_FAILED);
    }
}
