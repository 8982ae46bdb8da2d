//! `cargo xtask refusals`: writes `docs/refusals.md`, the table of what the service refuses and with which words.
//!
//! Made of `countersign_core::entra::refusals`, which the service's tests provoke row by row; `tidy` compares the file.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};
use countersign_core::entra::refusals::{STATUS_SEEN, explained_only, rows};

use crate::process;

/// Where the table stands in the checkout.
pub const PATH: &str = "docs/refusals.md";

/// Writes the table.
///
/// # Errors
/// When the file cannot be written.
pub fn run(arguments: &[String]) -> Result<()> {
    if let Some(argument) = arguments.first() {
        bail!("refusals takes no `{argument}`");
    }
    std::fs::write(process::root().join(PATH), text()).with_context(|| format!("{PATH} cannot be written"))
}

/// The file as it must be.
pub fn text() -> String {
    let mut out = String::from(HEAD);
    let mut rows = rows();
    rows.sort_by_key(|row| row.code);
    for row in &rows {
        let profile = row.profile.map_or(String::new(), |p| format!(" (profile `{p}` only)"));
        let status = if STATUS_SEEN.contains(&row.code) { "recorded" } else { "inferred" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "| {} | {}{profile} | {} | `{}` | {status} | {} |",
            row.code,
            cell(row.input),
            row.status,
            row.error,
            cell(row.template.split_once(": ").map_or("", |(_, words)| words)),
        );
    }
    out.push_str(EXPLAINED);
    for (known, why) in explained_only() {
        let _ = writeln!(out, "| {} | {} | {} |", known.code, cell(known.meaning), cell(&why));
    }
    out
}

/// A text in a cell of a table: a bar would end it, a brace or angle bracket is left as it is.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

const HEAD: &str = "\
# Refusals

Made by `cargo xtask refusals` from the code that answers requests; change it there. Each row is provoked over HTTP by
`crates/server/tests/http/refusals.rs`.

`error_description` is `AADSTS` and the number, a colon, the words below, and a tail with trace id, correlation id and time;
values stand where braces are. *Pair* says whether status and `error` stand in a whole recorded answer of Entra ID or are
inferred from the documentation of the number. Profiles: without a note a row holds for each.

| code | what provokes it | status | error | pair | words |
|---|---|---|---|---|---|
";

const EXPLAINED: &str = "
## Explained only

`countersign explain CODE` has a page for each of these; the service never answers with them.

| code | meaning | why not |
|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_tables_has_its_cells() {
        let text = text();
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let (first, second) = text.split_once("## Explained only").unwrap();
        assert!(first.lines().filter(|l| l.starts_with('|')).all(|l| cells(l) == 7));
        assert!(second.lines().filter(|l| l.starts_with('|')).all(|l| cells(l) == 4));
        assert!(text.contains("| 700027 |") && second.contains("| 50012 |"));
    }
}
