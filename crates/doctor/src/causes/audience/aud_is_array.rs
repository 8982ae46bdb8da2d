//! `aud-is-array`: `aud` is an array.
//!
//! The JSON type of `aud`; or the service counts the values.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::jose::claims::Audience;

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` is an array.
pub static CAUSE: Cause = Cause {
    key: "aud-is-array",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience-single", "claims-readable"],
    aadsts: &[5_002_741, 50_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix =
        "send one string, the token endpoint (older openid-client versions send two values: set the audience yourself)";
    if let (Some(c), Some(AudienceFault::Array(n))) = (ev.claims, &ev.audience) {
        let shown = match &c.it.aud {
            Audience::Many(many) => many.join(", "),
            _ => "not a string".to_owned(),
        };
        let first = match &c.it.aud {
            Audience::Many(many) => {
                many.iter().find(|a| a.ends_with("/token")).or(many.first()).cloned().unwrap_or_default()
            }
            _ => "one string".to_owned(),
        };
        return vec![
            Proof::error(Certainty::Proven, format!("`aud` is an array of {n}, and one string is taken"))
                .at(c.artifact, "claims/aud", shown, first)
                .fix(fix)
                .rank(65),
        ];
    }
    ev.error_of(&[5_002_741])
        .filter(|_| ev.claims.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that the assertion has more than one audience")
                .at(e.artifact, "error_description", &e.it.text, "one")
                .fix(fix)
                .rank(65)
        })
        .into_iter()
        .collect()
}
