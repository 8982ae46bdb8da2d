//! What fuzzing starts from: the repository's own cases and key files, taken apart for each reader.
//!
//! Used by `fuzz`. Nothing is made up here: each piece is a file, or a part of one that a reader gets by itself.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use countersign_core::encoding::decode_base64;
use countersign_core::thumbprint::sha1;

use crate::process;

/// Folders with what people and programs sent.
const SOURCES: [&str; 3] = ["crates/doctor/tests/cases", "crates/doctor/tests/hostile", "crates/core/tests/fixtures"];
/// Beside the artifacts of a case: what it says about itself.
const NOT_INPUT: [&str; 4] = ["case.json", "report.json", "report.txt", "make.sh"];

/// A piece and what it is.
pub struct Piece {
    kind: Kind,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// A file as it is.
    File,
    /// A compact JWS.
    Token,
    /// JSON text.
    Json,
    /// A DER certificate or key.
    Der,
}

/// Every piece of every source.
pub fn collect() -> Result<Vec<Piece>> {
    let mut files = Vec::new();
    for source in SOURCES {
        let folder = process::root().join(source);
        if folder.is_dir() {
            walk(&folder, &mut files)?;
        }
    }
    let mut out = Vec::new();
    for path in files {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        take_apart(&bytes, &mut out);
        out.push(Piece { kind: Kind::File, bytes });
    }
    ensure!(out.iter().filter(|piece| piece.kind == Kind::Token).count() > 20, "the cases hold no assertions");
    Ok(out)
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, out)?;
        } else if path.file_name().is_some_and(|name| NOT_INPUT.iter().all(|not| name != *not)) {
            out.push(path);
        }
    }
    Ok(())
}

/// Assertions, their decoded segments, JSON, and the contents of PEM blocks.
fn take_apart(bytes: &[u8], out: &mut Vec<Piece>) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        if bytes.first() == Some(&0x30) {
            out.push(Piece { kind: Kind::Der, bytes: bytes.to_vec() });
        }
        return;
    };
    if text.trim_start().starts_with(['{', '[']) {
        out.push(Piece { kind: Kind::Json, bytes: bytes.to_vec() });
    }
    let token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '=');
    for word in text.split(|c| !token(c)).flat_map(|word| word.split("client_assertion=")) {
        let segments: Vec<&str> = word.split('.').collect();
        if !word.starts_with("eyJ") || segments.len() != 3 {
            continue;
        }
        out.push(Piece { kind: Kind::Token, bytes: word.as_bytes().to_vec() });
        for segment in &segments[..2] {
            out.extend(decode_base64(segment).ok().map(|d| Piece { kind: Kind::Json, bytes: d.bytes }));
        }
    }
    for block in text.split("-----BEGIN ").skip(1) {
        let body = block.split("-----").nth(1).unwrap_or_default();
        let body: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        out.extend(decode_base64(&body).ok().map(|d| Piece { kind: Kind::Der, bytes: d.bytes }));
    }
}

/// Writes the pieces that a target's reader may get, each once.
pub fn write(folder: &Path, target: &str, pieces: &[Piece], max: u64) -> Result<()> {
    let wanted: &[Kind] = match target {
        "json" => &[Kind::Json],
        "jose" => &[Kind::Token, Kind::Json],
        "x509" => &[Kind::Der],
        "keyfile" => &[Kind::File, Kind::Der],
        // A body of its own lies beside the target.
        "admit" => &[],
        _ => &[Kind::File, Kind::Token],
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for piece in pieces.iter().filter(|piece| wanted.contains(&piece.kind) && piece.bytes.len() as u64 <= max) {
        let name: String = sha1(&piece.bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let bytes = if target == "page" { as_page_request(&piece.bytes) } else { piece.bytes.clone() };
        let path = folder.join(name);
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// What the browser's page sends for a file.
fn as_page_request(bytes: &[u8]) -> Vec<u8> {
    let file = match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::json!({"name": "a", "text": text}),
        Err(_) => serde_json::json!({"name": "a", "base64": countersign_core::encoding::encode_base64(bytes)}),
    };
    let options = serde_json::json!({"now": "2026-11-24T12:00:00Z"});
    serde_json::json!({"files": [file], "options": options, "formats": ["json", "text", "html"]})
        .to_string()
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_kind_are_found() {
        let pieces = collect().unwrap();
        for kind in [Kind::File, Kind::Token, Kind::Json, Kind::Der] {
            assert!(pieces.iter().filter(|piece| piece.kind == kind).count() > 10, "{kind:?}");
        }
    }
}
