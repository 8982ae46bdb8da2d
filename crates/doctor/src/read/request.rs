//! Reads token requests from raw HTTP, from a bare form body and from the parts that curl and HAR readers hand over.
//!
//! Called by [`super`]. The parameters are read by the same reader as the service's; only the wrapping is ours.

use std::ops::Range;

use countersign_core::UnixTime;
use countersign_core::authority::AuthorityUrl;
use countersign_core::authority::Endpoint;
use countersign_core::json::{self, Node, Value};
use countersign_core::request::{Body, EndpointVersion, TokenRequest};
use zeroize::Zeroizing;

use crate::artifact::Request;

/// Names that only a token request has, to tell its body from other text.
const PARAMETERS: [&str; 8] = [
    "grant_type=",
    "client_assertion=",
    "client_assertion_type=",
    "client_secret=",
    "client_id=",
    "scope=",
    "resource=",
    "requested_token_use=",
];

/// A request as its parts.
#[derive(Default)]
pub struct Parts<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// Absolute URL, or path with query.
    pub target: &'a str,
    /// Headers, name and value.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: &'a [u8],
}

impl Parts<'_> {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Whether this looks like a request to a token endpoint.
    pub fn is_token_request(&self) -> bool {
        let path = self.target.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
        let body = String::from_utf8_lossy(self.body);
        let named = |text: &str| {
            PARAMETERS[..4]
                .iter()
                .any(|p| text.contains(p) || text.contains(&format!("\"{}\"", p.trim_end_matches('='))))
        };
        path.ends_with("/token")
            || path.ends_with("/oauth2/v2.0/authorize") && named(self.target)
            || named(&body)
            || named(self.target)
            || path.contains("/oauth2/") && !self.method.eq_ignore_ascii_case("GET")
    }
}

/// Reads a request from its parts.
pub fn read(parts: &Parts<'_>) -> Request {
    let (scheme, host, rest) = split_url(parts.target, parts.header("host"));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let url = AuthorityUrl::of_path(path);
    let version = match url.endpoint {
        Endpoint::TokenV1 => EndpointVersion::V1,
        _ if path.ends_with("/oauth2/token") => EndpointVersion::V1,
        _ => EndpointVersion::V2,
    };
    let authorization = parts.header("authorization");
    let token = TokenRequest::read(url.tenant, version, parts.header("content-type"), parts.body, query, authorization);
    let json = if token.body == Body::Json { json_parameters(parts.body) } else { multipart_parameters(parts.body) };
    let said = ["x-client-sku", "x-ms-client-sku", "user-agent"].iter().filter_map(|h| parts.header(h));
    let said: Vec<&str> = token.given("x-client-SKU").into_iter().chain(said).collect();
    Request {
        client: (!said.is_empty()).then(|| said.join(" ")),
        scheme,
        host,
        path: path.to_owned(),
        body: Zeroizing::new(parts.body.to_vec()),
        authorization: authorization.map(|a| Zeroizing::new(a.to_owned())),
        json,
        client_clock: parts.header("x-client-clock").and_then(UnixTime::parse),
        server_date: None,
        exact: false,
        token,
    }
}

/// Reads a bare form body.
pub fn read_body(body: &str) -> Request {
    let mut request = read(&Parts { method: "POST", target: "", headers: Vec::new(), body: body.as_bytes() });
    request.token.tenant.clear();
    request
}

