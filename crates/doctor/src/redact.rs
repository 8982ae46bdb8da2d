//! The last gate before a report leaves: no usable assertion, no password, no private key, and on wish no names.
//!
//! Called by [`crate::diagnose`]. Causes never put such values in; this makes sure of it.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::Options;
use crate::artifact::{Artifact, Content, Meaning};
use crate::report::Report;
use crate::words;

/// Shortest secret that is looked for: shorter ones would blot out ordinary words.
const MIN_SECRET: usize = 4;

/// Cleans every text of a report.
pub(crate) fn guard(report: &mut Report, artifacts: &[Artifact], options: &Options) {
    let secrets = secrets(artifacts, options);
    let mut names = Names::default();
    let mut clean = |text: &mut String, redact: bool| {
        let mut out = words::mask_tokens(text);
        for secret in &secrets {
            if out.contains(secret.as_str()) {
                out = out.replace(secret.as_str(), "(left out)");
            }
        }
        if let Some(at) = out.find("PRIVATE KEY-----") {
            let end = at + "PRIVATE KEY-----".len();
            out.truncate(end);
        }
        if redact {
            out = names.replace(&out);
        }
        *text = out;
    };
    let redact = options.redact;
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

/// GUIDs and domain names, each replaced by the same stand-in everywhere, so that what was equal stays equal.
#[derive(Default)]
struct Names {
    known: BTreeMap<String, String>,
}

impl Names {
    fn replace(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            out.push_str(&rest[..start]);
            let tail = &rest[start..];
            let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))).unwrap_or(tail.len());
            let word = &tail[..end];
            out.push_str(&self.word(word));
            rest = &tail[end..];
        }
        out.push_str(rest);
        out
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches('.');
        let lower = bare.to_ascii_lowercase();
        let ours = ["onmicrosoft.com", "onmicrosoft.us", "onmschina.cn"]
            .iter()
            .any(|d| lower.ends_with(d) && lower.len() > d.len());
        let guid = countersign_core::authority::is_guid(bare) && !lower.starts_with("0000000");
        if !guid && !ours {
            return word.to_owned();
        }
        let n = self.known.len() + 1;
        let stand_in = self.known.entry(lower).or_insert_with(|| {
            if guid { format!("00000000-0000-4000-8000-{n:012}") } else { format!("tenant{n}.example") }
        });
        format!("{stand_in}{}", &word[bare.len()..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_stay_equal() {
        let mut names = Names::default();
        let a = names.replace(
            "https://login.microsoftonline.com/5F2C1A7E-1111-4000-8000-0000000000a1/v2.0, contoso.onmicrosoft.com",
        );
        let b = names.replace("5f2c1a7e-1111-4000-8000-0000000000a1");
        assert!(a.contains(&b) && !a.contains("contoso"), "{a} {b}");
        assert!(a.contains("login.microsoftonline.com"));
    }
}
