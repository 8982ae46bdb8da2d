//! `alg-not-supported-by-server`: The server does not take this `alg`.
//!
//! The error names it; or it is not in the server's list.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::Reason;

use crate::artifact::Content;
use crate::evidence::Evidence;
use crate::evidence::messages::Message;
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The server does not take this `alg`.
pub static CAUSE: Cause = Cause {
    key: "alg-not-supported-by-server",
    layer: "Algorithm and signature",
    question: Question::Algorithm,
    explains: &["algorithm-supported"],
    aadsts: &[5_002_738],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "sign with an algorithm of the server's list: PS256 or RS256 with Entra; `none` and HS256 (a secret as key) are never taken for a certificate";
    if let Some(e) = ev.error_of(&[5_002_738]) {
        let alg = e.it.parsed.alg.clone().unwrap_or_default();
        let mut proof =
            Proof::error(Certainty::Proven, format!("the service does not take the algorithm {}", words::value(&alg)))
                .at(e.artifact, "error_description", &alg, e.it.parsed.supported.join(", "));
        if let Some(h) = ev.header {
            proof = proof.at(h.artifact, "header/alg", h.it.alg.text().unwrap_or("missing"), "PS256 or RS256");
        }
        return vec![proof.fix(fix).rank(60)];
    }
    if let Some(h) = ev.header {
        let alg = h.it.alg.text().unwrap_or("missing");
        let listed = ev.artifacts.iter().enumerate().find_map(|(i, a)| match &a.content {
            Content::Metadata(m) if !m.algs.is_empty() && !m.algs.iter().any(|x| x == alg) => {
                Some((i, m.algs.join(", ")))
            }
            _ => None,
        });
        if let Some((i, list)) = listed {
            return vec![
                Proof::error(
                    Certainty::Proven,
                    format!("`alg` is {}, which the server's metadata does not list", words::value(alg)),
                )
                .at(h.artifact, "header/alg", alg, &list)
                .at(i, "token_endpoint_auth_signing_alg_values_supported", &list, "")
                .fix(fix)
                .rank(60),
            ];
        }
        if let Some(Reason::AlgUnsupported { received, accepted }) = ev.refused("algorithm-supported")
            && (!received.starts_with("ES") || ev.known_server().is_some())
            && ev.judged_assertion()
        {
            let names: Vec<&str> = accepted.iter().map(|a| a.name()).collect();
            return vec![
                Proof::error(
                    Certainty::Proven,
                    format!(
                        "`alg` is {}, which the server does not take",
                        if received.is_empty() { "missing".to_owned() } else { words::value(received) }
                    ),
                )
                .at(h.artifact, "header/alg", received, names.join(", "))
                .fix(fix)
                .rank(60),
            ];
        }
    }
    ev.message(Message::AlgRefused)
        .map(|m| {
            Proof::error(Certainty::Likely, "the server refuses the signature algorithm")
                .at(m, "message", "algorithm refused", "")
                .fix(fix)
                .rank(50)
        })
        .into_iter()
        .collect()
}
