//! `key-cert-mismatch`: The private key is not the pair of the certificate.
//!
//! Their public keys differ; or the signature does not verify with the certificate that the header names.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use crate::evidence::messages::Message;
use crate::evidence::signature::Signature;
use crate::evidence::{Evidence, Known, Origin};
use crate::proof::{Cause, Certainty, Proof, Question};
use crate::words;

/// The private key is not the pair of the certificate.
pub static CAUSE: Cause = Cause {
    key: "key-cert-mismatch",
    layer: "Key and certificate files",
    question: Question::Signature,
    explains: &["signature"],
    aadsts: &[700_027, 50_013, 7_000_274],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let fix = "sign with the key of the certificate that the header names: compare `openssl x509 -noout -pubkey -in cert.pem` with `openssl pkey -pubout -in key.pem`";
    let mut out = of_signature(ev, fix);
    if out.is_empty()
        && let Some(proof) = of_files(ev, fix)
    {
        out.push(proof);
    }
    if out.is_empty()
        && ev.header.is_none()
        && ev.keys.is_empty()
        && let Some(m) = ev.message(Message::KeyMismatch)
    {
        out.push(
            Proof::error(Certainty::Likely, "the tool says that private key and certificate do not belong together")
                .at(m, "message", "key mismatch", "")
                .fix(fix)
                .rank(40),
        );
    }
    if out.is_empty()
        && ev.header.is_none()
        && let Some(e) = ev.error
    {
        let reason = e.it.parsed.reason.clone().unwrap_or_default();
        if reason.contains("signature value did not match") || reason.contains("use of the key to verify") {
            out.push(Proof::warning(Certainty::Possible, "the key was found and the signature does not verify with it: perhaps it was made with another private key").at(e.artifact, "Reason", reason, "").fix(fix));
        }
    }
    out
}

fn of_signature(ev: &Evidence<'_>, fix: &str) -> Vec<Proof> {
    let Some(jwt) = ev.jwt else { return Vec::new() };
    let place = |i: usize| ev.certificates.get(i).map(|k| (k.artifact, k.certificate.subject().to_owned()));
    match &ev.signature {
        Signature::Nothing => {
            let named = ev.received.iter().find_map(|r| ev.certificate_of(r)).or(ev.leaf());
            let mut proof = Proof::error(Certainty::Proven, "the signature does not verify with the certificate that the header names: it was made with another key").at(jwt.artifact, "signature", format!("{} bytes, no match", jwt.it.compact.signature.bytes.len()), "made with the certificate's private key");
            if let Some(k) = named {
                proof = proof.at(k.artifact, "certificate", k.certificate.subject(), "");
            }
            vec![proof.fix(fix)]
        }
        Signature::VerifiesWithOther(i) if !matches!(ev.certificates[*i].origin, Origin::Registered(a, _) if Some(a) != ev.app) =>
        {
            let (artifact, subject) = place(*i).unwrap_or_default();
            // A chain certificate's thumbprint in the header is another mistake.
            let named_is_ca =
                ev.received.iter().find_map(|r| ev.certificate_of(r)).is_some_and(|k| k.certificate.is_ca());
            if named_is_ca {
                return Vec::new();
            }
            vec![
                Proof::error(
                    Certainty::Proven,
                    format!(
                        "the signature is made with the key of another certificate ({subject}) than the header names"
                    ),
                )
                .at(
                    jwt.artifact,
                    "signature",
                    "verifies with another certificate",
                    "the certificate that the header names",
                )
                .at(artifact, "certificate that verifies", subject, "")
                .fix(fix),
            ]
        }
        _ => Vec::new(),
    }
}

/// Key and certificate files that do not belong together, before anything was sent.
fn of_files(ev: &Evidence<'_>, fix: &str) -> Option<Proof> {
    let keys: Vec<_> = ev.keys.iter().flat_map(|k| k.it.file.private_keys().map(move |p| (k.artifact, p))).collect();
    let certificates: Vec<&Known> = ev.certificates.iter().filter(|k| k.origin == Origin::File).collect();
    let (key_artifact, key) = keys.first()?;
    let certificate = certificates.iter().find(|k| !k.certificate.is_ca()).or(certificates.first())?;
    if keys.iter().any(|(_, k)| certificates.iter().any(|c| k.matches(&c.certificate))) {
        return None;
    }
    let title = format!(
        "the private key ({}) belongs to none of the certificates ({})",
        key.public_key().kind(),
        certificate.certificate.public_key().kind()
    );
    let sent_well = matches!(ev.signature, Signature::Verifies(_));
    let proof =
        if sent_well || ev.passed("signature") { Proof::note(title) } else { Proof::error(Certainty::Proven, title) };
    Some(
        proof
            .at(
                *key_artifact,
                "public key of the private key",
                words::hex(&countersign_core::thumbprint::sha256(&key.public_key().spki())),
                words::hex(&countersign_core::thumbprint::sha256(&certificate.certificate.public_key().spki())),
            )
            .at(certificate.artifact, "certificate", certificate.certificate.subject(), "")
            .fix(fix),
    )
}
