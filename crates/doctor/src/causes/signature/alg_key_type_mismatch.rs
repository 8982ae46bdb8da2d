//! `alg-key-type-mismatch`: `alg` in the header does not fit the key's type.
//!
//! The algorithm's family against the kind of the certificate's key.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::alg::Alg;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `alg` in the header does not fit the key's type.
pub static CAUSE: Cause = Cause {
    key: "alg-key-type-mismatch",
    layer: "Algorithm and signature",
    question: Question::Algorithm,
    explains: &["key-usable", "algorithm-supported", "signature"],
    aadsts: &[5_002_730],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "let the library choose `alg` from the key: RS* and PS* for RSA, ES256 for P-256, ES384 for P-384";
    if let (Some(h), Some(leaf)) = (ev.header, ev.leaf())
        && ev.own_assertion()
        && let Some(alg) = h.it.alg.text().and_then(Alg::from_name)
        && !leaf.certificate.public_key().fits(alg)
    {
        let kind = leaf.certificate.public_key().kind();
        return vec![
            Proof::error(Certainty::Proven, format!("`alg` is {}, and the certificate's key is {kind}", alg.name()))
                .at(
                    h.artifact,
                    "header/alg",
                    alg.name(),
                    if kind == "RSA" { "PS256 or RS256" } else { "an algorithm for that key" },
                )
                .at(leaf.artifact, "public key", kind, "")
                .fix(fix)
                .rank(80),
        ];
    }
    ev.error_of(&[5_002_730])
        .filter(|_| ev.header.is_none() || ev.leaf().is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that the key does not fit the signing algorithm")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
                .rank(60)
        })
        .into_iter()
        .collect()
}
