//! Words that must not be committed: paths of one machine and unfinished marks; and links that lead nowhere.

use super::Fault;
use super::files::{File, Tree};

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE: [&str; 5] = ["/home/", "/Users/", "/work/", "/root/", "C:\\Users\\"];
/// Unfinished work, put together so that this file does not find itself.
const UNFINISHED: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];

pub fn check(tree: &Tree) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in &tree.files {
        // Artifacts of cases and samples hold what people paste, machine paths included; lock files are not ours.
        if file.path.contains("/cases/")
            || file.path.contains("/fixtures/")
            || file.path.ends_with("lock.json")
            || file.path.ends_with(".lock")
        {
            continue;
        }
        words(file, &mut faults);
        if file.path.ends_with(".md") {
            links(tree, file, &mut faults);
        }
    }
    faults
}

fn words(file: &File, faults: &mut Vec<Fault>) {
    let ours = file.path == "xtask/src/tidy/words.rs";
    let page = file.path.starts_with("crates/doctor/explain/") || file.path.contains("/doctor/");
    for (number, line) in file.text.lines().enumerate() {
        if !ours
            && !page
            && let Some(path) = MACHINE.iter().find(|path| line.contains(**path))
        {
            faults.push(Fault::at(&file.path, number, format!("`{path}…` is a path of one machine")));
        }
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            // With an issue number it is a promise somebody can look up.
            if !line.contains(&format!("{word}(#")) {
                faults.push(Fault::at(
                    &file.path,
                    number,
                    format!("`{word}` without an issue number: do it, or write `{word}(#n)`"),
                ));
            }
        }
    }
}

/// Relative links lead somewhere.
fn links(tree: &Tree, file: &File, faults: &mut Vec<Fault>) {
    let mut fenced = false;
    for (number, line) in file.text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if fenced {
            continue;
        }
        for part in line.split("](").skip(1) {
            let Some((target, _)) = part.split_once(')') else { continue };
            let target = target.split(['#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains(':') || target.starts_with('<') {
                continue;
            }
            let path = resolved(&file.path, target);
            let folder = format!("{}/", path.trim_end_matches('/'));
            if !tree.paths.contains(&path) && tree.under(&folder).next().is_none() {
                faults.push(Fault::at(&file.path, number, format!("the link `{target}` leads nowhere")));
            }
        }
    }
}

/// A link's target as a path in the checkout.
fn resolved(from: &str, target: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check(&Tree::of(&[(path, text), ("docs/LOGGING.md", "")])).len()
    }

    #[test]
    fn machine_paths_and_unfinished_marks() {
        assert_eq!(faults("README.md", &format!("run {}x/y", MACHINE[0])), 1);
        assert_eq!(faults("README.md", "run ./x/y"), 0);
        assert_eq!(faults("crates/a/src/lib.rs", &format!("// {} later", UNFINISHED[0])), 1);
        assert_eq!(faults("crates/a/src/lib.rs", &format!("// {}(#12) later", UNFINISHED[0])), 0);
    }

    #[test]
    fn links_lead_somewhere() {
        assert_eq!(faults("README.md", "[a](docs/LOGGING.md#top) [b](docs) [c](https://a.example)"), 0);
        assert_eq!(faults("README.md", "[a](docs/NONE.md)"), 1);
        assert_eq!(faults("docs/ARCHITECTURE.md", "[a](../README.md) [b](LOGGING.md)"), 1);
        assert_eq!(faults("README.md", "```\n[a](none)\n```"), 0);
    }
}
