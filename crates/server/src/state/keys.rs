//! Keys in a state file: the master key and the signing keys, encrypted under a passphrase.
//!
//! Called by `countersign state` around [`super::export`] and [`super::import`]. PBKDF2-HMAC-SHA-256 (RFC 8018 §5.2) with
//! 600,000 rounds (OWASP, 2023) and AES-256-GCM. Nothing of them is ever printed.

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::pbkdf2;
use countersign_core::UnixTime;
use countersign_core::encoding::{decode_base64, encode_base64};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::resources::tree::Node;
use crate::secrets::{self, MasterKey, Secrets, SecretsError};
use crate::seed::document::Source;
use crate::store::model::SigningKeyRecord;
use crate::store::{Store, StoreError};

/// Rounds of key derivation; a file may name another number, within bounds.
const ROUNDS: u32 = 600_000;
const MOST_ROUNDS: u64 = 10_000_000;
const SHORTEST_PASSPHRASE: usize = 8;
/// What the encryption is bound to, so that nothing else can be put in its place.
const CONTEXT: &[u8] = b"countersign state keys 1";

/// The keys of a service, in the clear.
pub struct Keys {
    /// The master key.
    master: Zeroizing<[u8; 32]>,
    /// Signing keys.
    pub signing: Vec<SigningKey>,
}

/// A signing key, in the clear.
pub struct SigningKey {
    record: SigningKeyRecord,
    private: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("signing", &self.signing.len()).finish_non_exhaustive()
    }
}

