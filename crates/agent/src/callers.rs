//! Who may ask the agent for which token: named callers, each with a secret of its own and a list of scopes.
//!
//! Read once at the start, from a file or from flags. Secrets are kept as digests and compared in constant time.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use countersign_core::encoding;
use countersign_core::thumbprint::sha256;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::scopes::{AllowList, Apis, ScopeError};

/// Shortest secret: 128 bits in hexadecimal or base64 are longer.
const MIN_SECRET: usize = 16;
/// Longest secret; a header has to carry it.
const MAX_SECRET: usize = 1_024;
/// Longest file of callers.
const MAX_FILE: u64 = 1024 * 1024;
/// Most callers.
const MAX_CALLERS: usize = 1_000;

/// Why callers cannot be told apart.
#[derive(Debug, thiserror::Error)]
pub enum CallersError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{}: {why}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// Two callers that are one.
    #[error("the callers '{0}' and '{1}' have the same {2}; each needs its own")]
    Same(String, String, &'static str),
    /// Too many.
    #[error("more than {MAX_CALLERS} callers")]
    TooMany,
    /// A secret.
    #[error("the caller '{name}': {cause}")]
    Secret {
        /// The caller.
        name: String,
        /// What is wrong with it.
        cause: SecretError,
    },
}

/// Why a secret cannot be used. It is never shown.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Too short or too long.
    #[error(
        "its secret has {0} characters; expected {MIN_SECRET} to {MAX_SECRET}, for example those of `openssl rand -hex 32`"
    )]
    Length(usize),
    /// What a header cannot carry.
    #[error("its secret has characters that a header cannot carry; expected visible ASCII")]
    Characters,
    /// No digest.
    #[error("secret_sha256 is no SHA-256 in hexadecimal (64 digits), as `printf %s \"$SECRET\" | sha256sum` prints it")]
    Digest,
}

/// Somebody who may ask.
#[derive(Clone)]
pub struct Caller {
    /// Its name, in logs and metrics.
    pub name: String,
    digest: Option<[u8; 32]>,
    /// What it may ask for.
    pub scopes: AllowList,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller").field("name", &self.name).field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

/// Everybody who may ask.
#[derive(Clone, Debug)]
pub struct Callers {
    list: Vec<Caller>,
    /// Whoever sends no secret, where a form or the socket's mode lets it.
    without: Caller,
}

/// What a file of callers holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOfCallers {
    #[serde(default)]
    caller: Vec<CallerInFile>,
    /// Names of APIs and their scopes.
    #[serde(default)]
    apis: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallerInFile {
    name: String,
    secret_file: Option<PathBuf>,
    secret_sha256: Option<String>,
    /// Without it, those that everybody may ask for.
    scopes: Option<Vec<String>>,
}

impl Callers {
    /// Nobody yet. `allowed` is what callers without a list of their own may ask for.
    pub fn new(allowed: AllowList) -> Self {
        Self { list: Vec::new(), without: Caller { name: "-".to_owned(), digest: None, scopes: allowed } }
    }

    /// Adds one with the scopes that everybody has.
    ///
    /// # Errors
    /// [`CallersError`]
    pub fn add(&mut self, name: &str, secret: &str) -> Result<(), CallersError> {
        let digest = digest(secret).map_err(|cause| CallersError::Secret { name: name.to_owned(), cause })?;
        self.push(Caller { name: name.to_owned(), digest: Some(digest), scopes: self.without.scopes.clone() })
    }

