//! PKCS#12 (PFX, RFC 7292): what can be told without the password, and what comes out with it.
//!
//! Used by [`super::read`]. Opening goes through p12-keystore, which only this file knows; the walk that reports MAC
//! and encryption is our own, because tools refuse files for exactly these.

use p12_keystore::Pkcs12Archive;
use p12_keystore::error::Error as P12Error;
use zeroize::Zeroizing;

use super::ber;
use super::encryption::{Encryption, OpenError};
use super::sniff::OID_DATA;
use crate::x509::der::{self, Reader, tag};

const OID_ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const OID_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
const OID_SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
const OID_CERT_BAG: &str = "1.2.840.113549.1.12.10.1.3";

/// The library's own bound on rounds of key derivation.
pub(super) const MAX_ITERATIONS: u64 = 1_000_000;

/// A PKCS#12 as far as it could be looked into.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pkcs12 {
    /// The integrity MAC; Windows and openssl always write one.
    pub mac: Option<Mac>,
    /// Every distinct encryption in it, in order.
    pub encryption: Vec<Encryption>,
    /// Whether a password opened it, and the counts below are complete.
    pub opened: bool,
    /// Private keys seen. Keys are usually countable without the password.
    pub keys: usize,
    /// Certificates seen.
    pub certificates: usize,
    /// Friendly names, each once, in order; Java calls them aliases.
    pub aliases: Vec<String>,
    /// The empty password opens it, as with files that Azure Key Vault exports.
    pub empty_password_works: bool,
    /// BER with indefinite lengths instead of DER.
    pub ber: bool,
    /// Rounds of key derivation for everything encrypted, each bag counted.
    rounds: u64,
}

/// The MAC of a PKCS#12.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mac {
    /// Dotted OID of the digest.
    pub oid: String,
    /// The digest by name.
    pub digest: String,
    /// Rounds of key derivation.
    pub iterations: u64,
}

impl Pkcs12 {
    /// RC2, RC4 or 3DES encryption: RC2 and RC4 are refused by OpenSSL 3 without its legacy provider.
    pub fn is_legacy(&self) -> bool {
        self.encryption.iter().any(|e| e.legacy)
    }

    /// AES encryption or a SHA-2 MAC: refused by Windows before 2019 and by Go's old pkcs12 package.
    pub fn is_modern(&self) -> bool {
        self.encryption.iter().any(Encryption::is_modern)
            || self.mac.as_ref().is_some_and(|m| m.digest.starts_with("SHA-2") || m.digest.starts_with("SHA-5"))
    }

    /// Entries as tools count them that expect exactly one: its keys or its certificates, whichever are more.
    pub fn entries(&self) -> usize {
        self.keys.max(self.certificates)
    }

    /// The rounds that opening costs: for each bag a key and an initialisation vector, and the MAC.
    pub(super) fn cost(&self) -> u64 {
        self.rounds.saturating_mul(2).saturating_add(self.mac.as_ref().map_or(0, |m| m.iterations)).max(1)
    }

    /// The largest number of rounds in any one place.
    pub(super) fn iterations(&self) -> u64 {
        let schemes = self.encryption.iter().filter_map(|e| e.iterations);
        schemes.chain(self.mac.iter().map(|m| m.iterations)).max().unwrap_or(1)
    }
}

/// What came out of a PKCS#12.
#[derive(Default)]
pub(super) struct Opened {
    /// PKCS#8 and friendly name.
    pub keys: Vec<(Zeroizing<Vec<u8>>, Option<String>)>,
    /// DER and friendly name.
    pub certificates: Vec<(Vec<u8>, Option<String>)>,
}

/// Looks at a PKCS#12 without its password. The bytes returned are its DER form.
pub(super) fn inspect(bytes: &[u8]) -> Option<(Pkcs12, Vec<u8>)> {
    let (pfx, is_ber) = match der::exactly_one(bytes).and_then(|_| walk(bytes)) {
        Some(found) => return Some((found, bytes.to_vec())),
        None => (ber::to_der(bytes)?, true),
    };
    let mut found = walk(&pfx)?;
    found.ber = is_ber;
    Some((found, pfx))
}

