//! The one reader of key and certificate files, for client, server and doctor alike.
//!
//! It recognises files by content, mends what can be mended and says so, and never decides whether a file is good
//! enough: [`load_identity`] does that for callers that need exactly one key with its certificate.

mod ber;
mod encoded;
mod encryption;
mod identity;
mod jwk;
mod looks;
mod opening;
mod pem;
mod pkcs11_uri;
mod pkcs12;
mod private_key;
mod reader;
mod repair;
mod sniff;
mod text;

use std::ops::Range;

pub use encryption::Encryption;
pub use identity::{Identity, IdentityError, load_identity};
pub use pkcs11_uri::{Pkcs11Uri, Pkcs11UriError};
pub use pkcs12::{Mac, Pkcs12};
pub use private_key::{PrivateKey, PrivateKeyError};
pub use repair::{LooksLike, Problem, Repair, Variant};

use crate::x509::certificate::Certificate;
use crate::x509::chain;
use crate::x509::key::PublicKey;

/// The largest file read; a PKCS#12 with a long chain has some twenty KiB.
pub const MAX_BYTES: usize = 1 << 20;
/// Rounds of key derivation that [`read`] spends at most: four keys at the limit of one.
const DEFAULT_ROUNDS: u64 = 4 * encryption::MAX_ITERATIONS;
/// Ways to write a password (as given, trimmed, with quotes, …) that are tried on one file.
pub const MAX_VARIANTS: usize = 16;
/// Keys, certificates and other parts read from one file.
pub const MAX_ITEMS: usize = 256;

/// Reads a key or certificate file of any kind. It never panics and always answers; what is wrong stands in
/// [`KeyFile::problems`].
pub fn read(bytes: &[u8], password: Option<&str>) -> KeyFile {
    let mut rounds = DEFAULT_ROUNDS;
    read_within(bytes, password, MAX_VARIANTS, &mut rounds)
}

/// As [`read`], trying at most `variants` ways to write the password, the given one included, and with the rounds of
/// password-based key derivation that may still be spent; those spent are taken off.
///
/// For callers that read whatever they are given, several times over: the sum of the work is bounded, however many encrypted
/// parts there are. What would cost more stays closed, with [`Problem::TooManyIterations`].
pub fn read_within(bytes: &[u8], password: Option<&str>, variants: usize, rounds: &mut u64) -> KeyFile {
    reader::read(bytes, password, variants, rounds)
}

/// What a file turned out to hold.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The outer form.
    pub format: Format,
    /// Keys, certificates and other parts, in the file's order.
    pub items: Vec<Item>,
    /// What had to be mended, each once.
    pub repairs: Vec<Repair>,
    /// What is wrong or missing.
    pub problems: Vec<Problem>,
}

/// The outer form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text with BEGIN and END lines (RFC 7468).
    Pem,
    /// Binary certificate or key.
    Der,
    /// Binary PKCS#12 (PFX).
    Pkcs12,
    /// base64 text of a binary certificate or key.
    Base64OfDer,
    /// base64 text of PEM text.
    Base64OfPem,
    /// base64 text of a PKCS#12.
    Base64OfPkcs12,
    /// Hexadecimal text of DER.
    HexOfDer,
    /// JSON Web Key or key set.
    Jwk,
    /// None of these.
    Unknown,
}

impl Format {
    /// The form in words, with article.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Pem => "a PEM file",
            Self::Der => "a binary (DER) file",
            Self::Pkcs12 => "a PKCS#12 (PFX) file",
            Self::Base64OfDer => "base64 text of a binary (DER) file",
            Self::Base64OfPem => "base64 text of a PEM file",
            Self::Base64OfPkcs12 => "base64 text of a PKCS#12 (PFX) file",
            Self::HexOfDer => "hexadecimal text of a binary (DER) file",
            Self::Jwk => "a JSON Web Key",
            Self::Unknown => "an unknown file",
        }
    }
}

/// One part of a file.
#[derive(Clone, Debug)]
pub struct Item {
    /// What it is.
    pub kind: ItemKind,
    /// PEM label, or the kind in words.
    pub label: String,
    /// Byte range in the given input; for parts of binary or base64 files that of the whole they are in.
    pub span: Option<Range<usize>>,
    /// Friendly name in a PKCS#12.
    pub alias: Option<String>,
    /// It stood there encrypted and was opened.
    pub was_encrypted: bool,
    /// What had to be mended in this part.
    pub repairs: Vec<Repair>,
}

