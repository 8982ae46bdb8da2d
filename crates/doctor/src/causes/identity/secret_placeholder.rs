//! `secret-placeholder`: A placeholder stands where the secret belongs.
//!
//! Its text is in brackets, or has words of an example.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::artifact::Meaning;
use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// A placeholder stands where the secret belongs.
pub static CAUSE: Cause = Cause {
    key: "secret-placeholder",
    layer: "Issuer, subject, ids",
    question: Question::Secret,
    explains: &["secret"],
    aadsts: &[7_000_215],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "put the value of the secret in; the variable that should hold it is not set or not replaced";
    let of_request = ev
        .request
        .and_then(|r| r.it.anywhere("client_secret").map(|s| (r.artifact, "client_secret", s.trim().to_owned())));
    let of_settings = ev
        .settings_of(Meaning::Secret)
        .next()
        .map(|s| (s.artifact, "settings/client secret", s.it.value.trim().to_owned()));
    let placeholder = |s: &str| {
        let lower = s.to_lowercase();
        // What a person blacked out before pasting is no placeholder of the program's.
        let hidden = ["redacted", "removed", "hidden", "***", "…", "..."].iter().any(|w| lower.contains(w));
        let bracketed = s.starts_with(['<', '{', '[', '$', '%']) && s.len() < 60;
        let words = [
            "your",
            "enter",
            "client_secret",
            "client-secret",
            "clientsecret",
            "placeholder",
            "changeme",
            "insert",
            "replace",
            "app_secret",
            "undefined",
        ]
        .iter()
        .any(|w| lower.contains(w));
        !hidden && (bracketed || words || s.contains(' ') && s.split(' ').count() > 2)
    };
    // A `+` that was not encoded becomes a blank; the value is no sentence then.
    let blank_of_plus = ev.request.is_some_and(|r| r.it.body.contains(&b'+'));
    of_request
        .or(of_settings)
        .filter(|(_, _, s)| placeholder(s) && !(blank_of_plus && s.contains(' ')))
        .map(|(artifact, pointer, _)| {
            Proof::error(Certainty::Proven, "the client secret sent is a placeholder")
                .at(artifact, pointer, "text of an example", "the value of a secret")
                .fix(fix)
                .rank(72)
        })
        .into_iter()
        .collect()
}