fn walk(pfx: &[u8]) -> Option<Pkcs12> {
    let mut found = Pkcs12::default();
    let mut body = der::exactly_one(pfx)?.reader();
    body.u64().filter(|version| *version == 3)?;
    let mut content = body.sequence()?;
    let kind = content.oid()?;
    if let Some(mut mac) = body.sequence() {
        let mut info = mac.sequence()?;
        let oid = info.sequence()?.oid()?;
        mac.octets()?;
        // RFC 7292 §4: the default is 1.
        let iterations = if mac.is_empty() { 1 } else { mac.u64()? };
        found.mac = Some(Mac { digest: digest_name(&oid).to_owned(), oid, iterations });
    }
    // Integrity by signature (RFC 7292 §3.1) is not read any further.
    if kind == OID_DATA {
        let safes = content.expect(tag::CONTEXT_0)?.reader().octets()?;
        // An inner BER is left to `open`; what it hides is not reported.
        let _ = walk_safes(safes, &mut found);
    }
    Some(found)
}

fn walk_safes(safes: &[u8], found: &mut Pkcs12) -> Option<()> {
    let normalised = if der::exactly_one(safes).is_some() { None } else { Some(ber::safes_to_der(safes)?) };
    let mut safes = der::exactly_one(normalised.as_deref().unwrap_or(safes))?.reader();
    while let Some(mut safe) = safes.sequence() {
        let kind = safe.oid()?;
        let mut content = safe.expect(tag::CONTEXT_0)?.reader();
        if kind == OID_ENCRYPTED_DATA {
            let mut data = content.sequence()?;
            data.u64()?;
            let mut info = data.sequence()?;
            info.oid()?;
            add(found, Encryption::read(info.sequence()?)?);
        } else if kind == OID_DATA {
            let mut bags = der::exactly_one(content.octets()?)?.reader();
            while let Some(mut bag) = bags.sequence() {
                let id = bag.oid()?;
                let mut value = bag.expect(tag::CONTEXT_0)?.reader();
                match id.as_str() {
                    OID_SHROUDED_KEY_BAG => {
                        found.keys += 1;
                        add(found, Encryption::read(value.sequence()?.sequence()?)?);
                    }
                    OID_KEY_BAG => found.keys += 1,
                    OID_CERT_BAG => found.certificates += 1,
                    _ => {}
                }
            }
        } else {
            let name = "protection to a group or public key (CMS enveloped data)".to_owned();
            add(found, Encryption::other(kind, name));
        }
    }
    Some(())
}

fn add(found: &mut Pkcs12, encryption: Encryption) {
    found.rounds = found.rounds.saturating_add(encryption.cost());
    let list = &mut found.encryption;
    if !list.iter().any(|e| e.name == encryption.name && e.iterations == encryption.iterations) {
        list.push(encryption);
    }
}

fn digest_name(oid: &str) -> &str {
    match oid {
        "1.3.14.3.2.26" => "SHA-1",
        "2.16.840.1.101.3.4.2.4" => "SHA-224",
        "2.16.840.1.101.3.4.2.1" => "SHA-256",
        "2.16.840.1.101.3.4.2.2" => "SHA-384",
        "2.16.840.1.101.3.4.2.3" => "SHA-512",
        "1.2.840.113549.1.5.14" => "PBMAC1",
        other => other,
    }
}