    /// Adds those of a TOML file, and its APIs to `apis`. Files of secrets are named from the file's folder.
    ///
    /// # Errors
    /// [`CallersError`] naming file and caller.
    pub fn read(&mut self, path: &Path, is_entra: bool, apis: &mut Apis) -> Result<(), CallersError> {
        let content = |why: String| CallersError::Content { path: path.to_owned(), why };
        let text = read_text(path)?;
        // The parser's message shows the line; what stands there may be a secret somebody put in the wrong place.
        let file: FileOfCallers = toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            content(format!("line {line}: {}", e.message()))
        })?;
        if file.caller.is_empty() && file.apis.is_empty() {
            return Err(content(
                "no [[caller]] in it; expected name, secret_file or secret_sha256, and scopes".to_owned(),
            ));
        }
        let wrong_scope = |place: &str, e: ScopeError| content(format!("{place}: {e}"));
        for (name, scope) in &file.apis {
            apis.add(name, scope, is_entra).map_err(|e| wrong_scope("apis", e))?;
        }
        for caller in file.caller {
            let place = format!("the caller '{}'", printable(&caller.name));
            let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            if caller.name.is_empty() || caller.name.len() > 64 || !caller.name.chars().all(fit) {
                return Err(content(format!("{place}: a name has 1 to 64 letters, digits, '.', '-' and '_'")));
            }
            let named = |cause| CallersError::Secret { name: caller.name.clone(), cause };
            let digest = match (&caller.secret_file, &caller.secret_sha256) {
                (Some(secret), None) => digest(&read_secret(&beside(path, secret))?).map_err(named)?,
                (None, Some(text)) => digest_of_hex(text).map_err(named)?,
                _ => return Err(content(format!("{place}: expected secret_file or secret_sha256, one of them"))),
            };
            let scopes = match &caller.scopes {
                None => self.without.scopes.clone(),
                Some(list) => {
                    AllowList::new(list.iter().map(String::as_str), is_entra).map_err(|e| wrong_scope(&place, e))?
                }
            };
            if scopes.is_empty() {
                let fix = "give it `scopes`, or everybody some with --allow";
                return Err(content(format!("{place} could ask for nothing: {fix}")));
            }
            self.push(Caller { name: caller.name, digest: Some(digest), scopes })?;
        }
        Ok(())
    }

    fn push(&mut self, caller: Caller) -> Result<(), CallersError> {
        for other in &self.list {
            let same = |what| CallersError::Same(other.name.clone(), caller.name.clone(), what);
            if other.name == caller.name {
                return Err(same("name"));
            }
            if other.digest == caller.digest {
                return Err(same("secret"));
            }
        }
        if self.list.len() >= MAX_CALLERS {
            return Err(CallersError::TooMany);
        }
        self.list.push(caller);
        Ok(())
    }

    /// Whether anybody has a secret.
    pub fn any(&self) -> bool {
        !self.list.is_empty()
    }

    /// Whoever has this secret. Every digest is compared, whichever fits.
    pub fn find(&self, secret: &str) -> Option<&Caller> {
        if secret.len() > MAX_SECRET {
            return None;
        }
        let wanted = sha256(secret.as_bytes());
        let mut found = None;
        for caller in &self.list {
            if let Some(digest) = &caller.digest
                && bool::from(digest.ct_eq(&wanted))
            {
                found = Some(caller);
            }
        }
        found
    }

    /// Whoever needs no secret.
    pub(crate) fn without_secret(&self) -> &Caller {
        &self.without
    }

    /// Every scope that somebody may ask for, each once.
    pub fn scopes(&self) -> Vec<String> {
        let mut scopes: Vec<String> = Vec::new();
        for scope in self.list.iter().chain([&self.without]).flat_map(|c| c.scopes.iter()) {
            if !scopes.iter().any(|s| s == scope) {
                scopes.push(scope.to_owned());
            }
        }
        scopes
    }
}

fn digest(secret: &str) -> Result<[u8; 32], SecretError> {
    if !(MIN_SECRET..=MAX_SECRET).contains(&secret.len()) {
        return Err(SecretError::Length(secret.chars().count()));
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SecretError::Characters);
    }
    Ok(sha256(secret.as_bytes()))
}

fn digest_of_hex(text: &str) -> Result<[u8; 32], SecretError> {
    let text = text.trim();
    let bytes = if text.len() == 64 { encoding::decode_hex(text) } else { None };
    bytes.and_then(|b| <[u8; 32]>::try_from(b).ok()).ok_or(SecretError::Digest)
}

