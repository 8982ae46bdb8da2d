//! Causes, explanation pages and cases belong together: every cause has its page, a case that proves it and a near miss.
//!
//! A page may stand without a cause (it explains what no artifact shows), a cause never without its page.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

use super::Fault;
use super::files::Tree;

const CAUSES: &str = "crates/doctor/src/causes/";
const PAGES: &str = "crates/doctor/explain/";
const CASES: &str = "crates/doctor/tests/cases/";
const HEADINGS: [&str; 7] =
    ["What it means", "How it looks", "Why it happens", "Check it yourself", "Fix", "Exceptions", "References"];

pub fn check(tree: &Tree) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.starts_with(PAGES) && file.path.ends_with(".md")) {
        page(&file.path, &file.text, &mut faults);
    }
    for (path, key) in causes(tree) {
        if tree.file(&format!("{PAGES}{key}.md")).is_none() {
            faults.push(Fault::new(path, format!("the cause `{key}` has no page {PAGES}{key}.md")));
        }
        if tree.under(CASES).next().is_some() {
            cases(tree, path, &key, &mut faults)?;
        }
    }
    Ok(faults)
}

/// Title and headings, in their order.
fn page(path: &str, text: &str, faults: &mut Vec<Fault>) {
    let name = path.trim_start_matches(PAGES).trim_end_matches(".md");
    if !text.lines().next().is_some_and(|line| line.starts_with(&format!("# {name}: "))) {
        faults.push(Fault::at(path, 0, format!("the first line is not `# {name}: title`")));
    }
    let mut fenced = false;
    let found: Vec<&str> = text
        .lines()
        .filter(|line| {
            fenced ^= line.trim_start().starts_with("```");
            !fenced
        })
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    if found != HEADINGS {
        faults.push(Fault::new(path, format!("headings are [{}], not [{}]", found.join(", "), HEADINGS.join(", "))));
    }
}

/// The file of each cause and its key, which is the file's name in kebab case.
fn causes(tree: &Tree) -> Vec<(&str, String)> {
    tree.under(CAUSES)
        .filter_map(|path| {
            let (folder, name) = path.trim_start_matches(CAUSES).split_once('/')?;
            let key = name.strip_suffix(".rs")?;
            let is_cause = key != "mod" && !key.contains('/') && !folder.is_empty();
            let declares =
                tree.file(path).is_some_and(|file| file.text.contains("Cause {") || file.text.contains("Cause::"));
            (is_cause && declares).then(|| (path, key.replace('_', "-")))
        })
        .collect()
}

/// `cases/LAYER/KEY/CASE/report.json`: one names the key, another does not.
fn cases(tree: &Tree, path: &str, key: &str, faults: &mut Vec<Fault>) -> Result<()> {
    let folder = format!("/{key}/");
    let mut proves = BTreeSet::new();
    let mut near_misses = BTreeSet::new();
    for report in tree.under(CASES).filter(|each| each.contains(&folder) && each.ends_with("/report.json")) {
        let text = &tree.file(report).with_context(|| format!("{report} is no text"))?.text;
        let json: serde_json::Value = serde_json::from_str(text).with_context(|| format!("{report} is no JSON"))?;
        let named = json["findings"].as_array().into_iter().flatten().any(|finding| finding["code"] == key);
        if named {
            proves.insert(report)
        } else {
            near_misses.insert(report)
        };
    }
    if proves.is_empty() {
        faults.push(Fault::new(path, format!("no case under {CASES}…/{key}/ proves `{key}`")));
    }
    if near_misses.is_empty() {
        faults.push(Fault::new(
            path,
            format!("no near miss under {CASES}…/{key}/: a case that looks like `{key}` and is not"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page_text(name: &str) -> String {
        let headings: String = HEADINGS.iter().map(|heading| format!("## {heading}\n\ntext\n\n")).collect();
        format!("# {name}: title\n\n{headings}")
    }

    #[test]
    fn pages_have_title_and_headings_in_order() {
        let path = format!("{PAGES}cert-expired.md");
        let good = page_text("cert-expired");
        let fenced = good.replacen("text\n", "```sh\n## no heading\n```\n", 1);
        for text in [&good, &fenced] {
            assert_eq!(check(&Tree::of(&[(&path, text)])).unwrap(), []);
        }
        for text in [good.replace("## Fix", "## Repair"), good.replace("# cert-expired:", "# expired:")] {
            assert_eq!(check(&Tree::of(&[(&path, &text)])).unwrap().len(), 1);
        }
    }

    #[test]
    fn a_cause_needs_page_case_and_near_miss() {
        let cause = format!("{CAUSES}validity/cert_expired.rs");
        let page = (format!("{PAGES}cert-expired.md"), page_text("cert-expired"));
        let source = (cause.as_str(), "pub static CAUSE: Cause = Cause { key: \"cert-expired\" };");
        assert_eq!(check(&Tree::of(&[source])).unwrap().len(), 1);
        assert_eq!(check(&Tree::of(&[source, (&page.0, &page.1)])).unwrap(), []);
        let proves =
            (format!("{CASES}validity/cert-expired/a/report.json"), r#"{"findings":[{"code":"cert-expired"}]}"#);
        let misses = (format!("{CASES}validity/cert-expired/b/report.json"), r#"{"findings":[]}"#);
        let one = Tree::of(&[source, (&page.0, &page.1), (&proves.0, proves.1)]);
        assert_eq!(check(&one).unwrap().len(), 1);
        let both = Tree::of(&[source, (&page.0, &page.1), (&proves.0, proves.1), (&misses.0, misses.1)]);
        assert_eq!(check(&both).unwrap(), []);
    }
}
