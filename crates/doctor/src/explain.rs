//! The explanation pages: one for each cause and each AADSTS code, compiled in.
//!
//! `explain`, the service's `/error?code=` page and reports read them here. Data and rendering only; what is true of an
//! assertion is decided elsewhere.

mod html;
mod table;
mod text;

use std::sync::OnceLock;

use serde::Serialize;

/// What a page explains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A cause that the doctor can prove.
    Cause,
    /// A number of Entra's.
    Code,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page {
    /// Cause key, or `AADSTS` and the number.
    pub key: &'static str,
    /// What it explains.
    pub kind: Kind,
    /// Short title.
    pub title: &'static str,
    /// Layer of a cause, error and status of a code: the lines under the title.
    pub facts: Vec<(&'static str, &'static str)>,
    /// Numbers that go with it.
    pub aadsts: Vec<u32>,
    /// The whole page.
    pub markdown: &'static str,
}

/// A sample on a page: what must, or must not, show the fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Whether the fault is in it.
    pub wrong: bool,
    /// What the person asking knows besides: `at`, `tenant`, `client-id` or `profile`, named like the doctor's flags.
    pub options: Vec<(&'static str, &'static str)>,
    /// The sample.
    pub text: &'static str,
}

/// Every page, causes first.
pub fn all() -> &'static [Page] {
    static PAGES: OnceLock<Vec<Page>> = OnceLock::new();
    PAGES.get_or_init(|| table::PAGES.iter().map(|(key, markdown)| Page::read(key, markdown)).collect())
}

/// The page of that key: `700027`, `AADSTS700027` in any letter case, or a cause key.
pub fn page(key: &str) -> Option<Page> {
    let (wanted, markdown) = find(key.trim())?;
    Some(Page::read(wanted, markdown))
}

/// What stands under "Fix" on the page of that cause.
pub(crate) fn fix(cause: &str) -> Option<&'static str> {
    table::FIXES.iter().find(|(key, _)| *key == cause).map(|(_, fix)| *fix)
}

fn find(key: &str) -> Option<(&'static str, &'static str)> {
    let prefixed = key.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("AADSTS"));
    let digits = if prefixed { &key[6..] } else { key };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    table::PAGES
        .iter()
        .find(|(k, _)| match k.strip_prefix("AADSTS") {
            Some(number) => is_number && number == digits.trim_start_matches('0'),
            None => k.eq_ignore_ascii_case(key),
        })
        .copied()
}

/// Longest key that is taken for a misspelt one; the longest right one has some fifty characters.
const MAX_SUGGESTED: usize = 80;

/// Keys that somebody may have meant, nearest first, at most five.
pub fn suggest(key: &str) -> Vec<&'static str> {
    let key = key.trim().to_ascii_lowercase();
    // A whole text is no misspelt key, and comparing costs its length times that of every key.
    if key.len() > MAX_SUGGESTED {
        return Vec::new();
    }
    let mut near: Vec<(usize, &'static str)> = table::PAGES
        .iter()
        .filter_map(|(k, _)| {
            let lower = k.to_ascii_lowercase();
            let distance = if key.len() >= 3 && lower.contains(&key) { 1 } else { distance(&key, &lower) };
            (distance <= 2 + key.len() / 6).then_some((distance, *k))
        })
        .collect();
    near.sort_unstable();
    near.into_iter().take(5).map(|(_, k)| k).collect()
}

/// Levenshtein distance over bytes; keys are ASCII.
fn distance(a: &str, b: &str) -> usize {
    let b = b.as_bytes();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (row[j] + 1).min(row[j + 1] + 1).min(diagonal + usize::from(x != *y));
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

/// Whom a block of code on a page is for: its language, the marks behind that, and the code.
pub(crate) fn audience(language: &str, tags: &[&str], code: &str) -> &'static str {
    let has = |tag: &str| tags.contains(&tag);
    match language {
        "python" if has("azure-identity") => "azure-identity for Python",
        "python" if has("msal") => "MSAL Python",
        "python" if has("authlib") => "Authlib",
        "python" => "Python",
        "csharp" if has("msal") => "MSAL .NET",
        "csharp" => ".NET",
        "js" if has("azure-identity") => "@azure/identity",
        "js" if has("msal") => "MSAL Node",
        "js" if has("openid-client") => "openid-client",
        "js" => "Node",
        "java" if has("msal") => "MSAL Java",
        "java" => "Java",
        "go" if has("msal") => "MSAL Go",
        "go" => "Go",
        "powershell" => "PowerShell",
        "hcl" => "Terraform",
        "yaml" => "YAML",
        "json" => "JSON",
        "sh" if code.contains("openssl") => "openssl",
        "sh" if code.contains("az ") => "Azure CLI",
        "sh" if code.contains("curl") => "curl",
        _ => "shell",
    }
}

/// How a line under the title is named to readers.
fn label(name: &str) -> &str {
    match name {
        "aadsts" => "AADSTS codes",
        "oauth" => "error",
        "status" => "HTTP status",
        "emitted" => "given by this service",
        other => other,
    }
}

impl Page {
    fn read(key: &'static str, markdown: &'static str) -> Self {
        let mut lines = markdown.lines();
        let title = lines.next().and_then(|l| l.split_once(": ")).map_or(key, |(_, title)| title);
        let facts: Vec<(&str, &str)> =
            lines.take_while(|l| !l.starts_with("## ")).filter_map(|l| l.split_once(": ")).collect();
        let kind = if key.starts_with("AADSTS") { Kind::Code } else { Kind::Cause };
        let aadsts = match kind {
            Kind::Code => key[6..].parse().into_iter().collect(),
            Kind::Cause => facts
                .iter()
                .filter(|(name, _)| *name == "aadsts")
                .flat_map(|(_, list)| list.split(','))
                .filter_map(|n| n.trim().parse().ok())
                .collect(),
        };
        Self { key, kind, title, facts, aadsts, markdown }
    }

    /// The value of a line under the title.
    pub fn fact(&self, name: &str) -> Option<&'static str> {
        self.facts.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// Headings with what stands below them.
    pub fn sections(&self) -> Vec<(&'static str, &'static str)> {
        self.markdown
            .split("\n## ")
            .skip(1)
            .map(|section| {
                section.split_once('\n').map_or((section, ""), |(head, body)| (head.trim(), body.trim_matches('\n')))
            })
            .collect()
    }

    /// Samples marked `wrong` or `right`; `key=value` behind the mark is an option.
    pub fn samples(&self) -> Vec<Sample> {
        let mut out = Vec::new();
        for block in self.markdown.split("\n```text ").skip(1) {
            let Some((info, rest)) = block.split_once('\n') else { continue };
            let Some((text, _)) = rest.split_once("\n```") else { continue };
            let mut words = info.split_whitespace();
            let wrong = match words.next() {
                Some("wrong") => true,
                Some("right") => false,
                _ => continue,
            };
            out.push(Sample { wrong, options: words.filter_map(|w| w.split_once('=')).collect(), text });
        }
        out
    }

    /// The page for a terminal of that width.
    pub fn render_text(&self, width: usize, color: bool) -> String {
        text::render(self, width, color)
    }

    /// The page as a fragment of HTML, everything escaped, without scripts and styles.
    pub fn render_html(&self) -> String {
        html::render(self)
    }
}
