//! `jwt-base64-padding`: The segments of the JWT are in standard or padded base64.
//!
//! A segment contains `=`, `+` or `/`. Padding alone is taken by Entra; the other characters are not.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::Evidence;
use crate::evidence::audience::AudienceFault;
use crate::evidence::signature::Signature;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The segments of the JWT are in standard or padded base64.
pub static CAUSE: Cause = Cause {
    key: "jwt-base64-padding",
    layer: "Header",
    question: Question::Malformed,
    explains: &["segments-encoding"],
    aadsts: &[50_027],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(jwt) = ev.jwt.filter(|_| ev.parts.header && ev.parts.claims) else { return Vec::new() };
    // What a paste or a line's end does to a segment was mended in reading; where it is left, it was sent.
    let refused = ev.refused("segments-encoding").is_some();
    let odd: Vec<String> = jwt
        .it
        .compact
        .segments()
        .iter()
        .filter_map(|(n, s)| {
            let o = s.oddities;
            let marks: Vec<&str> = [
                (o.standard_alphabet, "`+` or `/`"),
                (o.padded || o.wrong_padding, "`=`"),
                (refused && o.white_space, "white space"),
                (refused && o.trailing_bits, "unused bits that are set"),
            ]
            .into_iter()
            .filter_map(|(there, mark)| there.then_some(mark))
            .collect();
            (!marks.is_empty()).then(|| format!("{}: {}", n.name(), marks.join(" and ")))
        })
        .collect();
    if odd.is_empty() {
        return Vec::new();
    }
    let fix = "encode each segment with base64url (`-` and `_`) and leave the padding off (RFC 7515, section 2), then sign that text";
    let place =
        |p: Proof| p.at(jwt.artifact, "segments", odd.join("; "), "base64url without padding").fix(fix).rank(30);
    let malformed =
        ev.error_of(&[50_027]).is_some() && ev.audience.as_ref().is_none_or(|a| !matches!(a, AudienceFault::Array(_)));
    if let Signature::OtherInput(_, what) = ev.signature {
        return vec![place(Proof::error(
            Certainty::Proven,
            format!("the segments were sent in another base64 than was signed: the signature covers {what}"),
        ))];
    }
    if refused {
        let certainty = if ev.profile.name == "strict" { Certainty::Proven } else { Certainty::Likely };
        return vec![place(Proof::error(certainty, "the segments of the JWT are not base64url"))];
    }
    if malformed && ev.own_assertion() {
        return vec![place(Proof::error(
            Certainty::Likely,
            "the segments of the JWT are padded, and the service calls it malformed",
        ))];
    }
    vec![place(Proof::note("the segments of the JWT are padded; Entra accepts that, a strict server does not"))]
}
