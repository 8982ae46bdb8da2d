//! `signature-library-bug`: The signature was computed wrongly by a library.
//!
//! It verifies with the right key under another algorithm or over other bytes than were sent.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The signature was computed wrongly by a library.
pub static CAUSE: Cause = Cause {
    key: "signature-library-bug",
    layer: "Algorithm and signature",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "update the library, or check which bytes and which algorithm are handed to the signing function";
    if let Some(jwt) = ev.jwt {
        // Only where all that was sent is at hand: people cut the signature off before they show an assertion.
        if ev.parts.signature && jwt.it.compact.signature.bytes.is_empty() && ev.refused("signature").is_some() {
            return vec![
                Proof::error(Certainty::Proven, "the assertion was sent without a signature: its third segment is empty")
                    .at(jwt.artifact, "signature", "0 bytes", "the signature of the two segments before it")
                    .fix("sign `header.payload` with the private key of the registered certificate and append it as the third segment")
                    .rank(75),
            ];
        }
        match &ev.signature {
            Signature::OtherAlgorithm(i, alg) => {
                let said = jwt.it.header.alg.text().unwrap_or_default();
                return vec![
                    Proof::error(
                        Certainty::Likely,
                        format!(
                            "the key is right, but the signature is one of {}, while `alg` says {said}",
                            alg.name()
                        ),
                    )
                    .at(jwt.artifact, "header/alg", said, alg.name())
                    .at(ev.certificates[*i].artifact, "certificate", format!("verifies under {}", alg.name()), "")
                    .fix(fix)
                    .rank(75),
                ];
            }
            // Where the segments are odd, `jwt-base64-padding` says so.
            Signature::OtherInput(i, what)
                if jwt.it.compact.segments().iter().all(|(_, s)| s.oddities.is_canonical()) =>
            {
                return vec![
                    Proof::error(
                        Certainty::Likely,
                        format!("the key is right, but the signature covers {what}, and other bytes were sent"),
                    )
                    .at(jwt.artifact, "signature", format!("over {what}"), "over the two segments as sent")
                    .at(ev.certificates[*i].artifact, "certificate", "verifies so", "")
                    .fix(fix)
                    .rank(75),
                ];
            }
            _ => {}
        }
    }
    ev.message(Message::LibraryBug)
        .map(|m| {
            Proof::error(Certainty::Likely, "a library version is known to compute wrong signatures")
                .at(m, "message", "known bug", "")
                .fix(fix)
        })
        .into_iter()
        .collect()
}
