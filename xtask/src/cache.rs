//! The folder outside the checkout that holds what tests install: a Python environment, npm modules, tools.
//!
//! Each entry is keyed by the lock files it was made from and carries a mark once it is whole, so an interrupted install is
//! done again and a second run finds everything.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process;

/// `$COUNTERSIGN_TEST_CACHE`, else `countersign-tests` under the user's cache folder.
pub fn folder() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("COUNTERSIGN_TEST_CACHE") {
        return Ok(PathBuf::from(named));
    }
    let user = match std::env::var_os("XDG_CACHE_HOME") {
        Some(named) if !named.is_empty() => PathBuf::from(named),
        _ => {
            let home = std::env::var_os("HOME").context(
                "neither COUNTERSIGN_TEST_CACHE, XDG_CACHE_HOME nor HOME is set: no place for what tests install",
            )?;
            Path::new(&home).join(".cache")
        }
    };
    Ok(user.join("countersign-tests"))
}

/// The entry `name` made from `locks` (paths in the checkout) and `with` (a version, say); `make` fills it when it is not whole.
pub fn entry(name: &str, locks: &[&str], with: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hash = fnv1a(FNV_OFFSET, with.as_bytes());
    for lock in locks {
        let path = process::root().join(lock);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hash = fnv1a(hash, &content);
    }
    let folder = folder()?.join(format!("{name}-{hash:016x}"));
    let whole = folder.join(".whole");
    if !whole.is_file() {
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        make(&folder)?;
        fs::write(&whole, "").with_context(|| format!("cannot write {}", whole.display()))?;
    }
    Ok(folder)
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a: names cache folders, protects nothing.
fn fnv1a(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv1a_agrees_with_its_published_vectors() {
        assert_eq!(fnv1a(FNV_OFFSET, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(FNV_OFFSET, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(FNV_OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
    }
}