/// Kinds of parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ItemKind {
    /// A certificate.
    Certificate(Certificate),
    /// A private key, opened.
    PrivateKey(PrivateKey),
    /// A private key that stayed closed.
    EncryptedKey {
        /// The scheme by name.
        scheme: String,
        /// RFC 1421 headers (`Proc-Type: 4,ENCRYPTED`) instead of PKCS#8.
        traditional: bool,
    },
    /// A bare public key.
    PublicKey(PublicKey),
    /// A certificate request (PKCS#10).
    CertificateRequest,
    /// A PKCS#12; what it holds follows as items of their own once it is open.
    Pkcs12(Pkcs12),
    /// Something else that was recognised, by PEM label or in words.
    Other(String),
}

impl ItemKind {
    /// The kind in words, with article.
    pub fn describe(&self) -> String {
        match self {
            Self::Certificate(_) => "a certificate".to_owned(),
            Self::PrivateKey(_) => "a private key".to_owned(),
            Self::EncryptedKey { .. } => "an encrypted private key".to_owned(),
            Self::PublicKey(_) => "a public key".to_owned(),
            Self::CertificateRequest => "a certificate request".to_owned(),
            Self::Pkcs12(_) => "a PKCS#12 (PFX)".to_owned(),
            Self::Other(what) => what.clone(),
        }
    }
}

impl KeyFile {
    /// Every certificate, in the file's order.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.items.iter().filter_map(|i| match &i.kind {
            ItemKind::Certificate(c) => Some(c),
            _ => None,
        })
    }

    /// Every private key that is open.
    pub fn private_keys(&self) -> impl Iterator<Item = &PrivateKey> {
        self.items.iter().filter_map(|i| match &i.kind {
            ItemKind::PrivateKey(k) => Some(k),
            _ => None,
        })
    }

    /// The first private key that is open.
    pub fn private_key(&self) -> Option<&PrivateKey> {
        self.private_keys().next()
    }

    /// Every bare public key.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.items.iter().filter_map(|i| match &i.kind {
            ItemKind::PublicKey(k) => Some(k),
            _ => None,
        })
    }

    /// A private key that stayed closed is there, by itself or in a PKCS#12.
    pub fn has_closed_key(&self) -> bool {
        self.items.iter().any(|i| match &i.kind {
            ItemKind::EncryptedKey { .. } => true,
            ItemKind::Pkcs12(p) => !p.opened,
            _ => false,
        })
    }

    /// The first PKCS#12.
    pub fn pkcs12(&self) -> Option<&Pkcs12> {
        self.items.iter().find_map(|i| match &i.kind {
            ItemKind::Pkcs12(p) => Some(p),
            _ => None,
        })
    }

    /// The certificate of a private key in the file; else the first that is no CA; else the first.
    pub fn leaf(&self) -> Option<&Certificate> {
        self.certificates()
            .find(|c| self.private_keys().any(|k| k.matches(c)))
            .or_else(|| self.certificates().find(|c| !c.is_ca()))
            .or_else(|| self.certificates().next())
    }

    /// The leaf, then its issuers as far as the file holds them.
    pub fn chain(&self) -> Vec<Certificate> {
        let all: Vec<Certificate> = self.certificates().cloned().collect();
        self.leaf().map(|leaf| chain::order(leaf, &all)).unwrap_or_default()
    }

    /// What the file is, in one phrase for a message: its form, and what it holds.
    pub fn describe(&self) -> String {
        let looks = self.problems.iter().find_map(|p| match p {
            Problem::NotAKeyFile { looks_like } => Some(looks_like.describe().to_owned()),
            _ => None,
        });
        if let Some(looks) = looks {
            return looks;
        }
        let mut kinds: Vec<String> = Vec::new();
        for item in self.items.iter().filter(|i| !matches!(i.kind, ItemKind::Pkcs12(_))) {
            let kind = item.kind.describe();
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        match (self.format, kinds.is_empty()) {
            (Format::Unknown, true) => "an unreadable file".to_owned(),
            (Format::Unknown, false) => kinds.join(" and "),
            (format, true) => format.describe().to_owned(),
            (format, false) => format!("{} with {}", format.describe(), kinds.join(" and ")),
        }
    }
}
