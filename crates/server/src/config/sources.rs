//! Where settings come from: flags, environment, file; the highest that names a key wins.
//!
//! Called by [`super::Config::load`]. It opens the settings file and nothing that a setting names.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::keys::{KEYS, distance};
use super::{ConfigError, Setting};
use crate::secrets::MasterKey;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, with its two dashes.
    Flag(String),
    /// An environment variable.
    Environment(String),
    /// A file and the line.
    File(PathBuf, usize),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Environment(name) => f.write_str(name),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What settings are made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Flags by name without dashes, each with its values.
    pub flags: BTreeMap<String, Vec<String>>,
    /// Environment variables that begin with `COUNTERSIGN_`.
    pub environment: BTreeMap<String, String>,
    /// Variables of other commands: they are no settings of `serve` and no mistakes either.
    pub known_variables: Vec<String>,
    /// The settings file: where it is, and its text.
    pub file: Option<(PathBuf, String)>,
}

impl Sources {
    /// Reads the process's environment and the settings file.
    ///
    /// # Errors
    /// [`ConfigError`] when the file cannot be read; a `countersign.toml` that is not there is no error.
    pub fn gather(flags: BTreeMap<String, Vec<String>>) -> Result<Self, ConfigError> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| {
                let name = name.into_string().ok().filter(|n| n.starts_with("COUNTERSIGN_"))?;
                Some((name, value.to_string_lossy().into_owned()))
            })
            .collect();
        let named = match flags.get("config").and_then(|v| v.last()) {
            Some(path) => Some((path.clone(), Origin::Flag("--config".to_owned()))),
            None => environment
                .get("COUNTERSIGN_CONFIG")
                .map(|path| (path.clone(), Origin::Environment("COUNTERSIGN_CONFIG".to_owned()))),
        };
        let file = match named {
            Some((path, origin)) => {
                let path = PathBuf::from(path);
                let text = std::fs::read_to_string(&path).map_err(|cause| ConfigError::File {
                    path: path.clone(),
                    origin: Some(origin),
                    cause: cause.to_string(),
                })?;
                Some((path, text))
            }
            None => {
                let path = Path::new("countersign.toml");
                match std::fs::read_to_string(path) {
                    Ok(text) => Some((path.to_owned(), text)),
                    Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
                    Err(cause) => {
                        return Err(ConfigError::File {
                            path: path.to_owned(),
                            origin: None,
                            cause: cause.to_string(),
                        });
                    }
                }
            }
        };
        Ok(Self { flags, environment, known_variables: Vec::new(), file })
    }

    /// What a person should know although the start goes on: variables that are no settings.
    pub(super) fn warnings(&self) -> Vec<String> {
        let known = |name: &str| {
            name == MasterKey::VARIABLE
                || KEYS.iter().any(|k| k.variable() == name)
                || self.known_variables.iter().any(|k| k == name)
        };
        self.environment
            .keys()
            .filter(|name| !known(name))
            .map(|name| {
                let key = name.trim_start_matches("COUNTERSIGN_").to_ascii_lowercase().replace('_', "-");
                let near = KEYS.iter().map(|k| (distance(&key, k.name), k)).min_by_key(|(d, _)| *d);
                match near {
                    Some((d, near)) if d <= 2 => {
                        format!(
                            "the environment variable {name} is no setting and is ignored; did you mean {}?",
                            near.variable()
                        )
                    }
                    _ => format!("the environment variable {name} is no setting and is ignored"),
                }
            })
            .collect()
    }
}

/// The highest source of each key.
pub(super) struct Found {
    values: BTreeMap<&'static str, Given>,
}

struct Given {
    values: Vec<String>,
    origin: Origin,
}

