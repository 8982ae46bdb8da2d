//! What tells who it is, replaced: ids, hosts, mail addresses, subjects, repositories, names that the artifacts give.
//!
//! Called by [`super`] when a report is to be shown to strangers. The same text gets the same stand-in everywhere.

use std::collections::BTreeMap;

use crate::artifact::{Artifact, Content};

/// Hosts that belong to everybody: ends of names.
const PUBLIC: [&str; 17] = [
    "microsoftonline.com",
    "microsoftonline.us",
    "partner.microsoftonline.cn",
    "microsoft.com",
    "microsoft.us",
    "sts.windows.net",
    "core.windows.net",
    "management.azure.com",
    "googleapis.com",
    "accounts.google.com",
    "github.com",
    "githubusercontent.com",
    "appleid.apple.com",
    "docusign.com",
    "login.salesforce.com",
    "test.salesforce.com",
    "api.box.com",
];

/// Hosts of which the first label is somebody's: the rest says which server it is.
const SHARED: [&str; 7] = [
    "okta.com",
    "oktapreview.com",
    "auth0.com",
    "my.salesforce.com",
    "snowflakecomputing.com",
    "vault.azure.net",
    "iam.gserviceaccount.com",
];

/// Domains that every tenant has one below.
const TENANTS: [&str; 3] = ["onmicrosoft.com", "onmicrosoft.us", "onmschina.cn"];

/// Words that stand before somebody's name, what follows the name, and what the stand-in is called.
const BEFORE: [(&str, &[char], &str); 6] = [
    ("CN=", &[',', '"', '\'', '`', '\n', ')', '/'], "name"),
    ("named '", &['\''], "name"),
    ("repo:", &['/', ':', '\'', '"'], "org"),
    ("github.com/", &['/', '"', '\'', ' ', ','], "org"),
    ("serviceaccount:", &[':', '\'', '"'], "namespace"),
    ("https://github.com/", &['/', '"', '\'', ' ', ','], "org"),
];

/// Shortest name of an artifact that is looked for: shorter ones would blot out ordinary words.
const MIN_NAME: usize = 4;

/// The stand-ins given so far.
#[derive(Default)]
pub(super) struct Names {
    known: BTreeMap<String, String>,
    own: Vec<String>,
}

impl Names {
    /// With the names that registrations, key files and federated credentials give.
    pub(super) fn of(artifacts: &[Artifact]) -> Self {
        let mut own: Vec<String> = Vec::new();
        let mut add = |name: &str| {
            let name = name.trim();
            if name.len() >= MIN_NAME && !own.iter().any(|o| o == name) {
                own.push(name.to_owned());
            }
        };
        for artifact in artifacts {
            match &artifact.content {
                Content::Application(app) => {
                    add(&app.registration.display_name);
                    app.registration.trusted_subjects.iter().for_each(|t| add(&t.subject_name));
                    for text in app.keys.iter().flat_map(|k| &k.custom_readings) {
                        let printable = |t: &&str| t.chars().all(|c| c.is_ascii_graphic() || c == ' ');
                        // A digest in hex is no name.
                        let name = std::str::from_utf8(text).ok().filter(printable);
                        name.filter(|t| !t.chars().all(|c| c.is_ascii_hexdigit())).into_iter().for_each(&mut add);
                    }
                }
                Content::Keys(keys) => keys.file.pkcs12().into_iter().flat_map(|p| &p.aliases).for_each(|a| add(a)),
                _ => {}
            }
        }
        // The longest first, so that none is cut in two.
        own.sort_by_key(|n| std::cmp::Reverse(n.len()));
        Self { known: BTreeMap::new(), own }
    }

    /// The text with stand-ins.
    pub(super) fn replace(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for name in self.own.clone() {
            if text.contains(&name) {
                text = text.replace(&name, &self.stand_in(&name, "name", ""));
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            out.push_str(&rest[..start]);
            let tail = &rest[start..];
            if let Some((word, ends, kind)) = BEFORE.iter().find(|(word, ..)| tail.starts_with(word)) {
                let value = &tail[word.len()..];
                let length = value.find(*ends).unwrap_or(value.len());
                out.push_str(word);
                out.push_str(&self.stand_in(&value[..length], kind, ""));
                rest = &value[length..];
                // Organisation and repository, namespace and account.
                if matches!(*kind, "org" | "namespace") && rest.starts_with(['/', ':']) && !rest.starts_with("//") {
                    let more = &rest[1..];
                    let length =
                        more.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.@".contains(c))).unwrap_or(more.len());
                    out.push_str(&rest[..1]);
                    out.push_str(&self.stand_in(&more[..length], "part", ""));
                    rest = &more[length..];
                }
                continue;
            }
            let end = tail.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))).unwrap_or(tail.len());
            let word = &tail[..end];
            let mail =
                tail[end..].strip_prefix('@').is_some_and(|t| t.starts_with(|c: char| c.is_ascii_alphanumeric()));
            if mail {
                out.push_str(&self.stand_in(word, "user", ""));
            } else if out.ends_with("://") || out.ends_with('@') {
                out.push_str(&self.host(word));
            } else {
                out.push_str(&self.word(word));
            }
            rest = &tail[end..];
        }
        out.push_str(rest);
        out
    }

    /// The same stand-in for the same text; a capital stays one, since letter case may be the fault.
    fn stand_in(&mut self, text: &str, kind: &str, end: &str) -> String {
        // What was replaced already stays.
        if text.is_empty() || self.known.values().any(|v| v == text) {
            return text.to_owned();
        }
        let n = self.known.len() + 1;
        let plain = self.known.entry(text.to_ascii_lowercase()).or_insert_with(|| format!("{kind}{n}{end}")).clone();
        match text.chars().next() {
            Some(c) if c.is_ascii_uppercase() => plain[..1].to_ascii_uppercase() + &plain[1..],
            _ => plain,
        }
    }

    fn host(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches('.');
        let lower = bare.to_ascii_lowercase();
        let below = |end: &str| lower == end || lower.ends_with(&format!(".{end}"));
        let loopback = lower == "localhost" || lower.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback());
        if loopback || PUBLIC.into_iter().any(below) {
            return self.word(word);
        }
        let end = SHARED.into_iter().find(|s| below(s)).map_or(".example".to_owned(), |s| format!(".{s}"));
        format!("{}{}", self.stand_in(&lower, "host", &end), &word[bare.len()..])
    }

    fn word(&mut self, word: &str) -> String {
        let bare = word.trim_end_matches('.');
        let lower = bare.to_ascii_lowercase();
        let tenant = TENANTS.iter().any(|d| lower.ends_with(d) && lower.len() > d.len());
        let guid = countersign_core::authority::is_guid(bare) && !lower.starts_with("0000000");
        if !guid && !tenant {
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
        // Hosts, mail addresses, subjects.
        let c = names.replace(
            "https://id.contoso.example/realms/shop, https://acme.okta.com, jo@contoso.example, CN=Payroll daemon, O=x",
        );
        for name in ["contoso", "acme", "jo@", "Payroll"] {
            assert!(!c.contains(name), "{c}");
        }
        assert!(c.contains(".okta.com") && c.contains("/realms/shop"), "{c}");
        assert!(c.contains("user5@host6.example") && c.contains("CN=Name7, O=x"), "{c}");
    }
}
