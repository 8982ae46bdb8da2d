//! Tokens between two runs of a program: one encrypted, private file (docs/decisions/0004-token-cache-on-disk.md).
//!
//! Used by `token_client` where the caller asks for it; off by default. What cannot be opened, decrypted or read is left aside
//! and replaced: a cache is never a reason to fail.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use countersign_core::UnixTime;
use countersign_core::encoding::{decode_base64, encode_base64url, encode_hex_lower};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::response::Token;

/// First bytes of the file, authenticated with the rest.
const MAGIC: &[u8] = b"countersign tokens 1\n";
/// Longest cache file that is read.
const MAX_FILE: u64 = 4 * 1024 * 1024;
const KEY_LEN: usize = 32;

/// An encrypted token cache in a file.
#[derive(Clone)]
pub struct DiskCache {
    file: PathBuf,
    key: Arc<Zeroizing<[u8; KEY_LEN]>>,
}

impl std::fmt::Debug for DiskCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DiskCache").field("file", &self.file).finish_non_exhaustive()
    }
}

/// Why there is no cache on disk.
#[derive(Debug, thiserror::Error)]
pub enum DiskCacheError {
    /// A file cannot be used.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
}

impl DiskCache {
    /// Uses this file, and the key in `key_file`, by default `FILE.key` beside it. Both are made with mode 0600 when they are
    /// not there.
    ///
    /// # Errors
    /// [`DiskCacheError`] when the key file is readable by others, or is no key.
    pub fn open(file: &Path, key_file: Option<&Path>) -> Result<Self, DiskCacheError> {
        let key_file = key_file.map_or_else(|| with_suffix(file, ".key"), Path::to_path_buf);
        if let Some(folder) = file.parent().filter(|p| !p.as_os_str().is_empty()) {
            make_folder(folder)?;
        }
        let key = match read_key(&key_file)? {
            Some(key) => key,
            None => make_key(&key_file)?,
        };
        Ok(Self { file: file.to_path_buf(), key: Arc::new(key) })
    }

    /// Forgets every token.
    ///
    /// # Errors
    /// [`DiskCacheError`] when the file cannot be removed.
    pub fn clear(&self) -> Result<(), DiskCacheError> {
        match fs::remove_file(&self.file) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(&self.file, e)),
            _ => Ok(()),
        }
    }

    /// The token of this id, if it can still be used.
    pub(crate) fn load(&self, id: &str, now: UnixTime) -> Option<Token> {
        self.entries().into_iter().find(|(known, _)| known == id).map(|(_, token)| token).filter(|t| t.is_good(now))
    }

    /// Keeps a token, and drops those that have ended. Two processes that write at once lose nothing.
    pub(crate) fn store(&self, id: &str, token: &Token, now: UnixTime) {
        if let Err(error) = self.replace(id, token, now) {
            tracing::warn!(%error, "the token is not kept on disk");
        }
    }

    fn replace(&self, id: &str, token: &Token, now: UnixTime) -> Result<(), DiskCacheError> {
        let lock_file = with_suffix(&self.file, ".lock");
        let lock = private(OpenOptions::new().create(true).truncate(false).write(true))
            .open(&lock_file)
            .map_err(|e| failed(&lock_file, e))?;
        lock.lock().map_err(|e| failed(&lock_file, e))?;
        let mut entries = self.entries();
        entries.retain(|(known, token)| known != id && token.is_good(now));
        entries.push((id.to_owned(), token.clone()));
        let sealed = self.seal(&entries)?;
        write_whole(&self.file, &sealed)
    }

    fn entries(&self) -> Vec<(String, Token)> {
        let Ok(file) = File::open(&self.file) else { return Vec::new() };
        let mut bytes = Vec::new();
        if file.take(MAX_FILE).read_to_end(&mut bytes).is_err() {
            return Vec::new();
        }
        let entries = self.open_sealed(&bytes).and_then(|plain| read_entries(&plain));
        entries.unwrap_or_else(|| {
            tracing::warn!(file = %self.file.display(), "the token cache is not one by this key, or damaged; it begins anew");
            Vec::new()
        })
    }

    fn cipher(&self) -> Option<LessSafeKey> {
        UnboundKey::new(&AES_256_GCM, &self.key[..]).ok().map(LessSafeKey::new)
    }

    fn seal(&self, entries: &[(String, Token)]) -> Result<Vec<u8>, DiskCacheError> {
        let wrong =
            || DiskCacheError::File { path: self.file.clone(), why: "the cache could not be encrypted".to_owned() };
        let list: Vec<Value> = entries.iter().map(|(id, token)| write_entry(id, token)).collect();
        let mut bytes = serde_json::to_vec(&list).map_err(|_| wrong())?;
        // A random nonce for each writing: 2^32 writings are far beyond the life of a cache (NIST SP 800-38D §8.3).
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|_| wrong())?;
        let cipher = self.cipher().ok_or_else(wrong)?;
        cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(MAGIC), &mut bytes)
            .map_err(|_| wrong())?;
        Ok([MAGIC, &nonce, &bytes].concat())
    }

    fn open_sealed(&self, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let rest = bytes.strip_prefix(MAGIC)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let length = self
            .cipher()?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(MAGIC), &mut sealed)
            .ok()?
            .len();
        sealed.truncate(length);
        Some(sealed)
    }
}

