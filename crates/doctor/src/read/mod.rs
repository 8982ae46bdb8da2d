//! Reads files into artifacts: recognised by content, several in one file, in any order, mended where that is possible.
//!
//! Called by [`crate::examine`]. Names of files mean nothing. What is recognised is taken out of the text, the rest is
//! looked at for settings and messages of tools.

mod application;
mod curl;
mod error;
mod har;
mod json;
mod jwt;
mod relaxed;
pub(crate) mod request;
pub mod settings;
pub mod text;

use std::ops::Range;

use countersign_core::UnixTime;
use countersign_core::entra::ParsedError;
use countersign_core::keyfile::{self, KeyFile, LooksLike, Problem};
use zeroize::Zeroizing;

use crate::artifact::{Artifact, Content, ErrorText, Jwt, Keys, Meaning, Place, Request, Setting};
use crate::clients;

/// Largest file that is read: ten thousand registrations have some twenty MiB.
pub const MAX_FILE: usize = 64 << 20;
/// Most artifacts kept from one file, registrations apart.
const MAX_ARTIFACTS: usize = 20_000;
/// Texts in braces tried in one file that turn out to be nothing.
const MAX_ATTEMPTS: usize = 4000;
/// Bytes spent in one file on mending JSON that people typed.
const MAX_MENDING: usize = 1 << 20;
/// Rounds of key derivation spent on one file, all passwords and their variants together: about a second's work.
const MAX_ROUNDS: u64 = 3_000_000;
/// Passwords tried for one file; they share [`keyfile::MAX_VARIANTS`] ways to write them.
const MAX_PASSWORDS: usize = 4;
/// Length of a log in which the words of a client are looked for.
const MAX_LOG: usize = 64 * 1024;

/// Reads one file.
pub fn read(name: &str, bytes: &[u8], passwords: &[Zeroizing<String>]) -> Vec<Artifact> {
    let mut c = Collector::new(name, passwords);
    if bytes.len() > MAX_FILE {
        c.push(Content::Unknown("a file of more than 64 MiB"));
        return c.out;
    }
    match text::decode(bytes) {
        None => c.binary(bytes),
        Some(decoded) => {
            c.repairs = decoded.repairs.iter().map(|r| (*r).to_owned()).collect();
            c.file_text(&decoded.text, bytes);
            c.name_client(&decoded.text);
        }
    }
    c.out
}

/// A request and the tokens in it.
pub(crate) fn request(request: Request) -> Vec<Content> {
    let mut c = Collector::new("", &[]);
    c.push_request(request);
    c.out.into_iter().map(|a| a.content).collect()
}

/// Reads one error text.
pub(crate) fn error(text: &str) -> Option<ErrorText> {
    error::read(text)
}

/// Gathers what a file holds.
pub(crate) struct Collector<'a> {
    file: &'a str,
    passwords: &'a [Zeroizing<String>],
    repairs: Vec<String>,
    out: Vec<Artifact>,
    /// A change of an application was read and its body follows: the object id in its URL.
    patch_target: Option<Option<String>>,
    /// What is read now was cut off at its end.
    cut: bool,
    /// Rounds of key derivation that may still be spent.
    rounds: u64,
}

impl<'a> Collector<'a> {
    fn new(file: &'a str, passwords: &'a [Zeroizing<String>]) -> Self {
        Self {
            file,
            passwords,
            repairs: Vec::new(),
            out: Vec::new(),
            patch_target: None,
            cut: false,
            rounds: MAX_ROUNDS,
        }
    }
}

