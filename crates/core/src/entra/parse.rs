//! Reads an `error_description` of any era back into its facts.
//!
//! The inverse of `text`, and tolerant: texts arrive cut, wrapped, retyped. What is not found stays `None`.

use crate::encoding::decode_hex;
use crate::time::UnixTime;

/// What an Entra error text says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedError {
    /// Every AADSTS number in the text, in order. Before 2018 the first was a general one (70002).
    pub codes: Vec<u32>,
    /// The sentence behind `[Reason - `, without its full stop.
    pub reason: Option<String>,
    /// The echoed thumbprint as written.
    pub thumbprint_text: Option<String>,
    /// The echoed thumbprint as bytes, when it is hexadecimal.
    pub thumbprint: Option<Vec<u8>>,
    /// `Found key 'Start=…'`
    pub key_start: Option<UnixTime>,
    /// `Found key '…, End=…'`
    pub key_end: Option<UnixTime>,
    /// The application that the text names.
    pub app_id: Option<String>,
    /// The directory (700016) or tenant (90002, 500011) that the text names.
    pub directory: Option<String>,
    /// `Current time: …` (700024)
    pub current_time: Option<UnixTime>,
    /// `assertion valid from …` (700024); the epoch when there was no `nbf`.
    pub valid_from: Option<UnixTime>,
    /// `expiry time of assertion …` (700024)
    pub expiry: Option<UnixTime>,
    /// The missing field (90014) or parameter (900144).
    pub field: Option<String>,
    /// The algorithm refused (5002738).
    pub alg: Option<String>,
    /// The algorithms or types or header members that the text lists as supported.
    pub supported: Vec<String>,
    /// The scope, resource, grant type or tenant segment that the text repeats.
    pub value: Option<String>,
    /// Issuer, subject, audience of a presented federated assertion.
    pub federated: FederatedEcho,
    /// The text suggests that `x5c` is missing.
    pub suggests_x5c: bool,
    /// Subject names in the certificate (700030).
    pub subjects: Vec<String>,
    /// The audience received and the one expected (500131).
    pub audience: Option<(String, String)>,
    /// `Trace ID`
    pub trace_id: Option<String>,
    /// `Correlation ID`
    pub correlation_id: Option<String>,
    /// `Timestamp`
    pub timestamp: Option<UnixTime>,
}

/// Members of a federated assertion that a text repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederatedEcho {
    /// `iss`
    pub issuer: Option<String>,
    /// `sub`
    pub subject: Option<String>,
    /// `aud`
    pub audience: Option<String>,
}

impl ParsedError {
    /// The most specific number: the last one where an old text has two, else the only one.
    pub fn code(&self) -> Option<u32> {
        match self.codes.as_slice() {
            [70_002, specific, ..] => Some(*specific),
            [first, ..] => Some(*first),
            [] => None,
        }
    }
}

