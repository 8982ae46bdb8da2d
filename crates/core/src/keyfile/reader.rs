//! The work behind [`super::read`]: outer form first, then each part by its structure.
//!
//! Bounded everywhere: size, number of parts, nesting of encodings, and rounds of key derivation.

use std::ops::Range;

use super::encoded;
use super::pem::{self, Block};
use super::pkcs12;
use super::private_key::{PrivateKey, PrivateKeyError};
use super::repair::{LooksLike, Problem, Repair};
use super::sniff::{self, DerKind};
use super::text::{self, Text};
use super::{Format, Item, ItemKind, KeyFile, MAX_BYTES, MAX_ITEMS, jwk, looks};
use crate::x509::certificate::Certificate;
use crate::x509::der;
use crate::x509::key::PublicKey;

/// Encodings inside encodings that are followed: base64 of base64 of PEM happens, more does not.
const MAX_NESTING: usize = 3;
/// Rounds of key derivation spent on guessing what is wrong with a password.
const GUESS_BUDGET: u64 = 3_000_000;

pub(super) fn read(bytes: &[u8], password: Option<&str>, variants: usize, rounds: &mut u64) -> KeyFile {
    let mut reader = Reader {
        password,
        variants,
        budget: GUESS_BUDGET.min(*rounds),
        rounds: *rounds,
        file: KeyFile { format: Format::Unknown, items: Vec::new(), repairs: Vec::new(), problems: Vec::new() },
    };
    if bytes.len() > MAX_BYTES {
        reader.problem(Problem::TooLarge { size: bytes.len(), limit: MAX_BYTES });
    } else {
        reader.whole(bytes, None, 0);
        reader.finish();
    }
    *rounds = reader.rounds;
    reader.file
}

pub(super) struct Reader<'p> {
    pub(super) password: Option<&'p str>,
    /// Ways to write it that are tried, the given one included.
    pub(super) variants: usize,
    /// Rounds left for guessing.
    pub(super) budget: u64,
    /// Rounds left for everything.
    pub(super) rounds: u64,
    pub(super) file: KeyFile,
}

/// Where a part came from.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) label: String,
    pub(super) span: Option<Range<usize>>,
    pub(super) repairs: Vec<Repair>,
    pub(super) alias: Option<String>,
    pub(super) was_encrypted: bool,
}

