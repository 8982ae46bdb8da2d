//! The ends of credentials as Prometheus text (exposition format 0.0.4).
//!
//! Used by `check-expiry --format prometheus` and by the exporter.

use super::Row;

const END: &str = "countersign_credential_end_timestamp_seconds";

/// One sample for each credential that has an end.
pub fn credentials(rows: &[Row]) -> String {
    let mut out = head(END, "gauge", "When the credential ends.");
    for row in rows {
        let Some(end) = row.entry.end else { continue };
        out.push_str(&format!(
            "{END}{{app_id=\"{}\",application=\"{}\",key_id=\"{}\",kind=\"{}\"}} {}\n",
            label(&row.app_id),
            label(&row.app),
            label(&row.entry.key_id),
            row.entry.kind.name(),
            end.secs()
        ));
    }
    out
}

/// A metric without labels.
pub fn single(name: &str, kind: &str, help: &str, value: impl std::fmt::Display) -> String {
    format!("{}{name} {value}\n", head(name, kind, help))
}

fn head(name: &str, kind: &str, help: &str) -> String {
    format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
}

fn label(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Entry;
    use serde_json::json;

    #[test]
    fn labels_are_escaped() {
        let entry =
            Entry::all(&json!({"keyCredentials": [{"keyId": "k", "endDateTime": "2026-11-24T00:00:00Z"}]})).remove(0);
        let text = credentials(&[Row { app_id: "a".to_owned(), app: "x\"y\\".to_owned(), entry }]);
        assert!(
            text.ends_with("{app_id=\"a\",application=\"x\\\"y\\\\\",key_id=\"k\",kind=\"certificate\"} 1795478400\n"),
            "{text}"
        );
    }
}
