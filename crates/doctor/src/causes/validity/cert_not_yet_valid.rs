//! `cert-not-yet-valid`: `notBefore` lies in the future; the service calls that expired too.
//!
//! Start of the key found, or `notBefore`, is later than the error's Timestamp or the time of the judgement.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::{Evidence, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// `notBefore` lies in the future; the service calls that expired too.
pub static CAUSE: Cause = Cause {
    key: "cert-not-yet-valid",
    layer: "Certificate validity",
    question: Question::Validity,
    explains: &["key-valid", "key-found"],
    aadsts: &[700_027, 50_012, 1_000_502],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "make the certificate with a start a day back (`-not_before`, or `faketime`), or wait; a start that is wrong by whole hours comes from local time written as UTC";
    let judged = |start: countersign_core::UnixTime, now: countersign_core::UnixTime| {
        let ahead = start.secs_since(now);
        let hours = ahead.rem_euclid(1800);
        let zone = if ahead >= 1790 && (hours <= 60 || hours >= 1740) {
            " (whole half hours: local time was taken for UTC)"
        } else {
            ""
        };
        format!("the certificate is not valid yet: it begins {} later{zone}", words::duration(ahead))
    };
    if let Some(Reason::KeyNotYetValid { key, now, .. }) = ev.refused("key-valid") {
        let at = ev.leaf().map_or_else(|| ev.app().map_or(0, |a| a.artifact), |k| k.artifact);
        let start = ev.leaf().map_or(key.start, |k| k.certificate.not_before().max(key.start));
        return vec![
            Proof::error(Certainty::Proven, judged(start, *now))
                .at(at, "notBefore", start.rfc3339(), format!("at or before {now}"))
                .fix(fix),
        ];
    }
    if let Some(e) = ev.error.filter(|e| e.it.parsed.reason.as_deref().is_some_and(|r| r.contains("expired")))
        && let Some(start) = e.it.parsed.key_start
        && let Some(stamp) = e.it.parsed.timestamp.or(ev.now_given.then_some(ev.now))
        && start > stamp
    {
        return vec![
            Proof::error(Certainty::Proven, judged(start, stamp))
                .at(e.artifact, "Found key/Start", start.rfc3339(), format!("at or before {stamp}"))
                .fix(fix)
                .rank(60),
        ];
    }
    let Some(leaf) =
        ev.leaf().filter(|k| matches!(k.origin, Origin::File | Origin::X5c(_)) && ev.now < k.certificate.not_before())
    else {
        return Vec::new();
    };
    let relevant = ev.own_assertion() && !ev.passed("key-valid")
        || ev.before_sending()
        || ev.error_of(&[1_000_502, 700_027]).is_some();
    if !relevant {
        return Vec::new();
    }
    let start = leaf.certificate.not_before();
    vec![
        Proof::error(Certainty::Proven, judged(start, ev.now))
            .at(leaf.artifact, "notBefore", start.rfc3339(), format!("at or before {}", ev.now))
            .fix(fix),
    ]
}
