//! Files of the data folder: written whole or not at all, and readable by their owner alone where they hold secrets.
//!
//! Called by the start of the service, by `secrets`, `tls` and the ready file.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file that only its owner may read (mode 0600), atomically and to the disk.
///
/// # Errors
/// What the system said.
pub fn write_private(path: &Path, contents: &[u8]) -> io::Result<()> {
    write(path, contents, 0o600)
}

/// Writes a file that everybody may read (mode 0644), atomically and to the disk.
///
/// # Errors
/// What the system said.
pub fn write_public(path: &Path, contents: &[u8]) -> io::Result<()> {
    write(path, contents, 0o644)
}

fn write(path: &Path, contents: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut beside = name.to_os_string();
    beside.push(format!(".{}.new", std::process::id()));
    let beside: PathBuf = folder.join(beside);
    let written = (|| {
        let _ = fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        set_mode(&mut options, mode);
        let mut file = options.open(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        // Else the rename may be lost with the power.
        fs::File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Creates a file of mode 0600 if it is not there; SQLite gives its side files the mode of the database.
///
/// # Errors
/// What the system said.
pub fn create_private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    set_mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// Creates a folder of mode 0700, with its parents, if it is not there.
///
/// # Errors
/// What the system said.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Whether only its owner may read a file; one that is not there is nobody's. A file of root's may be readable by its group
/// as well, unless root is who runs this: secrets that a supervisor or Kubernetes hands to a service have that form. PostgreSQL
/// holds its TLS key to the same rule (<https://www.postgresql.org/docs/current/ssl-tcp.html>).
///
/// # Errors
/// The file's mode, when others may read it.
#[cfg(unix)]
pub fn owner_only(path: &Path) -> Result<(), u32> {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    let handed_over = metadata.uid() == 0 && own_user().is_some_and(|user| user != 0);
    let others = if handed_over { 0o037 } else { 0o077 };
    let mode = metadata.mode() & 0o7777;
    if mode & others == 0 { Ok(()) } else { Err(mode) }
}

/// The user that runs this, where the system tells.
#[cfg(unix)]
fn own_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata("/proc/self").ok().map(|m| m.uid())
}

/// Whether only its owner may write into a folder.
///
/// # Errors
/// Its mode, when others may.
#[cfg(unix)]
pub fn owner_writes(path: &Path) -> Result<(), u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = fs::metadata(path).map_or(0o700, |m| m.mode() & 0o7777);
    if mode & 0o022 == 0 { Ok(()) } else { Err(mode) }
}

/// Whether only its owner may write into a folder; always, where files have no modes.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn owner_writes(_path: &Path) -> Result<(), u32> {
    Ok(())
}

/// Whether only its owner may read a file; always, where files have no modes.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn owner_only(_path: &Path) -> Result<(), u32> {
    Ok(())
}

#[cfg(unix)]
fn set_mode(options: &mut OpenOptions, mode: u32) {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(mode);
}

#[cfg(not(unix))]
fn set_mode(_options: &mut OpenOptions, _mode: u32) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_files_are_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(owner_only(&path), Ok(()));
        write_public(&path, b"three").unwrap();
        assert!(cfg!(not(unix)) || owner_only(&path).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
