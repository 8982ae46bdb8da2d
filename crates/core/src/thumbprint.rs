//! Thumbprints of certificates: the hash over the DER, in every form in which people and services write it.
//!
//! Used by the client (headers), the server (finding a key), `cert show`, and the doctor, which asks which form a
//! value received is.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use crate::encoding;

/// The hash a thumbprint is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hash {
    /// For `x5t` (RFC 7515 §4.1.7), `customKeyIdentifier` and the portals.
    Sha1,
    /// For `x5t#S256` (RFC 7515 §4.1.8).
    Sha256,
}

impl Hash {
    /// Octets of a digest.
    pub fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// `SHA-1`, `SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }

    /// The JOSE header parameter that carries it.
    pub fn header_parameter(self) -> &'static str {
        match self {
            Self::Sha1 => "x5t",
            Self::Sha256 => "x5t#S256",
        }
    }
}

/// The digest of `bytes`.
pub fn digest(hash: Hash, bytes: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => sha1(bytes).to_vec(),
        Hash::Sha256 => sha256(bytes).to_vec(),
    }
}

/// SHA-1 of `bytes`.
pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    Sha1::digest(bytes).into()
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// One thumbprint in every written form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forms {
    /// `A1B2…`: Entra's portal, Windows, Entra's error texts.
    pub hex_upper: String,
    /// `a1b2…`: most command lines.
    pub hex_lower: String,
    /// `A1:B2:…`: openssl, Java's keytool.
    pub hex_colons: String,
    /// `a1 b2 …`: the Windows certificate dialog.
    pub hex_spaces: String,
    /// base64url without padding: the value of `x5t` or `x5t#S256` (RFC 7515 §2).
    pub x5t: String,
    /// base64url with padding, as MSAL for Python and .NET's older versions write it.
    pub x5t_padded: String,
    /// Standard base64 with padding; of a SHA-1 also Graph's `customKeyIdentifier`.
    pub standard_base64: String,
    /// Standard base64 without padding.
    pub standard_base64_unpadded: String,
}

impl Forms {
    /// Every form with its name, in a fixed order.
    pub fn named(&self) -> [(&'static str, &str); 8] {
        [
            ("hex, upper case", &self.hex_upper),
            ("hex, lower case", &self.hex_lower),
            ("hex with colons", &self.hex_colons),
            ("hex with blanks", &self.hex_spaces),
            ("base64url", &self.x5t),
            ("base64url, padded", &self.x5t_padded),
            ("base64", &self.standard_base64),
            ("base64, unpadded", &self.standard_base64_unpadded),
        ]
    }
}

/// Every written form of a thumbprint.
pub fn forms(digest: &[u8]) -> Forms {
    let (hex_upper, hex_lower) = (encoding::encode_hex_upper(digest), encoding::encode_hex_lower(digest));
    let standard_base64 = encoding::encode_base64(digest);
    let x5t = encoding::encode_base64url(digest);
    let padding = standard_base64.len() - x5t.len();
    Forms {
        hex_colons: separated(&hex_upper, ':'),
        hex_spaces: separated(&hex_lower, ' '),
        x5t_padded: format!("{x5t}{}", &"=="[..padding]),
        standard_base64_unpadded: standard_base64.trim_end_matches('=').to_owned(),
        hex_upper,
        hex_lower,
        x5t,
        standard_base64,
    }
}

/// `customKeyIdentifier` of a certificate's key credential, as the two interfaces of Entra show the same 20 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomKeyIdentifier {
    /// Microsoft Graph: base64 of the SHA-1.
    pub graph: String,
    /// Azure CLI and the portal: the SHA-1 in upper-case hex.
    pub portal: String,
}

/// The forms of `customKeyIdentifier` for a certificate's SHA-1 (Entra fills it in when the caller does not).
pub fn custom_key_identifier(sha1: &[u8; 20]) -> CustomKeyIdentifier {
    CustomKeyIdentifier { graph: encoding::encode_base64(sha1), portal: encoding::encode_hex_upper(sha1) }
}

fn separated(hex: &str, separator: char) -> String {
    let mut out = String::with_capacity(hex.len() * 3 / 2);
    for (i, c) in hex.chars().enumerate() {
        if i > 0 && i % 2 == 0 {
            out.push(separator);
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones() {
        // FIPS 180-4 examples for "abc".
        assert_eq!(forms(&digest(Hash::Sha1, b"abc")).hex_lower, "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(
            forms(&digest(Hash::Sha256, b"abc")).hex_lower,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn every_form_is_of_the_same_bytes() {
        let bytes: Vec<u8> = (0xEC..=0xFF).collect();
        let f = forms(&bytes);
        for text in [&f.x5t, &f.x5t_padded, &f.standard_base64, &f.standard_base64_unpadded] {
            assert_eq!(encoding::decode_base64(text).unwrap().bytes, bytes, "{text}");
        }
        for text in [&f.hex_upper, &f.hex_lower, &f.hex_colons, &f.hex_spaces] {
            assert_eq!(encoding::decode_hex_separated(text).unwrap(), bytes, "{text}");
        }
        assert!(f.x5t.contains('_') && f.standard_base64.ends_with('=') && f.x5t_padded.ends_with('='));
        assert!(f.hex_colons.starts_with("EC:ED") && f.hex_spaces.starts_with("ec ed"));
    }

    #[test]
    fn custom_key_identifier_has_both_spellings() {
        let id = custom_key_identifier(&[0xAB; 20]);
        assert_eq!(id.graph, "q6urq6urq6urq6urq6urq6urq6s=");
        assert_eq!(id.portal, "AB".repeat(20));
    }
}
