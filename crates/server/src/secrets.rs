//! The server's master key and what is derived from it: digests of client secrets, encryption of private keys at rest.
//!
//! Called by the start of the service, the signer and the Graph layer. Nothing derived here is ever printed.

#[cfg(feature = "pkcs11")]
mod pkcs11;

use std::fmt;

use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, hmac};
use countersign_core::keyfile::Pkcs11Uri;
use zeroize::Zeroizing;

use crate::files;

/// Name of the master key's file in the data folder.
pub const MASTER_KEY_FILE: &str = "master.key";
const FIRST_LINE: &str = "countersign-master-key-1";
const KEY_BYTES: usize = 32;

/// Where the master key is.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum MasterKey {
    /// In the data folder, where it is made on the first start.
    #[default]
    Folder,
    /// In a file that was named; it has to be there.
    File(PathBuf),
    /// In the environment: 64 hex digits.
    Given(Zeroizing<String>),
    /// Derived by a key in a PKCS#11 token, which never leaves it.
    Token {
        /// The key.
        uri: Box<Pkcs11Uri>,
        /// The file with the token's PIN, where the URI does not name one.
        pin_file: Option<PathBuf>,
    },
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folder => "Folder",
            Self::File(_) => "File",
            Self::Given(_) => "Given",
            Self::Token { .. } => "Token",
        })
    }
}

impl MasterKey {
    /// The variable that may hold it.
    pub const VARIABLE: &'static str = "COUNTERSIGN_MASTER_KEY";

    /// A key as text: 64 hex digits, or what stands in a key file.
    ///
    /// # Errors
    /// [`SecretsError::Given`]
    pub fn given(text: &str) -> Result<Self, SecretsError> {
        parse(text).map(|_| Self::Given(Zeroizing::new(text.to_owned()))).ok_or(SecretsError::Given)
    }

    /// Where people find it.
    pub fn place(&self, folder: &Path) -> PathBuf {
        match self {
            Self::Folder => folder.join(MASTER_KEY_FILE),
            Self::File(path) => path.clone(),
            Self::Given(_) => PathBuf::from(Self::VARIABLE),
            Self::Token { uri, .. } => PathBuf::from(uri.describe()),
        }
    }

    /// The key itself, for a state file with keys; `None` where it is yet to be made.
    ///
    /// # Errors
    /// [`SecretsError`], naming the file.
    pub fn read(&self, folder: &Path) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, SecretsError> {
        let path = match self {
            Self::Given(text) => return parse(text).map(Some).ok_or(SecretsError::Given),
            #[cfg(feature = "pkcs11")]
            Self::Token { uri, pin_file } => return pkcs11::derive(uri, pin_file.as_deref()).map(Some),
            #[cfg(not(feature = "pkcs11"))]
            Self::Token { uri, .. } => {
                return Err(SecretsError::Token(format!(
                    "{}: this program was built without PKCS#11 (feature `pkcs11`)",
                    uri.describe()
                )));
            }
            Self::Folder | Self::File(_) => self.place(folder),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                files::owner_only(&path).map_err(|mode| SecretsError::Readable { path: path.clone(), mode })?;
                parse(&text).map(Some).ok_or(SecretsError::Damaged(path))
            }
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && *self == Self::Folder => Ok(None),
            Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => Err(SecretsError::Damaged(path)),
            Err(cause) => Err(SecretsError::File { path, doing: "read", cause }),
        }
    }
}

/// Keys derived from the master key.
pub struct Secrets {
    secret_digest: hmac::Key,
    check: hmac::Key,
    seal: RandomizedNonceKey,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets { .. }")
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be {doing}: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        doing: &'static str,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The file is there and holds something else.
    #[error(
        "the key file {0} is damaged: it must hold the line '{FIRST_LINE}' and one line of 64 hex digits, or that line \
         alone; bring it back from a backup, since the signing keys and secrets in the store cannot be used without it"
    )]
    Damaged(PathBuf),
    /// The variable holds something else.
    #[error(
        "the master key in {} is none: 64 hex digits are needed (for example from: openssl rand -hex 32)",
        MasterKey::VARIABLE
    )]
    Given,
    /// Others may read it.
    #[error("the key file {path} has mode {mode:04o}: it must be readable by its owner alone (chmod 600 {path})")]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The PKCS#11 token does not give it.
    #[error("the master key cannot be had: {0}")]
    Token(String),
    /// The random number generator failed.
    #[error("the system gives no random numbers")]
    NoRandom,
}

