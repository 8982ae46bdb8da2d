//! `jti-reuse`: The `jti` was used before.
//!
//! Two requests with the same `jti` at a server that remembers them; or its message. With Entra repeated use is normal.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The `jti` was used before.
pub static CAUSE: Cause = Cause {
    key: "jti-reuse",
    layer: "Issuer, subject, ids",
    question: Question::Time,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "make a new assertion, with a fresh `jti`, for every request; retries of an SDK send the same body again and need the same care";
    let jti = ev.claims.and_then(|c| c.it.jti.text().map(|j| (c.artifact, j)));
    if let Some(m) = ev.message(Message::JtiReused) {
        let mut proof = Proof::error(Certainty::Proven, "the server has seen this `jti` before").at(
            m,
            "message",
            "jti used before",
            "",
        );
        if let Some((a, j)) = jti {
            proof = proof.at(a, "claims/jti", j, "a fresh value");
        }
        return vec![proof.fix(fix).rank(72)];
    }
    let Some((artifact, j)) = jti else { return Vec::new() };
    let same = ev.jwts.iter().filter(|x| x.it.parsed.as_ref().is_ok_and(|p| p.claims.jti.text() == Some(j))).count();
    if same < 2 {
        return Vec::new();
    }
    let title = format!("the same `jti` stands in {same} assertions");
    let proof = if ev.profile.remembers_jti {
        Proof::error(Certainty::Proven, title)
    } else {
        Proof::note(format!("{title}; Entra takes one assertion until it expires"))
    };
    vec![proof.at(artifact, "claims/jti", j, "a fresh value").fix(fix).rank(72)]
}
