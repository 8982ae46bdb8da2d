//! `header-no-x5t`: No certificate reference in the header at all.
//!
//! The header has neither `x5t` nor `x5t#S256` nor `kid`; or the service says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use countersign_core::profile::KeyIdentifierRule;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// No certificate reference in the header at all.
pub static CAUSE: Cause = Cause {
    key: "header-no-x5t",
    layer: "Header",
    question: Question::Key,
    explains: &["key-identifier-present"],
    aadsts: &[5_002_723, 50_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    // Servers that look for no certificate want none named.
    if ev.profile.key_identifier != KeyIdentifierRule::CertificateOrKid {
        return Vec::new();
    }
    let fix = "add `x5t#S256` (base64url of SHA-256 of the certificate's DER) or `x5t` (SHA-1) to the header; a library of Microsoft's does it by itself";
    if let Some(header) = ev.header
        && ev.refused("key-identifier-present").is_some()
    {
        let names: Vec<&str> = header.it.members().iter().map(|m| m.name.as_str()).collect();
        let mut proof = Proof::error(
            Certainty::Proven,
            "the header names no certificate: `x5t`, `x5t#S256` and `kid` are all missing",
        )
        .at(header.artifact, "header", format!("members: {}", names.join(", ")), "`x5t#S256` or `x5t`");
        if let Some(leaf) = ev.leaf() {
            proof = proof.at(
                leaf.artifact,
                "certificate",
                leaf.certificate.subject(),
                format!("x5t#S256 = {}", encode_base64url(leaf.certificate.sha256())),
            );
        }
        return vec![proof.fix(fix).rank(90)];
    }
    let said =
        ev.error_of(&[5_002_723]).or_else(|| ev.error_of(&[50_027]).filter(|e| e.it.text.contains("No certificate")));
    match said {
        Some(e) if ev.header.is_none() => {
            vec![
                Proof::error(Certainty::Proven, "the service says that the header names no certificate")
                    .at(e.artifact, "error_description", &e.it.text, "`x5t#S256` or `x5t` in the header")
                    .fix(fix)
                    .rank(90),
            ]
        }
        _ => Vec::new(),
    }
}