impl Reader<'_> {
    pub(super) fn problem(&mut self, problem: Problem) {
        if !self.file.problems.contains(&problem) {
            self.file.problems.push(problem);
        }
    }

    pub(super) fn repair(&mut self, repair: Repair) {
        if !self.file.repairs.contains(&repair) {
            self.file.repairs.push(repair);
        }
    }

    pub(super) fn push(&mut self, kind: ItemKind, origin: Origin) {
        if self.file.items.len() >= MAX_ITEMS {
            return self.problem(Problem::TooManyItems { limit: MAX_ITEMS });
        }
        let Origin { label, span, repairs, alias, was_encrypted } = origin;
        self.file.items.push(Item { kind, label, span, alias, was_encrypted, repairs });
    }

    /// A whole file, or what an outer encoding held. `span` is that of the outer encoding.
    fn whole(&mut self, bytes: &[u8], span: Option<Range<usize>>, depth: usize) {
        let plain_text = bytes.iter().all(|b| matches!(b, 0x20..=0x7E | b'\t' | b'\r' | b'\n'));
        if !plain_text && bytes.first() == Some(&der::tag::SEQUENCE) && self.binary(bytes, &span, depth) {
            return;
        }
        let mut repairs = Vec::new();
        match text::decode(bytes, &mut repairs) {
            Some(text) => {
                for repair in repairs {
                    self.repair(repair);
                }
                self.text(text, &span, depth);
            }
            None => self.problem(Problem::NotAKeyFile { looks_like: looks::binary(bytes) }),
        }
    }

    /// DER, one value or several in a row. `false` when it is none.
    fn binary(&mut self, bytes: &[u8], span: &Option<Range<usize>>, depth: usize) -> bool {
        let set = |format: &mut Format, der: Format, pkcs12: Format, is_pkcs12: bool| {
            if depth == 0 {
                *format = if is_pkcs12 { pkcs12 } else { der };
            }
        };
        if pkcs12::looks_like_ber(bytes) {
            let known = pkcs12::inspect(bytes).is_some();
            if known {
                set(&mut self.file.format, Format::Der, Format::Pkcs12, true);
                self.value(DerKind::Pkcs12, bytes, self.origin(DerKind::Pkcs12, span, 0..bytes.len(), depth));
            }
            return known;
        }
        let Some((header, length)) = der::header(bytes) else {
            return false;
        };
        let announced = header.saturating_add(length);
        if announced > bytes.len() {
            // Binary data that merely begins like DER announces nonsense; a file cut off announces little more.
            if bytes.len() < 64 || announced > MAX_BYTES {
                return false;
            }
            set(&mut self.file.format, Format::Der, Format::Pkcs12, false);
            let label = "the file".to_owned();
            self.problem(Problem::Truncated { label, expected: Some(announced), received: bytes.len() });
            return true;
        }
        let mut rest = der::Reader(bytes);
        let mut at = 0;
        let mut first = true;
        while let Some(value) = rest.any().filter(|v| v.tag == der::tag::SEQUENCE) {
            let range = at..at + value.whole.len();
            at = range.end;
            let kind = sniff::sniff(value.whole).unwrap_or(DerKind::Other);
            if first {
                if kind == DerKind::Other {
                    return false;
                }
                set(&mut self.file.format, Format::Der, Format::Pkcs12, kind == DerKind::Pkcs12);
                first = false;
            }
            let origin = self.origin(kind, span, range, depth);
            self.value(kind, value.whole, origin);
            if self.file.items.len() >= MAX_ITEMS {
                break;
            }
        }
        if at < bytes.len() && self.file.items.len() < MAX_ITEMS {
            self.repair(Repair::TrailingBytes);
        }
        !first
    }

    fn origin(&self, kind: DerKind, span: &Option<Range<usize>>, own: Range<usize>, depth: usize) -> Origin {
        let span = span.clone().or_else(|| (depth == 0).then_some(own));
        Origin { label: kind.name().to_owned(), span, repairs: Vec::new(), alias: None, was_encrypted: false }
    }

    fn text(&mut self, text: Text, span: &Option<Range<usize>>, depth: usize) {
        let text = self.unescape(text);
        let (blocks, stray) = pem::blocks(&text, MAX_ITEMS);
        if !blocks.is_empty() || !stray.is_empty() {
            if depth == 0 {
                self.file.format = Format::Pem;
            }
            for block in blocks {
                self.block(block, span, depth);
            }
            for problem in stray {
                self.problem(problem);
            }
            return;
        }
        if text.text.contains("\"kty\"")
            && let Some((items, problems)) = jwk::read(&text.text, MAX_ITEMS)
        {
            self.file.format = Format::Jwk;
            let whole = span.clone().or_else(|| Some(0..text.offset(text.text.len())));
            for kind in items {
                let label = "JWK".to_owned();
                let span = whole.clone();
                let origin = Origin { label, span, repairs: Vec::new(), alias: None, was_encrypted: false };
                self.push(kind, origin);
            }
            for problem in problems {
                self.problem(problem);
            }
            return;
        }
        if depth < MAX_NESTING && self.encoded(&text, span, depth) {
            return;
        }
        self.problem(Problem::NotAKeyFile { looks_like: looks::text(&text.text) });
    }

    /// Resolves HTML and percent escapes where they would hide a PEM block or its contents.
    fn unescape(&mut self, mut text: Text) -> Text {
        if !text.text.contains("BEGIN") {
            return text;
        }
        if text.text.contains("BEGIN%20") || text.text.contains("BEGIN+") {
            let plus = text.text.contains("BEGIN+");
            if let Some(plain) = text::unescape_percent(&text, plus) {
                self.repair(Repair::PercentEncoded);
                text = plain;
            }
        }
        if (text.text.contains("&#") || text.text.contains("&plus;") || text.text.contains("&sol;"))
            && let Some(plain) = text::unescape_html(&text)
        {
            self.repair(Repair::HtmlEscaped);
            text = plain;
        }
        text
    }

    /// base64 or hex of a whole file, perhaps quoted, in a data URI, or behind `NAME=`.
    fn encoded(&mut self, text: &Text, span: &Option<Range<usize>>, depth: usize) -> bool {
        let whole = span.clone().unwrap_or_else(|| {
            let start = text.text.len() - text.text.trim_start().len();
            text.offset(start)..text.offset(text.text.trim_end().len())
        });
        for candidate in encoded::candidates(&text.text) {
            let (bytes, hex) = match encoded::decode(&candidate) {
                Some(found) => found,
                None => continue,
            };
            let (variants, budget, rounds) = (self.variants, self.budget, self.rounds);
            let mut inner = Reader { password: self.password, variants, budget, rounds, file: empty() };
            inner.whole(&bytes, Some(whole.clone()), depth + 1);
            (self.budget, self.rounds) = (inner.budget, inner.rounds);
            let cut =
                bytes.first() == Some(&0x30) && matches!(inner.file.problems.as_slice(), [Problem::Truncated { .. }]);
            if inner.file.items.is_empty() && !cut {
                continue;
            }
            let holds_text = bytes.first() != Some(&der::tag::SEQUENCE);
            let holds_pfx = inner.file.items.iter().any(|i| matches!(i.kind, ItemKind::Pkcs12(_)));
            let (format, repair) = match (hex, holds_text, holds_pfx) {
                (true, ..) => (Format::HexOfDer, Repair::HexOfDer),
                (_, true, _) => (Format::Base64OfPem, Repair::Base64OfPem),
                (_, _, true) => (Format::Base64OfPkcs12, Repair::Base64OfPkcs12),
                (_, _, false) => (Format::Base64OfDer, Repair::Base64OfDer),
            };
            if depth == 0 {
                self.file.format = format;
            }
            self.repair(repair);
            inner.file.repairs.into_iter().for_each(|r| self.repair(r));
            inner.file.problems.into_iter().for_each(|p| self.problem(p));
            self.file.items.append(&mut inner.file.items);
            self.file.items.truncate(MAX_ITEMS);
            return true;
        }
        false
    }

    fn block(&mut self, block: Block, span: &Option<Range<usize>>, depth: usize) {
        let Block { label, dek_info, old_encryption, bytes, span: own, repairs, problems } = block;
        repairs.iter().for_each(|r| self.repair(*r));
        problems.into_iter().for_each(|p| self.problem(p));
        let span = span.clone().or_else(|| (depth == 0).then_some(own));
        let mut origin = Origin { label: label.clone(), span, repairs, alias: None, was_encrypted: false };
        let Some(bytes) = bytes else { return };
        if old_encryption || dek_info.is_some() {
            return self.traditional(&bytes, dek_info, origin);
        }
        if bytes.is_empty() {
            return self.problem(Problem::Malformed { label });
        }
        if matches!(label.as_str(), "OPENSSH PRIVATE KEY" | "SSH2 ENCRYPTED PRIVATE KEY") {
            self.problem(Problem::UnsupportedFormat { format: "OpenSSH's private key format" });
            return self.push(ItemKind::Other("an OpenSSH private key".to_owned()), origin);
        }
        if label.starts_with("PGP ") || label.ends_with("PARAMETERS") {
            return self.push(ItemKind::Other(label), origin);
        }
        let announced = der::header(&bytes).map(|(header, length)| header.saturating_add(length));
        let der = match announced {
            Some(n) if n > bytes.len() => {
                let received = bytes.len();
                return self.problem(Problem::Truncated { label, expected: Some(n), received });
            }
            Some(n) => &bytes[..n],
            None => return self.problem(Problem::Malformed { label }),
        };
        // OpenSSL's TRUSTED CERTIFICATE carries trust settings behind the certificate.
        if der.len() < bytes.len() && label != "TRUSTED CERTIFICATE" {
            self.repair(Repair::TrailingBytes);
            origin.repairs.push(Repair::TrailingBytes);
        }
        match sniff::sniff(der) {
            None | Some(DerKind::Other) => self.problem(Problem::Malformed { label }),
            Some(kind) => {
                if !kind.has_label(&label) {
                    self.repair(Repair::LabelDisagrees);
                    origin.repairs.push(Repair::LabelDisagrees);
                }
                self.value(kind, der, origin);
            }
        }
    }

    /// One DER value of a known kind.
    pub(super) fn value(&mut self, kind: DerKind, der: &[u8], origin: Origin) {
        let label = origin.label.clone();
        match kind {
            DerKind::Certificate => match Certificate::from_der(der) {
                Ok(certificate) => self.push(ItemKind::Certificate(certificate), origin),
                Err(error) => self.problem(Problem::MalformedCertificate { error }),
            },
            DerKind::Pkcs8 => self.private(PrivateKey::from_pkcs8_der(der), origin),
            DerKind::Pkcs1 => self.private(PrivateKey::from_pkcs1_der(der), origin),
            DerKind::Sec1 => self.private(PrivateKey::from_sec1_der(der), origin),
            DerKind::EncryptedPkcs8 => self.encrypted_pkcs8(der, origin),
            DerKind::Pkcs12 => self.pkcs12(der, origin),
            DerKind::Spki => match PublicKey::from_spki(der) {
                Ok(key) => self.push(ItemKind::PublicKey(key), origin),
                Err(_) => self.problem(Problem::Malformed { label }),
            },
            DerKind::Pkcs1Public => match PublicKey::from_pkcs1(der) {
                Some(key) => self.push(ItemKind::PublicKey(key), origin),
                None => self.problem(Problem::Malformed { label }),
            },
            DerKind::Request => self.push(ItemKind::CertificateRequest, origin),
            DerKind::Pkcs7 => {
                self.push(ItemKind::Other("a PKCS#7 of certificates".to_owned()), origin.clone());
                for certificate in sniff::pkcs7_certificates(der).into_iter().flatten().take(MAX_ITEMS) {
                    self.value(DerKind::Certificate, certificate, origin.clone());
                }
            }
            DerKind::RevocationList => {
                self.push(ItemKind::Other("a certificate revocation list".to_owned()), origin);
            }
            DerKind::Other => self.problem(Problem::Malformed { label }),
        }
    }

    pub(super) fn private(&mut self, key: Result<PrivateKey, PrivateKeyError>, origin: Origin) {
        match key {
            Ok(key) => self.push(ItemKind::PrivateKey(key), origin),
            Err(PrivateKeyError::UnsupportedKind(kind)) => {
                self.problem(Problem::UnsupportedFormat { format: kind_in_words(kind) });
                self.push(ItemKind::Other(format!("a private key {kind}")), origin);
            }
            Err(_) => self.problem(Problem::Malformed { label: origin.label }),
        }
    }

    /// What only the whole file shows.
    fn finish(&mut self) {
        let file = &self.file;
        let mismatch = file.private_key().is_some()
            && file.certificates().next().is_some()
            && !file.certificates().any(|c| file.private_keys().any(|k| k.matches(c)));
        if mismatch {
            self.problem(Problem::KeyCertMismatch);
        }
        if file_is_silent(&self.file) {
            self.problem(Problem::NotAKeyFile { looks_like: LooksLike::Text });
        }
    }
}

fn file_is_silent(file: &KeyFile) -> bool {
    file.items.is_empty() && file.problems.is_empty()
}

fn empty() -> KeyFile {
    KeyFile { format: Format::Unknown, items: Vec::new(), repairs: Vec::new(), problems: Vec::new() }
}

fn kind_in_words(kind: &'static str) -> &'static str {
    match kind {
        "of Ed25519" => "a private key of Ed25519",
        "restricted to RSASSA-PSS" => "a private key restricted to RSASSA-PSS",
        _ => "a private key of another kind than RSA and EC",
    }
}