impl Collector<'_> {
    fn push(&mut self, content: Content) {
        if self.out.len() < MAX_ARTIFACTS {
            self.out.push(Artifact { file: self.file.to_owned(), repairs: self.repairs.clone(), content });
        }
    }

    fn push_error(&mut self, error: ErrorText) {
        let known = self.out.iter_mut().find_map(|a| match &mut a.content {
            Content::Error(e) if error::same(&e.parsed, &error.parsed) => Some(e),
            _ => None,
        });
        match known {
            // The longer text says more.
            Some(e) if error.text.len() > e.text.len() => {
                **e = ErrorText { logged: error.logged.or(e.logged), date: error.date.or(e.date), ..error }
            }
            Some(_) => {}
            None => self.push(Content::Error(Box::new(error))),
        }
    }

    /// Notes at each error whose words stand round it: the error keeps its own text only.
    fn name_client(&mut self, text: &str) {
        let mut end = text.len().min(MAX_LOG);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut errors = self
            .out
            .iter_mut()
            .filter_map(|a| match &mut a.content {
                Content::Error(e) => Some(e),
                _ => None,
            })
            .peekable();
        let client = errors.peek().and_then(|_| clients::of_words(&text[..end]));
        errors.for_each(|e| e.client = client);
    }

    /// An OAuth error of another server.
    fn push_other_error(&mut self, text: String, timestamp: Option<UnixTime>) {
        let parsed = ParsedError { timestamp, ..ParsedError::default() };
        self.push(Content::Error(Box::new(ErrorText { parsed, text, date: None, logged: None, client: None })));
    }

    fn push_request(&mut self, request: Request) {
        let tokens: Vec<Jwt> = [
            ("client_assertion", Place::ClientAssertion),
            ("assertion", Place::Grant),
            ("subject_token", Place::Grant),
        ]
        .into_iter()
        .filter_map(|(name, place)| {
            let text = Zeroizing::new(request.anywhere(name)?.to_owned());
            if request.exact { Some(jwt::read_as_sent(&text, place)) } else { json::token_of(&text, place) }
        })
        .collect();
        // One parameter alone is a piece of a request, and its lack of others means nothing.
        let piece = request.path.is_empty() && request.token.parameters.len() + request.json.len() < 2;
        if !piece || tokens.is_empty() {
            self.push(Content::Request(Box::new(request)));
        }
        for token in tokens {
            self.push(Content::Jwt(Box::new(token)));
        }
    }

    fn push_jwt(&mut self, jwt: Jwt) {
        let known = self.out.iter().any(|a| matches!(&a.content, Content::Jwt(j) if j.text == jwt.text));
        if !known {
            self.push(Content::Jwt(Box::new(jwt)));
        }
    }

    /// Reads bytes as a key file, with each password given, and keeps it when it is one.
    fn keys(&mut self, bytes: &[u8]) -> bool {
        let file = self.open(bytes);
        self.keep_keys(file, bytes)
    }

    fn open(&mut self, bytes: &[u8]) -> KeyFile {
        let mut passwords = self.passwords.iter().take(MAX_PASSWORDS);
        let each = keyfile::MAX_VARIANTS / passwords.len().max(1);
        let Some(first) = passwords.next() else { return keyfile::read_within(bytes, None, 0, &mut self.rounds) };
        let mut best = keyfile::read_within(bytes, Some(first.as_str()), each, &mut self.rounds);
        for password in passwords {
            if !best.problems.iter().any(|p| matches!(p, Problem::WrongPassword { .. })) {
                break;
            }
            let next = keyfile::read_within(bytes, Some(password.as_str()), each, &mut self.rounds);
            if !next.problems.iter().any(|p| matches!(p, Problem::WrongPassword { .. })) {
                best = next;
            }
        }
        best
    }

    fn keep_keys(&mut self, file: KeyFile, bytes: &[u8]) -> bool {
        let holds = !file.items.is_empty() || file.problems.iter().any(|p| !matches!(p, Problem::NotAKeyFile { .. }));
        if !holds {
            return false;
        }
        let mut repairs = self.repairs.clone();
        for repair in &file.repairs {
            let words = repair.describe().to_owned();
            if !repairs.contains(&words) {
                repairs.push(words);
            }
        }
        let keys = Keys { file, raw: Zeroizing::new(bytes.to_vec()), with_password: !self.passwords.is_empty() };
        self.out.push(Artifact { file: self.file.to_owned(), repairs, content: Content::Keys(Box::new(keys)) });
        true
    }

    fn binary(&mut self, bytes: &[u8]) {
        let file = self.open(bytes);
        let looks = looks_like(&file);
        if !self.keep_keys(file, bytes) {
            self.push(Content::Unknown(looks.map_or("binary data of no known kind", LooksLike::describe)));
        }
    }

    /// The text of a whole file.
    fn file_text(&mut self, text: &str, bytes: &[u8]) {
        let trimmed = text.trim();
        // A file that is one key file and nothing else is read from its bytes, so that every repair is seen.
        if (trimmed.starts_with("-----BEGIN")
            || trimmed.starts_with("\"-----BEGIN")
            || trimmed.starts_with("Bag Attributes"))
            && !trimmed.contains("AADSTS")
            && !trimmed.contains("keyCredentials")
            && only_pem(trimmed)
            && self.keys(bytes)
        {
            return;
        }
        self.scan(text, 0);
        if self.out.is_empty() && text.contains("\\\"") {
            self.repairs.push("JSON escapes".to_owned());
            let undone = text::unescape_json(text);
            self.scan(&undone, 1);
        }
        if self.out.is_empty() {
            self.last_resort(text, bytes);
        }
    }

    /// Takes everything recognisable out of a text.
    fn scan(&mut self, text: &str, depth: usize) {
        let before = self.out.len();
        let trimmed = text.trim();
        if trimmed.starts_with(['{', '['])
            && let Ok(node) = countersign_core::json::read(trimmed)
        {
            if !json::walk(self, &node, trimmed, depth) {
                json::settings_of(self, &node);
            }
            if self.out.len() > before {
                return;
            }
        }
        let mut rest = Rest::of(text);
        self.requests(&mut rest);
        self.objects(&mut rest, depth);
        self.pem(&mut rest);
        for (range, request) in request::find_forms(&rest.text) {
            self.push_request(request);
            rest.take(range);
        }
        for (range, content) in jwt::find(&rest.text) {
            if let Content::Jwt(jwt) = content {
                self.push_jwt(*jwt);
            }
            rest.take(range);
        }
        for (range, text) in error::find_encoded(&rest.text) {
            rest.take(range);
            for (_, error) in error::find(&text) {
                self.push_error(error);
            }
        }
        for (range, error) in error::find(&rest.text) {
            self.push_error(error);
            rest.take(range);
        }
        self.remainder(&rest.text, depth);
    }

    fn requests(&mut self, rest: &mut Rest) {
        for command in curl::find(&rest.text) {
            let parts = command.parts();
            if parts.is_token_request() {
                let request = request::read(&parts);
                self.push_request(request);
                rest.take(command.range.clone());
            } else if command.method.eq_ignore_ascii_case("PATCH") && command.body.contains("keyCredentials") {
                self.patch(&command.url, &command.body);
                rest.take(command.range.clone());
            }
        }
        for found in request::find_raw(&rest.text) {
            if found.is_token_request {
                self.push_request(found.request);
                rest.take(found.range);
            } else if found.method == "PATCH" && found.body.contains("keyCredentials") {
                self.patch(&found.target, &found.body);
                rest.take(found.range);
            }
        }
        // `az rest --method patch --uri … --body '{…}'`
        let lower = rest.text.to_ascii_lowercase();
        if lower.contains("az rest") && lower.contains("patch") && lower.contains("/applications/") {
            self.patch_target = Some(object_id(&rest.text));
        }
    }

    fn patch(&mut self, url: &str, body: &str) {
        if let Ok(node) = countersign_core::json::read(body.trim()) {
            self.patch_target = Some(object_id(url));
            json::walk(self, &node, body.trim(), 0);
            self.patch_target = None;
        }
    }

    /// JSON values inside other text, also JSON that people typed.
    fn objects(&mut self, rest: &mut Rest, depth: usize) {
        let mut at = 0;
        // Attempts that came to nothing, and bytes spent on mending: both bounded, whatever the text looks like.
        let (mut attempts, mut mending) = (0, 0);
        while let Some(start) = rest.text[at..].find(['{', '[']).map(|i| i + at) {
            at = start + 1;
            let tail = &rest.text[start..];
            let next = tail[1..].trim_start().chars().next();
            let plausible = match tail.as_bytes()[0] {
                b'[' => matches!(next, Some('{')),
                _ => next.is_some_and(|c| matches!(c, '"' | '\'' | '“' | '”' | '‘' | '’' | '\\') || c.is_alphabetic()),
            };
            if !plausible {
                continue;
            }
            attempts += 1;
            if attempts > MAX_ATTEMPTS {
                break;
            }
            let mended;
            let (node, json, length, cut) = match countersign_core::json::read_prefix(tail) {
                Ok((node, length)) => (node, tail, length, false),
                Err(_) if mending > MAX_MENDING => continue,
                Err(_) => {
                    mending += tail.len().min(relaxed::MAX);
                    let Some((text, length, cut)) = relaxed::to_json(tail) else { continue };
                    mended = text;
                    let Ok(node) = countersign_core::json::read(&mended) else { continue };
                    (node, mended.as_str(), length, cut)
                }
            };
            let before = self.out.len();
            self.cut = cut;
            let found = json::walk(self, &node, json, depth) && self.out.len() > before;
            self.cut = false;
            if found {
                rest.take(start..start + length);
                at = start + length;
            }
        }
    }

    fn pem(&mut self, rest: &mut Rest) {
        let Some(first) = rest.text.find("-----BEGIN").or_else(|| rest.text.find("-----END")) else { return };
        let last = rest.text.rfind("-----END").map_or(rest.text.len(), |i| {
            let tail = &rest.text[i + 8..];
            i + 8 + tail.find("-----").map_or(tail.len(), |j| j + 5)
        });
        let range = first..last.max(first);
        if self.keys(rest.text[range.clone()].to_owned().as_bytes()) {
            rest.take(range);
        }
    }

    /// What is left: settings, a bare thumbprint, base64 of a key file, the message of a tool.
    fn remainder(&mut self, rest: &str, depth: usize) {
        if rest.trim().is_empty() {
            return;
        }
        let mut found = settings::find(rest);
        if found.is_empty() && depth == 0 {
            for line in rest.lines().filter(|l| settings::is_bare_thumbprint(l)) {
                let value = line.trim_matches([' ', '\t', '\r', '\n', '"', '\'']);
                found.push(Setting {
                    meaning: Meaning::Thumbprint,
                    name: "thumbprint".to_owned(),
                    value: Zeroizing::new(value.to_owned()),
                });
            }
        }
        // A setting may hold a whole key file.
        for setting in &found {
            if setting.value.len() > 200 {
                self.keys(setting.value.as_bytes());
            }
        }
        if !found.is_empty() {
            self.push(Content::Settings(found));
        }
        let blob: String = rest.chars().filter(|c| !c.is_whitespace()).collect();
        let is_base64 = blob.len() >= 200
            && blob.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_'));
        if is_base64 && self.keys(rest.trim().as_bytes()) {
            return;
        }
        for line in rest.lines() {
            let value = line
                .split(['=', ':', ' ', '"', '\''])
                .map(|w| w.trim_end_matches(','))
                .find(|w| w.len() > 400 && (w.starts_with("MII") || w.starts_with("LS0tLS1CRUdJTi")));
            if let Some(value) = value
                && depth == 0
                && !is_base64
            {
                let start = line.find(value).unwrap_or(0);
                self.keys(line[start..].trim_matches(['"', '\'', ',', ' ', '\r']).as_bytes());
            }
        }
        if depth == 0 && rest.split_whitespace().count() >= 3 && rest.chars().any(char::is_alphabetic) {
            self.push(Content::Message(rest.trim().to_owned()));
        }
    }

    /// Nothing was recognised: perhaps a key file in some odd form, else say what it looks like.
    fn last_resort(&mut self, text: &str, bytes: &[u8]) {
        let file = self.open(bytes);
        let looks = looks_like(&file);
        if self.keep_keys(file, bytes) {
            return;
        }
        if text.split_whitespace().count() >= 3 {
            self.push(Content::Message(text.trim().to_owned()));
        } else {
            self.push(Content::Unknown(looks.map_or("text of no known kind", LooksLike::describe)));
        }
    }
}

