//! `credential check-expiry`: what ends soon, of one application or of the whole tenant, for people, programs and Prometheus.

use clap::ValueEnum;
use countersign_core::UnixTime;
use serde_json::{Value, json};

use crate::clock;
use crate::exit::{Exit, Failure};
use crate::graph::{Entry, GraphArgs, text};
use crate::output;

/// How it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ExpiryFormat {
    /// For people: what is due
    #[default]
    Human,
    /// For programs: what is due
    Json,
    /// Prometheus text: the end of every credential
    Prometheus,
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Application id, object id or display name; every application of the tenant without one
    app: Option<String>,
    /// How far ahead: 30d, 2w, 12h
    #[arg(long, default_value = "30d", value_parser = clock::duration)]
    within: i64,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: ExpiryFormat,
    #[command(flatten)]
    graph: GraphArgs,
}

/// A credential and whose it is.
struct Row {
    app_id: String,
    app: String,
    entry: Entry,
}

/// Runs the verb.
pub async fn run(args: &Args) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let now = clock::now();
    let mut rows = Vec::new();
    let mut take = |app: &Value| {
        let member = |name: &str| text(app, name).unwrap_or_default().to_owned();
        for entry in Entry::all(app) {
            rows.push(Row { app_id: member("appId"), app: member("displayName"), entry });
        }
        Ok(())
    };
    match &args.app {
        Some(named) => take(&graph.application(named).await?.object)?,
        None => {
            graph
                .each("applications?$top=100&$select=id,appId,displayName,keyCredentials,passwordCredentials", take)
                .await?
        }
    }
    rows.sort_by_key(|r| r.entry.end.map_or(i64::MAX, UnixTime::micros));
    let limit = now.plus_secs(args.within);
    let due: Vec<&Row> = rows.iter().filter(|r| r.entry.end.is_some_and(|end| end <= limit)).collect();
    match args.format {
        ExpiryFormat::Prometheus => output::data(&prometheus(&rows))?,
        ExpiryFormat::Json => output::json(&due.iter().map(|r| r.json(now)).collect::<Vec<_>>())?,
        ExpiryFormat::Human => {
            let cells: Vec<[String; 4]> = due
                .iter()
                .map(|r| [r.entry.state(now), r.entry.kind.name().to_owned(), r.entry.key_id.clone(), r.app.clone()])
                .collect();
            if !cells.is_empty() {
                output::data(&output::table(["STATE", "KIND", "KEY ID", "APPLICATION"], &cells))?;
            }
            eprintln!(
                "{} of {} credentials end within {} days, or have ended",
                due.len(),
                rows.len(),
                args.within / 86_400
            );
        }
    }
    if due.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Refused)) }
}

impl Row {
    fn json(&self, now: UnixTime) -> Value {
        let mut object = json!({"appId": self.app_id, "application": self.app});
        if let (Value::Object(out), Value::Object(entry)) = (&mut object, self.entry.json(now)) {
            out.extend(entry);
        }
        object
    }
}

/// Prometheus text format 0.0.4.
fn prometheus(rows: &[Row]) -> String {
    let name = "countersign_credential_end_timestamp_seconds";
    let mut out = format!("# HELP {name} When the credential ends.\n# TYPE {name} gauge\n");
    let label = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    for row in rows {
        let Some(end) = row.entry.end else { continue };
        out.push_str(&format!(
            "{name}{{app_id=\"{}\",application=\"{}\",key_id=\"{}\",kind=\"{}\"}} {}\n",
            label(&row.app_id),
            label(&row.app),
            label(&row.entry.key_id),
            row.entry.kind.name(),
            end.secs()
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped() {
        let entry =
            Entry::all(&json!({"keyCredentials": [{"keyId": "k", "endDateTime": "2026-11-24T00:00:00Z"}]})).remove(0);
        let text = prometheus(&[Row { app_id: "a".to_owned(), app: "x\"y\\".to_owned(), entry }]);
        assert!(
            text.ends_with("{app_id=\"a\",application=\"x\\\"y\\\\\",key_id=\"k\",kind=\"certificate\"} 1795478400\n"),
            "{text}"
        );
    }
}
