//! Mistakes in the settings: each names the key, where it came from and what is accepted.

use std::path::PathBuf;

use super::Origin;
use super::keys::suggestion;

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
