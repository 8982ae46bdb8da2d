//! The wrong assertions of the demo: what is changed, which code must answer, which cause must be proven.

use countersign_core::encoding::{encode_base64url, encode_hex_upper};
use countersign_core::x509::certificate::Certificate;

/// The parts of an assertion, open to be spoilt.
pub struct Draft {
    /// Header members as JSON text, in order.
    pub header: Vec<(&'static str, String)>,
    /// `aud`
    pub audience: String,
    /// Seconds by which all times are moved.
    pub moved: i64,
    /// Signs with the key of a stranger.
    pub stranger_signs: bool,
}

/// One wrong assertion.
pub struct Wrong {
    /// What is wrong, in plain words.
    pub name: &'static str,
    /// The AADSTS code that must answer.
    pub code: u32,
    /// The cause that must be proven.
    pub cause: &'static str,
    /// Spoils: the registered certificate, and a stranger's.
    pub spoil: fn(&mut Draft, &Certificate, &Certificate),
}

/// A JSON string of plain characters.
pub fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Every wrong assertion, the founding story first.
pub static WRONG: &[Wrong] = &[
    Wrong {
        name: "\"The thumbprint is correct\": base64url of its hex text",
        code: 700_027,
        cause: "thumbprint-hex-not-decoded",
        spoil: |draft, registered, _| {
            let hex = encode_hex_upper(registered.sha256());
            draft.header[2].1 = quoted(&encode_base64url(hex.as_bytes()));
        },
    },
    Wrong {
        name: "The SHA-256 thumbprint under the name of the SHA-1 one",
        code: 700_027,
        cause: "thumbprint-sha256-in-x5t",
        spoil: |draft, registered, _| {
            draft.header[2] = ("x5t", quoted(&encode_base64url(registered.sha256())));
        },
    },
    Wrong {
        name: "A certificate that is registered nowhere",
        code: 700_027,
        cause: "cert-not-registered",
        spoil: |draft, _, stranger| {
            draft.header[2].1 = quoted(&encode_base64url(stranger.sha256()));
            draft.stranger_signs = true;
        },
    },
    Wrong {
        name: "The right thumbprint, signed with another key",
        code: 700_027,
        cause: "key-cert-mismatch",
        spoil: |draft, _, _| draft.stranger_signs = true,
    },
    Wrong {
        name: "An assertion made for /common",
        code: 700_023,
        cause: "aud-common-endpoint",
        spoil: |draft, _, _| {
            let host_end = draft.audience[8..].find('/').map_or(draft.audience.len(), |at| at + 8);
            draft.audience = format!("{}/common/oauth2/v2.0/token", &draft.audience[..host_end]);
        },
    },
    Wrong {
        name: "An assertion from yesterday, sent again",
        code: 700_024,
        cause: "assertion-cached-expired",
        spoil: |draft, _, _| draft.moved = -86_400 - 1_234,
    },
];
