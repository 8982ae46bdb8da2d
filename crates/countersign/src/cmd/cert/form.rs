//! The form of a file with a key and its certificate, so that one can be written as the one that it replaces.
//!
//! Used by `cert new` and `credential rotate`. What others read stays what they read: PEM or PKCS#12, encrypted or not, the key
//! first or last. It writes no file.

use countersign_core::keyfile::{Format, ItemKind, KeyFile, load_identity};
use p12_keystore::{EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, PrivateKeyChain};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::pem::{LineEnding, PemLabel as _};
use pkcs8::pkcs5::pbes2;
use zeroize::Zeroizing;

use super::new::Made;
use crate::exit::{Exit, Failure};

/// Rounds of PBKDF2-HMAC-SHA256 for an encrypted PEM key (OWASP Password Storage Cheat Sheet, 2023).
const ROUNDS: u32 = 600_000;

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PEM text.
    Pem {
        /// The key stands before the certificate.
        key_first: bool,
        /// How the key stands there.
        key: PemKey,
    },
    /// PKCS#12.
    Pkcs12 {
        /// 3DES and SHA-1, for readers that know nothing else; AES-256 and SHA-256 otherwise.
        legacy: bool,
    },
}

/// How a private key stands in a PEM file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemKey {
    /// `PRIVATE KEY`
    Pkcs8,
    /// `RSA PRIVATE KEY`
    Pkcs1,
    /// `ENCRYPTED PRIVATE KEY`
    Encrypted,
}

impl Form {
    /// The form of a file that was read; `None` where it is none that can be written.
    pub fn of(file: &KeyFile) -> Option<Self> {
        match file.format {
            Format::Pem => {
                let place = |wanted: fn(&ItemKind) -> bool| file.items.iter().position(|i| wanted(&i.kind));
                let key_at = place(|k| matches!(k, ItemKind::PrivateKey(_)))?;
                let item = file.items.get(key_at)?;
                let key = match (item.was_encrypted, item.label.as_str()) {
                    (true, _) => PemKey::Encrypted,
                    (false, "RSA PRIVATE KEY") => PemKey::Pkcs1,
                    (false, _) => PemKey::Pkcs8,
                };
                let certificate_at = place(|k| matches!(k, ItemKind::Certificate(_)));
                Some(Self::Pem { key_first: certificate_at.is_none_or(|at| key_at < at), key })
            }
            Format::Pkcs12 => {
                let legacy = file.pkcs12().is_some_and(|p| p.is_legacy() && !p.is_modern());
                Some(Self::Pkcs12 { legacy })
            }
            _ => None,
        }
    }

    /// Ending of a file's name for it.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Pem { .. } => "pem",
            Self::Pkcs12 { .. } => "pfx",
        }
    }

    /// Key and certificate in this form, read back before it is given out.
    pub fn write(self, made: &Made, password: Option<&str>) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let bytes = match self {
            Self::Pem { key_first, key } => {
                let key = pem_key(made, key, password.unwrap_or_default())?;
                let (key, certificate) = (key.as_bytes(), made.certificate_pem.as_bytes());
                Zeroizing::new(if key_first { [key, certificate].concat() } else { [certificate, key].concat() })
            }
            Self::Pkcs12 { legacy } => pkcs12(made, legacy, password.unwrap_or_default())?,
        };
        match load_identity(&[("the new file", &bytes)], password) {
            Ok(identity) if identity.certificate == made.certificate => Ok(bytes),
            Ok(_) => Err(failed("it reads back as another one")),
            Err(error) => Err(failed(error)),
        }
    }
}

fn failed(cause: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::Unreadable, format!("the key file could not be made: {cause}"))
}

fn pem_key(made: &Made, key: PemKey, password: &str) -> Result<Zeroizing<String>, Failure> {
    let info = PrivateKeyInfoRef::try_from(made.key.pkcs8_der()).map_err(failed)?;
    match key {
        PemKey::Pkcs8 => Ok(made.key_pem.clone()),
        PemKey::Pkcs1 => pkcs8::der::pem::encode_string("RSA PRIVATE KEY", LineEnding::LF, info.private_key.as_bytes())
            .map(Zeroizing::new)
            .map_err(failed),
        PemKey::Encrypted => {
            let (salt, iv) = (uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes());
            let parameters = pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(ROUNDS, &salt, iv).map_err(failed)?;
            let closed = info.encrypt_with_params(parameters, password).map_err(failed)?;
            closed.to_pem(pkcs8::EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF).map_err(failed)
        }
    }
}

/// A PKCS#12 with key and certificate.
pub fn pkcs12(made: &Made, legacy: bool, password: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let key = p12_keystore::PrivateKey::from_der(made.key.pkcs8_der()).map_err(failed)?;
    let certificate = p12_keystore::Certificate::from_der(made.certificate.der()).map_err(failed)?;
    let chain = PrivateKeyChain::new(made.certificate.sha1().as_slice(), key, [certificate]);
    let mut store = KeyStore::new();
    let alias = made.certificate.common_name().unwrap_or("countersign");
    store.add_entry(alias, KeyStoreEntry::PrivateKeyChain(chain));
    let mut writer = store.writer(password);
    if legacy {
        writer = writer
            .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
            .mac_algorithm(MacAlgorithm::HmacSha1);
    }
    writer.write().map(Zeroizing::new).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::super::new::{make, subject};
    use super::*;
    use countersign_core::{UnixTime, keyfile};

    #[test]
    fn every_form_comes_back_as_itself() {
        let from = UnixTime::parse("2026-11-24T10:00:00Z").unwrap();
        let made = make(&subject("payroll").unwrap(), 2048, from, 30).unwrap();
        let keys = [PemKey::Pkcs8, PemKey::Pkcs1, PemKey::Encrypted];
        let pem = keys.into_iter().flat_map(|key| [true, false].map(|key_first| Form::Pem { key_first, key }));
        for form in pem.chain([true, false].map(|legacy| Form::Pkcs12 { legacy })) {
            let bytes = form.write(&made, Some("pässword")).unwrap();
            let file = keyfile::read(&bytes, Some("pässword"));
            assert_eq!(Form::of(&file), Some(form), "{}", file.describe());
            assert!(file.problems.is_empty() && file.repairs.is_empty(), "{form:?}: {:?}", file.repairs);
        }
        assert_eq!(Form::of(&keyfile::read(made.certificate.der(), None)), None);
    }
}
