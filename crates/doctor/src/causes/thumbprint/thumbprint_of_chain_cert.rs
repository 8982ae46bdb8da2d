//! `thumbprint-of-chain-cert`: The thumbprint of an issuing CA in the chain instead of the leaf's.
//!
//! The thumbprint equals the digest of another certificate of the file or chain, and the key is the leaf's.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::thumbprint::Source;
use crate::evidence::{Evidence, MeantBy, Member, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The thumbprint of an issuing CA in the chain instead of the leaf's.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-of-chain-cert",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    if ev.passed("key-found") && !ev.registration_assumed {
        return Vec::new();
    }
    let Some((leaf_index, meant)) = ev.leaf else { return Vec::new() };
    let leaf = &ev.certificates[leaf_index];
    ev.received
        .iter()
        .filter_map(|r| {
            let reading = r.reading.as_ref()?;
            let (i, source) = reading.hit?;
            let known = &ev.certificates[i];
            let in_chain = matches!(known.origin, Origin::File | Origin::X5c(_));
            if !matches!(source, Source::Der(_)) || known.certificate == leaf.certificate || !in_chain {
                return None;
            }
            let sure = matches!(meant, MeantBy::Signature | MeantBy::PrivateKey);
            let is_issuer = known.certificate.is_ca()
                || ev.certificates.iter().any(|k| {
                    k.certificate.issuer_der() == known.certificate.subject_der() && k.certificate != known.certificate
                });
            if !is_issuer {
                return None;
            }
            let right = if r.member == Member::X5tS256 {
                leaf.certificate.sha256().as_slice()
            } else {
                leaf.certificate.sha1().as_slice()
            };
            let expected = if r.member == Member::Setting { words::hex(right) } else { encode_base64url(right) };
            let found = r.text.clone().unwrap_or_else(|| words::hex(r.bytes.as_deref().unwrap_or_default()));
            let title = format!(
                "{} is the thumbprint of {}, a certificate of the chain, and not that of the leaf",
                r.member.name(),
                known.certificate.subject()
            );
            let proof = if reading.steps.is_empty() || r.member == Member::Setting {
                Proof::error(Certainty::Proven, title).rank(82)
            } else {
                Proof::warning(Certainty::Proven, title)
            };
            let shown = if sure { "the certificate whose key signs" } else { "the leaf of the chain" };
            Some(
                proof
                    .at(r.artifact, r.pointer.clone(), found, &expected)
                    .at(leaf.artifact, shown, leaf.certificate.subject(), words::hex(right))
                    .fix(format!(
                        "take the thumbprint of the certificate that belongs to the private key ({}): {expected}",
                        leaf.certificate.subject()
                    )),
            )
        })
        .take(1)
        .collect()
}
