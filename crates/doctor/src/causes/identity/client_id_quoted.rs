//! `client-id-quoted`: Quotes or blanks inside the client id.
//!
//! The identifier echoed or sent has them; without them it is a GUID.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::is_guid;

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::read::text::is_invisible;

/// Quotes or blanks inside the client id.
pub static CAUSE: Cause = Cause {
    key: "client-id-quoted",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["client-id-matches", "client-known"],
    aadsts: &[700_016, 70_001, 900_023, 90_002],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "take the quotes or blanks out of the setting: many `.env` readers and `docker --env-file` keep quotes as part of the value";
    let mut sent: Vec<(usize, &'static str, String)> = Vec::new();
    sent.extend(
        ev.error_of(&[700_016, 70_001])
            .and_then(|e| e.it.parsed.app_id.clone().map(|i| (e.artifact, "Application with identifier", i))),
    );
    sent.extend(ev.error_of(&[900_023, 90_002]).and_then(|e| {
        e.it.parsed.value.clone().or(e.it.parsed.directory.clone()).map(|i| (e.artifact, "tenant identifier", i))
    }));
    sent.extend(ev.request.and_then(|r| r.it.anywhere("client_id").map(|i| (r.artifact, "client_id", i.to_owned()))));
    sent.extend(ev.claims.and_then(|c| c.it.iss.text().map(|i| (c.artifact, "claims/iss", i.to_owned()))));
    sent.extend(ev.settings_of(Meaning::ClientId).map(|s| (s.artifact, "settings/client id", s.it.value.to_string())));
    let odd = |c: char| {
        matches!(c, '"' | '\'' | '“' | '”' | '‘' | '’' | '`' | '{' | '}' | '\\' | '?')
            || c.is_whitespace()
            || is_invisible(c)
    };
    let quoted = sent.into_iter().find_map(|(artifact, pointer, id)| {
        let bare: String = id.chars().filter(|c| !odd(*c)).collect();
        (bare != id && is_guid(&bare)).then_some((artifact, pointer, id, bare))
    });
    quoted
        .map(|(artifact, pointer, id, bare)| {
            Proof::error(Certainty::Proven, "the client id was sent with quotes or blanks inside")
                .at(artifact, pointer, id, bare)
                .fix(fix)
                .rank(86)
        })
        .into_iter()
        .collect()
}
