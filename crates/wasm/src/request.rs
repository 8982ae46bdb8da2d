//! The request: JSON to bounded, decoded inputs and the doctor's options, or a fault that names the member.
//!
//! Used by [`crate::examine`] only. What is recognised in the files is the doctor's business, not this file's.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_core::profile::{ENTRA, SERVERS, server_by_name};
use countersign_core::{Profile, UnixTime};
use countersign_doctor::{Input, Options};
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

/// The longest request, in bytes of JSON: a list of 10,000 registrations with their certificates fits, twice.
pub const MAX_REQUEST_BYTES: usize = 96 << 20;
/// The most files in one request.
pub const MAX_FILES: usize = 256;
/// The most passwords in one request; each is tried in a few spellings, and each try costs a key derivation.
pub const MAX_PASSWORDS: usize = 4;

/// A request that can be examined.
pub struct Request {
    files: Vec<(String, Zeroizing<Vec<u8>>)>,
    /// What the doctor is asked for.
    pub options: Options,
    /// What the answer holds.
    pub formats: BTreeSet<Format>,
}

/// A part of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The report as the contract's JSON.
    Json,
    /// The report for a terminal, without colour.
    Text,
    /// The report as a self-contained page.
    Html,
}

/// Why a request was not examined.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More bytes than any request may have.
    #[error(
        "the request has {bytes} bytes, at most {MAX_REQUEST_BYTES} are taken; leave out files that are no part of the question"
    )]
    TooLarge {
        /// Bytes received.
        bytes: usize,
    },
    /// Not JSON, or not of the documented form.
    #[error("the request is not the JSON that is expected, at line {line}, column {column}: {rule}")]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What was expected; never the values around it.
        rule: String,
    },
    /// More files than are taken.
    #[error("the request has {count} files, at most {MAX_FILES} are taken")]
    TooManyFiles {
        /// Files received.
        count: usize,
    },
    /// More passwords than are taken.
    #[error("the request has {count} passwords, at most {MAX_PASSWORDS} are tried")]
    TooManyPasswords {
        /// Passwords received.
        count: usize,
    },
    /// A file without content, or with two.
    #[error("`files[{index}]` must have exactly one of `text` and `base64`")]
    Content {
        /// Index of the file.
        index: usize,
    },
    /// A file whose base64 is broken.
    #[error("`files[{index}].base64` is no standard base64 with padding (RFC 4648 §4): {fault}")]
    Base64 {
        /// Index of the file.
        index: usize,
        /// The decoder's words, with the offset.
        fault: String,
    },
    /// A time that is none.
    #[error("`options.{member}` is no time of RFC 3339, such as `2026-08-20T10:00:00Z`")]
    Time {
        /// `now` or `at`.
        member: &'static str,
    },
    /// A profile that does not exist.
    #[error("`options.profile` names no profile; there are {known}")]
    Profile {
        /// The names that there are.
        known: String,
    },
}

impl RequestError {
    /// A word for programs, which does not change.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "request-too-large",
            Self::NotJson { .. } => "request-not-json",
            Self::TooManyFiles { .. } => "too-many-files",
            Self::TooManyPasswords { .. } => "too-many-passwords",
            Self::Content { .. } => "file-content",
            Self::Base64 { .. } => "file-not-base64",
            Self::Time { .. } => "time-not-rfc3339",
            Self::Profile { .. } => "profile-unknown",
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    files: Vec<WireFile>,
    options: WireOptions,
    #[serde(default = "json_only")]
    formats: BTreeSet<Format>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireFile {
    name: String,
    text: Option<String>,
    base64: Option<String>,
}

// Either may hold a private key.
impl Drop for WireFile {
    fn drop(&mut self) {
        self.text.zeroize();
        self.base64.zeroize();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireOptions {
    now: String,
    at: Option<String>,
    tenant: Option<String>,
    client_id: Option<String>,
    #[serde(default)]
    passwords: Vec<String>,
    profile: Option<String>,
    #[serde(default)]
    redact: bool,
}

impl Drop for WireOptions {
    fn drop(&mut self) {
        self.passwords.zeroize();
    }
}

fn json_only() -> BTreeSet<Format> {
    BTreeSet::from([Format::Json])
}

impl Request {
    /// Reads the JSON described at [`crate::examine`].
    ///
    /// # Errors
    /// [`RequestError`]; nothing was examined then.
    pub fn read(json: &str) -> Result<Self, RequestError> {
        if json.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLarge { bytes: json.len() });
        }
        let mut wire: Wire = serde_json::from_str(json).map_err(|e| not_json(&e))?;
        if wire.files.len() > MAX_FILES {
            return Err(RequestError::TooManyFiles { count: wire.files.len() });
        }
        let files = wire.files.iter_mut().enumerate().map(|(index, file)| content(index, file));
        let files = files.collect::<Result<_, _>>()?;
        Ok(Self { files, options: options(&mut wire.options)?, formats: std::mem::take(&mut wire.formats) })
    }

    /// The files as the doctor takes them.
    pub fn inputs(&self) -> Vec<Input<'_>> {
        self.files.iter().map(|(name, bytes)| Input { name, bytes }).collect()
    }
}

/// What serde says without the value that it says it about, which may be a password.
fn not_json(error: &serde_json::Error) -> RequestError {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let rule = text.strip_suffix(&place).unwrap_or(&text);
    let rule = match rule.rsplit_once(", expected ") {
        Some((_, expected)) => format!("expected {expected}"),
        None => rule.to_owned(),
    };
    RequestError::NotJson { line: error.line(), column: error.column(), rule }
}

