//! `cert-revoked-after-rotation`: The certificate was revoked.
//!
//! The service says so; `revokedCertificateIdentifiers` of the registration names it.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;
use countersign_core::encoding;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The certificate was revoked.
pub static CAUSE: Cause = Cause {
    key: "cert-revoked-after-rotation",
    layer: "Registration",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[7_000_214, 7_000_277],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "sign with a certificate that is not on the list of revoked ones, or take it off `revokedCertificateIdentifiers` if it stands there by mistake";
    let listed = ev.apps.iter().find_map(|a| {
        let id = a.it.registration.trusted_subjects.iter().flat_map(|s| &s.revoked).next()?;
        Some((a.artifact, id.clone()))
    });
    if let Some(e) = ev.error_of(&[7_000_214, 7_000_277]) {
        let mut proof = Proof::error(Certainty::Proven, "the certificate has been revoked").at(
            e.artifact,
            "error_description",
            &e.it.text,
            "",
        );
        if let Some((a, id)) = listed {
            proof = proof.at(a, "revokedCertificateIdentifiers", id, "");
        }
        return vec![proof.fix(fix).rank(80)];
    }
    let names = |id: &str, digest: &[u8]| {
        encoding::decode_base64(id).is_ok_and(|d| d.bytes == digest)
            || encoding::decode_hex_separated(id).is_some_and(|b| b == digest)
    };
    let digest = ev.plain_thumbprint().and_then(|r| r.bytes.clone());
    let revoked = ev.app().and_then(|a| {
        let id =
            a.it.registration
                .trusted_subjects
                .iter()
                .flat_map(|s| &s.revoked)
                .find(|id| digest.as_ref().is_some_and(|d| names(id, d)))?;
        Some((a.artifact, id.clone()))
    });
    match (revoked, ev.refused("key-found")) {
        (Some((a, id)), _) => vec![
            Proof::error(Certainty::Proven, "the certificate is on the application's list of revoked ones")
                .at(a, "revokedCertificateIdentifiers", id, "")
                .fix(fix)
                .rank(80),
        ],
        (None, Some(Reason::CertificateRevoked)) => vec![
            Proof::error(Certainty::Proven, "the certificate is on the application's list of revoked ones")
                .fix(fix)
                .rank(80),
        ],
        _ => Vec::new(),
    }
}
