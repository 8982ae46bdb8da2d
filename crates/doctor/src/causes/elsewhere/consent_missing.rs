//! `consent-missing`: The user's or administrator's consent is missing.
//!
//! AADSTS65001, or `consent_required`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The user's or administrator's consent is missing.
pub static CAUSE: Cause = Cause {
    key: "consent-missing",
    layer: "Not an assertion problem at all",
    question: Question::Elsewhere,
    explains: &[],
    aadsts: &[65_001],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "let an administrator consent to the application in the tenant (`az ad app permission admin-consent --id …`); for a user, send an interactive request once";
    if let Some(e) = ev.error_of(&[65_001, 65_004, 90_094]) {
        return vec![
            Proof::error(Certainty::Proven, "nobody has consented to the application for this resource")
                .at(e.artifact, "error_description", &e.it.text, "")
                .fix(fix),
        ];
    }
    ev.message(Message::ConsentMissing)
        .map(|m| {
            Proof::error(Certainty::Likely, "consent is missing").at(m, "message", "consent required", "").fix(fix)
        })
        .into_iter()
        .collect()
}
