//! Settings of `serve`: flag over environment over file over default, each with its origin.
//!
//! The binary gathers [`Sources`] and calls [`Config::load`]; `config show --origin` prints [`Config::rows`]. Nothing here
//! opens what a setting names: that is the start's work.

mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::profile::{self, Profile};

pub use values::show_age;
pub use values::{Database, Listen, Mode, Network, PublicUrl, Tls};

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

/// A value with its origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub origin: Origin,
}

/// Name, meaning, what is accepted and default of a setting; flag, variable and file key follow from the name.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As in the file and, with two dashes, on the command line.
    pub name: &'static str,
    /// One line.
    pub help: &'static str,
    /// What is accepted.
    pub accepted: &'static str,
    /// The value when nobody sets it, as text.
    pub default: &'static str,
    /// Whether it may be given several times.
    pub many: bool,
}

impl Key {
    /// The environment variable.
    pub fn variable(&self) -> String {
        format!("COUNTERSIGN_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Every setting of `serve`.
pub static KEYS: [Key; 19] = [
    Key {
        name: "listen",
        help: "address to listen on",
        accepted: "HOST:PORT, port 0 for a free one",
        default: "127.0.0.1:8443",
        many: false,
    },
    Key {
        name: "data",
        help: "folder for everything the service keeps",
        accepted: "a folder",
        default: "countersign-data",
        many: false,
    },
    Key {
        name: "database",
        help: "where the directory is kept",
        accepted: "sqlite:PATH",
        default: "sqlite:countersign.db in the data folder",
        many: false,
    },
    Key {
        name: "seed",
        help: "file with tenants and applications to create",
        accepted: "a YAML, JSON or JSON Lines file",
        default: "",
        many: false,
    },
    Key { name: "mode", help: "dev or production", accepted: "dev or production", default: "dev", many: false },
    Key {
        name: "profile",
        help: "whose rules are in force",
        accepted: "entra or strict",
        default: "entra",
        many: false,
    },
    Key {
        name: "ready-file",
        help: "file to write when tokens can be issued",
        accepted: "a file",
        default: "",
        many: false,
    },
    Key {
        name: "tls",
        help: "HTTPS by the service's own CA, by given files, or not at all",
        accepted: "auto, off, or CERT,KEY (two PEM files)",
        default: "auto",
        many: false,
    },
    Key {
        name: "public-url",
        help: "URL under which clients reach the service",
        accepted: "https://HOST or https://HOST:PORT, without a path",
        default: "",
        many: true,
    },
    Key {
        name: "behind-proxy",
        help: "addresses whose X-Forwarded headers count",
        accepted: "CIDR, for example 10.0.0.0/8 or fd00::/8",
        default: "",
        many: true,
    },
    Key {
        name: "admin-token-file",
        help: "file with the administrator's token",
        accepted: "a file with one token",
        default: "admin-token in the data folder",
        many: false,
    },
    Key {
        name: "private-issuers",
        help: "whether keys of federated issuers are fetched from private addresses too",
        accepted: "refuse or allow",
        default: "refuse",
        many: false,
    },
    Key {
        name: "signing-key-max-age",
        help: "how long a key signs tokens before the next one follows",
        accepted: "a number with d, h, m or s, from 1h on; or never",
        default: "90d",
        many: false,
    },
    Key {
        name: "signins-keep",
        help: "how long rows of token requests are kept",
        accepted: "a number with d, h, m or s",
        default: "7d",
        many: false,
    },
    Key {
        name: "signins-max",
        help: "how many rows of token requests are kept at most",
        accepted: "a whole number",
        default: "1000000",
        many: false,
    },
    Key {
        name: "limit-per-address",
        help: "token requests a second that one address may make",
        accepted: "a whole number, or off",
        default: "off",
        many: false,
    },
    Key {
        name: "limit-per-client",
        help: "tokens a second that one client may get",
        accepted: "a whole number, or off",
        default: "off",
        many: false,
    },
    Key {
        name: "managed-identity",
        help: "application that answers as a managed identity of this machine, the first as the system-assigned one",
        accepted: "an application (client) id; in dev mode only",
        default: "",
        many: true,
    },
    Key {
        name: "config",
        help: "file with settings",
        accepted: "a TOML file",
        default: "countersign.toml in the working directory, if it is there",
        many: false,
    },
];

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
}

/// A mistake in the settings.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A value that is not accepted.
    #[error("{key} = '{value}' (from {origin}) is not accepted: {why}; accepted: {accepted}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// Where it came from.
        origin: Origin,
        /// What is wrong.
        why: String,
        /// What is accepted.
        accepted: &'static str,
    },
    /// A key that no setting has.
    #[error("{}:{line}: there is no setting '{key}'{}", path.display(), suggestion(key))]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The key.
        key: String,
    },
    /// The file cannot be read, or is no TOML.
    #[error("the settings file {}{} cannot be used: {cause}", path.display(), named_by(origin.as_ref()))]
    File {
        /// The file.
        path: PathBuf,
        /// Who named it; `None` for the default one.
        origin: Option<Origin>,
        /// What is wrong.
        cause: String,
    },
    /// Two settings that do not go together.
    #[error("{0}")]
    Together(String),
}

