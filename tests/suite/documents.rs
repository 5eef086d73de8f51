//! The documents say what is true: the tests they name exist, and so do the files they point to.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder that end so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|known| known == end) {
                found.push(path);
            }
        }
    }
    found
}

/// The names of all functions in the sources.
fn functions() -> HashSet<String> {
    let sources = ["src", "tests", "fuzz/src", "fuzz/tests"].map(|folder| files(&root().join(folder), "rs"));
    let texts = sources.into_iter().flatten().map(|path| std::fs::read_to_string(path).unwrap());
    let mut names = HashSet::new();
    for text in texts {
        for after in text.split("fn ").skip(1) {
            names.insert(after.split(['(', '<']).next().unwrap_or_default().to_owned());
        }
    }
    names
}

#[test]
fn every_test_that_is_named_exists() {
    let text = std::fs::read_to_string(root().join("docs/security/known-attacks.md")).unwrap();
    let known = functions();
    let named = text
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let gone: Vec<&str> = named.filter(|name| !known.contains(*name)).collect();
    assert!(gone.is_empty(), "named in known-attacks.md, but not there: {gone:#?}");
}

#[test]
fn every_link_leads_somewhere() {
    let mut documents = files(&root().join("docs"), "md");
    documents.push(root().join("README.md"));
    for document in documents {
        let text = std::fs::read_to_string(&document).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for target in targets.filter(|target| !target.is_empty() && !target.contains("://")) {
            let path = document.parent().unwrap().join(target);
            assert!(path.exists(), "{} points to {target}", document.display());
        }
    }
}