fn beside(file: &Path, named: &Path) -> PathBuf {
    file.parent().map_or_else(|| named.to_owned(), |folder| folder.join(named))
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, CallersError> {
    let failed = |cause| CallersError::File { path: path.to_owned(), cause };
    let mut text = Zeroizing::new(String::new());
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > MAX_FILE {
        return Err(CallersError::Content { path: path.to_owned(), why: "more than 1 MiB".to_owned() });
    }
    Ok(text)
}

/// The first line of a file.
fn read_secret(path: &Path) -> Result<Zeroizing<String>, CallersError> {
    let text = read_text(path)?;
    Ok(Zeroizing::new(text.lines().next().unwrap_or_default().trim_end().to_owned()))
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "correct-horse-battery-staple";

    fn read(text: &str) -> Result<Callers, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("callers.toml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(folder.path().join("billing.secret"), format!("{SECRET}\n")).unwrap();
        let allowed = AllowList::new(["https://graph.microsoft.com"], true).unwrap();
        let mut callers = Callers::new(allowed);
        callers.read(&path, true, &mut Apis::default()).map_err(|e| e.to_string()).map(|()| callers)
    }

    #[test]
    fn a_secret_names_its_caller_and_what_it_may_ask_for() {
        let hex = encoding::encode_hex_lower(&sha256(b"another-secret-of-somebody"));
        let text = format!(
            "[[caller]]\nname = \"billing\"\nsecret_file = \"billing.secret\"\nscopes = [\"https://vault.azure.net\"]\n\
             [[caller]]\nname = \"reports\"\nsecret_sha256 = \"{hex}\"\n"
        );
        let callers = read(&text).unwrap();
        let billing = callers.find(SECRET).unwrap();
        assert_eq!(
            (billing.name.as_str(), billing.scopes.only()),
            ("billing", Some("https://vault.azure.net/.default"))
        );
        let reports = callers.find("another-secret-of-somebody").unwrap();
        assert_eq!(reports.scopes.only(), Some("https://graph.microsoft.com/.default"));
        assert!(callers.find("").is_none() && callers.find("correct-horse-battery-stapl").is_none());
        assert!(!format!("{callers:?}").contains(&hex));
        assert_eq!(callers.scopes().len(), 2);
    }

    #[test]
    fn mistakes_are_named_without_the_secret() {
        let one = |more: &str| format!("[[caller]]\nname = \"a\"\n{more}\n");
        let good = one("secret_file = \"billing.secret\"");
        for (text, words) in [
            ("[[caller]]\nname = 5".to_owned(), "line 2"),
            (String::new(), "[[caller]]"),
            (one(&format!("secret = \"{SECRET}\"")), "secret"),
            (one(""), "secret_file or secret_sha256"),
            (one("secret_sha256 = \"abc\""), "64 digits"),
            (one("secret_file = \"missing\""), "missing: cannot be read"),
            (one("secret_file = \"billing.secret\"\nscopes = []"), "--allow"),
            (one("secret_file = \"billing.secret\"\nscopes = [\"a b\"]"), "more than one resource"),
            (format!("{good}{good}"), "the same name"),
            (format!("{good}{}", good.replace("\"a\"", "\"b\"")), "the same secret"),
            (good.replace("\"a\"", "\"a b\""), "'a b'"),
            (format!("{good}[apis]\n\"x/y\" = \"z\""), "apis: 'x/y'"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(words) && !error.contains(SECRET), "{text}: {error}");
        }
        let mut callers = Callers::new(AllowList::default());
        assert!(callers.add("default", "short").unwrap_err().to_string().contains("5 characters"));
        assert!(
            callers.add("default", "not visible\u{e4}\u{e4}\u{e4}\u{e4}").unwrap_err().to_string().contains("ASCII")
        );
    }
}
