//! `x5c-missing-sni`: The application trusts a subject name and issuer, so the chain must travel in `x5c`, and does not.
//!
//! No usable `x5c`, and the registration has `trustedCertificateSubjects` and no matching key.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::checks::key::read_x5c_entry;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The application trusts a subject name and issuer, so the chain must travel in `x5c`, and does not.
pub static CAUSE: Cause = Cause {
    key: "x5c-missing-sni",
    layer: "x5c, subject-name/issuer trust",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "send the certificate with its chain in `x5c`, leaf first: `sendX5C`/`WithSendX5C(true)` in MSAL, `send_certificate_chain=True` in azure-identity";
    let usable =
        ev.header.is_some_and(|h| h.it.x5c.iter().flatten().next().is_some_and(|e| read_x5c_entry(e).is_some()));
    let trusting = ev.app().filter(|a| !a.it.registration.trusted_subjects.is_empty());
    let named = ev
        .plain_thumbprint()
        .and_then(|r| r.bytes.as_ref())
        .is_some_and(|d| ev.holders(d).iter().any(|(a, _)| Some(*a) == ev.app));
    if let (Some(header), Some(app)) = (ev.header, trusting)
        && !usable
        && !named
        && ev.own_assertion()
    {
        let found = match &header.it.x5c {
            None => "missing",
            Some(list) if list.is_empty() => "empty",
            Some(_) => "no readable certificate",
        };
        let subject = app.it.registration.trusted_subjects[0].subject_name.clone();
        return vec![
            Proof::error(Certainty::Proven, format!("the application trusts the subject name {subject} of an authority, so the chain must come in `x5c`, and it does not"))
                .at(header.artifact, "header/x5c", found, "the leaf and its chain")
                .at(app.artifact, "trustedCertificateSubjects", subject, "")
                .fix(fix)
                .rank(86),
        ];
    }
    let said = ev.error.filter(|e| e.it.parsed.suggests_x5c);
    match said {
        Some(e) if trusting.is_some() && ev.header.is_none() => vec![
            Proof::error(Certainty::Likely, "the application trusts subject names, and the service found no key: the chain in `x5c` is probably missing").at(e.artifact, "error_description", "SNI may be configured on the app", "").fix(fix).rank(60),
        ],
        Some(e) if trusting.is_none() && ev.app().is_none() && !usable && ev.plain_thumbprint().is_some() => vec![
            Proof::warning(Certainty::Possible, "if the application trusts a subject name and issuer, the chain in `x5c` is missing; the error says this of every application").at(e.artifact, "error_description", "SNI may be configured on the app", "").fix(fix),
        ],
        _ => Vec::new(),
    }
}
