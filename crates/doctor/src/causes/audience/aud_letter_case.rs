//! `aud-letter-case`: Only the letter case differs from the registered address.
//!
//! Equal when letter case is ignored, and not otherwise.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Only the letter case differs from the registered address.
pub static CAUSE: Cause = Cause {
    key: "aud-letter-case",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023, 500_131],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "spell it exactly as registered: only scheme and host ignore letter case";
    if let (Some(c), Some(AudienceFault::LetterCase { received, expected })) = (ev.claims, &ev.audience) {
        return vec![
            Proof::error(Certainty::Proven, "`aud` differs from the token endpoint in letter case only")
                .at(c.artifact, "claims/aud", received, expected)
                .fix(fix)
                .rank(62),
        ];
    }
    let Some(e) = ev.error_of(&[500_131, 700_023]) else { return Vec::new() };
    let Some((received, expected)) = e.it.parsed.audience.clone() else { return Vec::new() };
    let mut names: Vec<(usize, String)> = vec![(e.artifact, expected)];
    names.extend(ev.apps.iter().flat_map(|a| a.it.identifier_uris.iter().map(move |u| (a.artifact, u.clone()))));
    let other_case = names.into_iter().find(|(_, n)| *n != received && n.to_lowercase() == received.to_lowercase());
    other_case
        .map(|(i, name)| {
            Proof::error(Certainty::Proven, "the audience differs from the registered address in letter case only")
                .at(e.artifact, "audience in the assertion", &received, &name)
                .at(i, "identifierUris", &name, "")
                .fix(fix)
                .rank(70)
        })
        .into_iter()
        .collect()
}
