//! `explain CODE`: a page for each AADSTS code and each cause, offline; a pasted error works as well.
//!
//! Needs no network and no runtime; the pages are compiled in.

use countersign_core::entra;
use countersign_doctor::explain::{self, Page};

use crate::exit::{Exit, Failure};
use crate::output::{self, Color, Format};

/// Arguments.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// AADSTS700027, 700027, a cause such as thumbprint-hex-not-decoded, or a pasted error text
    #[arg(required_unless_present = "list")]
    what: Vec<String>,
    /// List every page
    #[arg(long)]
    list: bool,
    /// How it is printed
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints a page, or the list.
pub fn run(args: &Args, color: Color) -> Result<(), Failure> {
    if args.list {
        return match args.format {
            Format::Json => output::json(&explain::all()),
            Format::Human => {
                let lines: Vec<String> =
                    explain::all().iter().map(|p| format!("{:<48} {}\n", p.key, p.title)).collect();
                output::data(&lines.concat())
            }
        };
    }
    let what = args.what.join(" ");
    // A pasted error may be long and hold anything.
    let shown = |text: &str| output::printable(&text.chars().take(60).collect::<String>());
    let page = find(&what).ok_or_else(|| {
        let near = explain::suggest(&what);
        let hint = if near.is_empty() {
            "see `countersign explain --list`".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        Failure::new(Exit::Usage, format!("there is no page '{}'; {hint}", shown(&what)))
    })?;
    match args.format {
        Format::Json => output::json(&page),
        Format::Human => output::data(&page.render_text(output::width(), color.on_stdout())),
    }
}

fn find(what: &str) -> Option<Page> {
    explain::page(what).or_else(|| {
        let code = entra::parse::parse(what)?.code()?;
        explain::page(&code.to_string())
    })
}
