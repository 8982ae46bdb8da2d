//! The last gate before a report leaves: no usable assertion, no password, no private key, and on wish no names.
//!
//! Called by [`crate::diagnose`]. Causes never put such values in; this makes sure of it.

use zeroize::Zeroizing;

mod names;

use names::Names;

use crate::Options;
use crate::artifact::{Artifact, Content, Meaning};
use crate::report::Report;
use crate::words;

/// Shortest secret that is looked for: shorter ones would blot out ordinary words.
const MIN_SECRET: usize = 4;

/// Shortest run of base64 that counts as part of a key.
const MIN_KEY: usize = 20;

/// Cleans every text of a report.
pub(crate) fn guard(report: &mut Report, artifacts: &[Artifact], options: &Options) {
    let secrets = secrets(artifacts, options);
    let mut names = Names::of(artifacts);
    let mut clean = |text: &mut String, redact: bool| {
        let mut out = words::mask_tokens(text);
        for secret in &secrets {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), "(left out)");
            }
        }
        // The label alone gives nothing away, and fixes name it.
        let label = "PRIVATE KEY-----";
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
        let holds =
            |(at, _): &(usize, &str)| out[at + label.len()..].split(|c| !is_base64(c)).any(|run| run.len() >= MIN_KEY);
        let key = out.match_indices(label).find(holds).map(|(at, _)| at + label.len());
        if let Some(end) = key {
            out.truncate(end);
        }
        if redact {
            out = names.replace(&out);
        }
        *text = out;
    };
    let redact = options.redact;
    if redact {
        // A path tells whose machine it is.
        let bare = |path: &mut String| {
            if let Some((_, name)) = path.rsplit_once(['/', '\\']) {
                *path = name.to_owned();
            }
        };
        report.artifacts.iter_mut().for_each(|a| bare(&mut a.file));
        report.said.iter_mut().for_each(|s| bare(&mut s.artifact));
        report.sources.iter_mut().for_each(|s| bare(&mut s.artifact));
        report.findings.iter_mut().flat_map(|f| &mut f.evidence).for_each(|e| bare(&mut e.artifact));
    }
    for entry in &mut report.artifacts {
        entry.repairs.iter_mut().for_each(|r| clean(r, redact));
    }
    for finding in &mut report.findings {
        clean(&mut finding.title, redact);
        clean(&mut finding.fix, redact);
        for item in &mut finding.evidence {
            clean(&mut item.pointer, redact);
            clean(&mut item.found, redact);
            clean(&mut item.expected, redact);
        }
    }
    for refusal in &mut report.refusals {
        clean(&mut refusal.text, redact);
    }
    for source in &mut report.sources {
        clean(&mut source.text, redact);
    }
}

/// Passwords given, secrets of settings and requests.
fn secrets(artifacts: &[Artifact], options: &Options) -> Vec<Zeroizing<String>> {
    let mut out: Vec<Zeroizing<String>> = Vec::new();
    let mut add = |text: &str| {
        let bare = text.trim().trim_matches(['"', '\'']);
        for form in [text, bare] {
            if form.len() >= MIN_SECRET && !out.iter().any(|s| s.as_str() == form) {
                out.push(Zeroizing::new(form.to_owned()));
            }
        }
    };
    options.passwords.iter().for_each(|p| add(p));
    for a in artifacts {
        match &a.content {
            Content::Settings(list) => list.iter().filter(|s| s.meaning == Meaning::Secret).for_each(|s| add(&s.value)),
            Content::Request(r) => {
                for name in ["client_secret", "password", "refresh_token", "code"] {
                    if let Some(value) = r.anywhere(name) {
                        add(value);
                    }
                }
                if let Some(Ok(basic)) = &r.token.basic {
                    basic.secrets.iter().for_each(|s| add(s));
                }
            }
            _ => {}
        }
    }
    out
}
