//! Rules about Rust sources: where SQL and axum may stand, matches over `Reason`, headers, allowed lints.

use super::Fault;
use super::files::{File, Tree};

pub fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in tree.rust() {
        header(file, &mut faults);
        allowed(file, &mut faults);
        // The repository's own tasks talk about these things.
        if file.path.starts_with("xtask/") {
            continue;
        }
        sql(file, &mut faults);
        axum(file, &mut faults);
        wildcard_over_reason(file, &mut faults);
        siblings(file, &mut faults);
    }
    faults
}

/// Each file says what it is for. Files of test binaries count too.
fn header(file: &File, faults: &mut Vec<Fault>) {
    let lines = file.text.lines().take_while(|line| line.starts_with("//!")).count();
    if lines == 0 {
        faults.push(Fault::at(
            &file.path,
            0,
            "opens without `//!`: two to five lines on what it is for, who calls it, what it must not do",
        ));
    }
}

fn allowed(file: &File, faults: &mut Vec<Fault>) {
    for (number, line) in code_lines(file) {
        // Put together so that this file does not find itself.
        if line.contains(concat!("[al", "low(")) {
            faults.push(Fault::at(
                &file.path,
                number,
                "`allow` outlives its cause: use `expect(lint, reason = \"…\")`",
            ));
        }
    }
}

fn sql(file: &File, faults: &mut Vec<Fault>) {
    if file.path.starts_with("crates/server/src/store/") {
        return;
    }
    const SQL: [&str; 8] = [
        "SELECT ",
        "INSERT INTO ",
        "DELETE FROM ",
        "CREATE TABLE ",
        "ALTER TABLE ",
        "DROP TABLE ",
        "PRAGMA ",
        "sqlx::",
    ];
    for (number, line) in code_lines(file) {
        // Hostile input in tests looks like SQL and is none.
        if file.path.contains("/tests/") && !line.contains("sqlx::") {
            continue;
        }
        if let Some(word) = SQL.iter().find(|word| line.contains(**word)) {
            faults.push(Fault::at(&file.path, number, format!("`{}` outside crates/server/src/store", word.trim())));
        }
    }
}

fn axum(file: &File, faults: &mut Vec<Fault>) {
    if file.path.starts_with("crates/server/src/http")
        || file.path.contains("/tests/")
        || file.path.contains("/examples/")
    {
        return;
    }
    for (number, line) in code_lines(file) {
        if line.contains("axum::") {
            faults.push(Fault::at(
                &file.path,
                number,
                "axum types stay under crates/server/src/http: take and give plain values",
            ));
        }
    }
}

/// An arm `_ =>` among arms over `Reason`: the compiler would no longer list what a new way to be refused needs.
fn wildcard_over_reason(file: &File, faults: &mut Vec<Fault>) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        if !line.trim_start().starts_with("_ =>") {
            continue;
        }
        let indent = indentation(line);
        let among_reasons = lines[..number]
            .iter()
            .rev()
            .take_while(|earlier| earlier.trim().is_empty() || indentation(earlier) >= indent)
            .filter(|earlier| indentation(earlier) == indent)
            .any(|earlier| earlier.trim_start().trim_start_matches("| ").starts_with("Reason::"));
        if among_reasons {
            faults.push(Fault::at(
                &file.path,
                number,
                "a match over `Reason` has no wildcard arm: name the variants, the compiler is the checklist",
            ));
        }
    }
}

/// A cause stands alone: it neither knows another cause nor how it will be shown.
fn siblings(file: &File, faults: &mut Vec<Fault>) {
    if !file.path.starts_with("crates/doctor/src/causes/") {
        return;
    }
    for (number, line) in code_lines(file) {
        if line.contains("crate::render") {
            faults.push(Fault::at(&file.path, number, "a cause does not know how it is shown: no `render` here"));
        }
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Lines that are no comment.
fn code_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    file.text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&Tree::of(&[(path, &format!("//! Header.\n{text}"))])).into_iter().map(|fault| fault.what).collect()
    }

    #[test]
    fn sql_and_axum_have_their_places() {
        assert_eq!(faults("crates/server/src/issue.rs", "const A: &str = \"SELECT 1\";").len(), 1);
        assert_eq!(faults("crates/server/src/store/sqlite/keys.rs", "const A: &str = \"SELECT 1\";").len(), 0);
        assert_eq!(faults("crates/server/src/issue.rs", "use axum::Router;").len(), 1);
        assert_eq!(faults("crates/server/src/http/router.rs", "use axum::Router;").len(), 0);
        assert_eq!(faults("crates/server/src/issue.rs", "// axum::Router is not here").len(), 0);
    }

    #[test]
    fn wildcards_over_reason_are_found_and_others_are_not() {
        let over = "match reason {\n    Reason::A => 1,\n    _ => 2,\n}";
        assert_eq!(faults("crates/core/src/oauth.rs", over).len(), 1);
        let split = "match reason {\n    | Reason::A\n    | Reason::B => {\n        1\n    }\n    _ => 2,\n}";
        assert_eq!(faults("crates/core/src/oauth.rs", split).len(), 1);
        let other = "match reason {\n    Reason::A(x) => match x {\n        1 => 2,\n        _ => 3,\n    },\n}";
        assert_eq!(faults("crates/core/src/oauth.rs", other).len(), 0);
    }

    #[test]
    fn headers_and_allows() {
        assert_eq!(check(&Tree::of(&[("crates/core/src/a.rs", "use std::fmt;\n")])).len(), 1);
        assert_eq!(faults("crates/core/src/a.rs", concat!("#[al", "low(dead_code)]\nfn a() {}")).len(), 1);
    }
}