/// Reads a text; `None` when no AADSTS number stands in it.
pub fn parse(text: &str) -> Option<ParsedError> {
    let codes = codes(text);
    if codes.is_empty() {
        return None;
    }
    let flat = flatten(text);
    let t = flat.as_str();
    let mut e = ParsedError { codes, ..Default::default() };
    let code = e.code().unwrap_or_default();

    e.reason = between(t, "[Reason - ", &[".,", ".]", "]"]).map(|r| r.trim_end_matches('.').to_owned());
    e.thumbprint_text = quoted_after(t, "Thumbprint of key used by client:");
    e.thumbprint = e.thumbprint_text.as_deref().map(str::trim).and_then(decode_hex);
    if let Some(found) = quoted_after(t, "Found key") {
        let field = |name: &str| between(&found, name, &[",", "'"]).or_else(|| after(&found, name).map(str::to_owned));
        e.key_start = field("Start=").and_then(|s| time(&s));
        e.key_end = field("End=").and_then(|s| time(&s));
    }
    e.current_time = between(t, "Current time:", &[","]).and_then(|s| time(&s));
    e.valid_from = between(t, "assertion valid from", &[","]).and_then(|s| time(&s));
    e.expiry = after(t, "expiry time of assertion").and_then(first_word).and_then(|s| time(s.trim_end_matches('.')));
    // The identifier may itself have quotes or blanks, when a setting was sent with its own.
    e.app_id = after(t, "Application with identifier '")
        .and_then(|r| r.split_once("' was not found"))
        .map(|(id, _)| id.to_owned());
    e.app_id = e.app_id.or_else(|| {
        [
            "configured keys for app Id",
            "Application with identifier",
            "for a secret added to app",
            "client secret keys for app",
            "The client application",
            "The client",
            "Application",
        ]
        .iter()
        .find_map(|lead| quoted_after(t, lead).or_else(|| bare_guid_after(t, lead)))
        .or_else(|| between(t, "beta/applications/", &["'", "]", " "]))
    });
    e.directory = [
        "was not found in the directory",
        "was not found in the tenant named",
        "missing service principal in the tenant",
    ]
    .iter()
    .find_map(|lead| quoted_after(t, lead).or_else(|| between(t, &format!("{lead} "), &[". ", ".T", " "])));
    if e.directory.is_none() {
        e.directory =
            quoted_after(t, "AADSTS90002: Tenant").or_else(|| between(t, "AADSTS90002: Tenant ", &[" not found"]));
    }
    e.field = quoted_after(t, "The required field").or_else(|| quoted_after(t, "following parameter:"));
    if let Some(alg) = before_quoted(t, "is not a supported signature algorithm") {
        e.alg = Some(alg);
    }
    e.supported = ["Supported signing algorithms are:", "Supported headers are:", "Allowed types:", "must be"]
        .iter()
        .find_map(|lead| after(t, lead))
        .map(quoted_list)
        .unwrap_or_default();
    e.value = match code {
        70_003 => quoted_after(t, "unsupported grant type"),
        70_011 => between(t, "The scope ", &[" is not valid", " isn't valid"]),
        1_002_012 => between(t, "provided value for scope ", &[" is not valid"]),
        700_022 => between(t, "The scope ", &[" is not valid"]),
        900_023 => quoted_after(t, "tenant identifier"),
        500_011 => between(t, "The resource principal named ", &[" was not found"]),
        500_014 => quoted_after(t, "service principal for resource"),
        7_000_272 => between(t, "with identifier ", &[" used to sign"]),
        _ => None,
    };
    e.federated = FederatedEcho {
        issuer: first_quoted(
            t,
            &["assertion issuer", "Assertion Issuer:", "issued by issuer", "tokens issued by issuer"],
        ),
        subject: first_quoted(t, &["assertion subject", "Assertion Subject:"]),
        audience: first_quoted(t, &["assertion audience", "Assertion Audience:"]),
    };
    if e.federated.issuer.is_none() && code == 7_000_272 {
        e.federated.issuer = between(t, "identity provider ", &[". ", " "]);
    }
    e.suggests_x5c = t.contains("SNI may be configured") || t.contains("WithSendX5C");
    e.subjects = after(t, "in token certificate are:")
        .map(|rest| rest.split(". Trace").next().unwrap_or(rest).trim_end_matches('.'))
        .map(|list| list.split(',').map(|s| s.trim().trim_matches('\'').to_owned()).filter(|s| !s.is_empty()).collect())
        .unwrap_or_default();
    e.audience = quoted_after(t, "The audience in the assertion was").zip(quoted_after(t, "the expected audience is"));
    e.trace_id = after(t, "Trace ID:").and_then(first_word).map(trim_id);
    e.correlation_id = after(t, "Correlation ID:").and_then(first_word).map(trim_id);
    e.timestamp = after(t, "Timestamp:").and_then(|rest| time(rest.trim_start().get(..20).unwrap_or(rest.trim())));
    Some(e)
}

fn codes(text: &str) -> Vec<u32> {
    let mut out = Vec::new();
    for (at, _) in text.match_indices("AADSTS") {
        let digits: String = text[at + 6..].chars().take_while(char::is_ascii_digit).take(9).collect();
        if let Ok(code) = digits.parse()
            && !out.contains(&code)
        {
            out.push(code);
        }
    }
    out
}

/// Escaped and real line breaks become blanks, runs of blanks one; typographic quotes become straight ones.
fn flatten(text: &str) -> String {
    let text = text.replace("\\r\\n", " ").replace("\\n", " ").replace("\\u0027", "'").replace("&#39;", "'");
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            '\u{2018}' | '\u{2019}' => out.push('\''),
            '\u{feff}' | '\u{200b}' => {}
            c => out.push(c),
        }
    }
    out
}

fn after<'a>(text: &'a str, lead: &str) -> Option<&'a str> {
    text.find(lead).map(|at| &text[at + lead.len()..])
}

/// The text between `lead` and the first of `ends`.
fn between(text: &str, lead: &str, ends: &[&str]) -> Option<String> {
    let rest = after(text, lead)?;
    let end = ends.iter().filter_map(|e| rest.find(e)).min()?;
    Some(rest[..end].trim().to_owned())
}

/// The text in single quotes that follows `lead`, blanks between them allowed.
fn quoted_after(text: &str, lead: &str) -> Option<String> {
    text.match_indices(lead).find_map(|(at, _)| {
        let rest = text[at + lead.len()..].trim_start().strip_prefix('\'')?;
        rest.find('\'').map(|end| rest[..end].to_owned())
    })
}

