//! `client-id-placeholder`: A placeholder stands where the client id belongs.
//!
//! It is no GUID and no address.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::authority::is_guid;

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A placeholder stands where the client id belongs.
pub static CAUSE: Cause = Cause {
    key: "client-id-placeholder",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &["client-id-matches", "client-known"],
    aadsts: &[700_016, 70_001],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "put the application (client) id in, a GUID; the variable that should hold it is not set or not replaced";
    let mut sent: Vec<(usize, &'static str, String, bool)> = Vec::new();
    sent.extend(
        ev.error_of(&[700_016, 70_001])
            .and_then(|e| e.it.parsed.app_id.clone().map(|i| (e.artifact, "Application with identifier", i, true))),
    );
    sent.extend(
        ev.request.and_then(|r| r.it.anywhere("client_id").map(|i| (r.artifact, "client_id", i.to_owned(), false))),
    );
    sent.extend(
        ev.claims
            .filter(|_| ev.own_assertion())
            .and_then(|c| c.it.iss.text().map(|i| (c.artifact, "claims/iss", i.to_owned(), false))),
    );
    sent.extend(
        ev.settings_of(Meaning::ClientId).map(|s| (s.artifact, "settings/client id", s.it.value.to_string(), false)),
    );
    let odd = sent.into_iter().find(|(_, _, id, said)| {
        let bare = id.trim().trim_matches(['"', '\'']);
        let nil = bare.starts_with("00000000-0000-0000-0000-0000");
        let address = bare.contains("://") || bare.contains('@');
        nil || !bare.is_empty()
            && !is_guid(bare)
            && !address
            && (*said && !almost_guid(bare) || looks_placeholder(bare))
    });
    odd.map(|(artifact, pointer, id, _)| {
        Proof::error(Certainty::Proven, format!("the client id is a placeholder: {}", words::value(&id)))
            .at(artifact, pointer, id, "a GUID")
            .fix(fix)
            .rank(84)
    })
    .into_iter()
    .collect()
}

/// A GUID with something clinging to it, or with a digit lost.
fn almost_guid(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_hexdigit).count();
    digits >= 28 && text.chars().filter(|c| *c == '-').count() >= 3
}

fn looks_placeholder(text: &str) -> bool {
    let lower = text.to_lowercase();
    let marks = ['<', '{', '[', '$', '%'];
    let words = [
        "your",
        "enter",
        "client_id",
        "client-id",
        "clientid",
        "app_id",
        "app-id",
        "appid",
        "placeholder",
        "changeme",
        "change-me",
        "xxxx",
        "todo",
        "replace",
        "undefined",
        "null",
        "none",
        "insert",
        "example",
    ];
    text.starts_with(marks) || words.iter().any(|w| lower.contains(w))
}
