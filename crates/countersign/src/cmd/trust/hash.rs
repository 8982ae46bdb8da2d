//! The name under which OpenSSL looks for a CA in a folder: a hash over the subject in its canonical form.
//!
//! Used by `store` for folders that are named by SSL_CERT_DIR. The form is that of `X509_NAME_hash_ex` (OpenSSL,
//! crypto/x509/x_name.c): text as UTF-8, in lower case, blanks made one; sets without the sequence round them; SHA-1, of
//! which the first four bytes count, the lowest first.

use countersign_core::thumbprint::{Hash, digest};

/// The hash of a subject (DER of a Name, RFC 5280 §4.1.2.4); `None` when it cannot be read.
pub fn subject_hash(name: &[u8]) -> Option<String> {
    let (_, mut sets, rest) = take(name)?;
    if !rest.is_empty() {
        return None;
    }
    let mut canonical = Vec::new();
    while !sets.is_empty() {
        let (_, mut members, rest) = take(sets)?;
        sets = rest;
        let mut out = Vec::new();
        while !members.is_empty() {
            let (_, pair, rest) = take(members)?;
            members = rest;
            let (_, _, value) = take(pair)?;
            let kind = pair.get(..pair.len() - value.len())?;
            let (tag, text, _) = take(value)?;
            let value = match folded(tag, text) {
                Some(text) => wrap(0x0c, text.as_bytes()),
                None => value.to_vec(),
            };
            out.push(wrap(0x30, &[kind, &value].concat()));
        }
        // A SET OF stands in the order of its members' encodings (X.690 §11.6).
        out.sort();
        canonical.extend(wrap(0x31, &out.concat()));
    }
    let hash = digest(Hash::Sha1, &canonical);
    let first: [u8; 4] = hash.get(..4)?.try_into().ok()?;
    Some(format!("{:08x}", u32::from_le_bytes(first)))
}

/// Text as it is compared; `None` for what is no text.
fn folded(tag: u8, text: &[u8]) -> Option<String> {
    let text = match tag {
        // UTF8String, PrintableString, IA5String, VisibleString.
        0x0c | 0x13 | 0x16 | 0x1a => String::from_utf8(text.to_vec()).ok()?,
        // TeletexString, which OpenSSL takes for Latin-1.
        0x14 => text.iter().map(|b| char::from(*b)).collect(),
        // BMPString.
        0x1e => String::from_utf16(
            &text.chunks(2).map(|c| c.iter().fold(0, |n, b| n << 8 | u16::from(*b))).collect::<Vec<_>>(),
        )
        .ok()?,
        _ => return None,
    };
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase())
}

/// Tag, contents and what follows.
fn take(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, first) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let (length, head) = match first {
        0..=0x7f => (first, 2),
        0x81..=0x84 => {
            let count = first - 0x80;
            let length = bytes.get(2..2 + count)?.iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
            (length, 2 + count)
        }
        _ => return None,
    };
    let end = head.checked_add(length)?;
    Some((tag, bytes.get(head..end)?, bytes.get(end..)?))
}

fn wrap(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let length = &length[length.iter().position(|b| *b != 0).unwrap_or(length.len() - 1)..];
    let mut out = vec![tag];
    if contents.len() >= 0x80 {
        // At most eight octets of length.
        out.push(0x80 | length.len() as u8);
    }
    out.extend(length);
    out.extend(contents);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(parts: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let sets: Vec<u8> = parts
            .iter()
            .flat_map(|(kind, tag, text)| {
                let pair = [vec![0x06, 3, 0x55, 4, *kind], wrap(*tag, text)].concat();
                wrap(0x31, &wrap(0x30, &pair))
            })
            .collect();
        wrap(0x30, &sets)
    }

    #[test]
    fn hashes_are_those_of_openssl() {
        // `openssl x509 -noout -subject_hash`, OpenSSL 3.0, for /O=Countersign/CN=Countersign local CA 2026-11-24.
        let ours = name(&[(10, 0x0c, b"Countersign"), (3, 0x0c, b"Countersign local CA 2026-11-24")]);
        assert_eq!(subject_hash(&ours).as_deref(), Some("36d0c64d"));
        // Letter case, blanks and the kind of text do not count.
        let same = name(&[(10, 0x13, b" COUNTERSIGN "), (3, 0x13, b"countersign  local CA 2026-11-24")]);
        assert_eq!(subject_hash(&same), subject_hash(&ours));
        // The same for /CN= and eight times "Zürich ": UTF-8, of which only ASCII changes its case.
        let long = name(&[(3, 0x0c, "Zürich ".repeat(8).as_bytes())]);
        assert_eq!(subject_hash(&long).as_deref(), Some("38c04b08"));
    }

    #[test]
    fn what_is_no_name_has_no_hash() {
        for odd in [&b""[..], b"\x30", b"\x30\x05\x31", b"\x30\x80", b"\x30\x00\x00", b"\x30\x89\x01"] {
            assert_eq!(subject_hash(odd), None, "{odd:?}");
        }
    }
}
