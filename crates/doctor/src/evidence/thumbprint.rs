//! What a received thumbprint really is: which transformation of which certificate yields it.
//!
//! Called by the evidence once for each thumbprint at hand. Every hit is recomputed: undo what people do to a digest,
//! then compare with the digests of everything known. Nothing here knows causes.

use countersign_core::encoding::{self, encode_base64, encode_base64url};
use countersign_core::thumbprint::{self, Hash};
use countersign_core::x509::certificate::Certificate;

use crate::read::text::is_invisible;

/// Something done to a digest before it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Written as hex text and the text's bytes taken.
    HexText {
        /// With `:`, `-` or blanks between the digits.
        separated: bool,
        /// A line feed behind it.
        newline: bool,
    },
    /// The hex text itself used where base64url belongs.
    HexWritten,
    /// base64 of a base64 text.
    Base64Text,
    /// Something else stands before or behind.
    Stray {
        /// Characters in front.
        before: usize,
        /// Characters behind.
        behind: usize,
    },
    /// Invisible characters inside.
    Invisible,
    /// Text in UTF-16.
    Utf16,
    /// Bytes in reverse order.
    Reversed,
    /// Only the first bytes.
    Truncated,
    /// A line feed behind the bytes.
    TrailingNewline,
}

/// What the digest was taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The certificate's DER, as it should be.
    Der(Hash),
    /// Text of the file.
    Text(Hash, &'static str),
    /// The public key instead of the certificate.
    PublicKey(Hash),
}

impl Source {
    /// The hash.
    pub fn hash(self) -> Hash {
        match self {
            Self::Der(h) | Self::Text(h, _) | Self::PublicKey(h) => h,
        }
    }
}

/// A received value explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What was done to the digest, outermost first.
    pub steps: Vec<Step>,
    /// The digest that remains.
    pub digest: Vec<u8>,
    /// Index of the certificate it belongs to, and what it was taken over.
    pub hit: Option<(usize, Source)>,
}

/// Peels the transformations off. The first reading is the value as received; `written` is its text in the header.
pub fn peel(bytes: &[u8], written: Option<&str>) -> Vec<Reading> {
    let mut out = Vec::new();
    let mut push = |steps: Vec<Step>, digest: Vec<u8>| {
        if !out.iter().any(|r: &Reading| r.digest == digest && r.steps == steps) {
            out.push(Reading { steps, digest, hit: None });
        }
    };
    push(Vec::new(), bytes.to_vec());
    hex_written(bytes, written, &mut push);
    text_inside(bytes, &[], &mut push);
    stray_in_base64(bytes, written, &mut push);
    if matches!(bytes.len(), 20 | 32) {
        push(vec![Step::Reversed], bytes.iter().rev().copied().collect());
    }
    if let [digest @ .., b'\n'] = bytes
        && matches!(digest.len(), 20 | 32)
    {
        push(vec![Step::TrailingNewline], digest.to_vec());
    }
    out
}

fn is_digest(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 20 | 32)
}

/// `x5t` is the hex text, or base64 of the bytes reads as hex text: then the text was sent where base64url belongs.
fn hex_written(bytes: &[u8], written: Option<&str>, push: &mut impl FnMut(Vec<Step>, Vec<u8>)) {
    let clean = |t: &str| -> (String, bool) {
        let kept: String = t.chars().filter(|c| !is_invisible(*c) && !c.is_whitespace()).collect();
        let odd = kept.len() != t.trim().len() && t.chars().any(|c| is_invisible(c) && !c.is_ascii_whitespace());
        (kept, odd)
    };
    let mut texts: Vec<String> = written.map(str::to_owned).into_iter().collect();
    texts.extend([encode_base64url(bytes), encode_base64(bytes)]);
    for text in texts {
        let (kept, odd) = clean(&text);
        if let Some(digest) = encoding::decode_hex_separated(&kept).filter(|d| is_digest(d)) {
            let mut steps = vec![Step::HexWritten];
            if odd {
                steps.push(Step::Invisible);
            }
            push(steps, digest);
        }
    }
}

