//! Guesses what a file that holds neither key nor certificate is, so that a message can say so.
//!
//! Used by [`super::read`] as the last resort. Guesses name a kind; they never decide anything.

use super::repair::LooksLike;
use crate::encoding;

/// What binary data appears to be.
pub(super) fn binary(bytes: &[u8]) -> LooksLike {
    match bytes {
        [] => LooksLike::Empty,
        [0xFE, 0xED, 0xFE, 0xED, ..] => LooksLike::JavaKeystore,
        [b'P', b'K', 3, 4, ..] => LooksLike::Zip,
        [0x30, ..] if crate::x509::der::exactly_one(bytes).is_some() => LooksLike::OtherDer,
        _ => LooksLike::Binary,
    }
}

/// What text appears to be.
pub(super) fn text(text: &str) -> LooksLike {
    let t = text.trim().trim_matches(['"', '\'']);
    let lower = t.to_ascii_lowercase();
    let one_line = !t.contains('\n');
    if t.is_empty() {
        LooksLike::Empty
    } else if t.starts_with("PuTTY-User-Key-File") {
        LooksLike::Ppk
    } else if ["ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"].iter().any(|p| t.starts_with(p)) {
        LooksLike::SshPublicKey
    } else if lower.starts_with("<!doctype") || lower.starts_with("<html") {
        LooksLike::Html
    } else if t.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(t).is_ok() {
        LooksLike::Json
    } else if !one_line {
        LooksLike::Text
    } else if lower.starts_with("https://") || lower.starts_with("http://") {
        LooksLike::Url
    } else if is_guid(t) {
        LooksLike::Guid
    } else if is_fingerprint(t) {
        LooksLike::Fingerprint
    } else if ["eyJ", "eyAi", "eyAg", "ewo", "ew0", "ewk"].iter().any(|s| t.starts_with(s)) && t.split('.').count() == 3
    {
        LooksLike::Jwt
    } else if is_client_secret(t) {
        LooksLike::ClientSecret
    } else if is_path(t, &lower) {
        LooksLike::Path
    } else {
        LooksLike::Text
    }
}

fn is_guid(t: &str) -> bool {
    t.len() == 36
        && t.char_indices().all(|(i, c)| match i {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}

fn is_fingerprint(t: &str) -> bool {
    let upper = t.to_ascii_uppercase();
    if ["SHA256:", "SHA1:", "MD5:", "SHA256 FINGERPRINT=", "SHA1 FINGERPRINT="].iter().any(|p| upper.starts_with(p)) {
        return true;
    }
    let digest = |n: usize| matches!(n, 16 | 20 | 32);
    encoding::decode_hex_separated(t).is_some_and(|b| digest(b.len()))
        || (matches!(t.len(), 27 | 28 | 43 | 44)
            && encoding::decode_base64(t).is_ok_and(|d| matches!(d.bytes.len(), 20 | 32)))
}

/// Entra's secrets: 34 to 44 characters, the newer ones with `Q~` in the fourth or fifth place (seen 2020 to 2026).
fn is_client_secret(t: &str) -> bool {
    (30..=48).contains(&t.len())
        && t.chars().all(|c| c.is_ascii_alphanumeric() || "~._-+/=@:?*[]".contains(c))
        && (t.contains('~') || t.chars().any(|c| ".-_@:?*[]".contains(c)))
        && !t.contains('/')
        && !t.contains('\\')
}

fn is_path(t: &str, lower: &str) -> bool {
    let ending = [".pem", ".pfx", ".p12", ".key", ".cer", ".crt", ".der", ".jks"];
    let drive = t.as_bytes().get(1) == Some(&b':') && matches!(t.as_bytes().get(2), Some(b'\\' | b'/'));
    t.len() < 1024
        && (ending.iter().any(|e| lower.ends_with(e))
            || drive
            || t.starts_with("./")
            || t.starts_with("~/")
            || (t.starts_with('/') && t.matches('/').count() > 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_common_mistakes() {
        for (input, expected) in [
            ("", LooksLike::Empty),
            ("SHA256:oZhdSviOyWTDiomlsJNwrdHyYHtK+/Ef1oOrMpQHO2U=", LooksLike::Fingerprint),
            ("D6:EF:12:34:56:78:9A:BC:DE:F0:12:34:56:78:9A:BC:DE:F0:12:34", LooksLike::Fingerprint),
            ("P/xxLqGZzTalt+A07cEPXc/0+TM=", LooksLike::Fingerprint),
            ("abc8Q~0123456789abcdefghijABCDEFGHIJ.xyz", LooksLike::ClientSecret),
            ("8b76b6d9-4732-4558-a4b5-40d5ff2ed6ef", LooksLike::Guid),
            ("C:\\certs\\app.pfx", LooksLike::Path),
            ("/etc/ssl/private/app.key", LooksLike::Path),
            ("https://vault.example/secrets/app", LooksLike::Url),
            ("ssh-rsa AAAAB3NzaC1yc2E= me@host", LooksLike::SshPublicKey),
            ("<!DOCTYPE html><html>", LooksLike::Html),
            ("{\"a\": 1}", LooksLike::Json),
            ("just words", LooksLike::Text),
        ] {
            assert_eq!(text(input), expected, "{input}");
        }
        assert_eq!(binary(&[0xFE, 0xED, 0xFE, 0xED, 0]), LooksLike::JavaKeystore);
        assert_eq!(binary(&[0x30, 0x03, 0x02, 0x01, 0x00]), LooksLike::OtherDer);
    }
}