fn split_url<'a>(target: &'a str, host_header: Option<&str>) -> (Option<String>, Option<String>, &'a str) {
    let host_header = host_header.map(|h| h.trim().to_ascii_lowercase());
    for scheme in ["https", "http"] {
        let Some(rest) = target
            .get(..scheme.len() + 3)
            .filter(|s| s.eq_ignore_ascii_case(&format!("{scheme}://")))
            .map(|s| &target[s.len()..])
        else {
            continue;
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        return (Some(scheme.to_owned()), Some(rest[..end].to_ascii_lowercase()), &rest[end..]);
    }
    if !target.starts_with('/') && target.split(['/', '?']).next().is_some_and(|h| h.contains('.')) {
        let end = target.find(['/', '?']).unwrap_or(target.len());
        return (None, Some(target[..end].to_ascii_lowercase()), &target[end..]);
    }
    (None, host_header, target)
}

fn json_parameters(body: &[u8]) -> Vec<(String, Zeroizing<String>)> {
    let text = String::from_utf8_lossy(body);
    let Ok(node) = json::read(text.trim()) else { return Vec::new() };
    let value = |n: &Node| match &n.value {
        Value::String(s) | Value::Number(s) => Some(Zeroizing::new(s.clone())),
        _ => None,
    };
    node.members().unwrap_or_default().iter().filter_map(|m| Some((m.name.clone(), value(&m.node)?))).collect()
}

fn multipart_parameters(body: &[u8]) -> Vec<(String, Zeroizing<String>)> {
    let text = String::from_utf8_lossy(body);
    let trimmed = text.trim_start();
    if !trimmed.starts_with("--") {
        return Vec::new();
    }
    let Some(boundary) = trimmed.lines().next().map(str::trim_end) else { return Vec::new() };
    let part = |part: &str| {
        let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let name = head.split("name=\"").nth(1)?.split('"').next()?;
        Some((name.to_owned(), Zeroizing::new(value.trim_end().to_owned())))
    };
    trimmed.split(boundary).filter_map(part).take(100).collect()
}

/// Whether a line of text is a form body of a token request.
pub fn is_form(text: &str) -> bool {
    let text = text.trim();
    let starts = |p: &&str| text.starts_with(*p) || text.contains(&format!("&{p}"));
    let count = PARAMETERS.iter().filter(|p| starts(p)).count();
    count >= 2 || (count == 1 && PARAMETERS[1..4].iter().any(|p| text.starts_with(p)))
}

/// Finds bare form bodies, each on a line or with one parameter on a line (`&name=value`).
pub fn find_forms(text: &str) -> Vec<(Range<usize>, Request)> {
    let mut out = Vec::new();
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let start = at;
        at += line.len();
        let mut body = line.trim().trim_matches(['"', '\'']).to_owned();
        while lines.peek().is_some_and(|l| l.trim_start().starts_with('&') || (body.ends_with('&') && l.contains('=')))
        {
            let Some(next) = lines.next() else { break };
            body.push_str(next.trim());
            at += next.len();
        }
        if let Some(form) = form_in(&body) {
            out.push((start..at, read_body(form)));
        }
    }
    out
}

/// The form in a line that may have words before it (`Body: grant_type=…`).
fn form_in(line: &str) -> Option<&str> {
    if is_form(line) && !line.split('&').next().is_some_and(|p| p.contains(' ')) {
        return Some(line);
    }
    let start = PARAMETERS.iter().filter_map(|p| line.find(p)).min()?;
    let before = line[..start].chars().next_back();
    if before.is_some_and(|c| !c.is_whitespace() && !matches!(c, '"' | '\'' | ':' | '=')) {
        return None;
    }
    let rest = line[start..].split(['"', '\'', ' ']).next()?;
    is_form(rest).then_some(rest)
}

/// A request read from text, with the range it stood in, and an answer's `Date` and body behind it.
pub struct Found {
    /// Range of the request and of the head of the answer.
    pub range: Range<usize>,
    /// Method, for requests that go elsewhere.
    pub method: String,
    /// Target as sent.
    pub target: String,
    /// The body.
    pub body: String,
    /// Whether it goes to a token endpoint.
    pub is_token_request: bool,
    /// The request.
    pub request: Request,
}

const METHODS: [&str; 5] = ["POST", "GET", "PATCH", "PUT", "DELETE"];

/// Finds requests written as raw HTTP; also with curl's `> ` and `< ` in front of the lines.
pub fn find_raw(text: &str) -> Vec<Found> {
    let mut out = Vec::new();
    let lines = Lines::of(text);
    let mut i = 0;
    while i < lines.len() {
        let Some((method, target)) = request_line(lines.clean(i)) else {
            i += 1;
            continue;
        };
        let start = lines.start(i);
        let mut headers = Vec::new();
        let mut j = i + 1;
        while j < lines.len() {
            let line = lines.clean(j);
            let Some((name, value)) = header_line(line) else { break };
            headers.push((name.to_owned(), value.to_owned()));
            j += 1;
        }
        let blank = j < lines.len() && lines.clean(j).trim().is_empty();
        if blank {
            j += 1;
        }
        let body_start = j;
        while j < lines.len()
            && !is_status_line(lines.clean(j))
            && request_line(lines.clean(j)).is_none()
            && lines.belongs(j, body_start)
        {
            j += 1;
        }
        let exact = exact_body(&text[lines.start(body_start)..], &headers).map(str::to_owned);
        let is_exact = exact.is_some();
        let body = exact.unwrap_or_else(|| {
            let body: String = (body_start..j).map(|k| lines.clean(k)).collect::<Vec<_>>().join("\n");
            // A form that was laid out with one parameter on a line.
            body.trim().replace("\n&", "&")
        });
        let parts = Parts { method, target, headers, body: body.as_bytes() };
        let is_token_request = parts.is_token_request();
        let mut request = read(&parts);
        request.exact = is_exact;
        // The head of the answer: its clock is the server's.
        let mut end = lines.start(j);
        let mut k = j;
        while k < lines.len() && lines.clean(k).trim().is_empty() {
            k += 1;
        }
        if k < lines.len() && is_status_line(lines.clean(k)) {
            k += 1;
            while k < lines.len() {
                let Some((name, value)) = header_line(lines.clean(k)) else { break };
                if name.eq_ignore_ascii_case("date") {
                    request.server_date = http_date(value);
                }
                k += 1;
            }
            end = lines.start(k);
            j = k;
        }
        out.push(Found {
            range: start..end,
            method: method.to_owned(),
            target: target.to_owned(),
            body,
            is_token_request,
            request,
        });
        i = j.max(i + 1);
    }
    out
}