/// The bytes are text: hex, base64, or one of them with something round it.
fn text_inside(bytes: &[u8], outer: &[Step], push: &mut impl FnMut(Vec<Step>, Vec<u8>)) {
    let with = |more: Vec<Step>| [outer, &more].concat();
    let utf16 = bytes.len() >= 80 && bytes.len().is_multiple_of(2) && bytes.chunks_exact(2).all(|p| p[1] == 0);
    let narrow: Vec<u8>;
    let (bytes, mut base) = if utf16 {
        narrow = bytes.chunks_exact(2).map(|p| p[0]).collect();
        (narrow.as_slice(), vec![Step::Utf16])
    } else {
        (bytes, Vec::new())
    };
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let visible: String = text.chars().filter(|c| !is_invisible(*c) || matches!(c, '\n' | '\r')).collect();
    if visible.chars().count() != text.chars().count() {
        base.push(Step::Invisible);
    }
    let newline = visible.ends_with(['\n', '\r']);
    let core = visible.trim().trim_matches(['"', '\'']);
    if let Some(digest) = encoding::decode_hex_separated(core).filter(|d| is_digest(d)) {
        let separated = core.contains([':', '-', ' ']);
        let mut steps = vec![Step::HexText { separated, newline }];
        steps.extend(base.iter().copied());
        push(with(steps), digest);
        return;
    }
    if let Some((digest, before, behind)) = embedded_hex(core) {
        let mut steps = vec![Step::HexText { separated: false, newline }, Step::Stray { before, behind }];
        steps.extend(base.iter().copied());
        push(with(steps), digest);
        return;
    }
    if outer.len() < 2
        && core.len() >= 27
        && let Ok(decoded) = encoding::decode_base64(core)
    {
        let inner = with(vec![Step::Base64Text]);
        if is_digest(&decoded.bytes) {
            push(inner.clone(), decoded.bytes.clone());
        }
        text_inside(&decoded.bytes, &inner, push);
    }
}

/// A run of 40 or 64 hex digits (or pairs with colons, as openssl prints) inside other text.
fn embedded_hex(text: &str) -> Option<(Vec<u8>, usize, usize)> {
    let is_part = |c: char| c.is_ascii_hexdigit() || c == ':';
    let mut best = None;
    let mut start = None;
    for (i, c) in text.char_indices().chain(std::iter::once((text.len(), ' '))) {
        match (is_part(c), start) {
            (true, None) => start = Some(i),
            (false, Some(s)) => {
                let run = text[s..i].trim_matches(':');
                let digest =
                    if run.contains(':') { encoding::decode_hex_separated(run) } else { encoding::decode_hex(run) };
                if let Some(d) = digest.filter(|d| is_digest(d)) {
                    best = Some((d, s, text.len() - i));
                }
                start = None;
            }
            _ => {}
        }
    }
    best
}

/// base64 of hex text with characters pasted in front or behind: the alignment is lost, so every offset is tried
/// (Stack Overflow 79652135: `REI1R` before, a line feed behind).
fn stray_in_base64(bytes: &[u8], written: Option<&str>, push: &mut impl FnMut(Vec<Step>, Vec<u8>)) {
    let text = written.map_or_else(|| encode_base64url(bytes), |w| w.chars().filter(|c| !c.is_whitespace()).collect());
    if !text.is_ascii() || text.len() < 55 || text.len() > 400 {
        return;
    }
    for before in 1..=(text.len() - 54).min(40) {
        let tail = text[before..].trim_end_matches('=');
        // Decoding whole groups only: what is pasted behind may leave a broken group at the end.
        let whole = tail.len() - usize::from(tail.len() % 4 == 1);
        let Ok(decoded) = encoding::decode_base64(&tail[..whole]) else { continue };
        for length in [64, 40] {
            let Some(head) = decoded.bytes.get(..length) else { continue };
            let Some(digest) = std::str::from_utf8(head).ok().and_then(encoding::decode_hex) else { continue };
            let behind = &decoded.bytes[length..];
            let newline = behind.first().is_some_and(|b| matches!(b, b'\n' | b'\r'));
            let rest = behind.iter().filter(|b| !b.is_ascii_whitespace()).count();
            push(vec![Step::Stray { before, behind: rest }, Step::HexText { separated: false, newline }], digest);
            return;
        }
    }
}

/// A certificate to compare with, and the bytes of the file it came from when those may have been hashed.
pub struct Candidate<'a> {
    /// The certificate.
    pub certificate: &'a Certificate,
    /// The file as given.
    pub file: Option<&'a [u8]>,
}