/// Opens a PKCS#12 in DER form with exactly this password.
pub(super) fn open(pfx: &[u8], about: &Pkcs12, password: &str) -> Result<Opened, OpenError> {
    if about.iterations() > MAX_ITERATIONS {
        return Err(OpenError::TooManyIterations(about.iterations(), MAX_ITERATIONS));
    }
    if let Some(e) = about.encryption.iter().find(|e| e.within(MAX_ITERATIONS).is_err()) {
        let (found, limit) = e.within(MAX_ITERATIONS).err().unwrap_or_default();
        return Err(OpenError::TooManyIterations(found, limit));
    }
    // Such a password is two UTF-16 units to openssl and none to the library: it can neither open nor be refuted.
    if password.chars().any(|c| u32::from(c) > 0xFFFF) {
        return Err(OpenError::Unsupported("a password with characters above U+FFFF".to_owned()));
    }
    let has_mac = about.mac.is_some();
    match Pkcs12Archive::from_pkcs12(pfx, password) {
        Ok(archive) => Ok(collect(archive)),
        Err(P12Error::MacError(_)) => Err(OpenError::WrongPassword),
        // A MAC that the library does not know (PBMAC1, RFC 9579): the encryption's padding tells a wrong password.
        Err(P12Error::UnsupportedEncryptionScheme | P12Error::UnsupportedMacAlgorithm)
            if about.mac.as_ref().is_some_and(|m| m.digest == "PBMAC1" || m.digest == m.oid) =>
        {
            let bare = without_mac(pfx, false).ok_or(OpenError::Malformed)?;
            Pkcs12Archive::from_pkcs12(&bare, password).map(collect).map_err(|e| classify(&e, about, false))
        }
        // What the MAC covers may be BER itself; a MAC that was right needs no second look.
        Err(P12Error::DerError(error)) => match without_mac(pfx, true) {
            Some(bare) if bare != pfx => {
                Pkcs12Archive::from_pkcs12(&bare, password).map(collect).map_err(|e| classify(&e, about, has_mac))
            }
            _ => Err(classify(&P12Error::DerError(error), about, has_mac)),
        },
        Err(error) => Err(classify(&error, about, has_mac)),
    }
}

fn classify(error: &P12Error, about: &Pkcs12, password_is_right: bool) -> OpenError {
    let scheme = || about.encryption.iter().map(|e| e.name.as_str()).collect::<Vec<_>>().join(", ");
    match error {
        P12Error::MacError(_) => OpenError::WrongPassword,
        P12Error::UnsupportedEncryptionScheme
        | P12Error::UnsupportedContentType
        | P12Error::UnsupportedMacAlgorithm => OpenError::Unsupported(scheme()),
        P12Error::Pkcs5Error(text) if text.contains("unsupported") => OpenError::Unsupported(scheme()),
        _ if password_is_right || about.encryption.is_empty() => OpenError::Malformed,
        // Without a MAC, a wrong password shows as bad padding or as bytes that are no DER.
        _ => OpenError::WrongPassword,
    }
}

fn collect(archive: Pkcs12Archive) -> Opened {
    Opened {
        keys: archive.keys.iter().map(|k| (Zeroizing::new(k.key.as_der().to_vec()), k.friendly_name.clone())).collect(),
        certificates: archive.certs.iter().map(|c| (c.cert.as_der().to_vec(), c.friendly_name.clone())).collect(),
    }
}

/// The PFX without its MAC; with `normalise`, the authenticated safe becomes DER as well.
fn without_mac(pfx: &[u8], normalise: bool) -> Option<Vec<u8>> {
    let mut body = der::exactly_one(pfx)?.reader();
    let version = body.any()?;
    let content = body.any()?;
    if !normalise {
        return Some(der::write(tag::SEQUENCE, &[version.whole, content.whole]));
    }
    let mut inner = content.reader();
    inner.oid()?;
    let safes = ber::safes_to_der(inner.expect(tag::CONTEXT_0)?.reader().octets()?)?;
    pfx_of(&safes)
}

/// A PFX without MAC around an authenticated safe.
fn pfx_of(safes: &[u8]) -> Option<Vec<u8>> {
    let data = content_info(safes)?;
    Some(der::write(tag::SEQUENCE, &[&der::write_unsigned(&[3]), &data]))
}

/// `ContentInfo` of type data.
fn content_info(octets: &[u8]) -> Option<Vec<u8>> {
    let octets = der::write(tag::OCTET_STRING, &[octets]);
    let content = der::write(tag::CONTEXT_0, &[&octets]);
    Some(der::write(tag::SEQUENCE, &[&der::write_oid(OID_DATA)?, &content]))
}