fn content(index: usize, file: &mut WireFile) -> Result<(String, Zeroizing<Vec<u8>>), RequestError> {
    let name = std::mem::take(&mut file.name);
    let bytes = match (file.text.take(), &file.base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(base64)) => {
            STANDARD.decode(base64).map_err(|e| RequestError::Base64 { index, fault: fault(&e) })?
        }
        _ => return Err(RequestError::Content { index }),
    };
    Ok((name, Zeroizing::new(bytes)))
}

/// The offset, not the byte found there.
fn fault(error: &base64::DecodeError) -> String {
    match error {
        base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol { offset, .. } => {
            format!("unexpected character at offset {offset}")
        }
        base64::DecodeError::InvalidLength(length) => format!("{length} characters are no whole number of bytes"),
        base64::DecodeError::InvalidPadding => "the padding is wrong".to_owned(),
    }
}

fn options(wire: &mut WireOptions) -> Result<Options, RequestError> {
    if wire.passwords.len() > MAX_PASSWORDS {
        return Err(RequestError::TooManyPasswords { count: wire.passwords.len() });
    }
    let time = |member, text: &str| UnixTime::parse(text).ok_or(RequestError::Time { member });
    let now = time("now", &wire.now)?;
    let at = wire.at.as_deref().map(|text| time("at", text)).transpose()?;
    let filled = |text: &mut Option<String>| text.take().filter(|t| !t.trim().is_empty());
    Ok(Options {
        tenant: filled(&mut wire.tenant),
        client_id: filled(&mut wire.client_id),
        at,
        now,
        passwords: std::mem::take(&mut wire.passwords).into_iter().map(Zeroizing::new).collect(),
        profile: profile(wire.profile.as_deref())?,
        profile_named: wire.profile.as_deref().is_some_and(|n| !n.trim().is_empty()),
        redact: wire.redact,
    })
}

/// The profile of that name, Entra's when none is given.
fn profile(name: Option<&str>) -> Result<&'static Profile, RequestError> {
    let Some(name) = name.filter(|n| !n.trim().is_empty()) else { return Ok(&ENTRA) };
    server_by_name(name).ok_or_else(|| RequestError::Profile {
        known: SERVERS.iter().map(|p| format!("`{}`", p.name)).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Request, RequestError> {
        Request::read(json)
    }

    fn error(json: &str) -> RequestError {
        read(json).err().unwrap_or_else(|| panic!("was read: {json}"))
    }

    #[test]
    fn text_and_base64_become_the_same_bytes() {
        let json = r#"{"files": [{"name": "a", "text": "hé\u0000"}, {"name": "b", "base64": "aMOpAA=="}],
                       "options": {"now": "2026-08-20T10:00:00Z"}}"#;
        let request = read(json).unwrap();
        let inputs = request.inputs();
        assert_eq!((inputs[0].name, inputs[1].name), ("a", "b"));
        assert_eq!(inputs[0].bytes, "hé\0".as_bytes());
        assert_eq!(inputs[0].bytes, inputs[1].bytes);
        assert_eq!(request.options.now, UnixTime::from_secs(1_787_220_000));
        assert_eq!(request.formats, json_only());
    }

    #[test]
    fn empty_fields_of_a_form_count_as_absent() {
        let json = r#"{"files": [], "options": {"now": "2026-08-20T10:00:00Z", "tenant": " ", "client_id": "", "profile": ""}}"#;
        let request = read(json).unwrap();
        assert!(request.options.tenant.is_none() && request.options.client_id.is_none());
        assert_eq!(request.options.profile.name, ENTRA.name);
    }

    #[test]
    fn an_error_names_the_rule_and_never_a_value() {
        for json in [
            r#"{"files": [], "options": {"now": "2026-08-20T10:00:00Z", "passwords": "hunter2"}}"#,
            r#"{"files": [{"name": "k", "text": {"hunter2": 1}}], "options": {"now": "2026-08-20T10:00:00Z"}}"#,
            r#"{"files": "hunter2, expected hunter2, expected", "options": {}}"#,
            r#"{"files": [], "options": {"now": "hunter2"}}"#,
            r#"{"files": [{"name": "k", "base64": "hunter2"}], "options": {"now": "2026-08-20T10:00:00Z"}}"#,
            r#"{"files": [], "options": {"now": "2026-08-20T10:00:00Z", "profile": "hunter2"}}"#,
            r#"{"files": [], "options": {"hunter2": 1}}"#,
            r#"hunter2"#,
            "",
        ] {
            let error = error(json);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        assert_eq!(
            error(r#"{"files": 5, "options": {}}"#),
            RequestError::NotJson { line: 1, column: 11, rule: "expected a sequence".to_owned() }
        );
        let missing = error(r#"{"files": [], "options": {}}"#);
        assert!(missing.to_string().ends_with("missing field `now`"), "{missing}");
    }

    #[test]
    fn bounds_hold() {
        let options = r#""options": {"now": "2026-08-20T10:00:00Z"}"#;
        let file = r#"{"name": "a", "text": ""}"#;
        let many = format!(r#"{{"files": [{}], {options}}}"#, [file; MAX_FILES + 1].join(","));
        assert_eq!(error(&many), RequestError::TooManyFiles { count: MAX_FILES + 1 });
        let most = format!(r#"{{"files": [{}], {options}}}"#, [file; MAX_FILES].join(","));
        assert!(read(&most).is_ok());
        let long = " ".repeat(MAX_REQUEST_BYTES + 1);
        assert_eq!(error(&long), RequestError::TooLarge { bytes: MAX_REQUEST_BYTES + 1 });
        let deep = "[".repeat(100_000);
        assert_eq!(error(&deep).code(), "request-not-json");
    }
}