/// Why keys cannot be exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Too short to protect keys.
    #[error("the passphrase has fewer than {SHORTEST_PASSPHRASE} characters")]
    ShortPassphrase,
    /// The file holds none.
    #[error("the state file holds no keys; it was exported without --with-keys")]
    None,
    /// The file's `keys` are not what an export writes.
    #[error("the member `keys` of the state file is damaged: {0}")]
    Damaged(&'static str),
    /// The wrong passphrase, or a changed file; the two cannot be told apart.
    #[error("the keys cannot be opened: the passphrase is wrong, or the file was changed")]
    WrongPassphrase,
    /// The folder has a master key of its own.
    #[error("the data folder has a master key of its own ({0}); import keys into a folder that no service has used")]
    OtherMaster(std::path::PathBuf),
    /// The master key comes out of a token, and is another one.
    #[error(
        "the master key comes from {0} and is not the one of the state file, under which client secrets were digested; import without keys and give clients new secrets, or use another data folder without master-key-pkcs11"
    )]
    TokenMaster(std::path::PathBuf),
    /// The state file cannot be read.
    #[error("{0}")]
    File(String),
    /// The master key cannot be read or written.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// A signing key was sealed under another master key.
    #[error(transparent)]
    Sealed(#[from] secrets::Unsealable),
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Plain {
    master: String,
    signing: Vec<PlainKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainKey {
    kid: String,
    alg: String,
    certificate: String,
    key: String,
    created: i64,
    signs_from: i64,
    published_until: Option<i64>,
}

impl Keys {
    /// Reads the keys of a data folder and its store.
    ///
    /// # Errors
    /// [`KeysError`]
    pub async fn of(key: &MasterKey, folder: &Path, store: &dyn Store, secrets: &Secrets) -> Result<Self, KeysError> {
        let lost = || std::io::Error::from(std::io::ErrorKind::NotFound);
        let missing = || SecretsError::File { path: key.place(folder), doing: "read", cause: lost() };
        let master = key.read(folder)?.ok_or_else(missing)?;
        let mut signing = Vec::new();
        for record in store.signing_keys().await? {
            let private = secrets.unseal(&record.kid, &record.sealed_key)?;
            signing.push(SigningKey { record, private });
        }
        Ok(Self { master, signing })
    }

    /// The member `keys` of a state file.
    ///
    /// # Errors
    /// [`KeysError::ShortPassphrase`], or no random numbers.
    pub fn seal(&self, passphrase: &str) -> Result<Json, KeysError> {
        if passphrase.chars().count() < SHORTEST_PASSPHRASE {
            return Err(KeysError::ShortPassphrase);
        }
        let key = |k: &SigningKey| PlainKey {
            kid: k.record.kid.clone(),
            alg: k.record.alg.clone(),
            certificate: encode_base64(&k.record.certificate),
            key: encode_base64(&k.private),
            created: k.record.created.micros(),
            signs_from: k.record.signs_from.micros(),
            published_until: k.record.published_until.map(UnixTime::micros),
        };
        let plain = Plain { master: encode_base64(&*self.master), signing: self.signing.iter().map(key).collect() };
        let mut body = serde_json::to_vec(&plain).map_err(|_| KeysError::Damaged("they cannot be written as JSON"))?;
        let salt = secrets::random::<16>()?;
        let sealer = derive(passphrase, &salt, ROUNDS)?;
        let nonce =
            sealer.seal_in_place_append_tag(Aad::from(CONTEXT), &mut body).map_err(|_| SecretsError::NoRandom)?;
        Ok(json!({
            "kdf": "PBKDF2-HMAC-SHA-256",
            "rounds": ROUNDS,
            "salt": encode_base64(&salt),
            "cipher": "AES-256-GCM",
            "nonce": encode_base64(nonce.as_ref()),
            "data": encode_base64(&body),
        }))
    }

    /// Opens the keys of a state file.
    ///
    /// # Errors
    /// [`KeysError`]
    pub fn open(path: &Path, passphrase: &str) -> Result<Self, KeysError> {
        let unreadable =
            |error: crate::seed::LoadError| KeysError::File(crate::seed::FileError::of(path, error).to_string());
        let node = match Source::open(path).map_err(unreadable)? {
            Source::Whole(node) => node.get("keys").cloned(),
            Source::Lines(mut lines) => {
                let mut found = None;
                while let Some(node) = lines.next_value().map_err(unreadable)? {
                    found = node.get("keys").filter(|_| node.get("appId").is_none()).cloned().or(found);
                }
                found
            }
        };
        Self::unseal(&node.ok_or(KeysError::None)?, passphrase)
    }

    fn unseal(node: &Node, passphrase: &str) -> Result<Self, KeysError> {
        let value = node.to_json();
        let text = |name: &'static str| value.get(name).and_then(Json::as_str).ok_or(KeysError::Damaged(name));
        let bytes =
            |name: &'static str| decode_base64(text(name)?).map(|d| d.bytes).map_err(|_| KeysError::Damaged(name));
        if text("kdf")? != "PBKDF2-HMAC-SHA-256" || text("cipher")? != "AES-256-GCM" {
            return Err(KeysError::Damaged("kdf or cipher is not the one that this version writes"));
        }
        let rounds = value.get("rounds").and_then(Json::as_u64).filter(|n| (1..=MOST_ROUNDS).contains(n));
        let rounds = rounds.and_then(|n| u32::try_from(n).ok()).ok_or(KeysError::Damaged("rounds"))?;
        let opener = derive(passphrase, &bytes("salt")?, rounds)?;
        let nonce = Nonce::try_assume_unique_for_key(&bytes("nonce")?).map_err(|_| KeysError::Damaged("nonce"))?;
        let mut body = Zeroizing::new(bytes("data")?);
        let plain =
            opener.open_in_place(nonce, Aad::from(CONTEXT), &mut body).map_err(|_| KeysError::WrongPassphrase)?;
        let plain: Plain = serde_json::from_slice(plain).map_err(|_| KeysError::Damaged("data"))?;
        let master = Zeroizing::new(decode_base64(&plain.master).map(|d| d.bytes).unwrap_or_default());
        let master = <[u8; 32]>::try_from(master.as_slice()).map_err(|_| KeysError::Damaged("data"))?;
        let signing = plain.signing.into_iter().map(|k| {
            let decode = |text: &str| decode_base64(text).map(|d| d.bytes).map_err(|_| KeysError::Damaged("data"));
            Ok(SigningKey {
                private: Zeroizing::new(decode(&k.key)?),
                record: SigningKeyRecord {
                    certificate: decode(&k.certificate)?,
                    kid: k.kid,
                    alg: k.alg,
                    sealed_key: Vec::new(),
                    created: UnixTime::from_micros(k.created),
                    signs_from: UnixTime::from_micros(k.signs_from),
                    published_until: k.published_until.map(UnixTime::from_micros),
                },
            })
        });
        Ok(Self { master: Zeroizing::new(master), signing: signing.collect::<Result<_, KeysError>>()? })
    }

    /// Gives a data folder the master key of the file, before anything in it is opened. A folder that has the same one is
    /// fine.
    ///
    /// # Errors
    /// [`KeysError::OtherMaster`], or the file cannot be written.
    pub fn install_master(&self, key: &MasterKey, folder: &Path) -> Result<(), KeysError> {
        match key.read(folder)? {
            Some(there) if there == self.master => Ok(()),
            Some(_) if matches!(key, MasterKey::Token { .. }) => Err(KeysError::TokenMaster(key.place(folder))),
            Some(_) => Err(KeysError::OtherMaster(key.place(folder))),
            None => Ok(Secrets::write_master(folder, &self.master)?),
        }
    }
}

impl SigningKey {
    /// The record for the store, sealed under its master key.
    pub(super) fn sealed(&self, secrets: &Secrets) -> Result<SigningKeyRecord, KeysError> {
        let sealed_key = secrets.seal(&self.record.kid, &self.private)?;
        Ok(SigningKeyRecord { sealed_key, ..self.record.clone() })
    }
}

fn derive(passphrase: &str, salt: &[u8], rounds: u32) -> Result<RandomizedNonceKey, KeysError> {
    let mut key = Zeroizing::new([0; 32]);
    let rounds = NonZeroU32::new(rounds).ok_or(KeysError::Damaged("rounds"))?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, salt, passphrase.as_bytes(), &mut *key);
    RandomizedNonceKey::new(&AES_256_GCM, &*key).map_err(|_| KeysError::Damaged("rounds"))
}
