//! `cert-expired`: The certificate is past `notAfter`.
//!
//! `notAfter`, or End of the key found, is earlier than the error's Timestamp or the time of the judgement.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::evidence::{Evidence, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The certificate is past `notAfter`.
pub static CAUSE: Cause = Cause {
    key: "cert-expired",
    layer: "Certificate validity",
    question: Question::Validity,
    explains: &["key-valid", "key-found"],
    aadsts: &[700_027, 50_012, 1_000_502, 392_204],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "make a new certificate, upload it beside the old one, then let the client use it; renew before the end next time (`credential check-expiry`)";
    let judged = |end: countersign_core::UnixTime, now: countersign_core::UnixTime| {
        format!("the certificate expired {} before", words::duration(now.secs_since(end)))
    };
    if let Some(Reason::KeyExpired { key, now, .. }) = ev.refused("key-valid") {
        let at = ev.leaf().map_or_else(|| ev.app().map_or(0, |a| a.artifact), |k| k.artifact);
        let end = ev.leaf().map_or(key.end, |k| k.certificate.not_after().min(key.end));
        return vec![
            Proof::error(Certainty::Proven, judged(end, *now))
                .at(at, "notAfter", end.rfc3339(), format!("after {now}"))
                .fix(fix),
        ];
    }
    let said = ev.error.filter(|e| {
        e.it.parsed.reason.as_deref().is_some_and(|r| r.contains("expired"))
            || e.it.text.contains("is expired on application")
            || e.it.text.contains("assertion is expired")
    });
    if let Some(e) = said {
        let p = &e.it.parsed;
        let stamp = p.timestamp.or(ev.now_given.then_some(ev.now));
        if let (Some(end), Some(stamp)) = (p.key_end, stamp)
            && end < stamp
        {
            return vec![
                Proof::error(Certainty::Proven, judged(end, stamp))
                    .at(e.artifact, "Found key/End", end.rfc3339(), format!("after {stamp}"))
                    .fix(fix)
                    .rank(60),
            ];
        }
        if p.key_start.is_none() && ev.leaf().is_none() {
            return vec![
                Proof::error(Certainty::Likely, "the service found the key and calls it expired; it says the same of a certificate that is not valid yet")
                    .at(e.artifact, "Reason", p.reason.clone().unwrap_or_default(), "")
                    .fix(fix)
                    .rank(30),
            ];
        }
    }
    let leaf =
        ev.leaf().filter(|k| matches!(k.origin, Origin::File | Origin::X5c(_)) && ev.now > k.certificate.not_after());
    if let Some(leaf) = leaf {
        let relevant = ev.own_assertion() && !ev.passed("key-valid")
            || ev.before_sending()
            || ev.error_of(&[1_000_502, 392_204, 700_027, 50_012]).is_some();
        if relevant {
            let end = leaf.certificate.not_after();
            return vec![
                Proof::error(Certainty::Proven, judged(end, ev.now))
                    .at(leaf.artifact, "notAfter", end.rfc3339(), format!("after {}", ev.now))
                    .fix(fix),
            ];
        }
    }
    let window = ev.error_of(&[1_000_502, 392_204]).filter(|_| ev.leaf().is_none());
    window
        .map(|e| {
            let certainty = if e.it.parsed.codes.contains(&392_204) { Certainty::Proven } else { Certainty::Likely };
            Proof::error(certainty, "the service says that the certificate is outside its validity")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix)
                .rank(30)
        })
        .into_iter()
        .collect()
}