impl Found {
    pub(super) fn of(sources: &Sources) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        if let Some((path, text)) = &sources.file {
            read_file(path, text, &mut values)?;
        }
        for key in KEYS {
            let variable = key.variable();
            if let Some(value) = sources.environment.get(&variable) {
                // A list in one variable is separated by blanks or commas.
                let given = match key.many {
                    true if !value.is_empty() => {
                        value.split([' ', ',']).filter(|v| !v.is_empty()).map(str::to_owned).collect()
                    }
                    _ => vec![value.clone()],
                };
                values.insert(key.name, Given { values: given, origin: Origin::Environment(variable) });
            }
            if let Some(given) = sources.flags.get(key.name).filter(|v| !v.is_empty()) {
                values
                    .insert(key.name, Given { values: given.clone(), origin: Origin::Flag(format!("--{}", key.name)) });
            }
        }
        Ok(Self { values })
    }

    /// Where a key was set.
    pub(super) fn origin(&self, name: &str) -> Origin {
        self.values.get(name).map_or(Origin::Default, |given| given.origin.clone())
    }

    /// Reads the last value of a key, if anybody set it.
    pub(super) fn one<T>(
        &self,
        name: &'static str,
        setting: &mut Setting<T>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if let Some(given) = self.values.get(name)
            && let Some(value) = given.values.last()
        {
            let value = read(value).map_err(|why| refused(name, value, &given.origin, why))?;
            *setting = Setting { value, origin: given.origin.clone() };
        }
        Ok(())
    }

    /// Reads all values of a key, if anybody set it.
    pub(super) fn many<T>(
        &self,
        name: &'static str,
        setting: &mut Setting<Vec<T>>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<(), ConfigError> {
        if let Some(given) = self.values.get(name) {
            let read = |v: &String| read(v).map_err(|why| refused(name, v, &given.origin, why));
            let value = given.values.iter().map(read).collect::<Result<_, _>>()?;
            *setting = Setting { value, origin: given.origin.clone() };
        }
        Ok(())
    }
}

fn refused(name: &'static str, value: &str, origin: &Origin, why: String) -> ConfigError {
    let accepted = KEYS.iter().find(|k| k.name == name).map_or("", |k| k.accepted);
    let shown: String = without_secrets(value).chars().take(200).collect();
    ConfigError::Value { key: name, value: shown, origin: origin.clone(), why, accepted }
}

/// A value as an error may show it: of a URL neither user and password nor what stands behind a question mark.
fn without_secrets(value: &str) -> String {
    // A PIN is refused in a PKCS#11 URI, and shown as little.
    if let Some((before, _)) = value.split_once("pin-value=") {
        return format!("{before}pin-value=…");
    }
    let Some((scheme, rest)) = value.split_once("://") else { return value.to_owned() };
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, host)| format!("…@{host}"));
    let rest = rest.split_once('?').map_or_else(|| rest.clone(), |(before, _)| format!("{before}?…"));
    format!("{scheme}://{rest}")
}

fn read_file(path: &Path, text: &str, out: &mut BTreeMap<&'static str, Given>) -> Result<(), ConfigError> {
    let unusable = |cause: String| ConfigError::File { path: path.to_owned(), origin: None, cause };
    let table: BTreeMap<String, toml::Spanned<toml::Value>> =
        toml::from_str(text).map_err(|e| unusable(place_of(&e, text)))?;
    for (key, value) in table {
        let line = text.get(..value.span().start).map_or(1, |before| before.matches('\n').count() + 1);
        let Some(known) = KEYS.iter().find(|k| k.name == key && k.name != "config") else {
            return Err(ConfigError::UnknownKey { path: path.to_owned(), line, key });
        };
        let origin = Origin::File(path.to_owned(), line);
        let wanted = if known.many { "a text or a list of texts" } else { "a text" };
        let values = match value.into_inner() {
            toml::Value::String(one) => vec![one],
            toml::Value::Array(many) if known.many => many
                .into_iter()
                .map(|v| match v {
                    toml::Value::String(one) => Ok(one),
                    other => Err(refused(known.name, &other.to_string(), &origin, format!("it must be {wanted}"))),
                })
                .collect::<Result<_, _>>()?,
            other => return Err(refused(known.name, &other.to_string(), &origin, format!("it must be {wanted}"))),
        };
        out.insert(known.name, Given { values, origin });
    }
    Ok(())
}

/// Where TOML ends, and why. The line itself is not shown, as toml's own words do: it may hold a database's password.
fn place_of(error: &toml::de::Error, text: &str) -> String {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |rest| rest.chars().count()) + 1;
    format!("line {line}, column {column}: {}", error.message())
}
