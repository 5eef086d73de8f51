//! From the text of a policy file to checked rules.
//!
//! Where upstream refuses a file the words are its own. It reads past unknown fields with a warning;
//! here they are refused, since a misspelt condition widens the rule it stands in.

use portcullis_api::field::{self, Path, Raw};
use portcullis_api::{Map, Value, names};

use super::Policy;
use super::rule::{Resources, Rule};
use crate::level::{Level, Stage, Stages};

const VERSION: &str = "audit.k8s.io/v1";
/// How upstream names the place where it keeps the versions it knows.
const SCHEME: &str = "k8s.io/apiserver/pkg/audit/scheme.go:30";

pub(super) fn parse(text: &str) -> Result<Policy, String> {
    let options = serde_saphyr::options! { strict_booleans: true };
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| format!("failed decoding: {}", error.without_snippet()))?;
    let Value::Object(map) = value else {
        return Err("failed decoding: a policy is a mapping".to_owned());
    };
    check_version(&map)?;
    let file = File::read(map).map_err(|words| format!("failed decoding: {words}"))?;
    let mut errors = Vec::new();
    let policy = file.check(&mut errors);
    if !errors.is_empty() {
        return Err(aggregate(&errors));
    }
    if policy.rules.is_empty() {
        return Err("loaded illegal policy with 0 rules".to_owned());
    }
    Ok(policy)
}

fn check_version(map: &Map<String, Value>) -> Result<(), String> {
    let word = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (word("apiVersion"), word("kind"));
    match (version, kind) {
        (VERSION, "Policy") => Ok(()),
        ("", _) | (_, "") => {
            let (group, version) = version.split_once('/').unwrap_or(("audit.k8s.io", "__internal"));
            let kind = if kind.is_empty() { "Policy" } else { kind };
            Err(format!("unknown group version field {group}/{version}, Kind={kind} in policy"))
        }
        _ => Err(format!(
            "failed decoding: no kind \"{kind}\" is registered for version \"{version}\" in scheme \"{SCHEME}\""
        )),
    }
}

/// The file as it is written.
struct File {
    rules: Vec<RuleText>,
    omit_stages: Vec<String>,
    omit_managed_fields: bool,
}

struct RuleText {
    level: String,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<Resources>,
    namespaces: Vec<String>,
    paths: Vec<String>,
    omit_stages: Vec<String>,
    omit_managed_fields: Option<bool>,
    required: bool,
}

impl File {
    fn read(map: Map<String, Value>) -> Result<Self, String> {
        let mut fields = Fields { map, at: String::new() };
        for known in ["apiVersion", "kind", "metadata"] {
            fields.map.remove(known);
        }
        let rules = fields.maps("rules")?.into_iter().map(RuleText::read).collect::<Result<_, _>>()?;
        let file = Self {
            rules,
            omit_stages: fields.texts("omitStages")?,
            omit_managed_fields: fields.flag("omitManagedFields")?.unwrap_or_default(),
        };
        fields.end()?;
        Ok(file)
    }

    fn check(self, errors: &mut Vec<field::Error>) -> Policy {
        let omit = stages(&self.omit_stages, &Path::new("omitStages"), errors);
        let at = Path::new("rules");
        let rules = self.rules.into_iter().enumerate();
        Policy {
            rules: rules.map(|(index, rule)| rule.check(&at.index(index), errors)).collect(),
            omit,
            omit_managed_fields: self.omit_managed_fields,
            wait: super::Wait::No,
        }
    }
}

impl RuleText {
    fn read(mut fields: Fields) -> Result<Self, String> {
        let resources =
            fields.maps("resources")?.into_iter().map(read_resources).collect::<Result<_, _>>()?;
        let rule = Self {
            level: fields.text("level")?,
            users: fields.texts("users")?,
            groups: fields.texts("userGroups")?,
            verbs: fields.texts("verbs")?,
            resources,
            namespaces: fields.texts("namespaces")?,
            paths: fields.texts("nonResourceURLs")?,
            omit_stages: fields.texts("omitStages")?,
            omit_managed_fields: fields.flag("omitManagedFields")?,
            required: fields.flag("required")?.unwrap_or_default(),
        };
        fields.end()?;
        Ok(rule)
    }