/// The body as its `Content-Length` (RFC 9110 §8.6) counts it, when that much is there and nothing goes on behind it: a body
/// that was shortened or laid out anew has another length.
fn exact_body<'a>(rest: &'a str, headers: &[(String, String)]) -> Option<&'a str> {
    let (_, length) = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("content-length"))?;
    let (body, behind) = rest.split_at_checked(length.parse().ok()?)?;
    (!body.is_empty() && (behind.is_empty() || behind.starts_with(['\r', '\n']))).then_some(body)
}

struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(i, _)| i + 1));
        Self { text, starts }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn start(&self, i: usize) -> usize {
        self.starts.get(i).copied().unwrap_or(self.text.len())
    }

    fn clean(&self, i: usize) -> &'a str {
        let line = self.text[self.start(i)..self.start(i + 1)].trim_end_matches(['\n', '\r']);
        line.strip_prefix("> ")
            .or_else(|| line.strip_prefix("< "))
            .or_else(|| line.strip_prefix('>').filter(|l| l.is_empty()))
            .unwrap_or(line)
    }

    /// A body ends at an empty line that is followed by something else than a form parameter or JSON.
    fn belongs(&self, j: usize, body_start: usize) -> bool {
        if j == body_start {
            return true;
        }
        let empty_before = self.clean(j - 1).trim().is_empty();
        !(empty_before
            && !self.clean(j).trim_start().starts_with(['&', '"', '}'])
            && !self.clean(body_start).starts_with("--"))
    }
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mut words = line.split_whitespace();
    let method = words.next().filter(|m| METHODS.contains(m))?;
    let target = words.next()?;
    let version = words.next();
    let absolute = target.starts_with("http://") || target.starts_with("https://");
    let http = version.is_some_and(|v| v.starts_with("HTTP/"));
    ((absolute || target.starts_with('/')) && (http || version.is_none())).then_some((method, target))
}

fn header_line(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    (!name.is_empty() && name.len() < 64 && name.chars().all(token)).then(|| (name, value.trim()))
}

fn is_status_line(line: &str) -> bool {
    line.starts_with("HTTP/1") || line.starts_with("HTTP/2") || line.starts_with("HTTP/3")
}

/// `Mon, 13 Nov 2023 09:03:04 GMT` (RFC 9110 §5.6.7).
pub fn http_date(text: &str) -> Option<UnixTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.trim().split_once(',')?.1.split_whitespace();
    let day: u32 = words.next()?.parse().ok()?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(name))? + 1;
    let year: i64 = words.next()?.parse().ok()?;
    UnixTime::parse(&format!("{year:04}-{month:02}-{day:02}T{}Z", words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_raw_http_with_answer() {
        let text = "> POST /t/oauth2/v2.0/token HTTP/1.1\r\n> Host: login.microsoftonline.us\r\n> Content-Type: application/x-www-form-urlencoded\r\n>\r\ngrant_type=client_credentials&client_id=a\r\n\r\nHTTP/1.1 401 Unauthorized\r\nDate: Mon, 13 Nov 2023 09:03:04 GMT\r\n\r\n{}";
        let found = find_raw(text);
        assert_eq!(found.len(), 1);
        let request = &found[0].request;
        assert_eq!(request.host.as_deref(), Some("login.microsoftonline.us"));
        assert_eq!(request.token.given("client_id"), Some("a"));
        assert_eq!(request.server_date, Some(UnixTime::from_secs(1_699_866_184)));
    }

    #[test]
    fn finds_forms_in_lines() {
        let found = find_forms(
            "Body: grant_type=client_credentials&client_id=x\nother\n\ngrant_type=client_credentials\n&client_id=y\n&scope=z",
        );
        let ids: Vec<_> = found.iter().map(|(_, r)| r.token.given("client_id").map(str::to_owned)).collect();
        assert_eq!(ids, [Some("x".to_owned()), Some("y".to_owned())]);
        assert!(find_forms("a plain sentence with client_id=3 in it").is_empty());
    }
}