fn looks_like(file: &KeyFile) -> Option<LooksLike> {
    file.problems.iter().find_map(|p| match p {
        Problem::NotAKeyFile { looks_like } => Some(*looks_like),
        _ => None,
    })
}

/// Whether a text consists of PEM blocks and at most short attributes between them.
fn only_pem(text: &str) -> bool {
    let outside: usize = text
        .split("-----BEGIN")
        .map(|part| part.rsplit("-----").next().unwrap_or(part))
        .flat_map(str::lines)
        .map(str::trim)
        .filter(|l| !l.is_empty() && !is_bag_attribute(l))
        .map(str::len)
        .sum();
    outside <= 8
}

fn is_bag_attribute(line: &str) -> bool {
    [
        "Bag Attributes",
        "localKeyID",
        "friendlyName",
        "Key Attributes",
        "subject=",
        "issuer=",
        "Microsoft",
        "X509v3",
        "2.16.",
        "1.3.",
    ]
    .iter()
    .any(|p| line.starts_with(p))
}

fn object_id(url: &str) -> Option<String> {
    let rest = url.split("/applications/").nth(1)?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    (!id.is_empty()).then(|| id.to_ascii_lowercase())
}

/// A text from which recognised parts are taken: blanks stand in their place, so that offsets stay.
struct Rest {
    text: String,
}

impl Rest {
    fn of(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    fn take(&mut self, range: Range<usize>) {
        let blank: String = self.text[range.clone()].bytes().map(|b| if b == b'\n' { '\n' } else { ' ' }).collect();
        self.text.replace_range(range, &blank);
    }
}
