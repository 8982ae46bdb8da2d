//! One private key with its certificate, from the files somebody names: for callers that need exactly that.
//!
//! Used by the client and by commands that sign. Each refusal names the file, what it is instead, and what to do.

use super::{Format, ItemKind, KeyFile, PrivateKey, Problem, Repair, read};
use crate::encoding;
use crate::x509::certificate::Certificate;
use crate::x509::chain;

/// A private key, its certificate, and the issuers that lay beside them.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The private key.
    pub key: PrivateKey,
    /// The certificate of that key.
    pub certificate: Certificate,
    /// The certificate, then its issuers as far as given: what `x5c` holds.
    pub chain: Vec<Certificate>,
    /// What had to be mended to read the files, by file name.
    pub repairs: Vec<(String, Repair)>,
}

/// Why no identity could be made; no variant holds key material or a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// No file was named.
    #[error("no key or certificate file was given")]
    NoFiles,
    /// A file that is no key file at all.
    #[error("{file}: this is {found}; expected a private key or a certificate (PEM, DER or PKCS#12)")]
    NotAKeyFile {
        /// The file's name.
        file: String,
        /// What it is instead.
        found: String,
    },
    /// A file that is damaged.
    #[error("{file}: {problem}; export or copy the file again")]
    Damaged {
        /// The file's name.
        file: String,
        /// What is wrong.
        problem: Problem,
    },
    /// base64 text where the tools expect the file itself.
    #[error("{file}: this is {found}; expected the file itself: decode it first, e.g. `base64 -d {file} > {file}.bin`")]
    Base64Text {
        /// The file's name.
        file: String,
        /// What it is, in words.
        found: &'static str,
    },
    /// Encrypted, and no password given.
    #[error("{file}: {label} is encrypted; give its password in a file")]
    Encrypted {
        /// The file's name.
        file: String,
        /// What is encrypted.
        label: String,
    },
    /// The password is wrong.
    #[error("{file}: {problem}")]
    WrongPassword {
        /// The file's name.
        file: String,
        /// With the variant that works, if one does.
        problem: Problem,
    },
    /// Encryption or format that is not supported, or too much work.
    #[error("{file}: {problem}; convert the key, e.g. `openssl pkcs8 -topk8 -in {file} -out key.pem`")]
    Unsupported {
        /// The file's name.
        file: String,
        /// What is not supported.
        problem: Problem,
    },
    /// Everything but a private key.
    #[error(
        "{files}: no private key; the file holds {found}; give the file with the line -----BEGIN PRIVATE KEY----- or a PKCS#12"
    )]
    NoKey {
        /// The files' names.
        files: String,
        /// What they hold.
        found: String,
    },
    /// Everything but a certificate.
    #[error(
        "{files}: no certificate; the file holds {found}; give the certificate of this key as well (the file with -----BEGIN CERTIFICATE-----)"
    )]
    NoCertificate {
        /// The files' names.
        files: String,
        /// What they hold.
        found: String,
    },
    /// The key belongs to another certificate.
    #[error(
        "{key_file}: the private key is not that of the certificate {subject} (SHA-1 {sha1}) in {certificate_file}; give the key that was made with this certificate, or its own certificate"
    )]
    KeyOfAnotherCertificate {
        /// The file with the key.
        key_file: String,
        /// The file with the certificate.
        certificate_file: String,
        /// The certificate's subject.
        subject: String,
        /// Its thumbprint in hex.
        sha1: String,
    },
}