impl ConfigError {
    /// Whether a flag is to blame, so that the command line was used wrongly.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Value { origin: Origin::Flag(_), .. } | Self::Together(_))
    }
}

fn named_by(origin: Option<&Origin>) -> String {
    origin.map(|o| format!(" (from {o})")).unwrap_or_default()
}

fn suggestion(key: &str) -> String {
    let near = KEYS.iter().map(|k| (distance(key, k.name), k.name)).min();
    match near {
        Some((d, name)) if d <= 2 => format!("; did you mean '{name}'?"),
        _ => format!("; there are: {}", KEYS.iter().map(|k| k.name).collect::<Vec<_>>().join(", ")),
    }
}

/// Levenshtein distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, c) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, d) in b.iter().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(c != *d));
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// The settings of a service.
#[derive(Clone, Debug)]
pub struct Config {
    /// `--listen`
    pub listen: Setting<Listen>,
    /// `--data`
    pub data: Setting<PathBuf>,
    /// `--database`; `None`: SQLite in the data folder.
    pub database: Setting<Option<Database>>,
    /// `--seed`
    pub seed: Setting<Option<PathBuf>>,
    /// `--mode`
    pub mode: Setting<Mode>,
    /// `--profile`
    pub profile: Setting<&'static Profile>,
    /// `--ready-file`
    pub ready_file: Setting<Option<PathBuf>>,
    /// `--tls`
    pub tls: Setting<Tls>,
    /// `--public-url`
    pub public_urls: Setting<Vec<PublicUrl>>,
    /// `--behind-proxy`
    pub behind_proxy: Setting<Vec<Network>>,
    /// `--admin-token-file`
    pub admin_token_file: Setting<Option<PathBuf>>,
    /// `--private-issuers`: whether keys of federated issuers are fetched from private addresses too.
    pub private_issuers: Setting<bool>,
    /// `--signing-key-max-age` in seconds; `None`: until somebody says otherwise.
    pub signing_key_max_age: Setting<Option<i64>>,
    /// `--signins-keep` in seconds.
    pub signins_keep: Setting<i64>,
    /// `--signins-max`
    pub signins_max: Setting<u64>,
    /// `--limit-per-address`; `None`: off.
    pub limit_per_address: Setting<Option<u32>>,
    /// `--limit-per-client`; `None`: off.
    pub limit_per_client: Setting<Option<u32>>,
    /// `--managed-identity`: app ids of what answers as a managed identity; the first is the system-assigned one.
    pub managed_identities: Setting<Vec<String>>,
    /// The settings file that was read.
    pub file: Setting<Option<PathBuf>>,
    /// Further host names that are ours, with HTTPS on the standard port; set by `run`, not by anybody's settings.
    pub extra_hosts: Vec<String>,
    /// TLS that was made elsewhere, and the file with its CA; set by `run`, whose CA must not touch the disk.
    pub given_tls: Option<(Arc<rustls::ServerConfig>, PathBuf)>,
}

