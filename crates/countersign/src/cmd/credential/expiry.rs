//! `credential check-expiry`: what ends soon, of one application or of the whole tenant, for people, programs and Prometheus.
//!
//! Once, with a status that says whether something is due; or with `--listen` as an exporter that keeps its figures fresh.

mod exporter;
mod progress;
mod prometheus;

use std::net::SocketAddr;

use clap::ValueEnum;
use countersign_core::UnixTime;
use serde_json::{Value, json};

use self::progress::Progress;
use crate::clock::{self, span};
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
    /// Run on, and give the figures to Prometheus at /metrics: a port of 127.0.0.1, or HOST:PORT
    #[arg(long, value_name = "ADDRESS", value_parser = address, conflicts_with_all = ["within", "format"])]
    listen: Option<SocketAddr>,
    /// How often the figures are read anew
    #[arg(long, default_value = "10m", value_parser = interval, requires = "listen")]
    every: i64,
    #[command(flatten)]
    graph: GraphArgs,
}

/// A port alone is one of this machine's loopback address: figures name applications, which is nobody else's business.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.parse::<u16>().map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    port.or_else(|_| text.replace("localhost:", "127.0.0.1:").parse())
        .map_err(|_| format!("'{text}' is no address; expected PORT or IP:PORT, for example 127.0.0.1:9464"))
}

fn interval(text: &str) -> Result<i64, String> {
    let seconds = clock::duration(text)?;
    // Graph throttles whoever reads a tenant over and over; nothing here changes faster than by the minute.
    if (10..=86_400).contains(&seconds) { Ok(seconds) } else { Err(format!("'{text}': expected 10s to 1d")) }
}

/// A credential and whose it is.
struct Row {
    app_id: String,
    app: String,
    entry: Entry,
}

/// What was read at one time.
struct Figures {
    /// By their end, the next one first.
    rows: Vec<Row>,
    applications: u64,
}

/// Runs the verb.
pub async fn run(args: &Args) -> Result<(), Failure> {
    if let Some(address) = args.listen {
        return exporter::run(args, address).await;
    }
    let figures = read(args, &mut Progress::on_terminal()).await?;
    let (now, rows) = (clock::now(), &figures.rows);
    let limit = now.plus_secs(args.within);
    let due: Vec<&Row> = rows.iter().filter(|r| r.entry.end.is_some_and(|end| end <= limit)).collect();
    match args.format {
        ExpiryFormat::Prometheus => output::data(&prometheus::credentials(rows))?,
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
                "{} of {} credentials of {} end within {}, or have ended",
                due.len(),
                rows.len(),
                if figures.applications == 1 {
                    "1 application".to_owned()
                } else {
                    format!("{} applications", figures.applications)
                },
                span(args.within)
            );
        }
    }
    if due.is_empty() { Ok(()) } else { Err(Failure::silent(Exit::Refused)) }
}

/// Reads every credential that is asked about.
async fn read(args: &Args, progress: &mut Progress) -> Result<Figures, Failure> {
    let graph = args.graph.connect().await?;
    let mut figures = Figures { rows: Vec::new(), applications: 0 };
    let mut take = |app: &Value| {
        let member = |name: &str| text(app, name).unwrap_or_default().to_owned();
        for entry in Entry::all(app) {
            figures.rows.push(Row { app_id: member("appId"), app: member("displayName"), entry });
        }
        figures.applications += 1;
        progress.count(figures.applications);
        Ok(())
    };
    let outcome = match &args.app {
        Some(named) => take(&graph.application(named).await?.object),
        None => {
            let all = "applications?$top=100&$select=id,appId,displayName,keyCredentials,passwordCredentials";
            graph.each(all, take).await
        }
    };
    progress.clear();
    outcome?;
    figures.rows.sort_by_key(|r| r.entry.end.map_or(i64::MAX, UnixTime::micros));
    Ok(figures)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_of_the_loopback_address() {
        assert_eq!(address("9464").unwrap().to_string(), "127.0.0.1:9464");
        assert_eq!(address("localhost:0").unwrap().to_string(), "127.0.0.1:0");
        assert_eq!(address("[::1]:9464").unwrap().to_string(), "[::1]:9464");
        for wrong in ["", "70000", "example.com:1", "127.0.0.1"] {
            assert!(address(wrong).unwrap_err().contains("IP:PORT"), "{wrong}");
        }
        assert!(interval("9s").is_err() && interval("2d").is_err() && interval("10s") == Ok(10));
    }
}
