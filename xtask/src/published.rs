//! `cargo xtask published`: writes the list of keys and secrets that stand in this repository.
//!
//! Whoever reads the repository has them, so `--mode production` takes none of them; the server carries the list
//! (`crates/server/src/published.txt`), and `tidy` compares it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};
use countersign_core::encoding::encode_hex_lower;
use countersign_core::keyfile::{self, ItemKind, KeyFile};
use countersign_core::thumbprint::{Hash, digest};

use crate::process;
use crate::tidy::files::Tree;

/// Where the list stands in the checkout.
pub const PATH: &str = "crates/server/src/published.txt";
/// Key files are small; what is larger is something else.
const LARGEST: usize = 1 << 20;
/// Shorter texts are words, and as secrets are refused for being short.
const SHORTEST_SECRET: usize = 16;
/// Passwords of the key files here.
const PASSWORDS: [&str; 3] = ["", "correct-horse", "\u{1F40E}"];

/// Writes the list.
///
/// # Errors
/// When a file cannot be read, or the list not be written.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("published takes no `{argument}`");
    }
    let text = text(&Tree::read(&process::root())?)?;
    std::fs::write(process::root().join(PATH), text).with_context(|| format!("{PATH} cannot be written"))
}

/// The list as it must be.
pub fn text(tree: &Tree) -> Result<String> {
    let root = process::root();
    // Kind, and digest or text; the first path in order is named.
    let mut found: BTreeMap<(&str, String), String> = BTreeMap::new();
    for path in &tree.paths {
        let bytes = std::fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        for spki in keys(path, &bytes) {
            found.entry(("key", encode_hex_lower(&digest(Hash::Sha256, &spki)))).or_insert_with(|| path.clone());
        }
    }
    for file in &tree.files {
        for secret in secrets(&file.text) {
            found.entry(("secret", secret.to_owned())).or_insert_with(|| file.path.clone());
        }
    }
    let mut out = String::from(HEAD);
    for ((kind, digest), path) in found {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{kind} {digest} {path}");
    }
    Ok(out)
}

const HEAD: &str = "\
# Made by `cargo xtask published`: what stands in this repository for everybody to read. SHA-256 of a key's
# SubjectPublicKeyInfo, or a secret's text; and where it stands first.
";

/// Public keys of every private key and certificate in a file, as SubjectPublicKeyInfo.
fn keys(path: &str, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let is_key_file = Path::new(path).extension().is_some_and(|e| {
        ["pem", "der", "pfx", "p12", "key", "b64", "crt", "cer"].iter().any(|k| e.eq_ignore_ascii_case(k))
    });
    if bytes.len() <= LARGEST && is_key_file {
        for password in PASSWORDS {
            gather(&keyfile::read(bytes, Some(password).filter(|p| !p.is_empty())), &mut out);
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    while let Some(at) = rest.find("-----BEGIN ") {
        let from = &rest[at..];
        let Some(end) = from.find("-----END ").and_then(|e| Some(e + 9 + from[e + 9..].find("-----")? + 5)) else {
            break;
        };
        let block = from[..end].replace("\\n", "\n").replace("\\r", "");
        let lines: Vec<&str> = block.lines().map(|l| l.trim().trim_matches(['"', '\'', ',', '\\'])).collect();
        gather(&keyfile::read(lines.join("\n").as_bytes(), None), &mut out);
        rest = &from[end..];
    }
    out
}

fn gather(file: &KeyFile, out: &mut Vec<Vec<u8>>) {
    for item in &file.items {
        match &item.kind {
            ItemKind::Certificate(certificate) => out.push(certificate.public_key().spki()),
            ItemKind::PrivateKey(key) => out.push(key.public_key().spki()),
            _ => {}
        }
    }
}

/// Texts that the repository uses as secrets or tokens: `secretText: "…"`, `SECRET = "…"`, `…_TOKEN: &str = "…"`.
fn secrets(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for line in text.lines() {
        for name in ["secretText", "SECRET", "ADMIN_TOKEN"] {
            let mut rest = line;
            while let Some(at) = rest.find(name) {
                rest = &rest[at + name.len()..];
                // Between the name and its value stand a quote, a sign and perhaps a type.
                let Some((before, value)) = rest
                    .split_once('"')
                    .map(|(b, v)| if b.is_empty() { v.split_once('"').unwrap_or((b, v)) } else { (b, v) })
                else {
                    continue;
                };
                let sign = before.trim_matches(['"', ' ', '\\']);
                if !matches!(sign, ":" | "=" | "= b" | ": &str =") {
                    continue;
                }
                let value = value.split('"').next().unwrap_or_default().trim_end_matches('\\');
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"~._-".contains(&b);
                if value.len() >= SHORTEST_SECRET && value.bytes().all(fits) {
                    out.push(value);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_beside_their_names() {
        let found = |line: &str| secrets(line).into_iter().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(found(r#"{ displayName: old, secretText: "0123456789abcdef" }"#), ["0123456789abcdef"]);
        assert_eq!(found(r#""secretText": "0123456789abcdef","#), ["0123456789abcdef"]);
        assert_eq!(found(r#"pub const SECRET: &str = "0123456789abcdef";"#), ["0123456789abcdef"]);
        assert_eq!(found(r#"SDK_SECRET = "0123456789abcdef""#), ["0123456789abcdef"]);
        for none in
            [r#"secretText: "short""#, r#"fault("secretText", "a sentence of words")"#, "SECRET", "secretText: {x}"]
        {
            assert_eq!(found(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn keys_are_found_in_files_and_in_text() {
        let root = process::root();
        let read = |path: &str| std::fs::read(root.join(path)).unwrap();
        let file = read("crates/countersign/tests/cmd/files/payroll.key.pem");
        let [spki] = keys("x.pem", &file)
            .into_iter()
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let quoted = format!("key = \"{}\"", String::from_utf8(file).unwrap().replace('\n', "\\n"));
        assert_eq!(keys("x.rs", quoted.as_bytes()), std::slice::from_ref(&spki));
        assert!(
            keys("x.pfx", &read("crates/countersign/tests/cmd/files/payroll.pfx")).contains(&spki),
            "a password is missing"
        );
    }
}
