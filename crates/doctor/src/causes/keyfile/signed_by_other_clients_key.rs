//! `signed-by-other-clients-key`: Signed with another client's key.
//!
//! The signature verifies with a key registered on another application, not with those of the client in `sub`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::signature::Signature;
use crate::evidence::{Evidence, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// Signed with another client's key.
pub static CAUSE: Cause = Cause {
    key: "signed-by-other-clients-key",
    layer: "Key and certificate files",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let (Some(jwt), Signature::VerifiesWithOther(i)) = (ev.jwt, &ev.signature) else { return Vec::new() };
    let known = &ev.certificates[*i];
    let Origin::Registered(a, _) = known.origin else { return Vec::new() };
    if Some(a) == ev.app {
        return Vec::new();
    }
    let other = &ev.apps[a];
    let reg = &other.it.registration;
    vec![
        Proof::error(
            Certainty::Proven,
            format!(
                "the signature is made with the key of another application, {} ({})",
                reg.app_id,
                words::value(&reg.display_name)
            ),
        )
        .at(
            jwt.artifact,
            "signature",
            format!("verifies with {}", known.certificate.subject()),
            "a key of the client in `sub`",
        )
        .at(other.artifact, "keyCredentials", words::hex(known.certificate.sha1()), "")
        .fix("load the key that belongs to this client id: two applications' keys were exchanged in the settings")
        .rank(70),
    ]
}
