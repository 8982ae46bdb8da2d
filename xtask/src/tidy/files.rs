//! The text files of the checkout that git would commit, read once for all rules.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::process;

/// One text file.
pub struct File {
    /// Path in the checkout, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The checkout.
pub struct Tree {
    /// Text files, by path.
    pub files: Vec<File>,
    /// All paths, also of files that are no text.
    pub paths: Vec<String>,
}

impl Tree {
    /// What is tracked, and what is there and not ignored.
    pub fn read(root: &Path) -> Result<Self> {
        let folder = root.to_string_lossy();
        let listed =
            process::output("git", &["-C", &folder, "ls-files", "--cached", "--others", "--exclude-standard", "-z"])
                .context("git cannot list the files of this checkout")?;
        let mut paths: Vec<String> = listed
            .split('\0')
            .filter(|path| !path.is_empty() && root.join(path).is_file())
            .map(str::to_owned)
            .collect();
        paths.sort();
        paths.dedup();
        ensure!(!paths.is_empty(), "git lists no file in {folder}");
        let mut files = Vec::new();
        for path in &paths {
            let content = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(content) {
                files.push(File { path: path.clone(), text });
            }
        }
        Ok(Self { files, paths })
    }

    /// A file by its path.
    pub fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Paths under a folder, given with its closing `/`.
    pub fn under<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = &'a str> {
        self.paths.iter().map(String::as_str).filter(move |path| path.starts_with(folder))
    }
}

#[cfg(test)]
impl Tree {
    /// A tree made of the given files.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect(),
            paths: files.iter().map(|(path, _)| (*path).into()).collect(),
        }
    }
}
