//! Reads policy files: all of them or none.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::rule::{Effect, Rule};
use super::{abac, yaml};

/// Largest file.
const MAX_FILE: u64 = 64 << 20;
/// Most files in a directory.
const MAX_FILES: usize = 1_000;

/// Where rules come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// One file of Kubernetes' attribute policies.
    AbacFile(PathBuf),
    /// A directory: `*.yaml` and `*.yml` are rules of ours, `*.jsonl` and `*.abac` attribute policies.
    Directory(PathBuf),
}

/// Why policy files cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LoadError {
    /// The file.
    pub file: Arc<str>,
    /// Line and column, from 1; `None` if the file cannot be read at all.
    pub place: Option<(u64, u64)>,
    /// What is wrong.
    pub why: String,
}

impl LoadError {
    pub(super) fn at(file: &Arc<str>, line: u64, column: u64, why: String) -> Self {
        Self { file: Arc::clone(file), place: Some((line, column)), why }
    }

    fn unread(path: &Path, why: impl fmt::Display) -> Self {
        Self { file: path.display().to_string().into(), place: None, why: why.to_string() }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}:{line}:{column}: {}", self.file, self.why),
            None => write!(f, "{}: {}", self.file, self.why),
        }
    }
}

impl std::error::Error for LoadError {}

/// A policy file as it was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Text {
    /// Its path.
    pub name: String,
    /// Whether it is one of Kubernetes' attribute policies.
    pub is_abac: bool,
    /// What it says.
    pub text: Arc<str>,
}

/// What was read.
pub(super) struct Loaded {
    pub(super) rules: Vec<Rule>,
    pub(super) files: Vec<Text>,
    /// What is odd about it.
    pub(super) warnings: Vec<String>,
}

impl Source {
    /// Reads everything.
    pub(super) fn load(&self) -> Result<Loaded, LoadError> {
        let mut loaded = Loaded { rules: Vec::new(), files: Vec::new(), warnings: Vec::new() };
        for path in self.files(&mut loaded.warnings)? {
            let text = read(&path)?;
            let name = path.display().to_string();
            let is_abac = is_abac(self, &path);
            let rules = if is_abac { abac::parse(&name, &text) } else { yaml::parse(&name, &text) };
            loaded.rules.extend(rules?);
            loaded.files.push(Text { name, is_abac, text: text.into() });
        }
        Ok(loaded)
    }

    /// Changes whenever a file may have changed.
    pub(super) fn fingerprint(&self) -> String {
        let mut ignored = Vec::new();
        let files = match self.files(&mut ignored) {
            Ok(files) => files,
            Err(error) => return error.to_string(),
        };
        let mark = |path: &PathBuf| match std::fs::metadata(path) {
            Ok(meta) => {
                format!("{} {} {:?} {}", path.display(), meta.len(), meta.modified().ok(), inode(&meta))
            }
            Err(error) => format!("{} {error}", path.display()),
        };
        files.iter().map(mark).collect::<Vec<_>>().join("\n")
    }

    /// The files in the order in which they are read.
    fn files(&self, warnings: &mut Vec<String>) -> Result<Vec<PathBuf>, LoadError> {
        let dir = match self {
            Self::AbacFile(file) => return Ok(vec![file.clone()]),
            Self::Directory(dir) => dir,
        };
        let fail = |error| LoadError::unread(dir, error);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(fail)? {
            let path = entry.map_err(fail)?.path();
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if hidden || path.is_dir() {
                continue;
            }
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("yaml" | "yml" | "jsonl" | "abac") => files.push(path),
                Some("md" | "conf") => {}
                _ => warnings.push(format!(
                    "{}: not read, since its name ends in none of .yaml, .yml, .jsonl, .abac",
                    path.display()
                )),
            }
        }
        if files.len() > MAX_FILES {
            return Err(LoadError::unread(dir, format!("more than {MAX_FILES} files")));
        }
        files.sort();
        Ok(files)
    }
}

fn is_abac(source: &Source, path: &Path) -> bool {
    matches!(source, Source::AbacFile(_)) || path.extension().is_some_and(|e| e == "jsonl" || e == "abac")
}

#[cfg(unix)]
fn inode(meta: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(meta)
}

#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}

fn read(path: &Path) -> Result<String, LoadError> {
    let fail = |error: std::io::Error| LoadError::unread(path, error);
    let mut text = String::new();
    let file = File::open(path).map_err(fail)?;
    let limit = MAX_FILE.saturating_add(1);
    file.take(limit).read_to_string(&mut text).map_err(fail)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_FILE {
        return Err(LoadError::unread(path, "the file is larger than 64 MiB"));
    }
    Ok(text)
}

/// Rules that can never decide, and others that are probably not meant so. The rules come in the order in
/// which they decide.
pub(super) fn lint(rules: &[Arc<Rule>]) -> Vec<String> {
    let mut warnings = Vec::new();
    for rule in rules {
        let refuses = rule.effect == Effect::Deny;
        let Some(resources) = &rule.resources else { continue };
        if refuses && !resources.names.is_empty() && rule.verbs.iter().any(|verb| verb.matches("create")) {
            warnings.push(format!(
                "{rule}: the name of what is created is not known, so every creation is refused"
            ));
        }
        if resources.namespaces.iter().any(|p| p.as_str().is_empty()) && !refuses {
            let why = "an empty namespace is the whole cluster: it opens lists of all namespaces";
            warnings.push(format!("{rule}: {why}"));
        }
    }
    warnings.extend(shadowed(rules));
    warnings
}

/// Rules behind one that says the same or more of the same subjects and always decides.
fn shadowed(rules: &[Arc<Rule>]) -> Vec<String> {
    // Only rules with equal subjects are compared: pairs of all would take too long.
    let mut earlier: std::collections::HashMap<String, Vec<&Arc<Rule>>> = std::collections::HashMap::new();
    let mut warnings = Vec::new();
    for rule in rules {
        let peers = earlier.entry(format!("{:?}", rule.subjects)).or_default();
        if let Some(by) = peers.iter().take(64).find(|by| covers(by, rule)) {
            warnings.push(format!("{rule}: never decides, because {by} decides first"));
        }
        peers.push(rule);
    }
    warnings
}

fn covers(wide: &Rule, narrow: &Rule) -> bool {
    let all = |wide: &[super::pattern::Pattern], narrow: &[super::pattern::Pattern]| {
        wide.iter().any(super::pattern::Pattern::is_anything) || narrow.iter().all(|one| wide.contains(one))
    };
    let open = |wide: &[super::pattern::Pattern], narrow: &[super::pattern::Pattern]| {
        wide.is_empty() || (!narrow.is_empty() && all(wide, narrow))
    };
    let resources = match (&wide.resources, &narrow.resources) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(wide), Some(narrow)) => {
            all(&wide.groups, &narrow.groups)
                && all(&wide.resources, &narrow.resources)
                && open(&wide.namespaces, &narrow.namespaces)
                && open(&wide.names, &narrow.names)
        }
    };
    wide.namespace_labels.is_empty()
        && wide.selection.is_empty()
        && all(&wide.verbs, &narrow.verbs)
        && resources
        && (narrow.paths.is_empty() || all(&wide.paths, &narrow.paths))
}
