//! `thumbprint-hex-not-decoded`: base64url of the hex text of a thumbprint, not of its bytes.
//!
//! The bytes received are 40 or 64 hex digits, perhaps with colons, marks or pasted characters round them.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::encoding::encode_base64url;

use crate::evidence::thumbprint::Step;
use crate::evidence::thumbprint::as_text;
use crate::evidence::{Evidence, Member};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// base64url of the hex text of a thumbprint, not of its bytes.
pub static CAUSE: Cause = Cause {
    key: "thumbprint-hex-not-decoded",
    layer: "Thumbprint value",
    question: Question::Key,
    explains: &["key-found"],
    aadsts: &[700_027, 50_012, 50_013],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    ev.misread()
        .filter(|(r, _)| r.member != Member::Setting)
        .filter_map(|(r, reading)| {
            let text = reading.steps.iter().find_map(|s| match s {
                Step::HexText { separated, newline } => Some((*separated, *newline)),
                _ => None,
            })?;
            let mut extras = Vec::new();
            for step in &reading.steps {
                match step {
                    Step::Stray { before, behind } => {
                        if *before > 0 {
                            extras.push(format!("{before} stray characters in front"));
                        }
                        if *behind > 0 {
                            extras.push(format!("{behind} stray characters behind"));
                        }
                    }
                    Step::Invisible => extras.push("invisible characters inside".to_owned()),
                    Step::Base64Text => extras.push("base64 applied twice".to_owned()),
                    Step::Utf16 => extras.push("in UTF-16".to_owned()),
                    _ => {}
                }
            }
            if text.0 {
                extras.push("separators between the digits".to_owned());
            }
            if text.1 {
                extras.push("a line feed behind it".to_owned());
            }
            let with = if extras.is_empty() { String::new() } else { format!(", with {}", extras.join(" and ")) };
            let title =
                format!("{} is base64url of the hex text of a thumbprint, not of its bytes{with}", r.member.name());
            let expected = encode_base64url(&right(ev, reading, r.member));
            let bytes = r.bytes.clone().unwrap_or_default();
            let mut proof = Proof::error(Certainty::Proven, title)
                .at(r.artifact, r.pointer.clone(), r.text.clone().unwrap_or_else(|| words::hex(&bytes)), &expected)
                .at(
                    r.artifact,
                    format!("{} (decoded)", r.pointer),
                    as_text(&bytes).map_or_else(|| words::hex(&bytes), str::to_owned),
                    words::hex(&reading.digest),
                )
                .fix(format!(
                    "turn the hex digits into bytes first, then encode those: base64url({} bytes) = {expected}",
                    reading.digest.len()
                ))
                .rank(80);
            if let Some((i, _)) = reading.hit {
                let known = &ev.certificates[i];
                proof = proof.at(
                    known.artifact,
                    format!("certificate {}", known.certificate.subject()),
                    words::hex(&reading.digest),
                    "",
                );
            }
            Some(proof)
        })
        .take(2)
        .collect()
}

/// The digest that belongs there: of the certificate found, with the hash of the member; else the one that was read.
fn right(ev: &Evidence<'_>, reading: &crate::evidence::thumbprint::Reading, member: Member) -> Vec<u8> {
    match (reading.hit, member) {
        (Some((i, _)), Member::X5tS256) => ev.certificates[i].certificate.sha256().to_vec(),
        (Some((i, _)), Member::X5t | Member::Echo) => ev.certificates[i].certificate.sha1().to_vec(),
        _ => reading.digest.clone(),
    }
}
