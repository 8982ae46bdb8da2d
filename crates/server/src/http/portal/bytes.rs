//! A received thumbprint beside every registered certificate, byte by byte, nearest first.
//!
//! Called by the diagnosis page. It compares and colours; what the difference means the doctor says.

use countersign_core::encoding::{decode_base64, encode_hex_upper};
use countersign_core::jose::UnverifiedJwt;
use countersign_core::registration::Registration;
use countersign_core::thumbprint::Hash;
use countersign_doctor::evidence::thumbprint::{self, peel};

/// The table.
pub(super) struct Table {
    /// `x5t` or `x5t#S256`.
    pub member: &'static str,
    /// The value as sent.
    pub text: String,
    /// What it decodes to.
    pub received: Vec<String>,
    /// The same bytes as text, where they are text.
    pub as_text: Option<String>,
    /// Bytes that a right value has.
    pub expected_length: usize,
    /// One row for each certificate.
    pub rows: Vec<Line>,
}

/// A registered certificate.
pub(super) struct Line {
    /// Its name.
    pub name: String,
    /// `keyId`
    pub key_id: String,
    /// The right value of the member.
    pub right: String,
    /// Its digest: byte in hex, and whether the received value has it there.
    pub bytes: Vec<(String, bool)>,
    /// Bytes in their place.
    pub same: usize,
    /// The received value is this digest, written otherwise.
    pub rewritten: bool,
}

/// Bytes of a received value that are shown; a whole PEM in that place is not.
const SHOWN: usize = 96;

/// The table for the assertion, when it names a thumbprint.
pub(super) fn table(jwt: &UnverifiedJwt, registration: Option<&Registration>) -> Option<Table> {
    let header = &jwt.header;
    let (hash, member) = match (&header.x5t_s256, &header.x5t) {
        (Some(m), _) => (Hash::Sha256, m),
        (None, Some(m)) => (Hash::Sha1, m),
        (None, None) => return None,
    };
    let received = decode_base64(&member.text).map(|d| d.bytes).unwrap_or_default();
    let readings: Vec<Vec<u8>> = peel(&received, Some(&member.text)).into_iter().map(|r| r.digest).collect();
    let mut rows: Vec<Line> = registration
        .into_iter()
        .flat_map(|r| &r.key_credentials)
        .filter_map(|k| {
            let certificate = k.certificate.as_ref()?;
            let digest: &[u8] = match hash {
                Hash::Sha1 => certificate.sha1(),
                Hash::Sha256 => certificate.sha256(),
            };
            let at = |i: usize| received.get(i).copied();
            let bytes: Vec<(String, bool)> =
                digest.iter().enumerate().map(|(i, b)| (format!("{b:02X}"), at(i) == Some(*b))).collect();
            let same = bytes.iter().filter(|(_, same)| *same).count();
            let other_hash: &[u8] = match hash {
                Hash::Sha1 => certificate.sha256(),
                Hash::Sha256 => certificate.sha1(),
            };
            let rewritten = received != digest && readings.iter().any(|r| r == digest || r == other_hash);
            let right = countersign_core::encoding::encode_base64url(digest);
            Some(Line { name: k.display_name.clone(), key_id: k.key_id.clone(), right, bytes, same, rewritten })
        })
        .collect();
    rows.sort_by_key(|l| std::cmp::Reverse((l.rewritten, l.same)));
    rows.truncate(50);
    Some(Table {
        member: hash.header_parameter(),
        text: member.text.chars().take(200).collect(),
        received: received.iter().take(SHOWN).map(|b| encode_hex_upper(&[*b])).collect(),
        as_text: thumbprint::as_text(&received).map(|t| t.chars().take(SHOWN).collect()),
        expected_length: hash.length(),
        rows,
    })
}
