//! The table of security tests (`docs/security-tests.md`) names tests that are there.
//!
//! Called by `tidy`. A renamed test must not leave a promise that nobody tries.

use super::Fault;
use super::files::Tree;

const TABLE: &str = "docs/security-tests.md";

pub fn check(tree: &Tree) -> Vec<Fault> {
    let Some(table) = tree.file(TABLE) else { return Vec::new() };
    let mut faults = Vec::new();
    for (number, line) in table.text.lines().enumerate() {
        for (path, name) in line.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::")) {
            let there = tree.file(path).is_some_and(|file| {
                file.text.contains(&format!("def {name}(")) || file.text.contains(&format!("fn {name}("))
            });
            if !there {
                faults.push(Fault::at(TABLE, number, format!("there is no test `{name}` in {path}")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_gone_is_noticed() {
        let table = (TABLE, "| a | `x/a.py::test_a`, `x/b.rs::b` |");
        let python = ("x/a.py", "def test_a(service):");
        assert_eq!(check(&Tree::of(&[table, python])).len(), 1);
        assert_eq!(check(&Tree::of(&[table, python, ("x/b.rs", "async fn b() {}")])).len(), 0);
        assert_eq!(check(&Tree::of(&[table, ("x/a.py", "def test_ab(x):"), ("x/b.rs", "fn b() {}")])).len(), 1);
    }
}
