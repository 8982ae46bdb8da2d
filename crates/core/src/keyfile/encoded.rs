//! Texts that are a file in another coding: base64 or hex, quoted, in a data URI, or behind a name.
//!
//! Used by the reader for text without PEM blocks; what the bytes are is decided from the bytes.

use super::text;
use crate::encoding;

/// Texts that may be the encoding of a file, likeliest first.
pub(super) fn candidates(text: &str) -> Vec<String> {
    let mut base = text.trim();
    if let Some((head, data)) = base.split_once(";base64,")
        && head.starts_with("data:")
    {
        base = data;
    }
    let unquoted = base.trim_matches(['"', '\'', '`']).trim();
    let mut out = vec![unquoted.to_owned()];
    // `CERT=MII…` of a settings file, or `"key": "MII…"`; padding is no such sign.
    if let Some(at) = unquoted.find("MI").filter(|at| *at > 0 && *at < 80) {
        let head = unquoted[..at].trim_end_matches([' ', '"', '\'']);
        if head.ends_with(['=', ':']) {
            let value = &unquoted[at..];
            let end = value.find(['"', '\'', '}', ',']).unwrap_or(value.len());
            out.push(value[..end].trim().to_owned());
        }
    }
    out
}

/// The bytes a text encodes, and whether it was hex.
pub(super) fn decode(text: &str) -> Option<(Vec<u8>, bool)> {
    let joined: String = text
        .replace("\\r", "")
        .replace("\\n", "")
        .chars()
        .filter(|c| !c.is_whitespace() && !text::is_invisible(*c))
        .collect();
    if joined.len() < 40 {
        return None;
    }
    let hex = joined.strip_prefix("0x").or_else(|| joined.strip_prefix("0X")).unwrap_or(&joined);
    if hex.starts_with("30")
        && let Some(bytes) = encoding::decode_hex_separated(hex)
    {
        return Some((bytes, true));
    }
    encoding::decode_base64(&joined).ok().map(|d| (d.bytes, false))
}
