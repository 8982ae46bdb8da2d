//! What reading a file may use: files beside it, secrets under the server's key, ids that never were there.
//!
//! Part of `load`.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::resources::Means;
use crate::resources::fault::shown;
use crate::secrets::{self, Secrets};

/// A key or certificate file beside a seed.
const LARGEST_FILE: u64 = 1 << 20;

/// What reading a file may use: files beside it, secrets under the server's key.
pub(super) struct FileMeans<'a> {
    secrets: &'a Secrets,
    folder: PathBuf,
    refuses_published: bool,
}

impl<'a> FileMeans<'a> {
    /// Means for the file at this path.
    pub(super) fn new(secrets: &'a Secrets, path: &Path, refuses_published: bool) -> Self {
        Self { secrets, folder: path.parent().map(Path::to_owned).unwrap_or_default(), refuses_published }
    }
}

impl Means for FileMeans<'_> {
    fn new_id(&mut self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    fn random(&mut self) -> Option<Zeroizing<[u8; 34]>> {
        secrets::random::<34>().ok().map(Zeroizing::new)
    }

    fn digest(&self, secret: &str) -> [u8; 32] {
        self.secrets.digest(secret)
    }

    fn refuses_published(&self) -> bool {
        self.refuses_published
    }

    fn read_file(&self, name: &str) -> Result<Vec<u8>, String> {
        let path = self.folder.join(name);
        let size = std::fs::metadata(&path).map_err(|cause| format!("{} cannot be read: {cause}", shown(name)))?;
        if size.len() > LARGEST_FILE {
            return Err(format!(
                "{} has {} bytes; a file named here has at most {LARGEST_FILE}",
                shown(name),
                size.len()
            ));
        }
        std::fs::read(&path).map_err(|cause| format!("{} cannot be read: {cause}", shown(name)))
    }
}
