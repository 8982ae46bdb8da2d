//! Managed identities: which applications answer as one, and the secret that the App Service form asks for.
//!
//! Made at the start from `--managed-identity`. The secret is kept in the data folder, readable by its owner alone, and
//! compared by digest in constant time.

use std::path::{Path, PathBuf};

use countersign_core::thumbprint::sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::admin::AdminTokenError;
use crate::{files, secrets};

/// Name of the secret's file in the data folder.
pub const IDENTITY_HEADER_FILE: &str = "identity-header";

/// The identities of this machine.
#[derive(Debug, Default)]
pub struct Identities {
    app_ids: Vec<String>,
    secret: Option<Secret>,
}

/// The secret of the App Service form, as a digest.
struct Secret {
    digest: [u8; 32],
    file: PathBuf,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Identities {
    /// Reads the secret from the data folder, and makes it when it is missing. Without identities there is none.
    ///
    /// # Errors
    /// [`AdminTokenError`] naming the file.
    pub fn open(folder: &Path, app_ids: &[String]) -> Result<Self, AdminTokenError> {
        if app_ids.is_empty() {
            return Ok(Self::default());
        }
        let file = folder.join(IDENTITY_HEADER_FILE);
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => Zeroizing::new(text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                let failed = |cause| AdminTokenError::File { path: file.clone(), doing: "written", cause };
                let bytes = secrets::random::<32>().map_err(|e| failed(std::io::Error::other(e.to_string())))?;
                let text = Zeroizing::new(countersign_core::encoding::encode_base64url(&bytes));
                files::write_private(&file, format!("{}\n", *text).as_bytes()).map_err(failed)?;
                text
            }
            Err(cause) => return Err(AdminTokenError::File { path: file, doing: "read", cause }),
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(AdminTokenError::Unusable(file));
        }
        Ok(Self { app_ids: app_ids.to_vec(), secret: Some(Secret { digest: sha256(secret.as_bytes()), file }) })
    }

    /// App ids, the system-assigned identity first.
    pub fn app_ids(&self) -> &[String] {
        &self.app_ids
    }

    /// Whether there is any.
    pub fn any(&self) -> bool {
        !self.app_ids.is_empty()
    }

    /// Whether this is the secret of the App Service form.
    pub fn is_secret(&self, text: &str) -> bool {
        self.secret.as_ref().is_some_and(|s| sha256(text.as_bytes()).ct_eq(&s.digest).into())
    }

    /// The file with the secret.
    pub fn secret_file(&self) -> Option<&Path> {
        self.secret.as_ref().map(|s| s.file.as_path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_made_once_and_only_where_there_are_identities() {
        let folder = tempfile::tempdir().unwrap();
        let none = Identities::open(folder.path(), &[]).unwrap();
        assert!(!none.any() && !none.is_secret("") && none.secret_file().is_none());
        let ids = ["8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef".to_owned()];
        let first = Identities::open(folder.path(), &ids).unwrap();
        let file = first.secret_file().unwrap().to_owned();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(first.is_secret(text.trim()) && !first.is_secret(&text));
        assert!(Identities::open(folder.path(), &ids).unwrap().is_secret(text.trim()));
        assert_eq!(files::owner_only(&file), Ok(()));
    }
}
