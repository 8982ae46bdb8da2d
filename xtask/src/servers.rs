//! `cargo xtask servers`: writes `docs/servers.md`, what the doctor knows of other servers than Entra ID.
//!
//! Made of `countersign_core::profile` and of the sources that the doctor's cases name; `tidy` compares the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_core::profile::{
    AudienceRule, IssuerRule, KeyIdentifierRule, LifetimeFrom, PROFILES, Profile, SERVERS, SentAs, SubjectRule,
};
use serde_json::Value;

use crate::process;

/// Where the page stands in the checkout.
pub const PATH: &str = "docs/servers.md";
/// Where the cases with their public sources stand.
const CASES: &str = "crates/doctor/tests/cases";

/// Writes the page.
///
/// # Errors
/// When a case cannot be read or the file cannot be written.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("servers takes no `{argument}`");
    }
    std::fs::write(process::root().join(PATH), text()?).with_context(|| format!("{PATH} cannot be written"))
}

/// The file as it must be.
///
/// # Errors
/// When a case cannot be read.
pub fn text() -> Result<String> {
    let cases = cases(&process::root().join(CASES))?;
    let mut out = String::from(HEAD);
    for server in SERVERS.into_iter().filter(|s| PROFILES.iter().all(|p| p.name != s.name)) {
        section(&mut out, server, cases.get(server.name));
    }
    Ok(out)
}

fn section(out: &mut String, p: &Profile, cases: Option<&BTreeSet<String>>) {
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "\n## {}\n\n{}. Rules and their sources: `{}`.\n", p.name, p.summary, file(p.name));
    out.push_str("| what | rule |\n|---|---|\n");
    let mut row = |what: &str, rule: &str| {
        let _ = writeln!(out, "| {what} | {} |", rule.replace('|', "\\|"));
    };
    row("sent as", sent_as(p.sent_as));
    row("`alg`", &p.algs.iter().map(|a| a.name()).collect::<Vec<_>>().join(", "));
    row("`kid`, `x5t`", key_identifier(p.key_identifier));
    row(
        "claims that must be there",
        &p.required_claims.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", "),
    );
    row("`iss`", &issuer(p.issuer));
    row("`sub`", subject(p.subject));
    row("`aud`", &audience(p.audience));
    row("lifetime", &lifetime(p));
    row("clock", &format!("{} s of leeway", p.leeway));
    row("`jti`", if p.remembers_jti { "each once" } else { "not remembered" });
    for s in p.sayings {
        row(&format!("\"{}\"", s.text), s.means);
    }
    let _ = writeln!(out, "\nPublic reports among the doctor's cases:\n");
    for source in cases.into_iter().flatten() {
        let _ = writeln!(out, "- <{source}>");
    }
}

/// The file of a profile; `box` is a word of the language.
fn file(name: &str) -> String {
    format!("crates/core/src/profile/{}.rs", if name == "box" { "boxed" } else { name })
}

fn sent_as(how: SentAs) -> &'static str {
    match how {
        SentAs::ClientAssertion => "`client_assertion` of a token request",
        SentAs::Grant => "`assertion` of a token request (grant)",
        SentAs::Bearer => "`Authorization: Bearer` of an API request",
        SentAs::Secret => "`client_secret` of a token request",
    }
}

fn key_identifier(rule: KeyIdentifierRule) -> &'static str {
    match rule {
        KeyIdentifierRule::CertificateOrKid => "`x5t`, `x5t#S256` or `kid` names the key",
        KeyIdentifierRule::Kid => "`kid` names the key",
        KeyIdentifierRule::Optional => "nothing has to name the key",
    }
}

fn issuer(rule: IssuerRule) -> String {
    match rule {
        IssuerRule::ClientId => "the client id".to_owned(),
        IssuerRule::Matching { words, .. } => words.to_owned(),
        IssuerRule::Free => "not told from its form".to_owned(),
    }
}

fn subject(rule: SubjectRule) -> &'static str {
    match rule {
        SubjectRule::IsIssuer => "the same as `iss`",
        SubjectRule::BeforeFingerprint => "`iss` without its fingerprint",
        SubjectRule::Free => "another thing than `iss`, or absent",
    }
}

fn audience(rule: AudienceRule) -> String {
    match rule {
        AudienceRule::Tenant => "a tenant's token endpoint or issuer".to_owned(),
        AudienceRule::Unread => "not read".to_owned(),
        AudienceRule::Rows(rows) => rows
            .iter()
            .map(|(host, aud)| if *host == "*" { format!("`{aud}`") } else { format!("at `{host}`: `{aud}`") })
            .collect::<Vec<_>>()
            .join("; "),
    }
}

fn lifetime(p: &Profile) -> String {
    let Some(limit) = p.max_lifetime else { return "no limit that refuses".to_owned() };
    let from = match p.lifetime_from {
        LifetimeFrom::Issue => "from `iat`",
        LifetimeFrom::Now => "from now",
        LifetimeFrom::NowWithoutIssue => "from now, where there is no `iat`",
    };
    format!("at most {limit} s {from}")
}

/// Sources of the cases, by the profile that their report was made under.
fn cases(folder: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut out: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let read = |name: &str| -> Result<Value> {
            let path = folder.join(name);
            let text = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
        };
        if folder.join("case.json").is_file() {
            let (about, report) = (read("case.json")?, read("report.json")?);
            let source = about["source"].as_str().filter(|s| s.starts_with("https://"));
            if let (Some(source), Some(profile)) = (source, report["profile"].as_str()) {
                out.entry(profile.to_owned()).or_default().insert(source.to_owned());
            }
        }
        for entry in std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    Ok(out)
}

const HEAD: &str = "\
# Other servers

Made by `cargo xtask servers` from the profiles that the doctor judges by; change them there. `countersign doctor --profile
NAME` chooses one; without it the doctor tells the server from `aud`, from the address of the request, from `iss` or from the
words of the answer, and takes Entra ID where nothing tells. `serve --profile` knows `entra` and `strict` only.

Each rule stands in its file under a source. What nobody has shown is marked there as a guess, and read so that it blames
nobody; what is taken to hold of all of them stands once, in `crates/core/src/profile/elsewhere.rs`. `*` stands for anything but a slash, `{host}` for the host that the request goes to. The words are recognised in any
text; beside them is what they mean.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_a_section_and_a_public_report() {
        let text = text().unwrap();
        for server in SERVERS.into_iter().filter(|s| PROFILES.iter().all(|p| p.name != s.name)) {
            let (_, section) = text.split_once(&format!("\n## {}\n", server.name)).unwrap();
            let section = section.split("\n## ").next().unwrap();
            assert!(section.contains("\n- <https://"), "{}", server.name);
            assert!(process::root().join(file(server.name)).is_file(), "{}", server.name);
        }
    }
}
