//! `config show`: every setting of `serve`, its value, and where it came from.

use serde_json::{Map, Value, json};

use crate::cmd::serve::Settings;
use crate::exit::Failure;
use crate::output::{self, Format};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Show the settings that `serve` would use
    Show(ShowArgs),
}

/// Arguments of `show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Show where each value came from
    #[arg(long)]
    origin: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    settings: Settings,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    let Verb::Show(args) = verb;
    let (config, warnings) = args.settings.load()?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    let rows = config.rows();
    match args.format {
        Format::Json => {
            let members: Map<String, Value> = rows
                .into_iter()
                .map(|(name, value, origin)| {
                    (
                        name.to_owned(),
                        if args.origin { json!({"value": value, "origin": origin}) } else { json!(value) },
                    )
                })
                .collect();
            output::json(&members)
        }
        Format::Human => {
            let wide = rows.iter().map(|(_, value, _)| value.chars().count()).max().unwrap_or(0).min(44);
            let names = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0) + 1;
            let mut text = String::new();
            for (name, value, origin) in rows {
                let value = if value.is_empty() { "-".to_owned() } else { value };
                let line = if args.origin {
                    format!("{name:<names$} {value:<wide$}  {origin}")
                } else {
                    format!("{name:<names$} {value}")
                };
                text.push_str(line.trim_end());
                text.push('\n');
            }
            output::data(&text)
        }
    }
}
