//! `signing-key list|roll`: the keys with which a service signs access tokens. For its operator, by the admin token.
//!
//! The service decides; this shows its answers. Private parts never leave it.

use serde_json::Value;

use crate::exit::Failure;
use crate::graph::{GraphArgs, text};
use crate::output::{self, Format};

/// The verbs.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// List the keys: the one that signs, the next one, and those that stay published until their tokens have ended
    List(Box<Args>),
    /// Let the next key sign; the last one stays published until its tokens have ended
    Roll(Box<Args>),
}

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    graph: GraphArgs,
}

/// Runs a verb.
pub fn run(verb: Verb) -> Result<(), Failure> {
    let runtime = crate::runtime()?;
    match verb {
        Verb::List(args) => runtime.block_on(list(&args)),
        Verb::Roll(args) => runtime.block_on(roll(&args)),
    }
}

async fn list(args: &Args) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let (mut keys, mut table) = (Vec::new(), Vec::new());
    graph
        .each("countersign/signingKeys", |key| {
            table.push(
                ["id", "algorithm", "state", "signsFromDateTime", "publishedUntilDateTime"]
                    .map(|name| text(key, name).unwrap_or("-").to_owned()),
            );
            keys.push(key.clone());
            Ok(())
        })
        .await?;
    match args.format {
        Format::Json => output::json(&keys),
        Format::Human => output::data(&output::table(["KEY", "ALG", "STATE", "SIGNS FROM", "PUBLISHED UNTIL"], &table)),
    }
}

async fn roll(args: &Args) -> Result<(), Failure> {
    let graph = args.graph.connect().await?;
    let rolled = graph.post("countersign/signingKeys/roll", &Value::Object(serde_json::Map::new())).await?;
    match args.format {
        Format::Json => output::json(&rolled),
        Format::Human => {
            let others = rolled.get("others").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let mut kids = String::new();
            for key in std::iter::once(&rolled).chain(others) {
                let member = |name| text(key, name).unwrap_or("-");
                eprintln!(
                    "{} ({}) signs from {}; {} stays published until its tokens have ended",
                    member("id"),
                    member("algorithm"),
                    member("signsFromDateTime"),
                    member("follows")
                );
                kids.push_str(member("id"));
                kids.push('\n');
            }
            output::data(&kids)
        }
    }
}
