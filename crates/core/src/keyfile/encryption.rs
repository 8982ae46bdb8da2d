//! Password-based encryption of key files: which scheme, at what cost, and opening PKCS#8 and old PEM with it.
//!
//! Used by [`super::read`] and by the PKCS#12 part, which reports schemes without opening anything.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use des::{Des, TdesEde3};
use md5::{Digest as _, Md5};
use pkcs8::EncryptedPrivateKeyInfoRef;
use zeroize::Zeroizing;

use super::pkcs12;
use crate::encoding;
use crate::x509::der::{self, Reader, tag};

/// How something is encrypted under a password, as its AlgorithmIdentifier says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encryption {
    /// Dotted OID of the scheme.
    pub oid: String,
    /// Scheme, cipher and hash by name, such as `PBES2 (PBKDF2-HMAC-SHA256, AES-256-CBC)`.
    pub name: String,
    /// Rounds of key derivation, where the scheme counts them.
    pub iterations: Option<u64>,
    /// PBES1 or the PKCS#12 schemes (RC2, 3DES, RC4 with SHA-1): OpenSSL 3 refuses RC2 and RC4 without its legacy
    /// provider.
    pub legacy: bool,
    /// Memory of scrypt in bytes.
    memory: Option<u64>,
}

/// Rounds of key derivation done at most for PKCS#8; real files have 2,048 to a million.
pub(super) const MAX_ITERATIONS: u64 = 10_000_000;
/// Memory that scrypt may ask for.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;

const PBES2: &str = "1.2.840.113549.1.5.13";

impl Encryption {
    /// PBES2 with AES: what OpenSSL 3 and Windows since 2016 write when asked, and old readers refuse.
    pub fn is_modern(&self) -> bool {
        self.oid == PBES2
    }

    /// A protection that is only named.
    pub(super) fn other(oid: String, name: String) -> Self {
        Self { oid, name, iterations: None, legacy: false, memory: None }
    }

    /// Reads an AlgorithmIdentifier's contents.
    pub(super) fn read(mut algorithm: Reader<'_>) -> Option<Self> {
        let oid = algorithm.oid()?;
        let plain = |name: &str, legacy, iterations| Self {
            oid: oid.clone(),
            name: name.to_owned(),
            iterations,
            legacy,
            memory: None,
        };
        if oid == PBES2 {
            return Self::read_pbes2(&oid, algorithm.sequence()?);
        }
        let iterations = algorithm.sequence().and_then(|mut p| {
            p.octets()?;
            p.u64()
        });
        Some(match oid.as_str() {
            "1.2.840.113549.1.12.1.1" => plain("128-bit RC4 with SHA-1", true, iterations),
            "1.2.840.113549.1.12.1.2" => plain("40-bit RC4 with SHA-1", true, iterations),
            "1.2.840.113549.1.12.1.3" => plain("3DES with SHA-1", true, iterations),
            "1.2.840.113549.1.12.1.4" => plain("two-key 3DES with SHA-1", true, iterations),
            "1.2.840.113549.1.12.1.5" => plain("128-bit RC2 with SHA-1", true, iterations),
            "1.2.840.113549.1.12.1.6" => plain("40-bit RC2 with SHA-1", true, iterations),
            "1.2.840.113549.1.5.3" => plain("DES with MD5", true, iterations),
            "1.2.840.113549.1.5.6" => plain("RC2 with MD5", true, iterations),
            "1.2.840.113549.1.5.10" => plain("DES with SHA-1", true, iterations),
            "1.2.840.113549.1.5.11" => plain("RC2 with SHA-1", true, iterations),
            other => plain(other, false, iterations),
        })
    }

    /// RFC 8018 §A.4.
    fn read_pbes2(oid: &str, mut parameters: Reader<'_>) -> Option<Self> {
        let mut kdf = parameters.sequence()?;
        let mut cipher = parameters.sequence()?;
        let kdf_oid = kdf.oid()?;
        let mut p = kdf.sequence()?;
        let (kdf_name, iterations, memory) = match kdf_oid.as_str() {
            "1.2.840.113549.1.5.12" => {
                p.octets()?;
                let iterations = p.u64()?;
                if p.peek() == Some(tag::INTEGER) {
                    p.any()?;
                }
                let prf = p.sequence().and_then(|mut s| s.oid());
                (format!("PBKDF2-HMAC-{}", prf_name(prf.as_deref())), Some(iterations), None)
            }
            "1.3.6.1.4.1.11591.4.11" => {
                p.octets()?;
                let (n, r, lanes) = (p.u64()?, p.u64()?, p.u64()?);
                let memory = n.saturating_mul(r).saturating_mul(128);
                ("scrypt".to_owned(), Some(n.saturating_mul(lanes)), Some(memory))
            }
            other => (other.to_owned(), None, None),
        };
        let cipher_oid = cipher.oid()?;
        let cipher = match cipher_oid.as_str() {
            "2.16.840.1.101.3.4.1.2" => "AES-128-CBC",
            "2.16.840.1.101.3.4.1.22" => "AES-192-CBC",
            "2.16.840.1.101.3.4.1.42" => "AES-256-CBC",
            "2.16.840.1.101.3.4.1.6" => "AES-128-GCM",
            "2.16.840.1.101.3.4.1.46" => "AES-256-GCM",
            "1.2.840.113549.3.7" => "3DES-CBC",
            "1.3.14.3.2.7" => "DES-CBC",
            "1.2.840.113549.3.2" => "RC2-CBC",
            other => other,
        };
        let name = format!("PBES2 ({kdf_name}, {cipher})");
        Some(Self { oid: oid.to_owned(), name, iterations, legacy: false, memory })
    }

