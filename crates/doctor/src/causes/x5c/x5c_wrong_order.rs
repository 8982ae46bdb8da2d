//! `x5c-wrong-order`: A CA certificate stands first in `x5c`.
//!
//! The first entry's key does not verify the signature, a later one's does; or the key found is valid from year 1 to 9999, which goes with a key taken from `x5c`.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::signature::Signature;
use crate::evidence::{Evidence, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// A CA certificate stands first in `x5c`.
pub static CAUSE: Cause = Cause {
    key: "x5c-wrong-order",
    layer: "x5c, subject-name/issuer trust",
    question: Question::Key,
    explains: &["key-found", "signature"],
    aadsts: &[700_027, 700_030, 7_000_213],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "put the certificate whose key signs first, then each certificate's issuer (RFC 7515, section 4.1.6)";
    let entries: Vec<(usize, usize)> = ev
        .certificates
        .iter()
        .enumerate()
        .filter_map(|(i, k)| match k.origin {
            Origin::X5c(n) => Some((n, i)),
            _ => None,
        })
        .collect();
    let eternal = ev.error.is_some_and(|e| {
        e.it.parsed.key_start.is_some_and(|s| s.civil().year <= 1)
            && e.it.parsed.key_end.is_some_and(|s| s.civil().year >= 9999)
    });
    if let (Some(header), Some((_, first))) = (ev.header, entries.iter().find(|(n, _)| *n == 0)) {
        let head = &ev.certificates[*first].certificate;
        let signer = match ev.signature {
            Signature::Verifies(i) | Signature::VerifiesWithOther(i) => Some(&ev.certificates[i].certificate),
            _ => None,
        };
        let later = signer.and_then(|s| entries.iter().find(|(n, i)| *n > 0 && ev.certificates[*i].certificate == *s));
        let by_place = later.is_none()
            && signer.is_none()
            && head.is_ca()
            && entries.len() > 1
            && entries.iter().any(|(n, i)| *n > 0 && !ev.certificates[*i].certificate.is_ca());
        if later.is_none() && !by_place || signer.is_some_and(|s| s == head) {
            return Vec::new();
        }
        let right =
            later.map_or_else(|| "the leaf".to_owned(), |(_, i)| ev.certificates[*i].certificate.subject().to_owned());
        let title =
            format!("`x5c` begins with {}, and the signature is made with the key of a later entry", head.subject());
        let refused =
            ev.error_of(&[700_027, 700_030, 7_000_213, 50_012]).is_some() || ev.refused("key-found").is_some();
        let proof = if refused {
            Proof::error(if later.is_some() { Certainty::Proven } else { Certainty::Likely }, title)
        } else if ev.passed("key-found") {
            Proof::note(title)
        } else {
            Proof::warning(Certainty::Proven, title)
        };
        let mut proof = proof.at(header.artifact, "header/x5c[0]", head.subject(), right);
        if let Some(e) = ev.error.filter(|_| eternal) {
            proof = proof.at(e.artifact, "Found key", "valid from year 1 to 9999: taken from `x5c`", "");
        }
        return vec![proof.fix(fix).rank(88)];
    }
    if ev.header.is_some() {
        return Vec::new();
    }
    if let Some(e) = ev.error.filter(|_| eternal) {
        return vec![
            Proof::error(Certainty::Likely, "the key found is valid from year 1 to 9999: it was taken from `x5c`, whose first certificate is not the one that signs")
                .at(e.artifact, "Found key", "Start=01/01/0001, End=12/31/9999", "the validity of the leaf")
                .fix(fix)
                .rank(70),
        ];
    }
    let of_ca = ev.error_of(&[700_030]).and_then(|e| {
        let ca = e.it.parsed.subjects.iter().find(|s| {
            let l = s.to_lowercase();
            l.split(|c: char| !c.is_alphanumeric())
                .any(|w| matches!(w, "ca" | "root" | "issuing" | "authority" | "intermediate" | "subca" | "g1" | "g2"))
        })?;
        Some((e, ca.clone()))
    });
    of_ca
        .map(|(e, ca)| {
            Proof::error(
                Certainty::Likely,
                format!("the service read the subject {} first in `x5c`: a CA stands there", words::value(&ca)),
            )
            .at(e.artifact, "SubjectNames", ca, "the subject of the leaf")
            .fix(fix)
            .rank(70)
        })
        .into_iter()
        .collect()
}