/// What a token on disk is for: token endpoint (its tenant included), client, scope and claims, each with its length.
pub(crate) fn token_id(endpoint: &str, client_id: &str, scope: &str, claims: Option<&str>) -> String {
    let mut text = String::new();
    for part in [endpoint, client_id, scope, claims.unwrap_or_default()] {
        text.push_str(&format!("{}:{part};", part.len()));
    }
    encode_hex_lower(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

fn write_entry(id: &str, token: &Token) -> Value {
    json!({
        "id": id,
        "access_token": token.access_token.expose_secret(),
        "token_type": token.token_type,
        "issued_on": token.issued_on.secs(),
        "refresh_on": token.refresh_on.secs(),
        "expires_on": token.expires_on.secs(),
        "scope": token.scope,
    })
}

fn read_entries(plain: &[u8]) -> Option<Vec<(String, Token)>> {
    let list: Vec<Value> = serde_json::from_slice(plain).ok()?;
    list.iter().map(read_entry).collect()
}

fn read_entry(json: &Value) -> Option<(String, Token)> {
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let time = |name: &str| json.get(name).and_then(Value::as_i64).map(UnixTime::from_secs);
    Some((
        text("id")?.to_owned(),
        Token {
            access_token: SecretString::from(text("access_token")?),
            token_type: text("token_type")?.to_owned(),
            issued_on: time("issued_on")?,
            refresh_on: time("refresh_on")?,
            expires_on: time("expires_on")?,
            scope: text("scope").map(str::to_owned),
        },
    ))
}

fn read_key(path: &Path) -> Result<Option<Zeroizing<[u8; KEY_LEN]>>, DiskCacheError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(path, e)),
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(|e| failed(path, e))?.permissions().mode();
        if mode & 0o077 != 0 {
            let why =
                format!("others may read this key (mode {:03o}); run `chmod 600 {}`", mode & 0o777, path.display());
            return Err(DiskCacheError::File { path: path.to_path_buf(), why });
        }
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(1_024).read_to_end(&mut bytes).map_err(|e| failed(path, e))?;
    let text = std::str::from_utf8(&bytes).ok().map(str::trim);
    let decoded = text.and_then(|t| decode_base64(t).ok()).map(|d| Zeroizing::new(d.bytes));
    let key = decoded.and_then(|d| <[u8; KEY_LEN]>::try_from(d.as_slice()).ok());
    match key {
        Some(key) => Ok(Some(Zeroizing::new(key))),
        None => {
            let why =
                "is no key of a token cache; expected base64 of 32 random bytes, as `openssl rand -base64 32` prints";
            Err(DiskCacheError::File { path: path.to_path_buf(), why: why.to_owned() })
        }
    }
}