    /// The work of one derivation, in rounds; scrypt's is what it does to its memory, 64 bytes at a time.
    pub(super) fn cost(&self) -> u64 {
        self.iterations.unwrap_or(1).max(self.memory.map_or(1, |bytes| bytes / 64))
    }

    /// Whether the work asked for is within bounds; else what was asked and what is done at most.
    pub(super) fn within(&self, limit: u64) -> Result<(), (u64, u64)> {
        match (self.iterations, self.memory) {
            (_, Some(memory)) if memory > MAX_SCRYPT_BYTES => Err((memory, MAX_SCRYPT_BYTES)),
            (Some(found), _) if found > limit => Err((found, limit)),
            _ => Ok(()),
        }
    }
}

fn prf_name(oid: Option<&str>) -> String {
    match oid {
        // RFC 8018 §A.2: the default.
        None | Some("1.2.840.113549.2.7") => "SHA1".to_owned(),
        Some("1.2.840.113549.2.8") => "SHA224".to_owned(),
        Some("1.2.840.113549.2.9") => "SHA256".to_owned(),
        Some("1.2.840.113549.2.10") => "SHA384".to_owned(),
        Some("1.2.840.113549.2.11") => "SHA512".to_owned(),
        Some(other) => other.to_owned(),
    }
}

/// Why something encrypted stays closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OpenError {
    WrongPassword,
    Unsupported(String),
    TooManyIterations(u64, u64),
    Malformed,
}

/// The scheme of an `EncryptedPrivateKeyInfo`.
pub(super) fn scheme_of(bytes: &[u8]) -> Option<Encryption> {
    der::exactly_one(bytes)?.reader().sequence().and_then(Encryption::read)
}

/// Opens an `EncryptedPrivateKeyInfo`; the result is PKCS#8.
pub(super) fn open_pkcs8(bytes: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let scheme = scheme_of(bytes).ok_or(OpenError::Malformed)?;
    scheme.within(MAX_ITERATIONS).map_err(|(found, limit)| OpenError::TooManyIterations(found, limit))?;
    if !scheme.is_modern() {
        return pkcs12::open_shrouded(bytes, &scheme, password);
    }
    let info = EncryptedPrivateKeyInfoRef::try_from(bytes).map_err(|_| OpenError::Unsupported(scheme.name.clone()))?;
    match info.decrypt(password.as_bytes()) {
        Ok(document) => Ok(Zeroizing::new(document.as_bytes().to_vec())),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. })) => {
            Err(OpenError::Unsupported(scheme.name))
        }
        Err(_) => Err(OpenError::WrongPassword),
    }
}

/// Opens a PEM body encrypted as RFC 1421 and OpenSSL's traditional format do: key from MD5 over password and the
/// first eight octets of the IV.
pub(super) fn open_traditional(
    bytes: &[u8],
    cipher: &str,
    iv_hex: &str,
    password: &str,
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let iv = encoding::decode_hex(iv_hex).ok_or(OpenError::Malformed)?;
    let salt = iv.get(..8).ok_or(OpenError::Malformed)?;
    let key = Zeroizing::new(traditional_key(password.as_bytes(), salt));
    let open = match cipher.to_ascii_uppercase().as_str() {
        "AES-128-CBC" => cbc_open::<Aes128>,
        "AES-192-CBC" => cbc_open::<Aes192>,
        "AES-256-CBC" => cbc_open::<Aes256>,
        "DES-EDE3-CBC" => cbc_open::<TdesEde3>,
        "DES-CBC" => cbc_open::<Des>,
        _ => return Err(OpenError::Unsupported(cipher.to_owned())),
    };
    let plain = open(&key[..], &iv, bytes).ok_or(OpenError::WrongPassword)?;
    // One wrong password in 256 leaves good padding; what is no SEQUENCE then is no key.
    match der::exactly_one(&plain) {
        Some(t) if t.tag == tag::SEQUENCE => Ok(plain),
        _ => Err(OpenError::WrongPassword),
    }
}

fn traditional_key(password: &[u8], salt: &[u8]) -> [u8; 32] {
    let first = Md5::new().chain_update(password).chain_update(salt).finalize();
    let second = Md5::new().chain_update(first).chain_update(password).chain_update(salt).finalize();
    let mut key = [0; 32];
    key[..16].copy_from_slice(&first);
    key[16..].copy_from_slice(&second);
    key
}

fn cbc_open<C>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: cbc::cipher::BlockCipherDecrypt + cbc::cipher::KeyInit,
{
    let key = key.get(..C::key_size())?;
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    decryptor.decrypt_padded_vec::<Pkcs7>(bytes).ok().map(Zeroizing::new)
}