    fn check(self, at: &Path, errors: &mut Vec<field::Error>) -> Rule {
        let level = level(&self.level, &at.child("level"), errors);
        check_paths(&self.paths, &at.child("nonResourceURLs"), errors);
        check_resources(&self.resources, &at.child("resources"), errors);
        let omit = stages(&self.omit_stages, &at.child("omitStages"), errors);
        let about_resources = !self.resources.is_empty() || !self.namespaces.is_empty();
        if about_resources && !self.paths.is_empty() {
            let words = "rules cannot apply to both regular resources and non-resource URLs";
            errors.push(field::Error::invalid(&at.child("nonResourceURLs"), list(&self.paths), words));
        }
        if self.required && level == Level::None {
            let words = "a required rule records something";
            errors.push(field::Error::invalid(&at.child("required"), true, words));
        }
        Rule {
            level,
            users: self.users,
            groups: self.groups,
            verbs: self.verbs,
            resources: self.resources,
            namespaces: self.namespaces,
            paths: self.paths,
            omit,
            omit_managed_fields: self.omit_managed_fields,
            required: self.required,
        }
    }
}

fn read_resources(mut fields: Fields) -> Result<Resources, String> {
    let resources = Resources {
        group: fields.text("group")?,
        resources: fields.texts("resources")?,
        names: fields.texts("resourceNames")?,
    };
    fields.end()?;
    Ok(resources)
}

fn level(text: &str, at: &Path, errors: &mut Vec<field::Error>) -> Level {
    if let Some(level) = Level::ALL.into_iter().find(|level| level.as_str() == text) {
        return level;
    }
    errors.push(match text {
        "" => field::Error::required(at, ""),
        text => field::Error::not_supported(at, text, &Level::ALL.map(Level::as_str)),
    });
    Level::None
}

fn stages(texts: &[String], at: &Path, errors: &mut Vec<field::Error>) -> Stages {
    let read = texts.iter().enumerate().filter_map(|(index, text)| {
        let stage = Stage::ALL.into_iter().find(|stage| stage.as_str() == text);
        if stage.is_none() {
            let words = format!("allowed stages are {}", Stage::ALL.map(Stage::as_str).join(","));
            errors.push(field::Error::invalid(&at.index(index), text, words));
        }
        stage
    });
    read.collect()
}

fn check_paths(paths: &[String], at: &Path, errors: &mut Vec<field::Error>) {
    for (index, path) in paths.iter().enumerate().filter(|(_, path)| *path != "*") {
        if !path.starts_with('/') {
            let words = "non-resource URL rules must begin with a '/' character";
            errors.push(field::Error::invalid(&at.index(index), path, words));
        }
        let mut before_last = path.chars();
        before_last.next_back();
        if before_last.any(|c| c == '*') {
            let words = "non-resource URL wildcards '*' must be the final character of the rule";
            errors.push(field::Error::invalid(&at.index(index), path, words));
        }
    }
}

fn check_resources(resources: &[Resources], at: &Path, errors: &mut Vec<field::Error>) {
    for entry in resources {
        if !entry.group.is_empty() && entry.group != "*" {
            let messages = names::dns1123_subdomain(&entry.group);
            if !messages.is_empty() {
                let words = messages.join(",");
                errors.push(field::Error::invalid(&at.child("group"), &entry.group, words));
            }
        }
        if !entry.names.is_empty() && entry.resources.is_empty() {
            let words = "using resourceNames requires at least one resource";
            errors.push(field::Error::invalid(&at.child("resourceNames"), list(&entry.names), words));
        }
    }
}

/// A list as field errors show one.
fn list(texts: &[String]) -> Raw {
    Raw(Value::from(texts.to_vec()).to_string())
}

/// Several errors as one text, each once, in brackets when there is more than one.
fn aggregate(errors: &[field::Error]) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

/// The fields of a mapping; what is left at the end is unknown.
struct Fields {
    map: Map<String, Value>,
    at: String,
}

impl Fields {
    fn text(&mut self, key: &str) -> Result<String, String> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.wrong(key, "text")),
        }
    }

    fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let items = self.items(key)?.into_iter().map(|item| match item {
            Value::String(text) => Ok(text),
            _ => Err(self.wrong(key, "a list of texts")),
        });
        items.collect()
    }

    fn maps(&mut self, key: &str) -> Result<Vec<Self>, String> {
        let items = self.items(key)?.into_iter().enumerate().map(|(index, item)| match item {
            Value::Object(map) => Ok(Self { map, at: format!("{}{key}[{index}].", self.at) }),
            _ => Err(self.wrong(key, "a list of mappings")),
        });
        items.collect()
    }

    fn items(&mut self, key: &str) -> Result<Vec<Value>, String> {
        match self.map.remove(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(key, "a list")),
        }
    }

    fn wrong(&self, key: &str, wanted: &str) -> String {
        format!("{}{key} must be {wanted}", self.at)
    }

    fn end(&self) -> Result<(), String> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("strict decoding error: unknown field \"{}{key}\"", self.at)),
        }
    }
}
