//! `aud-wrong-endpoint`: `aud` is another endpoint, or no address of the server at all.
//!
//! `aud` against the endpoints of the server.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::evidence::clouds;
use crate::proof::{Cause, Certainty, Proof, Question};

/// `aud` is another endpoint, or no address of the server at all.
pub static CAUSE: Cause = Cause {
    key: "aud-wrong-endpoint",
    layer: "Audience",
    question: Question::Audience,
    explains: &["audience"],
    aadsts: &[700_023, 500_131],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "set `aud` to the token endpoint";
    if let Some(c) = ev.claims {
        match &ev.audience {
            Some(
                AudienceFault::OtherEndpoint { received, expected }
                | AudienceFault::NotTheServer { received, expected },
            ) if ev.known_server().is_some() => {
                return vec![
                    Proof::error(Certainty::Proven, "`aud` is not the audience that this server takes")
                        .at(c.artifact, "claims/aud", received, expected)
                        .fix(format!("set `aud` to `{expected}`"))
                        .rank(60),
                ];
            }
            Some(AudienceFault::OtherEndpoint { received, expected }) => {
                return vec![
                    Proof::error(Certainty::Proven, "`aud` is another endpoint of the server, not its token endpoint")
                        .at(c.artifact, "claims/aud", received, expected)
                        .fix(fix)
                        .rank(60),
                ];
            }
            Some(AudienceFault::NotTheServer { received, expected }) => {
                return vec![
                    Proof::error(Certainty::Proven, "`aud` names something else than the token endpoint")
                        .at(c.artifact, "claims/aud", received, expected)
                        .fix(fix)
                        .rank(60),
                ];
            }
            _ => {}
        }
    }
    // On behalf of a user: the token was made for another API.
    let Some(e) = ev.error_of(&[500_131]) else { return Vec::new() };
    let Some((received, expected)) = e.it.parsed.audience.clone() else { return Vec::new() };
    if clouds::is_graph(&received) || received.eq_ignore_ascii_case(&expected) {
        return Vec::new();
    }
    vec![
        Proof::error(Certainty::Likely, "the user's token was made for another API than the one that presents it")
            .at(e.artifact, "audience in the assertion", received, expected)
            .fix("let the first client ask for a token of this API (`api://…/access_as_user` or `/.default`)")
            .rank(40),
    ]
}