/// Reads the files and returns the one private key that has a certificate among them.
///
/// A key may stand in one file with its certificate or in another; order does not matter. With several keys, the
/// first that has a certificate counts.
///
/// # Errors
/// [`IdentityError`] for the first file that cannot be used, or for what is missing or does not fit together.
pub fn load_identity(files: &[(&str, &[u8])], password: Option<&str>) -> Result<Identity, IdentityError> {
    if files.is_empty() {
        return Err(IdentityError::NoFiles);
    }
    let read: Vec<(&str, KeyFile)> = files.iter().map(|(name, bytes)| (*name, read(bytes, password))).collect();
    for (name, file) in &read {
        check_file(name, file)?;
    }
    let keys: Vec<(&str, &PrivateKey)> =
        read.iter().flat_map(|(name, file)| file.private_keys().map(|k| (*name, k))).collect();
    let certificates: Vec<(&str, &Certificate)> =
        read.iter().flat_map(|(name, file)| file.certificates().map(|c| (*name, c))).collect();
    let names = || read.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = || read.iter().map(|(_, file)| file.describe()).collect::<Vec<_>>().join("; ");
    let Some((key_file, key)) = keys.first().copied() else {
        return Err(IdentityError::NoKey { files: names(), found: found() });
    };
    let Some((certificate_file, other)) = certificates.first().copied() else {
        return Err(IdentityError::NoCertificate { files: names(), found: found() });
    };
    let pair = keys
        .iter()
        .find_map(|(_, k)| certificates.iter().find(|(_, c)| k.matches(c)).map(|(_, c)| ((*k).clone(), (*c).clone())));
    let Some((key, certificate)) = pair else {
        let leaf = certificates.iter().find(|(_, c)| !c.is_ca()).map_or((certificate_file, other), |found| *found);
        let _ = key;
        return Err(IdentityError::KeyOfAnotherCertificate {
            key_file: key_file.to_owned(),
            certificate_file: leaf.0.to_owned(),
            subject: leaf.1.subject().to_owned(),
            sha1: encoding::encode_hex_upper(leaf.1.sha1()),
        });
    };
    let all: Vec<Certificate> = certificates.iter().map(|(_, c)| (*c).clone()).collect();
    let repairs = read.iter().flat_map(|(name, file)| file.repairs.iter().map(|r| ((*name).to_owned(), *r))).collect();
    Ok(Identity { chain: chain::order(&certificate, &all), key, certificate, repairs })
}

/// Whatever makes a file unusable, most telling first.
fn check_file(name: &str, file: &KeyFile) -> Result<(), IdentityError> {
    let named = name.to_owned();
    if matches!(file.format, Format::Base64OfDer | Format::Base64OfPem | Format::Base64OfPkcs12 | Format::HexOfDer) {
        return Err(IdentityError::Base64Text { file: named, found: file.format.describe() });
    }
    let usable = file.items.iter().any(|i| matches!(i.kind, ItemKind::Certificate(_) | ItemKind::PrivateKey(_)));
    for problem in &file.problems {
        let file_name = named.clone();
        let problem = problem.clone();
        return Err(match problem {
            Problem::NotAKeyFile { looks_like } => {
                IdentityError::NotAKeyFile { file: file_name, found: looks_like.describe().to_owned() }
            }
            Problem::EncryptedWithoutPassword { label } => IdentityError::Encrypted { file: file_name, label },
            Problem::WrongPassword { .. } => IdentityError::WrongPassword { file: file_name, problem },
            Problem::UnsupportedEncryption { .. }
            | Problem::TooManyIterations { .. }
            | Problem::UnsupportedFormat { .. } => IdentityError::Unsupported { file: file_name, problem },
            // Said below with both files' names, and another file may bring the right partner.
            Problem::KeyCertMismatch => continue,
            // The block is complete or of no use here; what was read decides.
            Problem::MissingEnd { .. } | Problem::MissingBegin { .. } | Problem::LabelsDiffer { .. } if usable => {
                continue;
            }
            Problem::TooLarge { .. }
            | Problem::TooManyItems { .. }
            | Problem::BadBase64 { .. }
            | Problem::Truncated { .. }
            | Problem::MissingEnd { .. }
            | Problem::MissingBegin { .. }
            | Problem::LabelsDiffer { .. }
            | Problem::Malformed { .. }
            | Problem::MalformedCertificate { .. }
            | Problem::JwkIncomplete { .. } => IdentityError::Damaged { file: file_name, problem },
        });
    }
    Ok(())
}
