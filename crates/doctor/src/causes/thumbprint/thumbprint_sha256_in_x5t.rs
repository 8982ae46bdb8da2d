//! `thumbprint-sha256-in-x5t`: A SHA-256 digest in `x5t`, which must hold SHA-1.
//!
//! The bytes are 32 and, with the certificate at hand, equal SHA-256 of its DER.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;
use countersign_core::thumbprint::Hash;

use crate::evidence::thumbprint::Source;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A SHA-256 digest in `x5t`, which must hold SHA-1.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-sha256-in-x5t",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if ev.passed("key-found") {
        return Vec::new();
    }
    let other_named = ev.header.is_some_and(|h| h.it.x5t_s256.is_some());
    ev.received
        .iter()
        .filter(|r| r.member == Member::X5t || r.member == Member::Echo && !other_named)
        .filter_map(|r| {
            let bytes = r.bytes.as_ref()?;
            let reading = r.reading.as_ref();
            let hit = reading.and_then(|x| x.hit).filter(|(_, s)| *s == Source::Der(Hash::Sha256));
            let plain = bytes.len() == 32 && reading.is_none_or(|x| x.steps.is_empty());
            let found = r.text.clone().unwrap_or_else(|| words::hex(bytes));
            let fix = "put SHA-1 of the DER into `x5t`, or send SHA-256 under the name `x5t#S256`";
            match hit {
                Some((i, _)) => {
                    let c = &ev.certificates[i].certificate;
                    let title = format!("{} holds SHA-256 of the certificate; SHA-1 belongs there", r.member.name());
                    let proof = if plain {
                        Proof::error(Certainty::Proven, title).rank(80)
                    } else {
                        Proof::warning(Certainty::Proven, title)
                    };
                    Some(
                        proof
                            .at(r.artifact, r.pointer.clone(), found, encode_base64url(c.sha1()))
                            .at(
                                ev.certificates[i].artifact,
                                "SHA-256 of the certificate",
                                words::hex(c.sha256()),
                                words::hex(c.sha1()),
                            )
                            .fix(format!("{fix}: `x5t` = {}", encode_base64url(c.sha1()))),
                    )
                }
                None if plain && reading.and_then(|x| x.hit).is_none() => {
                    let title = format!(
                        "{} is 32 bytes long, as SHA-256 is; `x5t` must hold the 20 bytes of SHA-1",
                        r.member.name()
                    );
                    Some(
                        Proof::error(Certainty::Likely, title)
                            .at(r.artifact, r.pointer.clone(), found, "20 bytes")
                            .fix(fix)
                            .rank(70),
                    )
                }
                None if reading.is_some_and(|x| x.digest.len() == 32 && !x.steps.is_empty()) => {
                    let title = "the digest underneath has 32 bytes, as SHA-256 has; `x5t` must hold SHA-1".to_owned();
                    Some(
                        Proof::warning(Certainty::Likely, title)
                            .at(r.artifact, r.pointer.clone(), found, "20 bytes")
                            .fix(fix),
                    )
                }
                None => None,
            }
        })
        .take(1)
        .collect()
}
