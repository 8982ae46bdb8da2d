//! `value-not-urlencoded`: Reserved characters of a value are not percent-encoded.
//!
//! The body as sent decodes to another value than was meant: a `+` became a blank, a `&` cut the value off.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::request::Body;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// Reserved characters of a value are not percent-encoded.
pub static CAUSE: Cause = Cause {
    key: "value-not-urlencoded",
    layer: "Request form",
    question: Question::Secret,
    explains: &["secret"],
    aadsts: &[7_000_215, 900_144, 9_002_313],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(r) = ev.request.filter(|r| r.it.token.body == Body::Form) else { return Vec::new() };
    let fix = "percent-encode every value (`--data-urlencode` in curl, `URLSearchParams`, `urllib.parse.urlencode`): `+` is %2B, `&` is %26, `=` is %3D, `%` is %25";
    let body = String::from_utf8_lossy(&r.it.body);
    let mut faults = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for pair in body.trim().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, "\u{0}"));
        let name = name.to_owned();
        let secret = matches!(name.as_str(), "client_secret" | "client_assertion" | "password");
        if value == "\u{0}" && !name.is_empty() {
            faults.push("a piece of the body has no name: an `&` inside a value".to_owned());
        }
        if secret && value.contains('+') {
            faults.push(format!("`{name}` has a `+`, which means a blank"));
        }
        let broken =
            value.split('%').skip(1).any(|p| !(p.len() >= 2 && p.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)));
        if secret && broken {
            faults.push(format!("`{name}` has a `%` without two digits behind it"));
        }
        names.push(name);
    }
    if faults.is_empty() {
        return Vec::new();
    }
    let refused = ev.error_of(&[7_000_215, 50_012, 900_144, 9_002_313, 50_027]).is_some();
    let certainty = if refused { Certainty::Proven } else { Certainty::Likely };
    vec![
        Proof::error(certainty, format!("a value was sent without percent-encoding: {}", faults.join("; ")))
            .at(r.artifact, "body", faults.join("; "), "%2B, %26, %3D, %25")
            .fix(fix)
            .rank(65),
    ]
}
