//! base64 and hex as they really arrive: bytes, plus what was unusual in the way they were written.
//!
//! Real clients send thumbprints in either alphabet, padded or not; who judges an oddity is the caller.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};

/// Bytes decoded from base64 text, and how the text differed from unpadded base64url (RFC 7515 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The decoded bytes.
    pub bytes: Vec<u8>,
    /// What was unusual in the text.
    pub oddities: Oddities,
}

/// Ways in which base64 text can differ from canonical unpadded base64url.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// Right `=` padding.
    pub padded: bool,
    /// `=` in a wrong number.
    pub wrong_padding: bool,
    /// `+` or `/` (RFC 4648 §4).
    pub standard_alphabet: bool,
    /// Blanks or line breaks inside.
    pub white_space: bool,
    /// Unused bits of the last character are set: two texts for the same bytes.
    pub trailing_bits: bool,
}

impl Oddities {
    /// Canonical unpadded base64url.
    pub fn is_canonical(self) -> bool {
        self == Self::default()
    }
}

/// Why a text is no base64 of either alphabet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A character that no base64 alphabet has.
    #[error("character {found:?} at offset {offset} is in no base64 alphabet")]
    Character {
        /// Byte offset in the text.
        offset: usize,
        /// The character.
        found: char,
    },
    /// `4n + 1` characters cannot encode whole bytes.
    #[error("{length} base64 characters cannot encode whole bytes")]
    Length {
        /// Number of base64 characters, without padding.
        length: usize,
    },
}

const INVALID: u8 = 0xFF;

const fn alphabet() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut i = 0;
    while i < 26 {
        table[(b'A' + i) as usize] = i;
        table[(b'a' + i) as usize] = 26 + i;
        i += 1;
    }
    let mut d = 0;
    while d < 10 {
        table[(b'0' + d) as usize] = 52 + d;
        d += 1;
    }
    table[b'+' as usize] = 62;
    table[b'-' as usize] = 62;
    table[b'/' as usize] = 63;
    table[b'_' as usize] = 63;
    table
}

static VALUES: [u8; 256] = alphabet();

/// Decodes base64 of either alphabet, padded or not, white space ignored; what was unusual is noted.
///
/// # Errors
/// [`DecodeError`] when a character belongs to no base64 alphabet or the length cannot be right.
pub fn decode_base64(text: &str) -> Result<Decoded, DecodeError> {
    // The canonical form is by far the commonest on the token path and worth the library's fast decoder.
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) {
        return Ok(Decoded { bytes, oddities: Oddities::default() });
    }
    let mut oddities = Oddities::default();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut buffer, mut bits, mut length, mut padding) = (0_u32, 0_u32, 0_usize, 0_usize);
    for (offset, found) in text.char_indices() {
        match found {
            ' ' | '\t' | '\r' | '\n' => oddities.white_space = true,
            '=' => padding += 1,
            _ => {
                let value = u8::try_from(found).map_or(INVALID, |b| VALUES[b as usize]);
                if value == INVALID || padding > 0 {
                    return Err(DecodeError::Character {
                        offset,
                        found: if padding > 0 && value != INVALID { '=' } else { found },
                    });
                }
                oddities.standard_alphabet |= matches!(found, '+' | '/');
                length += 1;
                buffer = buffer << 6 | u32::from(value);
                bits += 6;
                if bits >= 8 {
                    bits -= 8;
                    bytes.push((buffer >> bits) as u8);
                    buffer &= (1 << bits) - 1;
                }
            }
        }
    }
    if length % 4 == 1 {
        return Err(DecodeError::Length { length });
    }
    oddities.trailing_bits = buffer != 0;
    match ((4 - length % 4) % 4, padding) {
        (_, 0) => {}
        (needed, given) if needed == given => oddities.padded = true,
        _ => oddities.wrong_padding = true,
    }
    Ok(Decoded { bytes, oddities })
}

/// base64url without padding (RFC 7515 §2).
pub fn encode_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// base64url with `=` padding, as MSAL Python writes thumbprints.
pub fn encode_base64url_padded(bytes: &[u8]) -> String {
    URL_SAFE.encode(bytes)
}

/// Standard base64 with padding (RFC 4648 §4).
pub fn encode_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Upper-case hexadecimal, as portals and Entra's texts print thumbprints.
pub fn encode_hex_upper(bytes: &[u8]) -> String {
    hex(bytes, b"0123456789ABCDEF")
}

/// Lower-case hexadecimal.
pub fn encode_hex_lower(bytes: &[u8]) -> String {
    hex(bytes, b"0123456789abcdef")
}

fn hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        out.push(digits[usize::from(b >> 4)] as char);
        out.push(digits[usize::from(b & 15)] as char);
    }
    out
}

/// Reads hexadecimal of either case without separators; `None` when anything else stands in it.
pub fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let b = text.as_bytes();
    if !b.len().is_multiple_of(2) || b.is_empty() {
        return None;
    }
    b.chunks_exact(2)
        .map(|pair| {
            let high = (pair[0] as char).to_digit(16)?;
            let low = (pair[1] as char).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        })
        .collect()
}

/// Reads hexadecimal with `:`, `-` or blanks between the digits, as tools print fingerprints.
pub fn decode_hex_separated(text: &str) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | '-' | ' ')).collect();
    decode_hex(&digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_the_same_bytes() {
        let bytes = [0xfb, 0xff, 0x00, 0x10, 0x83];
        for (text, oddities) in [
            ("-_8AEIM", Oddities::default()),
            ("-_8AEIM=", Oddities { padded: true, ..Default::default() }),
            ("+/8AEIM=", Oddities { padded: true, standard_alphabet: true, ..Default::default() }),
            ("+/8AEIM", Oddities { standard_alphabet: true, ..Default::default() }),
            ("-_8A\r\nEIM", Oddities { white_space: true, ..Default::default() }),
            ("-_8AEIM==", Oddities { wrong_padding: true, ..Default::default() }),
            ("-_8AEIN", Oddities { trailing_bits: true, ..Default::default() }),
        ] {
            assert_eq!(decode_base64(text), Ok(Decoded { bytes: bytes.to_vec(), oddities }), "{text}");
        }
    }

    #[test]
    fn names_the_offending_character() {
        assert_eq!(decode_base64("ab%d"), Err(DecodeError::Character { offset: 2, found: '%' }));
        assert_eq!(decode_base64("ab\u{200e}d"), Err(DecodeError::Character { offset: 2, found: '\u{200e}' }));
        assert_eq!(decode_base64("ab=d"), Err(DecodeError::Character { offset: 3, found: '=' }));
        assert_eq!(decode_base64("abcde"), Err(DecodeError::Length { length: 5 }));
        assert_eq!(decode_base64("").map(|d| d.bytes), Ok(vec![]));
    }

    #[test]
    fn hex_round_trips() {
        assert_eq!(decode_hex(&encode_hex_upper(&[0, 171, 255])), Some(vec![0, 171, 255]));
        assert_eq!(decode_hex_separated("00:ab:FF"), Some(vec![0, 171, 255]));
        assert_eq!(decode_hex("0g"), None);
        assert_eq!(decode_hex("abc"), None);
    }
}