/// What cannot be opened: sealed under another key, or changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value was made under another master key, or is damaged")]
pub struct Unsealable;

impl Secrets {
    /// Reads the master key. With `make`, one that is missing in the data folder is made; without, that is an error: a store
    /// that is already there was made under a key that is now lost.
    ///
    /// # Errors
    /// [`SecretsError`], naming the file.
    pub fn open(key: &MasterKey, folder: &Path, make: bool) -> Result<Self, SecretsError> {
        if let Some(key) = key.read(folder)? {
            return Ok(Self::from_master(&key));
        }
        if !make {
            let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(SecretsError::File { path: folder.join(MASTER_KEY_FILE), doing: "read", cause });
        }
        let key = Zeroizing::new(random::<KEY_BYTES>().map_err(|_| SecretsError::NoRandom)?);
        Self::write_master(folder, &key)?;
        Ok(Self::from_master(&key))
    }

    /// Gives a data folder a master key that came with a state file.
    ///
    /// # Errors
    /// [`SecretsError`], naming the file.
    pub fn write_master(folder: &Path, key: &[u8; KEY_BYTES]) -> Result<(), SecretsError> {
        let path = folder.join(MASTER_KEY_FILE);
        let hex = Zeroizing::new(countersign_core::encoding::encode_hex_lower(key));
        let text = Zeroizing::new(format!("{FIRST_LINE}\n{}\n", *hex));
        files::write_private(&path, text.as_bytes()).map_err(|cause| SecretsError::File {
            path,
            doing: "written",
            cause,
        })
    }

    /// Keys derived from these bytes (RFC 5869). Each purpose has its own label; labels never change.
    pub fn from_master(master: &[u8; KEY_BYTES]) -> Self {
        let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, b"countersign").extract(master);
        let derive = |label: &[u8]| {
            let mut out = Zeroizing::new([0u8; KEY_BYTES]);
            let info = [label];
            // HKDF-SHA-256 gives up to 255 × 32 bytes (RFC 5869 §2.3); 32 cannot be too many.
            #[expect(clippy::expect_used, reason = "see the line above")]
            prk.expand(&info, hkdf::HKDF_SHA256).and_then(|okm| okm.fill(&mut *out)).expect("HKDF of 32 bytes");
            out
        };
        #[expect(clippy::expect_used, reason = "AES-256-GCM keys have the 32 bytes that derive gives")]
        let seal = RandomizedNonceKey::new(&AES_256_GCM, &*derive(b"seal private keys")).expect("an AES-256 key");
        Self {
            secret_digest: hmac::Key::new(hmac::HMAC_SHA256, &*derive(b"digest client secrets")),
            check: hmac::Key::new(hmac::HMAC_SHA256, &*derive(b"key check")),
            seal,
        }
    }

    /// HMAC-SHA-256 of a client secret. Secrets are made by the service with 256 random bits, so a fast digest under a
    /// server key protects them as well as a slow one would.
    pub fn digest(&self, secret: &str) -> [u8; 32] {
        let tag = hmac::sign(&self.secret_digest, secret.as_bytes());
        let mut out = [0; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// A value that tells whether a store was made under this key.
    pub fn key_check(&self) -> Vec<u8> {
        hmac::sign(&self.check, b"countersign store").as_ref().to_vec()
    }

    /// Encrypts a private key; `context` (its `kid`) must be given again to open it.
    ///
    /// # Errors
    /// [`SecretsError::NoRandom`] when no nonce can be had.
    pub fn seal(&self, context: &str, plain: &[u8]) -> Result<Vec<u8>, SecretsError> {
        let mut body = plain.to_vec();
        let nonce = self
            .seal
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut body)
            .map_err(|_| SecretsError::NoRandom)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut body);
        Ok(out)
    }

    /// Decrypts what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`Unsealable`]
    pub fn unseal(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (nonce, body) = sealed.split_at_checked(12).ok_or(Unsealable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable)?;
        let mut body = Zeroizing::new(body.to_vec());
        let length =
            self.seal.open_in_place(nonce, Aad::from(context.as_bytes()), &mut body).map_err(|_| Unsealable)?.len();
        body.truncate(length);
        Ok(body)
    }
}

