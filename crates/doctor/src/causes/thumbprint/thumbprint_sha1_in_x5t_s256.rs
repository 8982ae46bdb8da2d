//! `thumbprint-sha1-in-x5t-s256`: A 20-byte SHA-1 digest under the name `x5t#S256`.
//!
//! The bytes are 20 and equal SHA-1 of the certificate's DER.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;
use countersign_core::thumbprint::Hash;

use crate::evidence::thumbprint::Source;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};

/// A 20-byte SHA-1 digest under the name `x5t#S256`.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-sha1-in-x5t-s256",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if ev.passed("key-found") {
        return Vec::new();
    }
    ev.received
        .iter()
        .filter(|r| r.member == Member::X5tS256)
        .filter_map(|r| {
            let reading = r.reading.as_ref();
            let hit = reading.and_then(|x| x.hit).filter(|(_, s)| *s == Source::Der(Hash::Sha1));
            let plain = r.bytes.as_ref().is_some_and(|b| b.len() == 20) && reading.is_none_or(|x| x.steps.is_empty());
            let found = r.text.clone().unwrap_or_default();
            let fix = "put SHA-256 of the DER into `x5t#S256`, or send SHA-1 under the name `x5t`";
            match hit {
                Some((i, _)) => {
                    let c = &ev.certificates[i].certificate;
                    let title = "`x5t#S256` holds SHA-1 of the certificate; SHA-256 belongs there";
                    let proof = if plain {
                        Proof::error(Certainty::Proven, title).rank(80)
                    } else {
                        Proof::warning(Certainty::Proven, title)
                    };
                    Some(
                        proof
                            .at(r.artifact, r.pointer.clone(), found, encode_base64url(c.sha256()))
                            .fix(format!("{fix}: `x5t#S256` = {}", encode_base64url(c.sha256()))),
                    )
                }
                None if plain && reading.and_then(|x| x.hit).is_none() => Some(
                    Proof::error(
                        Certainty::Likely,
                        "`x5t#S256` is 20 bytes long, as SHA-1 is; the 32 bytes of SHA-256 belong there",
                    )
                    .at(r.artifact, r.pointer.clone(), found, "32 bytes")
                    .fix(fix)
                    .rank(70),
                ),
                None => None,
            }
        })
        .collect()
}