/// Makes a key; of two processes that do so at once the first one's counts.
fn make_key(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, DiskCacheError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    SystemRandom::new().fill(&mut key[..]).map_err(|_| DiskCacheError::File {
        path: path.to_path_buf(),
        why: "the system gives no randomness".to_owned(),
    })?;
    let text = Zeroizing::new(encode_base64url(&key[..]) + "\n");
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(path, e))?;
    file.write_all(text.as_bytes()).map_err(|e| failed(path, e))?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        Err(e) if e.error.kind() == ErrorKind::AlreadyExists => {
            read_key(path)?.ok_or_else(|| failed(path, ErrorKind::NotFound.into()))
        }
        Err(e) => Err(failed(path, e.error)),
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), DiskCacheError> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // Mode 0600 by tempfile's own rule.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|e| failed(path, e))?;
    file.write_all(bytes).map_err(|e| failed(path, e))?;
    file.persist(path).map(drop).map_err(|e| failed(path, e.error))
}

fn make_folder(folder: &Path) -> Result<(), DiskCacheError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder).map_err(|e| failed(folder, e))
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(path: &Path, cause: std::io::Error) -> DiskCacheError {
    DiskCacheError::File { path: path.to_path_buf(), why: format!("cannot be used for the token cache: {cause}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_781_013_681);

    fn token(text: &str, lifetime: i64) -> Token {
        let body = json!({"access_token": text, "token_type": "Bearer", "expires_in": lifetime}).to_string();
        Token::read(body.as_bytes(), NOW).unwrap()
    }

    #[test]
    fn keeps_tokens_encrypted_and_private_and_drops_ended_ones() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("below/tokens");
        let cache = DiskCache::open(&file, None).unwrap();
        let (a, b) = (token_id("https://a", "app", "s", None), token_id("https://a", "app", "s", Some("{}")));
        assert_ne!(a, b);
        cache.store(&a, &token("t0ken-a", 3_600), NOW);
        cache.store(&b, &token("t0ken-b", 100), NOW);
        let again = DiskCache::open(&file, None).unwrap();
        assert_eq!(again.load(&a, NOW).unwrap().access_token.expose_secret(), "t0ken-a");
        assert_eq!(again.load(&b, NOW).unwrap().expires_on, NOW.plus_secs(100));
        assert!(again.load(&b, NOW.plus_secs(100)).is_none(), "ended");
        let bytes = fs::read(&file).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("t0ken"));
        again.store(&a, &token("t0ken-c", 9_000), NOW.plus_secs(200));
        assert_eq!(again.entries().len(), 1);
        #[cfg(unix)]
        for name in ["tokens", "tokens.key", "tokens.lock"] {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join("below").join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        again.clear().unwrap();
        assert!(again.load(&a, NOW).is_none());
    }

    #[test]
    fn a_changed_file_or_another_key_is_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let cache = DiskCache::open(&file, None).unwrap();
        cache.store("a", &token("t", 3_600), NOW);
        let other = DiskCache::open(&file, Some(&folder.path().join("other.key"))).unwrap();
        assert!(other.load("a", NOW).is_none());
        let whole = fs::read(&file).unwrap();
        for at in [0, MAGIC.len(), MAGIC.len() + NONCE_LEN, whole.len() - 1] {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&file, bytes).unwrap();
            assert!(cache.load("a", NOW).is_none(), "byte {at}");
        }
        fs::write(&file, &whole[..whole.len() - 20]).unwrap();
        assert!(cache.load("a", NOW).is_none());
        cache.store("b", &token("t", 3_600), NOW);
        assert!(cache.load("b", NOW).is_some(), "it begins anew");
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_read_or_that_is_none_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        fs::write(&key, encode_base64url(&[7; 32])).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        let open = || DiskCache::open(&folder.path().join("tokens"), Some(&key)).map(drop);
        let text = open().unwrap_err().to_string();
        assert!(text.contains("chmod 600") && text.contains("644"), "{text}");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        open().unwrap();
        fs::write(&key, "short").unwrap();
        let text = open().unwrap_err().to_string();
        assert!(text.contains("openssl rand -base64 32") && !text.contains("short"), "{text}");
    }

    #[test]
    fn processes_that_write_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    let cache = DiskCache::open(file, None).unwrap();
                    cache.store(&n.to_string(), &token("t", 3_600), NOW);
                });
            }
        });
        assert_eq!(DiskCache::open(&file, None).unwrap().entries().len(), 8);
    }
}
