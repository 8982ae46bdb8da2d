//! `thumbprint-hex-as-x5t`: The hex string itself used as `x5t`.
//!
//! `x5t` is 40 hex digits; or base64 of the bytes echoed reads as 40 hex digits (the echo has 30 bytes).
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::thumbprint::Step;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The hex string itself used as `x5t`.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-hex-as-x5t",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.misread()
        .filter(|(r, reading)| r.member != Member::Setting && reading.steps.contains(&Step::HexWritten))
        .map(|(r, reading)| {
            let bytes = r.bytes.clone().unwrap_or_default();
            let digest = match (reading.hit, r.member) {
                (Some((i, _)), Member::X5tS256) => ev.certificates[i].certificate.sha256().to_vec(),
                (Some((i, _)), _) => ev.certificates[i].certificate.sha1().to_vec(),
                (None, _) => reading.digest.clone(),
            };
            let expected = encode_base64url(&digest);
            let found = r
                .text
                .clone()
                .unwrap_or_else(|| format!("{} = base64 text {}", words::hex(&bytes), words::hex(&reading.digest)));
            Proof::error(
                Certainty::Proven,
                format!("{} is the hex text of a thumbprint, where base64url of its bytes belongs", r.member.name()),
            )
            .at(r.artifact, r.pointer.clone(), found, &expected)
            .fix(format!("turn the hex digits into {} bytes and encode those with base64url: {expected}", digest.len()))
            .rank(80)
        })
        .take(2)
        .collect()
}