impl Config {
    /// Defaults over a data folder; for embedding and tests.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        fn default<T>(value: T) -> Setting<T> {
            Setting { value, origin: Origin::Default }
        }
        Self {
            listen: default(Listen { host: "127.0.0.1".to_owned(), port: 8443 }),
            data: default(data.into()),
            database: default(None),
            seed: default(None),
            mode: default(Mode::Dev),
            profile: default(&profile::ENTRA),
            ready_file: default(None),
            tls: default(Tls::Auto),
            public_urls: default(Vec::new()),
            behind_proxy: default(Vec::new()),
            admin_token_file: default(None),
            private_issuers: default(false),
            signing_key_max_age: default(Some(90 * 86_400)),
            signins_keep: default(7 * 86_400),
            signins_max: default(1_000_000),
            limit_per_address: default(None),
            limit_per_client: default(None),
            managed_identities: default(Vec::new()),
            file: default(None),
            extra_hosts: Vec::new(),
            given_tls: None,
        }
    }

    /// Lays the sources over each other. The second part of the answer are warnings for people.
    ///
    /// # Errors
    /// [`ConfigError`] naming key, origin and what is accepted.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<String>), ConfigError> {
        let found = Found::of(sources)?;
        let mut config = Self::new("countersign-data");
        found.one("listen", &mut config.listen, values::listen)?;
        found.one("data", &mut config.data, values::path)?;
        found.one("database", &mut config.database, |v| values::database(v).map(Some))?;
        found.one("seed", &mut config.seed, |v| values::path(v).map(Some))?;
        found.one("mode", &mut config.mode, values::mode)?;
        found.one("profile", &mut config.profile, |v| {
            profile::by_name(v).ok_or_else(|| "there is no such profile".to_owned())
        })?;
        found.one("ready-file", &mut config.ready_file, |v| values::path(v).map(Some))?;
        found.one("tls", &mut config.tls, values::tls)?;
        found.many("public-url", &mut config.public_urls, values::public_url)?;
        found.many("behind-proxy", &mut config.behind_proxy, values::network)?;
        found.one("admin-token-file", &mut config.admin_token_file, |v| values::path(v).map(Some))?;
        found.one("private-issuers", &mut config.private_issuers, values::allow)?;
        found.one("signing-key-max-age", &mut config.signing_key_max_age, values::key_age)?;
        found.one("signins-keep", &mut config.signins_keep, values::duration)?;
        found.one("signins-max", &mut config.signins_max, values::number)?;
        found.one("limit-per-address", &mut config.limit_per_address, values::limit)?;
        found.one("limit-per-client", &mut config.limit_per_client, values::limit)?;
        found.many("managed-identity", &mut config.managed_identities, values::app_id)?;
        if let Some((path, _)) = &sources.file {
            let origin = found.values.get("config").map_or(Origin::Default, |f| f.origin.clone());
            config.file = Setting { value: Some(path.clone()), origin };
        }
        config.check_together()?;
        Ok((config, warnings(sources)))
    }

    /// Rules over more than one setting.
    fn check_together(&self) -> Result<(), ConfigError> {
        if self.tls.value == Tls::Off && !self.listen.value.is_loopback() && self.behind_proxy.value.is_empty() {
            return Err(ConfigError::Together(format!(
                "tls = 'off' (from {}) needs a loopback address in listen (it is '{}', from {}) or --behind-proxy: secrets and \
                 tokens would cross the network in the clear",
                self.tls.origin, self.listen.value, self.listen.origin
            )));
        }
        let behind_proxy = !self.behind_proxy.value.is_empty();
        if self.mode.value == Mode::Production && behind_proxy && self.public_urls.value.is_empty() {
            return Err(ConfigError::Together(
                "mode = 'production' with --behind-proxy needs --public-url: the service must know the name that clients use"
                    .to_owned(),
            ));
        }
        if self.mode.value == Mode::Production && !self.managed_identities.value.is_empty() {
            return Err(ConfigError::Together(format!(
                "managed-identity (from {}) does not go with mode = 'production' (from {}): whoever is on this machine would get \
                 tokens without any credential",
                self.managed_identities.origin, self.mode.origin
            )));
        }
        Ok(())
    }

    /// The SQLite file, when that is the database.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        match &self.database.value {
            None => Some(self.data.value.join("countersign.db")),
            Some(Database::Sqlite(path)) => Some(path.clone()),
            Some(Database::Postgres(_)) => None,
        }
    }

    /// Every setting with value and origin, in the order of [`KEYS`].
    pub fn rows(&self) -> Vec<(&'static str, String, String)> {
        fn row<T>(
            name: &'static str,
            setting: &Setting<T>,
            show: impl Fn(&T) -> String,
        ) -> (&'static str, String, String) {
            (name, show(&setting.value), setting.origin.to_string())
        }
        let limit = |l: &Option<u32>| l.map_or_else(|| "off".to_owned(), |n| n.to_string());
        let path = |p: &Option<PathBuf>| p.as_ref().map(|p| p.display().to_string()).unwrap_or_default();
        vec![
            row("listen", &self.listen, ToString::to_string),
            row("data", &self.data, |p| p.display().to_string()),
            row("database", &self.database, |d| match d {
                Some(database) => database.to_string(),
                None => format!("sqlite:{}", self.data.value.join("countersign.db").display()),
            }),
            row("seed", &self.seed, path),
            row("mode", &self.mode, |m| m.name().to_owned()),
            row("profile", &self.profile, |p| p.name.to_owned()),
            row("ready-file", &self.ready_file, path),
            row("tls", &self.tls, ToString::to_string),
            row("public-url", &self.public_urls, |u| u.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            row("behind-proxy", &self.behind_proxy, |n| {
                n.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            }),
            row("admin-token-file", &self.admin_token_file, |p| match p {
                Some(path) => path.display().to_string(),
                None => self.data.value.join("admin-token").display().to_string(),
            }),
            row("private-issuers", &self.private_issuers, |a| if *a { "allow" } else { "refuse" }.to_owned()),
            row("signing-key-max-age", &self.signing_key_max_age, |a| a.map_or_else(|| "never".to_owned(), show_age)),
            row("signins-keep", &self.signins_keep, |a| show_age(*a)),
            row("signins-max", &self.signins_max, ToString::to_string),
            row("limit-per-address", &self.limit_per_address, limit),
            row("limit-per-client", &self.limit_per_client, limit),
            row("managed-identity", &self.managed_identities, |ids| ids.join(" ")),
            row("config", &self.file, path),
        ]
    }
}