/// Opens an `EncryptedPrivateKeyInfo` under one of PKCS#12's own schemes, as `openssl pkcs8 -v1` writes them: by
/// putting it into a PKCS#12 of one bag, which is where the library knows these schemes.
pub(super) fn open_shrouded(info: &[u8], scheme: &Encryption, password: &str) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let pfx = (|| {
        let value = der::write(tag::CONTEXT_0, &[info]);
        let bag = der::write(tag::SEQUENCE, &[&der::write_oid(OID_SHROUDED_KEY_BAG)?, &value]);
        let safe = content_info(&der::write(tag::SEQUENCE, &[&bag]))?;
        pfx_of(&der::write(tag::SEQUENCE, &[&safe]))
    })()
    .ok_or(OpenError::Malformed)?;
    let about = Pkcs12 { encryption: vec![scheme.clone()], ..Pkcs12::default() };
    let opened = open(&pfx, &about, password)?;
    opened.keys.into_iter().next().map(|(key, _)| key).ok_or(OpenError::WrongPassword)
}

/// Reads nothing but the tag, so that a PKCS#12 in BER is told from other data.
pub(super) fn looks_like_ber(bytes: &[u8]) -> bool {
    matches!(bytes, [tag::SEQUENCE, 0x80, tag::INTEGER, 1, 3, ..])
        || (Reader(bytes).peek() == Some(tag::SEQUENCE) && der::header(bytes).is_none() && bytes.len() > 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &[u8] = include_bytes!("../../tests/fixtures/keyfile/modern.pfx");
    const NOMAC: &[u8] = include_bytes!("../../tests/fixtures/keyfile/nomac.pfx");

    /// A PFX whose authenticated safe and plain safes are BER as well.
    fn ber_inside(pfx: &[u8]) -> Vec<u8> {
        let mut body = der::exactly_one(pfx).unwrap().reader();
        body.u64().unwrap();
        let mut content = body.sequence().unwrap();
        content.oid().unwrap();
        let safes = content.expect(tag::CONTEXT_0).unwrap().reader().octets().unwrap();
        let mut parts = Vec::new();
        let mut safes = der::exactly_one(safes).unwrap().reader();
        while let Some(safe) = safes.any() {
            let mut inner = safe.reader();
            parts.push(if inner.oid().as_deref() == Some(OID_DATA) {
                let bags = inner.expect(tag::CONTEXT_0).unwrap().reader().octets().unwrap();
                content_info(&ber::from_der(bags)).unwrap()
            } else {
                safe.whole.to_vec()
            });
        }
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        ber::from_der(&pfx_of(&ber::from_der(&der::write(tag::SEQUENCE, &slices))).unwrap())
    }

    #[test]
    fn ber_of_the_same_file_opens_and_is_noted() {
        for bytes in [ber::from_der(MODERN), ber::from_der(NOMAC), ber_inside(NOMAC)] {
            let (about, pfx) = inspect(&bytes).unwrap();
            assert!(about.ber && about.keys == 1 && !about.encryption.is_empty(), "{about:?}");
            let opened = open(&pfx, &about, "correct-horse").unwrap();
            assert_eq!((opened.keys.len(), opened.certificates.len()), (1, 1));
            assert_eq!(open(&pfx, &about, "wrong").err(), Some(OpenError::WrongPassword));
        }
        assert!(!inspect(MODERN).unwrap().0.ber);
    }

    #[test]
    fn a_forged_mac_is_no_wrong_padding() {
        let mut forged = MODERN.to_vec();
        // The MAC value stands before its salt and rounds at the end of the file.
        let at = forged.len() - 20;
        forged[at] ^= 1;
        let (about, pfx) = inspect(&forged).unwrap();
        assert_eq!(open(&pfx, &about, "correct-horse").err(), Some(OpenError::WrongPassword));
    }
}
