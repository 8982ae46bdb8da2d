//! `pfx-still-base64-text`: The PFX file is base64 text.
//!
//! It begins with `MII` in ASCII and, decoded, is a PKCS#12.
//! Run by [`crate::diagnose`] over the evidence; it explains a refusal and never makes one.

use countersign_core::keyfile::Format;

use crate::evidence::Evidence;
use crate::proof::{Cause, Certainty, Proof, Question};

/// The PFX file is base64 text.
pub static CAUSE: Cause = Cause {
    key: "pfx-still-base64-text",
    layer: "Key and certificate files",
    question: Question::FileFormat,
    explains: &[],
    aadsts: &[],
    prove,
};

fn prove(ev: &Evidence<'_>) -> Vec<Proof> {
    let Some(k) = ev.keys.iter().find(|k| k.it.file.format == Format::Base64OfPkcs12) else { return Vec::new() };
    let fix = "decode it: `base64 -d file > cert.pfx` (PowerShell: `[IO.File]::WriteAllBytes('cert.pfx', [Convert]::FromBase64String($text))`)";
    let title = "the PFX file is base64 text, not the binary file";
    let proof = if ev.before_sending() || ev.tool_refused() {
        Proof::error(Certainty::Proven, title)
    } else {
        Proof::note(title)
    };
    vec![proof.at(k.artifact, "first bytes", "MII… (text)", "30 82 … (binary)").fix(fix).rank(70)]
}
