//! `cargo xtask clients`: the page `docs/clients.md`, made from what the matrix of clients reported.
//!
//! `test` calls this after the matrix has run and lets no page stand that says something else; `--bless` writes it. Nothing is
//! known here about a client: every word of the table comes from the results.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use crate::process;

/// The page.
const PAGE: &str = "docs/clients.md";

const HEAD: &str = "\
# Clients that work unchanged

Made by `cargo xtask clients --bless` from the last run of the matrix (`cargo xtask test --only build,clients`); `ci` compares.
Every ✓ is a cell in which the unmodified client was run and both its own answer and what went over the wire were
looked at; how is in `e2e/clients/lane.py`. A number stands for the reason why there is nothing to try, below each table.

What the columns mean: *certificate SHA-1*, *SHA-256*, *with chain*: a token, and the assertion carried `x5t`, `x5t#S256`,
`x5c`. *Secret*, *federated*: a token by `client_secret`, by another issuer's token. *Wrong key*, *unregistered*, *expired*:
AADSTS700027. *Wrong tenant*: AADSTS700016. *Bad scope*: AADSTS500011. *Cached second call*: the same token, and no request.
*429 with Retry-After honoured*: no request within the time, a token after it. *503 retried*: a token by one call all the same.

## Azure CLI

Through `run`, `az` works as it is. A service that runs already is made known to it as a cloud:

```sh
url=https://127.0.0.1:8443
export REQUESTS_CA_BUNDLE=$PWD/countersign-data/tls/ca.pem
export AZURE_CORE_INSTANCE_DISCOVERY=false
az cloud register --name local --endpoint-active-directory $url --endpoint-microsoft-graph-resource-id $url \\
  --endpoint-resource-manager $url --endpoint-active-directory-resource-id https://management.azure.com/
az cloud set --name local
az login --service-principal --username APPID --certificate key-and-certificate.pem --tenant TENANT
az ad app list
```

`az ad` needs a client with the application role `Application.ReadWrite.All` (`grantedRoles` in a seed).
";

/// Where the matrix leaves its results.
pub fn results() -> PathBuf {
    process::target().join("clients.json")
}

/// Compares the page with the results, or writes it with `--bless`.
///
/// # Errors
/// When there are no results, when a cell failed, or when the page says something else.
pub fn run(arguments: &[String]) -> Result<()> {
    let bless = match arguments {
        [] => false,
        [flag] if flag == "--bless" => true,
        _ => bail!("clients takes `--bless`, nothing else"),
    };
    agree(&results(), &process::root().join(PAGE), bless)
}

fn agree(results: &Path, page: &Path, bless: bool) -> Result<()> {
    let text = fs::read_to_string(results).with_context(|| {
        format!("no results at {}: run `cargo xtask test --only build,clients` first", results.display())
    })?;
    let made = render(&serde_json::from_str(&text).context("the results are no JSON")?)?;
    if bless {
        return fs::write(page, made).with_context(|| format!("cannot write {}", page.display()));
    }
    let there = fs::read_to_string(page).unwrap_or_default();
    if let Some((line, (new, _))) =
        made.lines().zip(there.lines().chain(std::iter::repeat(""))).enumerate().find(|(_, (new, old))| new != old)
    {
        bail!("{PAGE}, line {}: the matrix reports `{new}`; `cargo xtask clients --bless` writes it", line + 1);
    }
    if made.lines().count() != there.lines().count() {
        bail!("{PAGE} has lines that the matrix does not report; `cargo xtask clients --bless` writes it");
    }
    Ok(())
}

/// The whole page.
fn render(results: &Value) -> Result<String> {
    let names = |key: &str| -> Result<Vec<&str>> {
        let list = results[key].as_array().with_context(|| format!("the results have no list `{key}`"))?;
        Ok(list.iter().filter_map(Value::as_str).collect())
    };
    let (cells, modes) = (names("cells")?, names("modes")?);
    let clients = results["clients"].as_object().context("the results have no `clients`")?;
    let mut page = HEAD.to_owned();
    for mode in modes {
        table(&mut page, mode, &cells, clients)?;
    }
    let notes: Vec<_> = clients.iter().filter_map(|(name, client)| Some((name, client["note"].as_str()?))).collect();
    if !notes.is_empty() {
        page.push_str("\n## Notes\n\n");
        for (name, note) in notes {
            writeln!(page, "- {name}: {note}.")?;
        }
    }
    Ok(page)
}

fn table(page: &mut String, mode: &str, cells: &[&str], clients: &Map<String, Value>) -> Result<()> {
    let mut reasons: Vec<&str> = Vec::new();
    write!(page, "\n## {}\n\n| client | version |", sentence(mode))?;
    for cell in cells {
        write!(page, " {cell} |")?;
    }
    writeln!(page, "\n|---|---|{}", "---|".repeat(cells.len()))?;
    for (name, client) in clients {
        write!(page, "| {name} | {} |", client["version"].as_str().unwrap_or_default())?;
        for cell in cells {
            let outcome = client[mode][*cell]
                .as_str()
                .with_context(|| format!("the results have no `{cell}` for {name}, {mode}"))?;
            if outcome.starts_with("failed") {
                bail!("{name}, {mode}, {cell}: {outcome}");
            }
            if outcome == "passes" {
                page.push_str(" ✓ |");
                continue;
            }
            let number = reasons.iter().position(|reason| *reason == outcome).unwrap_or_else(|| {
                reasons.push(outcome);
                reasons.len() - 1
            });
            write!(page, " {} |", number + 1)?;
        }
        page.push('\n');
    }
    page.push('\n');
    for (index, reason) in reasons.iter().enumerate() {
        writeln!(page, "{}. {}", index + 1, sentence(reason))?;
    }
    Ok(())
}

fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn results(outcome: &str) -> Value {
        json!({
            "cells": ["secret", "expired"],
            "modes": ["direct"],
            "clients": {
                "one": { "version": "1.0", "note": "has a switch", "direct": { "secret": "passes", "expired": "no such option" } },
                "two": { "version": "2.0", "direct": { "secret": outcome, "expired": "no such option" } },
            },
        })
    }

    #[test]
    fn a_table_numbers_each_reason_once() {
        let page = render(&results("passes")).unwrap();
        assert!(page.contains("| one | 1.0 | ✓ | 1 |\n| two | 2.0 | ✓ | 1 |\n\n1. No such option\n"), "{page}");
        assert!(page.ends_with("\n## Notes\n\n- one: has a switch.\n"), "{page}");
    }

    #[test]
    fn a_failed_or_missing_cell_makes_no_page() {
        assert!(render(&results("failed: no token")).unwrap_err().to_string().contains("two, direct, secret"));
        let mut gap = results("passes");
        gap["clients"]["one"]["direct"] = json!({ "secret": "passes" });
        assert!(render(&gap).is_err());
    }

    #[test]
    fn a_page_that_says_something_else_is_found() {
        let folder = std::env::temp_dir().join(format!("countersign-clients-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (from, page) = (folder.join("results.json"), folder.join("page.md"));
        fs::write(&from, results("passes").to_string()).unwrap();
        assert!(agree(&from, &page, false).is_err());
        agree(&from, &page, true).unwrap();
        agree(&from, &page, false).unwrap();
        let made = fs::read_to_string(&page).unwrap();
        fs::write(&page, made.replace("| two | 2.0 | ✓", "| two | 2.1 | ✓")).unwrap();
        assert!(agree(&from, &page, false).unwrap_err().to_string().contains("two"));
        fs::write(&page, made + "more\n").unwrap();
        assert!(agree(&from, &page, false).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
