//! Where a local service is: its ready file, and what `serve` leaves in this folder when it runs with defaults.
//!
//! Used by every verb that talks to a service. It reads files only; whether the service lives is for the caller to find out.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// Where `serve` keeps its CA when it was started with defaults in this folder.
const DEFAULT_CA: &str = "countersign-data/tls/ca.pem";
/// Where it keeps the admin token then.
const DEFAULT_ADMIN_TOKEN: &str = "countersign-data/admin-token";

/// The members of a ready file that other verbs need.
#[derive(Clone, Debug, Deserialize)]
pub struct Ready {
    /// Base URL.
    pub url: String,
    /// The first tenant.
    pub tenant: String,
    /// The service's own CA.
    pub ca_file: Option<PathBuf>,
    /// File with the admin token.
    pub admin_token_file: PathBuf,
}

impl Ready {
    /// Reads a ready file.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| {
            // Not there yet, or there no more: the service is not ready.
            let exit = if e.kind() == std::io::ErrorKind::NotFound { Exit::Unreachable } else { Exit::Unreadable };
            Failure::new(exit, format!("{name}: cannot be read: {e}"))
        })?;
        serde_json::from_str(&text).map_err(|e| {
            Failure::new(Exit::Unreadable, format!("{name}: is no ready file of `countersign serve`: {e}"))
        })
    }
}

/// The CA of a service that runs with defaults in this folder, if there is one.
pub fn default_ca() -> Option<PathBuf> {
    Some(PathBuf::from(DEFAULT_CA)).filter(|p| p.is_file())
}

/// The admin token file of such a service.
pub fn default_admin_token() -> Option<PathBuf> {
    Some(PathBuf::from(DEFAULT_ADMIN_TOKEN)).filter(|p| p.is_file())
}
