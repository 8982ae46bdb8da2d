//! The report as SARIF 2.1.0 (OASIS), for code scanning.
//!
//! Called by the command line. One run, one rule for each finding's key, one result for each finding.

use serde_json::{Value, json};

use crate::proof::Level;
use crate::report::{Finding, Report};

/// Renders a report.
pub fn render(report: &Report) -> String {
    let mut rules: Vec<Value> = Vec::new();
    let mut index: Vec<&str> = Vec::new();
    for f in &report.findings {
        if !index.contains(&f.code.as_str()) {
            index.push(&f.code);
            rules.push(json!({
                "id": f.code,
                "shortDescription": {"text": title(&f.code)},
                "help": {"text": f.fix},
                "defaultConfiguration": {"level": level(f.level)},
            }));
        }
    }
    let results: Vec<Value> =
        report.findings.iter().map(|f| result(f, index.iter().position(|c| *c == f.code))).collect();
    let artifacts: Vec<Value> = report
        .artifacts
        .iter()
        .map(|a| json!({"location": {"uri": uri(&a.file)}, "properties": {"kind": a.kind}}))
        .collect();
    let sarif = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "countersign doctor",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "artifacts": artifacts,
            "results": results,
            "properties": {"verdict": report.verdict.name(), "needed": report.needed, "judgedAt": report.judged_at},
        }],
    });
    let mut out = serde_json::to_string_pretty(&sarif).unwrap_or_default();
    out.push('\n');
    out
}

fn result(f: &Finding, rule: Option<usize>) -> Value {
    let locations: Vec<Value> = f
        .evidence
        .iter()
        .map(|e| {
            json!({
                "physicalLocation": {"artifactLocation": {"uri": uri(&e.artifact)}},
                "logicalLocations": [{"fullyQualifiedName": e.pointer}],
                "message": {"text": if e.expected.is_empty() { e.found.clone() } else { format!("found {}, expected {}", e.found, e.expected) }},
            })
        })
        .collect();
    json!({
        "ruleId": f.code,
        "ruleIndex": rule,
        "level": level(f.level),
        "message": {"text": format!("{}\nFix: {}", f.title, f.fix)},
        "locations": locations,
        "properties": {"certainty": f.certainty.name(), "aadsts": f.aadsts},
    })
}

const fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Note => "note",
    }
}

/// SARIF wants a relative or absolute URI; file names may hold anything.
fn uri(file: &str) -> String {
    let mut out = String::new();
    for b in file.bytes() {
        match b {
            b'\\' => out.push('/'),
            b if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/') => out.push(b as char),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

fn title(code: &str) -> String {
    crate::explain::page(code).map_or_else(|| code.to_owned(), |p| p.title.to_owned())
}
