//! Kubernetes' attribute policies: a file of lines, each a JSON object of `abac.authorization.kubernetes.io/v1beta1`.
//!
//! A line means what upstream takes it to mean. What upstream takes to mean more than it says is refused:
//! a line without version (it would be read as another format, which drops its limits), unknown or doubled
//! fields, and a line that opens everything to everybody.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};

use super::load::LoadError;
use super::pattern::Pattern;
use super::rule::{DEFAULT_PRIORITY, Effect, Origin, Resources, Rule, Who};
use super::selection::Selection;

const VERSION: &str = "abac.authorization.kubernetes.io/v1beta1";
/// Everybody a star stands for.
const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Upstream's limit of a line.
const MAX_LINE: usize = 64 * 1024;

/// Reads a file of lines. Blank lines and those that begin with `#` say nothing.
///
/// # Errors
/// The first line that cannot be used.
pub fn parse(file: &str, text: &str) -> Result<Vec<Rule>, LoadError> {
    let file: Arc<str> = file.into();
    let mut rules = Vec::new();
    for (number, line) in (1u64..).zip(text.split('\n')) {
        let fail = |(column, why): (u64, String)| LoadError::at(&file, number, column, why);
        let start = line.trim_start();
        if line.trim().is_empty() && !line.contains('\r') || start.starts_with('#') {
            continue;
        }
        let policy = read(line).map_err(fail)?;
        let origin = Origin { file: Arc::clone(&file), line: number, column: 1 };
        rules.push(policy.into_rule(origin).map_err(|why| fail((1, why)))?);
    }
    Ok(rules)
}

fn read(line: &str) -> Result<Policy, (u64, String)> {
    if line.len() > MAX_LINE {
        return Err((1, "the line is longer than 64 KiB".to_owned()));
    }
    if let Some(place) = line.chars().position(|c| c.is_control() || c == '\u{feff}') {
        let column = u64::try_from(place).unwrap_or_default().saturating_add(1);
        return Err((column, "control characters and byte order marks are not allowed".to_owned()));
    }
    let unique: Result<Unique, _> = serde_json::from_str(line);
    let place = |error: &serde_json::Error| (u64::try_from(error.column()).unwrap_or(1).max(1), told(error));
    unique.map_err(|error| place(&error))?;
    serde_json::from_str(line).map_err(|error| place(&error))
}

/// The parser's words without its idea of where, which is said in front.
fn told(error: &serde_json::Error) -> String {
    let words = error.to_string();
    words.split(" at line ").next().unwrap_or_default().to_owned()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Policy {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Spec {
    user: String,
    group: String,
    readonly: bool,
    api_group: String,
    resource: String,
    namespace: String,
    non_resource_path: String,
}

impl Policy {
    fn into_rule(self, origin: Origin) -> Result<Rule, String> {
        if self.api_version != VERSION || self.kind != "Policy" {
            return Err(format!("apiVersion must be {VERSION} and kind Policy"));
        }
        let spec = self.spec;
        spec.refuse_what_is_too_broad()?;
        Ok(Rule {
            origin,
            name: None,
            effect: Effect::Allow,
            priority: DEFAULT_PRIORITY,
            subjects: [spec.who()?].into(),
            verbs: spec.verbs()?,
            resources: spec.resources()?,
            paths: spec.paths()?,
            namespace_labels: Box::default(),
            selection: Selection::default(),
            reason: None,
            used: Arc::default(),
        })
    }
}

impl Spec {
    fn refuse_what_is_too_broad(&self) -> Result<(), String> {
        if self.user.is_empty() && self.group.is_empty() {
            return Err("the line is for nobody: name a user or a group".to_owned());
        }
        if self.resource.is_empty() && self.non_resource_path.is_empty() {
            return Err("the line is about nothing: name a resource or a nonResourcePath".to_owned());
        }
        let everybody = [&*self.user, &*self.group].iter().any(|word| matches!(*word, "*"))
            || (self.user.is_empty() && [AUTHENTICATED, UNAUTHENTICATED].contains(&&*self.group));
        let everything = [&self.resource, &self.api_group, &self.namespace].iter().all(|word| *word == "*");
        if everybody && everything {
            return Err("the line opens every resource to everybody: name whom, or what".to_owned());
        }
        Ok(())
    }

    /// A star for user or group is everybody who is authenticated, whatever the other says.
    fn who(&self) -> Result<Who, String> {
        if self.user == "*" || self.group == "*" {
            return Ok(Who { user: None, group: Some(Pattern::word(AUTHENTICATED)?) });
        }
        let side = |word: &str| if word.is_empty() { Ok(None) } else { Pattern::word(word).map(Some) };
        Ok(Who { user: side(&self.user)?, group: side(&self.group)? })
    }

    fn verbs(&self) -> Result<Box<[Pattern]>, String> {
        if self.readonly {
            return ["get", "list", "watch"].into_iter().map(Pattern::word).collect();
        }
        Ok([Pattern::anything()].into())
    }

    fn resources(&self) -> Result<Option<Resources>, String> {
        if self.resource.is_empty() {
            return Ok(None);
        }
        let word = |word: &str| if word == "*" { Ok(Pattern::anything()) } else { Pattern::word(word) };
        let mut resources = vec![word(&self.resource)?];
        if self.resource != "*" {
            // Subresources are not told apart.
            resources.push(Pattern::begins(&format!("{}/", self.resource))?);
        }
        Ok(Some(Resources {
            groups: [word(&self.api_group)?].into(),
            resources: resources.into(),
            namespaces: [word(&self.namespace)?].into(),
            names: Box::default(),
        }))
    }

    fn paths(&self) -> Result<Box<[Pattern]>, String> {
        match &*self.non_resource_path {
            "" => Ok(Box::default()),
            "*" => Ok([Pattern::anything()].into()),
            path if path.ends_with('*') => Ok([Pattern::begins(path)?].into()),
            path => Ok([Pattern::word(path)?].into()),
        }
    }
}

/// Any JSON in which no object names a field twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueFields)
    }
}

struct UniqueFields;

impl<'de> Visitor<'de> for UniqueFields {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Unique, A::Error> {
        let mut seen = HashSet::new();
        while let Some(field) = fields.next_key::<String>()? {
            fields.next_value::<Unique>()?;
            if !seen.insert(field.clone()) {
                return Err(de::Error::custom(format!("field {field:?} is given twice")));
            }
        }
        Ok(Unique)
    }
}
