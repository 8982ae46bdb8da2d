//! Rewrites BER (indefinite lengths, strings in pieces) as DER, for PKCS#12 files of Bouncy Castle, NSS and macOS.
//!
//! Used by the PKCS#12 reader when a file is not DER. It knows the one ambiguity that matters there: the encrypted
//! content of CMS is an implicitly tagged string.

use super::sniff::OID_DATA;
use crate::x509::der::{self, tag};

const MAX_DEPTH: usize = 24;
const CONSTRUCTED: u8 = 0x20;
const CONSTRUCTED_OCTETS: u8 = tag::OCTET_STRING | CONSTRUCTED;

/// The DER form of the one BER value that fills `bytes`; `None` when there is no such value.
pub(super) fn to_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes;
    let value = value(&mut rest, 0)?;
    // Some writers pad files with zeros.
    rest.iter().all(|b| *b == 0).then(|| value.encode())
}

/// `AuthenticatedSafe` as DER, and the plain safes in it too (RFC 7292 §4.1).
pub(super) fn safes_to_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let outer = to_der(bytes)?;
    let mut safes = der::exactly_one(&outer)?.reader();
    let mut contents = Vec::new();
    while let Some(safe) = safes.any() {
        contents.push(plain_safe_to_der(safe.value).unwrap_or_else(|| safe.whole.to_vec()));
    }
    let slices: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    Some(der::write(tag::SEQUENCE, &slices))
}

fn plain_safe_to_der(safe: &[u8]) -> Option<Vec<u8>> {
    let mut body = der::Reader(safe);
    if body.oid()? != OID_DATA {
        return None;
    }
    let octets = body.expect(tag::CONTEXT_0)?.reader().octets()?;
    let octets = der::write(tag::OCTET_STRING, &[&to_der(octets)?]);
    let content = der::write(tag::CONTEXT_0, &[&octets]);
    Some(der::write(tag::SEQUENCE, &[&der::write_oid(OID_DATA)?, &content]))
}

enum Value<'a> {
    Primitive(u8, &'a [u8]),
    Constructed(u8, Vec<Self>),
}

impl Value<'_> {
    fn tag(&self) -> u8 {
        match self {
            Self::Primitive(tag, _) | Self::Constructed(tag, _) => *tag,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Primitive(tag, contents) => der::write(*tag, &[contents]),
            Self::Constructed(CONSTRUCTED_OCTETS, _) => {
                let mut joined = Vec::new();
                self.join(&mut joined);
                der::write(tag::OCTET_STRING, &[&joined])
            }
            Self::Constructed(tag, children) => {
                let encrypted_content = *tag == tag::SEQUENCE
                    && matches!(children.as_slice(), [a, b, Self::Constructed(tag::CONTEXT_0, pieces)]
                        if a.tag() == tag::OID && b.tag() == tag::SEQUENCE && pieces.iter().all(Self::is_octets));
                let mut parts: Vec<Vec<u8>> = children.iter().map(Self::encode).collect();
                if encrypted_content && let (Some(last), Some(part)) = (children.last(), parts.last_mut()) {
                    let mut joined = Vec::new();
                    last.join(&mut joined);
                    // [0] IMPLICIT OCTET STRING, primitive (RFC 5652 §6.1).
                    *part = der::write(0x80, &[&joined]);
                }
                let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
                der::write(*tag, &slices)
            }
        }
    }

    fn is_octets(&self) -> bool {
        matches!(self.tag(), tag::OCTET_STRING | CONSTRUCTED_OCTETS)
    }

    fn join(&self, out: &mut Vec<u8>) {
        match self {
            Self::Primitive(_, contents) => out.extend_from_slice(contents),
            Self::Constructed(_, children) => children.iter().for_each(|c| c.join(out)),
        }
    }
}

/// The next value; an indefinite length ends at two zero octets (X.690 §8.1.3.6).
fn value<'a>(rest: &mut &'a [u8], depth: usize) -> Option<Value<'a>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let tag = *rest.first()?;
    if rest.get(1) == Some(&0x80) {
        if tag & CONSTRUCTED == 0 || tag & 0x1F == 0x1F {
            return None;
        }
        *rest = rest.get(2..)?;
        let mut children = Vec::new();
        loop {
            if let [0, 0, after @ ..] = *rest {
                *rest = after;
                return Some(Value::Constructed(tag, children));
            }
            children.push(value(rest, depth + 1)?);
        }
    }
    let (header, length) = der::header(rest)?;
    let contents = rest.get(header..header.checked_add(length)?)?;
    *rest = rest.get(header + length..)?;
    if tag & CONSTRUCTED == 0 {
        return Some(Value::Primitive(tag, contents));
    }
    let (mut inner, mut children) = (contents, Vec::new());
    while !inner.is_empty() {
        children.push(value(&mut inner, depth + 1)?);
    }
    Some(Value::Constructed(tag, children))
}

/// DER rewritten with indefinite lengths and strings in pieces, for tests.
#[cfg(test)]
pub(super) fn from_der(bytes: &[u8]) -> Vec<u8> {
    fn write(value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Primitive(tag @ (tag::OCTET_STRING | 0x80), contents) if contents.len() > 8 => {
                out.extend([if *tag == 0x80 { 0xA0 } else { CONSTRUCTED_OCTETS }, 0x80]);
                for piece in contents.chunks(1000) {
                    out.extend(der::write(tag::OCTET_STRING, &[piece]));
                }
                out.extend([0, 0]);
            }
            Value::Primitive(tag, contents) => out.extend(der::write(*tag, &[contents])),
            Value::Constructed(tag, children) => {
                out.extend([*tag, 0x80]);
                children.iter().for_each(|c| write(c, out));
                out.extend([0, 0]);
            }
        }
    }
    let (mut rest, mut out) = (bytes, Vec::new());
    write(&value(&mut rest, 0).unwrap(), &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_and_refuses_what_never_ends() {
        let octets = der::write(tag::OCTET_STRING, &[&[7; 3000]]);
        let source = der::write(tag::SEQUENCE, &[&der::write_unsigned(&[3]), &octets]);
        assert_eq!(to_der(&from_der(&source)), Some(source.clone()));
        assert_eq!(to_der(&source), Some(source));
        assert_eq!(to_der(&[0x30, 0x80, 0x02, 0x01, 0x01]), None);
        assert_eq!(to_der(&[0x30, 0x80].repeat(100)), None);
        assert_eq!(to_der(&[0x04, 0x80, 0x00, 0x00]), None);
    }
}