fn first_quoted(text: &str, leads: &[&str]) -> Option<String> {
    leads.iter().find_map(|lead| quoted_after(text, lead))
}

/// The quoted text that stands right before `tail`.
fn before_quoted(text: &str, tail: &str) -> Option<String> {
    let head = text[..text.find(tail)?].trim_end().strip_suffix('\'')?;
    head.rfind('\'').map(|start| head[start + 1..].to_owned())
}

fn bare_guid_after(text: &str, lead: &str) -> Option<String> {
    let word = after(text, lead).and_then(first_word)?;
    crate::authority::is_guid(word).then(|| word.to_owned())
}

fn first_word(text: &str) -> Option<&str> {
    text.split_whitespace().next()
}

fn trim_id(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_ascii_hexdigit() && c != '-').to_owned()
}

/// `'RS256,RS384'` and `'JWT','http://…'`: every name in the list.
fn quoted_list(rest: &str) -> Vec<String> {
    let rest = rest.split(" Trace ID").next().unwrap_or(rest);
    rest.split(['\'', ',', '"'])
        .map(str::trim)
        .filter(|s| !s.is_empty() && *s != "or" && *s != ".")
        .map(|s| s.trim_end_matches('.').to_owned())
        .take(32)
        .collect()
}

fn time(text: &str) -> Option<UnixTime> {
    let text = text.trim();
    UnixTime::parse(text).or_else(|| UnixTime::parse_found_key(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entra::text::{description, tail};
    use crate::reason::{FoundKey, Reason};

    const APP: &str = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";

    #[test]
    fn reads_back_what_the_service_writes() {
        let key = FoundKey {
            thumbprint: Some(vec![0xAB; 20]),
            key_id: String::new(),
            start: UnixTime::from_secs(1_700_000_000),
            end: UnixTime::from_secs(1_800_000_000),
        };
        let now = UnixTime::from_secs(1_900_000_000);
        let e = parse(
            &(description(&Reason::KeyExpired { app_id: APP.into(), key: key.clone(), now }) + &tail("t", "c", now)),
        )
        .unwrap();
        assert_eq!(e.codes, [700_027]);
        assert_eq!(e.reason.as_deref(), Some("The key used is expired"));
        assert_eq!(e.thumbprint, key.thumbprint);
        assert_eq!((e.key_start, e.key_end, e.timestamp), (Some(key.start), Some(key.end), Some(now)));
        assert_eq!(e.app_id.as_deref(), Some(APP));

        let range = Reason::OutsideValidity { now, from: Some(key.start), until: key.end };
        let e = parse(&description(&range)).unwrap();
        assert_eq!((e.current_time, e.valid_from, e.expiry), (Some(now), Some(key.start), Some(key.end)));

        let unknown = Reason::ClientUnknown { client_id: APP.into(), tenant: "Contoso".into() };
        let e = parse(&description(&unknown)).unwrap();
        assert_eq!((e.app_id.as_deref(), e.directory.as_deref()), (Some(APP), Some("Contoso")));

        let e = parse(&description(&Reason::ClaimMissing { name: "aud" })).unwrap();
        assert_eq!(e.field.as_deref(), Some("aud"));

        let e =
            parse(&description(&Reason::FederatedSubject { received: "repo:a/b".into(), case_only: false })).unwrap();
        assert_eq!(e.federated.subject.as_deref(), Some("repo:a/b"));
    }

    #[test]
    fn reads_other_eras() {
        let old = "AADSTS70002: Error validating credentials. AADSTS50012: Client assertion contains an invalid signature. [Reason - The key used is expired., Thumbprint of key used by client: 'AB12', Found key 'Start=01/02/2017, End=03/04/2018, Thumbprint=AB12', Configured keys: [Key0:Start=01/02/2017, End=03/04/2018, Thumbprint=AB12;]]\r\nTrace ID: 1\r\nCorrelation ID: 2\r\nTimestamp: 2018-03-05 00:00:00Z";
        let e = parse(old).unwrap();
        assert_eq!(e.code(), Some(50_012));
        assert_eq!(e.thumbprint, Some(vec![0xAB, 0x12]));
        assert_eq!(e.key_end.map(UnixTime::rfc3339).as_deref(), Some("2018-03-04T00:00:00Z"));
        let alg = "AADSTS5002738: Invalid JWT token. 'HS256' is not a supported signature algorithm. Supported signing algorithms are: 'RS256,RS384,RS512'\\r\\nTrace ID: x";
        let e = parse(alg).unwrap();
        assert_eq!(e.alg.as_deref(), Some("HS256"));
        assert_eq!(e.supported, ["RS256", "RS384", "RS512"]);
        assert_eq!(parse("no code here"), None);
    }
}