/// The highest source of each key.
struct Found {
    values: BTreeMap<&'static str, Given>,
}

struct Given {
    values: Vec<String>,
    origin: Origin,
}

impl Found {
    fn of(sources: &Sources) -> Result<Self, ConfigError> {
        let mut values = BTreeMap::new();
        if let Some((path, text)) = &sources.file {
            read_file(path, text, &mut values)?;
        }
        for key in &KEYS {
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

    fn one<T>(
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

    fn many<T>(
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
    let shown: String = value.chars().take(200).collect();
    ConfigError::Value { key: name, value: shown, origin: origin.clone(), why, accepted }
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

fn warnings(sources: &Sources) -> Vec<String> {
    let known =
        |name: &str| KEYS.iter().any(|k| k.variable() == name) || sources.known_variables.iter().any(|k| k == name);
    sources
        .environment
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)], file: &str) -> Sources {
        let mut out = Sources {
            environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            file: Some((PathBuf::from("countersign.toml"), file.to_owned())),
            ..Sources::default()
        };
        for (name, value) in flags {
            out.flags.entry((*name).to_owned()).or_default().push((*value).to_owned());
        }
        out
    }

    #[test]
    fn a_line_that_is_no_toml_is_named_and_not_shown() {
        let file = "listen = \"127.0.0.1:1\"\ndatabase = \"postgres://u:s3cret@db/x\n";
        let error = Config::load(&sources(&[], &[], file)).unwrap_err().to_string();
        assert!(error.contains("line 2") && !error.contains("s3cret"), "{error}");
    }

    #[test]
    fn flag_over_environment_over_file_over_default() {
        let file = "# settings\nlisten = \"127.0.0.1:1\"\nmode = \"production\"\ndata = \"d\"\n";
        let env = [("COUNTERSIGN_LISTEN", "127.0.0.1:2"), ("COUNTERSIGN_DATA", "e")];
        let (config, warnings) = Config::load(&sources(&[("listen", "127.0.0.1:3")], &env, file)).unwrap();
        assert_eq!((config.listen.value.port, config.listen.origin.to_string()), (3, "--listen".to_owned()));
        assert_eq!((config.data.value, config.data.origin.to_string()), ("e".into(), "COUNTERSIGN_DATA".to_owned()));
        assert_eq!(
            (config.mode.value, config.mode.origin.to_string()),
            (Mode::Production, "countersign.toml:3".to_owned())
        );
        assert_eq!(config.tls.origin, Origin::Default);
        assert!(warnings.is_empty());
    }

    #[test]
    fn refusals_name_key_value_origin_and_what_is_accepted() {
        for (name, value) in [
            ("mode", "staging"),
            ("profile", "lenient"),
            ("tls", "sometimes"),
            ("listen", "here"),
            ("listen", ""),
            ("public-url", "https://"),
            ("behind-proxy", ""),
            ("database", "mysql://localhost/x"),
        ] {
            let error = Config::load(&sources(&[(name, value)], &[], "")).unwrap_err();
            let text = error.to_string();
            let accepted = KEYS.iter().find(|k| k.name == name).unwrap().accepted;
            assert!(
                text.contains(&format!("--{name}")) && text.contains(&format!("'{value}'")) && text.contains(accepted),
                "{text}"
            );
            assert!(error.is_usage());
        }
        let text = Config::load(&sources(&[], &[], "\n\nmode = 5\n")).unwrap_err().to_string();
        assert!(text.contains("countersign.toml:3") && text.contains("mode"), "{text}");
    }

    #[test]
    fn unknown_keys_end_the_start_and_unknown_variables_warn() {
        let text = Config::load(&sources(&[], &[], "lissten = \"127.0.0.1:1\"\n")).unwrap_err().to_string();
        assert!(text.contains("lissten") && text.contains("'listen'"), "{text}");
        let (_, warnings) = Config::load(&sources(&[], &[("COUNTERSIGN_LISSTEN", "x")], "")).unwrap();
        assert!(warnings[0].contains("COUNTERSIGN_LISSTEN") && warnings[0].contains("COUNTERSIGN_LISTEN?"));
        assert!(matches!(Config::load(&sources(&[], &[], "mode = = 5")), Err(ConfigError::File { .. })));
    }

    #[test]
    fn plain_http_needs_loopback_or_a_proxy() {
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        let text = load(&[("listen", "0.0.0.0:0"), ("tls", "off")]).unwrap_err().to_string();
        assert!(text.contains("tls") && text.contains("loopback"), "{text}");
        assert!(load(&[("listen", "[::1]:0"), ("tls", "off")]).is_ok());
        assert!(load(&[("listen", "0.0.0.0:0"), ("tls", "off"), ("behind-proxy", "10.0.0.0/8")]).is_ok());
        assert!(load(&[("mode", "production"), ("behind-proxy", "10.0.0.0/8")]).is_err());
    }

    #[test]
    fn managed_identities_are_for_dev_mode() {
        let id = "8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef";
        let load = |flags: &[(&str, &str)]| Config::load(&sources(flags, &[], ""));
        assert_eq!(load(&[("managed-identity", id)]).unwrap().0.managed_identities.value, [id]);
        let text = load(&[("managed-identity", "payroll")]).unwrap_err().to_string();
        assert!(text.contains("'payroll'") && text.contains("--managed-identity"), "{text}");
        let text = load(&[("managed-identity", id), ("mode", "production")]).unwrap_err().to_string();
        assert!(text.contains("managed-identity") && text.contains("production"), "{text}");
    }
}
