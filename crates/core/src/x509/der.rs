//! The few lines of DER that key files, public keys and PKCS#12 metadata need: a reader and a writer of
//! tag-length-value.
//!
//! Used by [`crate::x509`] and [`crate::keyfile`] only. Certificates themselves are read by x509-parser. Nothing here
//! judges: a value that does not fit is `None`, and the caller words the fault.

/// Universal tags and the context tags that occur in key files.
pub mod tag {
    pub const INTEGER: u8 = 0x02;
    pub const BIT_STRING: u8 = 0x03;
    pub const OCTET_STRING: u8 = 0x04;
    pub const NULL: u8 = 0x05;
    pub const OID: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const CONTEXT_0: u8 = 0xA0;
    pub const CONTEXT_1: u8 = 0xA1;
}

/// One tag-length-value with a definite length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet; only single-octet tags are read.
    pub tag: u8,
    /// The contents.
    pub value: &'a [u8],
    /// Identifier, length and contents.
    pub whole: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// A reader over the contents.
    pub fn reader(self) -> Reader<'a> {
        Reader(self.value)
    }
}

/// Reads one value after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tag that comes next.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value, whatever its tag.
    pub fn any(&mut self) -> Option<Tlv<'a>> {
        let (header, length) = header(self.0)?;
        let end = header.checked_add(length)?;
        let tlv = Tlv { tag: *self.0.first()?, value: self.0.get(header..end)?, whole: self.0.get(..end)? };
        self.0 = &self.0[end..];
        Some(tlv)
    }

    /// The next value, when it has this tag.
    pub fn expect(&mut self, tag: u8) -> Option<Tlv<'a>> {
        if self.peek() == Some(tag) { self.any() } else { None }
    }

    /// The contents of the SEQUENCE that comes next.
    pub fn sequence(&mut self) -> Option<Reader<'a>> {
        self.expect(tag::SEQUENCE).map(Tlv::reader)
    }

    /// The next OBJECT IDENTIFIER in dotted form.
    pub fn oid(&mut self) -> Option<String> {
        oid_text(self.expect(tag::OID)?.value)
    }

    /// The magnitude of the next INTEGER, big endian without leading zeros; `None` when it is negative.
    pub fn unsigned(&mut self) -> Option<&'a [u8]> {
        let value = self.expect(tag::INTEGER)?.value;
        if value.first()? & 0x80 != 0 {
            return None;
        }
        Some(trim_zeros(value))
    }

    /// The next INTEGER, when it fits.
    pub fn u64(&mut self) -> Option<u64> {
        to_u64(self.unsigned()?)
    }

    /// The next OCTET STRING.
    pub fn octets(&mut self) -> Option<&'a [u8]> {
        self.expect(tag::OCTET_STRING).map(|t| t.value)
    }

    /// The next BIT STRING, when it holds whole octets.
    pub fn bits(&mut self) -> Option<&'a [u8]> {
        match self.expect(tag::BIT_STRING)?.value.split_first()? {
            (0, rest) => Some(rest),
            _ => None,
        }
    }
}

/// Length of identifier and length octets, and the length they announce (X.690 §8.1.3, definite form).
pub fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    let (tag, first) = (*bytes.first()?, *bytes.get(1)?);
    if tag & 0x1F == 0x1F {
        return None;
    }
    match first {
        0..=0x7F => Some((2, usize::from(first))),
        0x81..=0x84 => {
            let octets = usize::from(first & 0x7F);
            let length = bytes.get(2..2 + octets)?.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
            Some((2 + octets, usize::try_from(length).ok()?))
        }
        _ => None,
    }
}

/// The one value that `bytes` holds from end to end.
pub fn exactly_one(bytes: &[u8]) -> Option<Tlv<'_>> {
    let mut reader = Reader(bytes);
    let tlv = reader.any()?;
    reader.is_empty().then_some(tlv)
}

/// A big-endian number as `u64`, when it fits.
pub fn to_u64(bytes: &[u8]) -> Option<u64> {
    let bytes = trim_zeros(bytes);
    (bytes.len() <= 8).then(|| bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
}

/// Without leading zero octets.
pub fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    &bytes[zeros..]
}

/// Dotted form of the contents of an OBJECT IDENTIFIER (X.690 §8.19).
pub fn oid_text(value: &[u8]) -> Option<String> {
    let mut arcs: Vec<u64> = Vec::new();
    let (mut arc, mut open) = (0_u64, false);
    for b in value {
        arc = arc.checked_mul(128)? | u64::from(b & 0x7F);
        open = b & 0x80 != 0;
        if !open {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    if open || arcs.is_empty() {
        return None;
    }
    Some(arcs.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

/// Writes identifier, length and contents.
pub fn write(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let length: usize = contents.iter().map(|c| c.len()).sum();
    let mut out = Vec::with_capacity(length + 6);
    out.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let octets = trim_zeros(&octets);
            // A usize has at most eight octets.
            out.push(0x80 | octets.len() as u8);
            out.extend_from_slice(octets);
        }
    }
    for c in contents {
        out.extend_from_slice(c);
    }
    out
}

/// Writes an INTEGER from a big-endian magnitude.
pub fn write_unsigned(magnitude: &[u8]) -> Vec<u8> {
    let magnitude = trim_zeros(magnitude);
    match magnitude.first() {
        None => write(tag::INTEGER, &[&[0]]),
        Some(b) if b & 0x80 != 0 => write(tag::INTEGER, &[&[0], magnitude]),
        Some(_) => write(tag::INTEGER, &[magnitude]),
    }
}

/// Writes an OBJECT IDENTIFIER from its dotted form; `None` when the text is no OID.
pub fn write_oid(dotted: &str) -> Option<Vec<u8>> {
    let mut arcs = dotted.split('.').map(|a| a.parse::<u64>().ok());
    let (first, second) = (arcs.next()??, arcs.next()??);
    let mut value = Vec::new();
    for arc in std::iter::once(Some(first.checked_mul(40)?.checked_add(second)?)).chain(arcs) {
        let arc = arc?;
        let groups = (1..10).find(|n| *n == 9 || arc >> (7 * n) == 0)?;
        for g in (0..groups).rev() {
            let low = (arc >> (7 * g) & 0x7F) as u8;
            value.push(if g > 0 { low | 0x80 } else { low });
        }
    }
    Some(write(tag::OID, &[&value]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oids_round_trip() {
        for oid in ["1.2.840.113549.1.1.1", "2.16.840.1.101.3.4.2.1", "1.3.132.0.34", "2.5.4.3"] {
            let der = write_oid(oid).unwrap();
            assert_eq!(Reader(&der).oid().as_deref(), Some(oid));
        }
        assert_eq!(write_oid("1"), None);
        assert_eq!(write_oid("1.x"), None);
        assert_eq!(oid_text(&[0x2A, 0x86]), None);
    }

    #[test]
    fn long_lengths_round_trip() {
        for n in [0, 1, 127, 128, 255, 256, 70_000] {
            let der = write(tag::OCTET_STRING, &[&vec![7; n]]);
            assert_eq!(exactly_one(&der).map(|t| t.value.len()), Some(n));
        }
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(exactly_one(&[0x30, 0x03, 0x02, 0x01]), None);
        assert_eq!(exactly_one(&[0x30, 0x00, 0x00]), None);
        assert_eq!(exactly_one(&[0x30, 0x80, 0x00, 0x00]), None);
        assert_eq!(exactly_one(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]), None);
        assert_eq!(Reader(&[0x02, 0x01, 0x80]).unsigned(), None);
    }
}