/// Finds the certificate for each reading; text variants are hashed only when no digest of DER fits.
pub fn explain(bytes: &[u8], written: Option<&str>, candidates: &[Candidate<'_>]) -> Option<Reading> {
    let mut readings = peel(bytes, written);
    for reading in &mut readings {
        reading.hit = of_der(&reading.digest, candidates);
        if reading.hit.is_some() {
            return Some(reading.clone());
        }
    }
    if let Some((i, source)) = truncated(bytes, candidates) {
        return Some(Reading { steps: vec![Step::Truncated], digest: bytes.to_vec(), hit: Some((i, source)) });
    }
    let texts = text_digests(candidates);
    for reading in &mut readings {
        if let Some((i, source, _)) = texts.iter().find(|(_, _, d)| *d == reading.digest) {
            reading.hit = Some((*i, *source));
            return Some(reading.clone());
        }
    }
    // No certificate explains it; the shape still may.
    readings.into_iter().find(|r| {
        !r.steps.is_empty() && !r.steps.contains(&Step::Reversed) && !r.steps.contains(&Step::TrailingNewline)
    })
}

fn of_der(digest: &[u8], candidates: &[Candidate<'_>]) -> Option<(usize, Source)> {
    let hash = match digest.len() {
        20 => Hash::Sha1,
        32 => Hash::Sha256,
        _ => return None,
    };
    let matches = |c: &Candidate<'_>| match hash {
        Hash::Sha1 => c.certificate.sha1().as_slice() == digest,
        Hash::Sha256 => c.certificate.sha256().as_slice() == digest,
    };
    candidates.iter().position(matches).map(|i| (i, Source::Der(hash)))
}

fn truncated(bytes: &[u8], candidates: &[Candidate<'_>]) -> Option<(usize, Source)> {
    if bytes.len() < 8 || is_digest(bytes) {
        return None;
    }
    candidates.iter().enumerate().find_map(|(i, c)| {
        if c.certificate.sha1().starts_with(bytes) {
            return Some((i, Source::Der(Hash::Sha1)));
        }
        c.certificate.sha256().starts_with(bytes).then_some((i, Source::Der(Hash::Sha256)))
    })
}

/// Digests over everything that people hash instead of the DER.
fn text_digests(candidates: &[Candidate<'_>]) -> Vec<(usize, Source, Vec<u8>)> {
    let mut out = Vec::new();
    // Files a person gave, and few certificates besides: each costs a dozen hashes.
    let chosen: Vec<(usize, &Candidate<'_>)> =
        candidates.iter().enumerate().filter(|(_, c)| c.file.is_some()).take(16).collect();
    for (i, candidate) in chosen {
        let mut add = |what: &'static str, bytes: &[u8]| {
            for hash in [Hash::Sha1, Hash::Sha256] {
                out.push((i, Source::Text(hash, what), thumbprint::digest(hash, bytes)));
            }
        };
        if let Some(file) = candidate.file {
            add("the file as it is", file);
            if let Ok(text) = std::str::from_utf8(file) {
                line_variants(text, &mut add);
            }
        }
        let body = encode_base64(candidate.certificate.der());
        let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|l| std::str::from_utf8(l).ok()).collect();
        let wrapped = lines.join("\n");
        line_variants(&format!("-----BEGIN CERTIFICATE-----\n{wrapped}\n-----END CERTIFICATE-----\n"), &mut add);
        add("the base64 text in one line", body.as_bytes());
        add("the base64 text in one line with a line feed", format!("{body}\n").as_bytes());
        add("the base64 text without BEGIN and END lines", wrapped.as_bytes());
        add("the base64 text without BEGIN and END lines, with a line feed", format!("{wrapped}\n").as_bytes());
        let crlf = wrapped.replace('\n', "\r\n");
        add("the base64 text without BEGIN and END lines, CR LF", crlf.as_bytes());
        let one_line = format!("-----BEGIN CERTIFICATE-----{body}-----END CERTIFICATE-----");
        add("the PEM text in one line", one_line.as_bytes());
        let spki = candidate.certificate.public_key().spki();
        for hash in [Hash::Sha1, Hash::Sha256] {
            out.push((i, Source::PublicKey(hash), thumbprint::digest(hash, &spki)));
        }
    }
    out
}

fn line_variants(text: &str, add: &mut impl FnMut(&'static str, &[u8])) {
    let lf = text.replace("\r\n", "\n");
    let bare = lf.trim_end_matches('\n');
    let crlf = bare.replace('\n', "\r\n");
    add("the PEM text with a final line feed", format!("{bare}\n").as_bytes());
    add("the PEM text without a final line feed", bare.as_bytes());
    add("the PEM text with CR LF and a final line break", format!("{crlf}\r\n").as_bytes());
    add("the PEM text with CR LF, without a final line break", crlf.as_bytes());
}

/// base64url of the bytes when that is a GUID: a GUID was sent where a thumbprint belongs.
pub fn as_guid(bytes: &[u8], written: Option<&str>) -> Option<String> {
    let text = written.map_or_else(|| encode_base64url(bytes), |w| w.trim().trim_matches(['{', '}']).to_owned());
    if countersign_core::authority::is_guid(&text) {
        return Some(text.to_ascii_lowercase());
    }
    // The text's bytes, sent as base64.
    let inner = std::str::from_utf8(bytes).ok()?.trim().trim_matches(['{', '}']);
    countersign_core::authority::is_guid(inner).then(|| inner.to_ascii_lowercase())
}

/// The bytes as text when every one of them is printable.
pub fn as_text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|t| !t.is_empty() && t.chars().all(|c| !c.is_control()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        encoding::decode_hex(text).unwrap()
    }

    fn shape(bytes: &[u8]) -> Vec<Step> {
        explain(bytes, None, &[]).map(|r| r.steps).unwrap_or_default()
    }

    #[test]
    fn test_vectors_of_hex_text() {
        for (digest, wrong) in [
            ("84E05C1D98BCE3A5421D225B140B36E86A3D5534", "ODRFMDVDMUQ5OEJDRTNBNTQyMUQyMjVCMTQwQjM2RTg2QTNENTUzNA"),
            ("89569B9E426F9C89F6BB112012CC54F92B1ADD9B", "ODk1NjlCOUU0MjZGOUM4OUY2QkIxMTIwMTJDQzU0RjkyQjFBREQ5Qg"),
            ("6bf8e136eb36d4a56ea05c7ae4b9a45b63bf975d", "NmJmOGUxMzZlYjM2ZDRhNTZlYTA1YzdhZTRiOWE0NWI2M2JmOTc1ZA"),
        ] {
            let bytes = encoding::decode_base64(wrong).unwrap().bytes;
            let reading = explain(&bytes, Some(wrong), &[]).unwrap();
            assert_eq!(reading.steps, [Step::HexText { separated: false, newline: false }]);
            assert_eq!(reading.digest, hex(digest));
        }
    }

    #[test]
    fn names_both_defects_of_the_public_header() {
        let written = "REI1RREI1RDM2MTM1MDJFQjBEQTE3NkU2RDc3MkYxMUQ5OTdFQTc5MTlDQgo";
        let bytes = encoding::decode_base64(written).unwrap().bytes;
        for text in [Some(written), None] {
            let reading = explain(&bytes, text, &[]).unwrap();
            assert_eq!(
                reading.steps,
                [Step::Stray { before: 5, behind: 0 }, Step::HexText { separated: false, newline: true }]
            );
            assert_eq!(reading.digest, hex("DB5D3613502EB0DA176E6D772F11D997EA7919CB"));
        }
    }

    #[test]
    fn recomputed_echoes() {
        let sent = hex("144137D7BF7BEF4A0D1034F0DE7A3DFC0D2BF0BC2D7DA7E8");
        assert!(shape(&sent).is_empty());
        let as_hex = encoding::decode_base64("FEE317C3052AA4A141A9A301768F26AB641D58D0").unwrap().bytes;
        assert_eq!(as_hex.len(), 30);
        assert_eq!(shape(&as_hex), [Step::HexWritten]);
        let guid = encoding::decode_base64("b2f3a5b2-7350-4d33-ae4d-6cdd7b096cf7").unwrap().bytes;
        assert_eq!((guid.len(), as_guid(&guid, None).as_deref()), (27, Some("b2f3a5b2-7350-4d33-ae4d-6cdd7b096cf7")));
        assert_eq!(as_text(&hex("63657274")), Some("cert"));
        let newline = b"DB5D3613502EB0DA176E6D772F11D997EA7919CB\n";
        assert_eq!(shape(newline), [Step::HexText { separated: false, newline: true }]);
    }

    #[test]
    fn sees_through_colons_marks_and_layers() {
        let colons = b"84:E0:5C:1D:98:BC:E3:A5:42:1D:22:5B:14:0B:36:E8:6A:3D:55:34";
        assert_eq!(shape(colons), [Step::HexText { separated: true, newline: false }]);
        let marked = "\u{200e}84E05C1D98BCE3A5421D225B140B36E86A3D5534".as_bytes();
        assert_eq!(shape(marked), [Step::HexText { separated: false, newline: false }, Step::Invisible]);
        let twice = encode_base64(b"84E05C1D98BCE3A5421D225B140B36E86A3D5534");
        assert_eq!(shape(twice.as_bytes()), [Step::Base64Text, Step::HexText { separated: false, newline: false }]);
        let printed = b"SHA1 Fingerprint=84:E0:5C:1D:98:BC:E3:A5:42:1D:22:5B:14:0B:36:E8:6A:3D:55:34";
        assert_eq!(shape(printed)[0], Step::HexText { separated: false, newline: false });
        assert!(shape(&hex("84E05C1D98BCE3A5421D225B140B36E86A3D5534")).is_empty());
    }
}
