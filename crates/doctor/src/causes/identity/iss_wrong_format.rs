//! `iss-wrong-format`: A composed issuer is wrong (Snowflake).
//!
//! `iss` is not `ACCOUNT.USER.SHA256:fingerprint` of the key, or the account has parts that do not belong there.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::profile::SubjectRule;
use countersign_core::{Reason, encoding};

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A composed issuer is wrong (Snowflake).
pub static CAUSE: Cause = Cause {
    key: "iss-wrong-format",
    layer: "Issuer, subject, ids",
    question: Question::Identity,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(c) = ev.claims else { return said_only(ev) };
    if let Some(Reason::IssuerForm { received, expected }) = ev.refused("client-id-matches")
        && ev.profile.subject != SubjectRule::BeforeFingerprint
    {
        return vec![
            Proof::error(Certainty::Proven, format!("`iss` is not {expected}"))
                .at(c.artifact, "claims/iss", received, expected)
                .fix(format!("set `iss` to {expected}"))
                .rank(60),
        ];
    }
    let (iss, sub) = (c.it.iss.text().unwrap_or_default(), c.it.sub.text().unwrap_or_default());
    let snowflake = iss.contains("SHA256:") || ev.message(Message::SnowflakeJwt).is_some();
    if !snowflake {
        return Vec::new();
    }
    let fix = "`iss` is ACCOUNT.USER.SHA256:fingerprint in capitals, `sub` ACCOUNT.USER; the account without region and without `.privatelink`, the fingerprint base64 of SHA-256 of the public key's DER";
    let mut faults = Vec::new();
    let (name, fingerprint) = iss.split_once(".SHA256:").unwrap_or((iss, ""));
    if fingerprint.is_empty() {
        faults.push("the fingerprint is missing".to_owned());
    }
    let parts: Vec<&str> = name.split('.').collect();
    if parts.len() != 2 {
        faults.push(format!("{} parts before the fingerprint, two belong there", parts.len()));
    }
    if name.chars().any(|ch| ch.is_ascii_lowercase()) {
        faults.push("lower-case letters".to_owned());
    }
    if name.to_ascii_lowercase().contains("privatelink") {
        faults.push("`.privatelink` in the account".to_owned());
    }
    if !sub.is_empty() && sub != name {
        faults.push("`sub` is not the part before the fingerprint".to_owned());
    }
    let key = ev.keys.iter().find_map(|k| {
        k.it.file
            .private_key()
            .map(|p| p.public_key().spki())
            .or_else(|| k.it.file.public_keys().next().map(|p| p.spki()))
    });
    let expected = key.map(|spki| encoding::encode_base64(&countersign_core::thumbprint::sha256(&spki)));
    if let Some(right) = &expected
        && !fingerprint.is_empty()
        && fingerprint != right
    {
        faults.push("the fingerprint is that of another key".to_owned());
    }
    if faults.is_empty() {
        return Vec::new();
    }
    vec![
        Proof::error(Certainty::Proven, format!("`iss` is not what Snowflake wants: {}", faults.join("; ")))
            .at(
                c.artifact,
                "claims/iss",
                iss,
                expected.map_or_else(|| "ACCOUNT.USER.SHA256:…".to_owned(), |f| format!("ACCOUNT.USER.SHA256:{f}")),
            )
            .fix(fix)
            .rank(60),
    ]
}

/// Only the server's words are at hand, and they may mean this.
fn said_only(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(said) = ev.said_of("client-id-matches") else { return Vec::new() };
    vec![
        Proof::warning(
            Certainty::Possible,
            "the server refuses the JWT as a whole; a wrongly composed `iss` is the usual reason",
        )
        .at(said.artifact, "message", said.it.text, "")
        .fix("compare `iss` and `sub` of the JWT with the form that the server demands"),
    ]
}
