//! `exp-too-far`: The lifetime is above the server's limit.
//!
//! `exp` minus `iat`, or minus now, against the limit of the profile; or the server says so.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;
use countersign_core::profile::LifetimeFrom;

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The lifetime is above the server's limit.
pub static CAUSE: Cause =
    Cause { key: "exp-too-far", layer: "Time", question: Question::Time, explains: &["lifetime"], aadsts: &[], prove };

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "let the assertion live five to ten minutes: GitHub takes 600 s at most, Auth0 300 s, Box 60 s";
    if let (Some(c), Some(Reason::LifetimeTooLong { seconds, limit, until, .. })) = (ev.claims, ev.refused("lifetime"))
    {
        let from = if ev.profile.lifetime_from == LifetimeFrom::Issue { "after `iat`" } else { "ahead" };
        return vec![
            Proof::error(
                Certainty::Proven,
                format!(
                    "the assertion lives {}, and the server allows {}",
                    words::duration(*seconds),
                    words::duration(*limit)
                ),
            )
            .at(c.artifact, "claims/exp", until.rfc3339(), format!("at most {limit} s {from}"))
            .fix(match ev.known_server() {
                Some(server) => format!(
                    "set `exp` at most {} after now, and less where clocks differ: that is the limit of {}",
                    words::duration(*limit),
                    server.name
                ),
                None => fix.to_owned(),
            })
            .rank(65),
        ];
    }
    let Some(m) = ev.message(Message::ExpTooFar) else { return Vec::new() };
    let lives = ev.claims.and_then(|c| {
        let (exp, made) = (c.it.exp.time()?, c.it.iat.time().or(c.it.nbf.time()).unwrap_or(ev.now));
        Some((c.artifact, exp.secs_since(made), exp))
    });
    let mut proof = Proof::error(Certainty::Proven, "the server says that `exp` is too far away").at(
        m,
        "message",
        "exp too far in the future",
        "",
    );
    if let Some((artifact, seconds, exp)) = lives {
        proof = proof.at(artifact, "claims/exp", format!("{} ({})", exp.rfc3339(), words::duration(seconds)), "");
    }
    vec![proof.fix(fix).rank(55)]
}
