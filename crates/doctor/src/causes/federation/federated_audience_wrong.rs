//! `federated-audience-wrong`: The token's `aud` is not the audience of the credential.
//!
//! The two compared; the default differs between clouds.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::clouds;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The token's `aud` is not the audience of the credential.
pub static CAUSE: Cause = Cause {
    key: "federated-audience-wrong",
    layer: "Workload identity federation",
    question: Question::FederatedAudience,
    explains: &["federated-credential"],
    aadsts: &[700_212, 70_021],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let cloud = clouds::of_login(&ev.authority_host).map_or(clouds::CLOUDS[0].exchange, |c| c.exchange);
    let fix = format!("let the workload ask for a token with the audience of the credential; the usual one is {cloud}");
    if let Some(f) = &ev.federation
        && let Some((sent, expected)) = &f.audience
    {
        return vec![
            Proof::error(Certainty::Proven, "the token's audience is not the one of the credential")
                .at(f.token, "aud", sent, expected)
                .at(f.credential, "audiences", expected, sent)
                .fix(fix)
                .rank(60),
        ];
    }
    ev.error_of(&[700_212])
        .filter(|_| ev.federation.is_none())
        .map(|e| {
            Proof::error(Certainty::Proven, "the service says that no credential has the token's audience")
                .at(e.artifact, "assertion audience", e.it.parsed.federated.audience.clone().unwrap_or_default(), cloud)
                .fix(fix)
                .rank(60)
        })
        .into_iter()
        .collect()
}
