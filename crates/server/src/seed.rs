//! Seed files: tenants and applications to create at the start, in YAML, JSON or JSON Lines.
//!
//! Called by the start of the service. A seed creates what was never there; what exists is left as it is, what was deleted
//! stays deleted. A fault names file, line, column and member, and then nothing is written. State files have the same form
//! (see [`crate::state`]).

pub mod document;
mod grants;
mod load;
mod means;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::UnixTime;
use countersign_core::thumbprint::sha256;

use crate::directory::Directory;
use crate::resources::fault::Fault;
use crate::secrets::Secrets;
use crate::store::StoreError;
use crate::store::model::TenantRecord;
use document::Source;
pub use load::Mode;
pub(crate) use load::{LoadError, Loader};

/// Name of the setting that remembers the last large seed, so that a restart need not look at each of its applications.
pub(crate) const APPLIED: &str = "seed-applied";
/// Seeds below this are read at every start: it costs nothing and finds a file beside it that went missing.
const LARGE: u64 = 1 << 20;

/// What a seed or import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Tenants that were created.
    pub tenants: u64,
    /// Applications that were created.
    pub applications: u64,
    /// Applications that were there already, or were deleted earlier.
    pub left: u64,
    /// What was odd and is no fault: with its place.
    pub warnings: Vec<String>,
}

/// Why a file was not taken; nothing of it was written.
#[derive(Debug)]
pub enum FileError {
    /// The file cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Something in it is wrong.
    Fault {
        /// The file.
        path: PathBuf,
        /// What, and where.
        fault: Box<Fault>,
    },
    /// The store could not write it.
    Store(StoreError),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, cause } => write!(f, "{} cannot be read: {cause}", path.display()),
            Self::Fault { path, fault } => f.write_str(&located(path, fault)),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for FileError {}

/// `file: line 3, column 5: member: what is wrong`
pub(crate) fn located(path: &Path, fault: &Fault) -> String {
    if fault.at.line == 0 {
        format!("{}: {fault}", path.display())
    } else {
        format!("{}: line {}, column {}: {fault}", path.display(), fault.at.line, fault.at.column)
    }
}

impl FileError {
    pub(crate) fn of(path: &Path, error: LoadError) -> Self {
        match error {
            LoadError::Fault(fault) => Self::Fault { path: path.to_owned(), fault: Box::new(fault) },
            LoadError::Read(cause) => Self::Unreadable { path: path.to_owned(), cause },
            LoadError::Store(error) => Self::Store(error),
        }
    }
}

/// Creates what `path` describes and was never there, all of it or nothing. Applications without a tenant go to the first
/// tenant of the store, or to `fallback`, which is created then.
///
/// # Errors
/// [`FileError`]; nothing was written then.
pub async fn apply(
    directory: &Arc<Directory>,
    secrets: &Secrets,
    path: &Path,
    fallback: &TenantRecord,
    now: UnixTime,
) -> Result<Summary, FileError> {
    let unreadable = |cause| FileError::Unreadable { path: path.to_owned(), cause };
    let large = std::fs::metadata(path).map_err(unreadable)?.len() >= LARGE;
    let digest = if large { Some(digest_of(path).map_err(unreadable)?) } else { None };
    if let Some(digest) = &digest
        && directory.store().setting(APPLIED).await.map_err(FileError::Store)?.as_deref() == Some(digest)
    {
        return Ok(Summary::default());
    }
    let summary = load(directory, secrets, path, Mode::Seed, fallback, now).await?;
    if let Some(digest) = &digest {
        directory.store().put_setting(APPLIED, digest).await.map_err(FileError::Store)?;
    }
    Ok(summary)
}

async fn load(
    directory: &Arc<Directory>,
    secrets: &Secrets,
    path: &Path,
    mode: Mode,
    fallback: &TenantRecord,
    now: UnixTime,
) -> Result<Summary, FileError> {
    let source = Source::open(path).map_err(|error| FileError::of(path, error))?;
    let mut loader = Loader::new(directory, secrets, path, mode, fallback, now);
    let read = loader.read(source).await;
    let done = match read {
        Ok(()) => loader.finish().await,
        Err(error) => Err(error),
    };
    done.map_err(|error| FileError::of(path, error))
}

fn digest_of(path: &Path) -> std::io::Result<[u8; 32]> {
    use std::io::Read as _;
    let mut file = std::fs::File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    // A digest over the digests of its parts serves as well here, and needs no incremental hashing.
    let mut parts = Vec::new();
    loop {
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read(&mut buffer[filled..])? {
                0 => break,
                n => filled += n,
            }
        }
        if filled == 0 {
            return Ok(sha256(&parts));
        }
        parts.extend_from_slice(&sha256(&buffer[..filled]));
    }
}

#[cfg(test)]
mod tests;
