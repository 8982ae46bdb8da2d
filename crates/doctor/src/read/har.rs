//! Reads HAR files (HTTP Archive 1.2): the token requests, when they were sent, and what came back.
//!
//! Called by [`super::json`].

use countersign_core::UnixTime;
use countersign_core::json::{Node, Value};

use super::application::{items, text};
use super::request::{self, Parts};
use crate::artifact::Request;

/// A request of the archive with the text of its answer.
pub struct Entry {
    /// The request.
    pub request: Request,
    /// Body of the answer.
    pub answer: Option<String>,
}

/// Whether an object is a HAR.
pub fn is_har(node: &Node) -> bool {
    node.get("log").is_some_and(|log| log.get("entries").is_some())
}

/// The token requests of a HAR.
pub fn read(node: &Node) -> Vec<Entry> {
    let Some(log) = node.get("log") else { return Vec::new() };
    items(log, &["entries"]).iter().filter_map(entry).take(256).collect()
}

/// Whether the archive names the size that the body has: nothing was cut out of it since (HAR 1.2, `bodySize`).
fn declares(size: Option<&Node>, length: usize) -> bool {
    matches!(size.map(|n| &n.value), Some(Value::Number(n)) if n.parse() == Ok(length))
}

fn entry(node: &Node) -> Option<Entry> {
    let sent = node.get("request")?;
    let post = sent.get("postData");
    let body = post
        .and_then(|p| text(p, &["text"]).map(str::to_owned).or_else(|| Some(form_of(items(p, &["params"])))))
        .unwrap_or_default();
    let mut headers = pairs(items(sent, &["headers"]));
    if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        && let Some(mime) = post.and_then(|p| text(p, &["mimeType"]))
    {
        headers.push(("Content-Type".to_owned(), mime.to_owned()));
    }
    let parts = Parts {
        method: text(sent, &["method"]).unwrap_or("POST"),
        target: text(sent, &["url"])?,
        headers,
        body: body.as_bytes(),
    };
    if !parts.is_token_request() {
        return None;
    }
    let mut request = request::read(&parts);
    request.exact = declares(sent.get("bodySize"), body.len()) && post.is_some_and(|p| p.get("text").is_some());
    request.client_clock = text(node, &["startedDateTime"]).and_then(UnixTime::parse);
    let answer = node.get("response");
    request.server_date = answer.and_then(|r| {
        pairs(items(r, &["headers"]))
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case("date"))
            .and_then(|(_, v)| request::http_date(v))
    });
    let content = answer.and_then(|r| r.get("content"));
    let answer = content.and_then(|c| {
        let body = text(c, &["text"])?;
        if text(c, &["encoding"]) == Some("base64") {
            let bytes = countersign_core::encoding::decode_base64(body).ok()?.bytes;
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        Some(body.to_owned())
    });
    Some(Entry { request, answer })
}

fn pairs(nodes: &[Node]) -> Vec<(String, String)> {
    nodes
        .iter()
        .filter_map(|n| Some((text(n, &["name"])?.to_owned(), text(n, &["value"]).unwrap_or_default().to_owned())))
        .collect()
}

/// `params` of a HAR are decoded already: encoded again, the one reader of forms reads them.
fn form_of(nodes: &[Node]) -> String {
    let encode = |t: &str| t.replace('%', "%25").replace('&', "%26").replace('+', "%2B").replace('=', "%3D");
    let one = |n: &Node| match &n.value {
        Value::Object(_) => {
            Some(format!("{}={}", encode(text(n, &["name"])?), encode(text(n, &["value"]).unwrap_or_default())))
        }
        _ => None,
    };
    nodes.iter().filter_map(one).collect::<Vec<_>>().join("&")
}
