//! Files that people name: read whole, bounded, with one message that says what is wrong.

use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};

/// Longest file that is read: a list of 10,000 registrations has about 30 MB.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// Reads a file, or stdin for `-`.
pub fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display();
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|f| f.take(MAX_FILE + 1).read_to_end(&mut bytes))
    };
    match read {
        Err(cause) => Err(Failure::new(Exit::Unreadable, format!("{name}: cannot be read: {cause}"))),
        Ok(_) if bytes.len() as u64 > MAX_FILE => {
            Err(Failure::new(Exit::Unreadable, format!("{name}: more than 64 MiB; give only the part that matters")))
        }
        Ok(_) => Ok(bytes),
    }
}

/// Reads a password or secret from a file: the first line, without its end.
pub fn read_secret(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| {
        Failure::new(Exit::Unreadable, format!("{}: is no UTF-8 text; expected a password", path.display()))
    })?;
    let line = text.strip_prefix('\u{feff}').unwrap_or(text).lines().next().unwrap_or_default();
    Ok(Zeroizing::new(line.to_owned()))
}

/// Writes a file that appears whole or not at all; `private` for mode 0600. An existing file is replaced only with `force`.
pub fn write_new(path: &Path, bytes: &[u8], private: bool, force: bool) -> Result<(), Failure> {
    use std::io::Write as _;
    let failed = |cause: std::io::Error| {
        Failure::new(Exit::Unreadable, format!("{}: cannot be written: {cause}", path.display()))
    };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".countersign-").tempfile_in(folder).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = if private { 0o600 } else { 0o644 };
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    #[cfg(not(unix))]
    let _ = private;
    file.as_file().sync_all().map_err(failed)?;
    let placed = if force { file.persist(path).map(drop) } else { file.persist_noclobber(path).map(drop) };
    placed.map_err(|e| match e.error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            Exit::Usage,
            format!("{}: is there already; name another file, or replace it with --force", path.display()),
        ),
        _ => failed(e.error),
    })
}