/// Random bytes.
///
/// # Errors
/// [`SecretsError::NoRandom`]
pub fn random<const N: usize>() -> Result<[u8; N], SecretsError> {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).map_err(|_| SecretsError::NoRandom)?;
    Ok(out)
}

/// Random bytes for ids and nonces, from a pool of the thread: one draw from the library serves many requests. Not for keys
/// or secrets, which must not lie in memory before they are wanted.
///
/// # Errors
/// [`SecretsError::NoRandom`]
pub fn random_ids<const N: usize>() -> Result<[u8; N], SecretsError> {
    const POOL: usize = 8_192;
    thread_local! {
        static IDS: std::cell::RefCell<(Vec<u8>, usize)> = const { std::cell::RefCell::new((Vec::new(), 0)) };
    }
    IDS.with_borrow_mut(|(pool, used)| {
        if *used + N > pool.len() {
            pool.resize(POOL.max(N), 0);
            // Marked as used up first: a draw that fails leaves nothing behind that could be given out.
            *used = pool.len();
            aws_lc_rs::rand::fill(pool).map_err(|_| SecretsError::NoRandom)?;
            *used = 0;
        }
        let mut out = [0; N];
        out.copy_from_slice(&pool[*used..*used + N]);
        *used += N;
        Ok(out)
    })
}

fn parse(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let text = text.trim();
    let hex = text.strip_prefix(FIRST_LINE).unwrap_or(text).trim();
    let bytes = Zeroizing::new(countersign_core::encoding::decode_hex(hex)?);
    <[u8; KEY_BYTES]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seals_and_refuses_what_was_changed() {
        let secrets = Secrets::from_master(&[7; 32]);
        let sealed = secrets.seal("kid", b"private").unwrap();
        assert_eq!(&**secrets.unseal("kid", &sealed).unwrap(), b"private");
        assert_eq!(secrets.unseal("other", &sealed), Err(Unsealable));
        assert_eq!(Secrets::from_master(&[8; 32]).unseal("kid", &sealed), Err(Unsealable));
        let mut changed = sealed;
        changed[15] ^= 1;
        assert_eq!(secrets.unseal("kid", &changed), Err(Unsealable));
        assert_eq!(secrets.unseal("kid", b"short"), Err(Unsealable));
    }

    #[test]
    fn ids_never_repeat_across_pools_and_threads() {
        let draw = || (0..2_000).map(|_| random_ids::<64>().unwrap()).collect::<Vec<_>>();
        let mut all: Vec<[u8; 64]> = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4).map(|_| s.spawn(draw)).collect();
            threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
        });
        let drawn = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), drawn);
    }

    #[test]
    fn makes_a_key_file_once_and_names_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let open = |make| Secrets::open(&MasterKey::Folder, folder.path(), make);
        assert!(matches!(open(false), Err(SecretsError::File { .. })));
        let first = open(true).unwrap().digest("x");
        assert_eq!(open(true).unwrap().digest("x"), first);
        let path = folder.path().join(MASTER_KEY_FILE);
        std::fs::write(&path, b"\0").unwrap();
        let error = open(true).unwrap_err();
        assert!(error.to_string().contains(MASTER_KEY_FILE), "{error}");
        std::fs::write(&path, b"\xff\xfe").unwrap();
        assert!(matches!(open(true), Err(SecretsError::Damaged(_))));
    }

    #[test]
    fn a_key_may_come_from_a_file_or_from_the_environment_and_is_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (hex, path) = ("5a".repeat(32), folder.path().join("mine"));
        let named = MasterKey::File(path.clone());
        assert!(matches!(Secrets::open(&named, folder.path(), true), Err(SecretsError::File { .. })), "it is not made");
        files::write_private(&path, format!("{hex}\n").as_bytes()).unwrap();
        let of_file = Secrets::open(&named, folder.path(), false).unwrap().digest("x");
        let given = MasterKey::given(&hex).unwrap();
        assert_eq!(Secrets::open(&given, folder.path(), false).unwrap().digest("x"), of_file);
        assert!(!folder.path().join(MASTER_KEY_FILE).exists());
        assert!(!format!("{given:?} {named:?}").contains("5a"));
        let error = MasterKey::given(&hex[1..]).unwrap_err().to_string();
        assert!(error.contains(MasterKey::VARIABLE) && !error.contains("5a5a"), "{error}");
    }
}
