//! Our own rules: a YAML file of allow and deny rules.
//!
//! ```yaml
//! apiVersion: policy.portcullis.io/v1
//! kind: PolicyRules
//! rules:
//!   - name: contractors-read-no-secrets
//!     effect: deny
//!     priority: 10
//!     subjects: ["group:contractors-*"]
//!     verbs: ["*"]
//!     apiGroups: [""]
//!     resources: [secrets]
//!     namespaces: ["team-*"]
//!     namespaceLabels: {tenant: acme}
//!     # allow only: labelSelector: {tenant: acme}, fieldSelector: {spec.nodeName: n1}
//!     reason: contractors read no secrets
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::load::LoadError;
use super::pattern::Pattern;
use super::rule::{DEFAULT_PRIORITY, Effect, Origin, Resources, Rule, Who};
use super::selection::{Patterns, Selection};

const VERSION: &str = "policy.portcullis.io/v1";
const KIND: &str = "PolicyRules";
/// Longest reason that is told to those refused.
const MAX_REASON: usize = 256;

/// Nodes of a file: what tens of thousands of rules or bindings are made of. A reader's own limits are meant for
/// settings, and would be reached by a few thousand.
const MAX_NODES: usize = 8_000_000;
/// Documents of a file.
const MAX_DOCUMENTS: usize = 200_000;

/// Room for a large organisation's files, which are no larger than 64 MiB.
pub(crate) fn roomy() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: MAX_NODES,
            max_events: MAX_NODES * 2,
            max_documents: MAX_DOCUMENTS,
        },
    }
}

/// Reads a file of rules.
///
/// # Errors
/// The first thing that cannot be used, with its place.
pub fn parse(file: &str, text: &str) -> Result<Vec<Rule>, LoadError> {
    let file: Arc<str> = file.into();
    if text.trim().is_empty() {
        return Err(LoadError::at(&file, 1, 1, "the file is empty".to_owned()));
    }
    let document: Document = serde_saphyr::from_str_with_options(text, roomy()).map_err(|error| {
        let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
        LoadError::at(&file, line, column, first_line(&error.to_string()))
    })?;
    if document.api_version != VERSION || document.kind != KIND {
        return Err(LoadError::at(&file, 1, 1, format!("apiVersion must be {VERSION} and kind {KIND}")));
    }
    let mut names = std::collections::HashSet::new();
    let rules = document.rules.into_iter().map(|written| {
        let (line, column) = (written.referenced.line(), written.referenced.column());
        let origin = Origin { file: Arc::clone(&file), line, column };
        if let Some(name) = &written.value.name
            && !names.insert(name.value.clone())
        {
            let why = format!("a rule named {:?} is there already", name.value);
            return Err(LoadError::at(&file, name.referenced.line(), name.referenced.column(), why));
        }
        written.value.into_rule(origin)
    });
    rules.collect()
}

/// The first line, without the place, which is told with the file's name.
fn first_line(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let after_place = line.strip_prefix("error: line ").and_then(|rest| rest.split_once(": "));
    after_place.map_or(line, |(_, why)| why).to_owned()
}

type Texts = Vec<Spanned<String>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    api_version: String,
    kind: String,
    rules: Vec<Spanned<Written>>,
}

/// A rule as written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    name: Option<Spanned<String>>,
    effect: Verdict,
    priority: Option<u32>,
    subjects: Texts,
    verbs: Texts,
    #[serde(default)]
    api_groups: Option<Texts>,
    #[serde(default)]
    resources: Option<Texts>,
    #[serde(default)]
    namespaces: Texts,
    #[serde(default)]
    names: Texts,
    #[serde(default)]
    paths: Texts,
    #[serde(default)]
    namespace_labels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    label_selector: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    field_selector: BTreeMap<String, Spanned<String>>,
    reason: Option<Spanned<String>>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Allow,
    Deny,
}

impl Written {
    fn into_rule(self, origin: Origin) -> Result<Rule, LoadError> {
        let wrong = |why: &str| LoadError::at(&origin.file, origin.line, origin.column, why.to_owned());
        let read = Reader { origin: &origin };
        if self.subjects.is_empty() || self.verbs.is_empty() {
            return Err(wrong("a rule needs subjects and verbs"));
        }
        let resources = match (self.resources, self.api_groups) {
            (Some(resources), Some(groups)) if !resources.is_empty() && !groups.is_empty() => {
                Some(Resources {
                    groups: read.patterns(&groups)?,
                    resources: read.patterns(&resources)?,
                    namespaces: read.patterns(&self.namespaces)?,
                    names: read.patterns(&self.names)?,
                })
            }
            (None, None) => None,
            _ => return Err(wrong("resources and apiGroups come together, each with an entry or more")),
        };
        if resources.is_none() == self.paths.is_empty() {
            return Err(wrong("a rule is about resources or about paths"));
        }
        if resources.is_none()
            && !(self.namespaces.is_empty() && self.names.is_empty() && self.namespace_labels.is_empty())
        {
            return Err(wrong("paths have no namespace, name or labels"));
        }
        let selection = Selection {
            labels: read.by_key(&self.label_selector)?,
            fields: read.by_key(&self.field_selector)?,
        };
        if !selection.is_empty() && (resources.is_none() || matches!(self.effect, Verdict::Deny)) {
            return Err(wrong(
                "selectors are for rules that allow resources: what a request does not select it may still touch",
            ));
        }
        Ok(Rule {
            name: self.name.as_ref().map(|name| read.words(name).map(Box::from)).transpose()?,
            effect: match self.effect {
                Verdict::Allow => Effect::Allow,
                Verdict::Deny => Effect::Deny,
            },
            priority: self.priority.unwrap_or(DEFAULT_PRIORITY),
            subjects: self.subjects.iter().map(|subject| read.who(subject)).collect::<Result<_, _>>()?,
            verbs: self.verbs.iter().map(|verb| read.verb(verb)).collect::<Result<_, _>>()?,
            resources,
            paths: read.patterns(&self.paths)?,
            namespace_labels: read.by_key(&self.namespace_labels)?,
            selection,
            reason: self.reason.as_ref().map(|reason| read.words(reason).map(Arc::from)).transpose()?,
            used: Arc::default(),
            origin: origin.clone(),
        })
    }
}

/// Reads texts and says where they are wrong.
struct Reader<'a> {
    origin: &'a Origin,
}

impl Reader<'_> {
    fn wrong(&self, text: &Spanned<String>, why: &str) -> LoadError {
        LoadError::at(&self.origin.file, text.referenced.line(), text.referenced.column(), why.to_owned())
    }

    fn patterns(&self, texts: &[Spanned<String>]) -> Result<Box<[Pattern]>, LoadError> {
        texts.iter().map(|text| self.pattern(text)).collect()
    }

    fn pattern(&self, text: &Spanned<String>) -> Result<Pattern, LoadError> {
        Pattern::parse(&text.value).map_err(|why| self.wrong(text, &why))
    }

    fn by_key(&self, all: &BTreeMap<String, Spanned<String>>) -> Result<Patterns, LoadError> {
        let one = |(key, value): (&String, &Spanned<String>)| {
            if key.contains(['=', '^', '~']) || key.chars().any(char::is_control) {
                return Err(self.wrong(value, "the key is that of no label or field"));
            }
            Ok((Box::from(&**key), self.pattern(value)?))
        };
        all.iter().map(one).collect()
    }

    fn verb(&self, text: &Spanned<String>) -> Result<Pattern, LoadError> {
        let plain = !text.value.is_empty() && text.value.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        match &*text.value {
            "*" => Ok(Pattern::anything()),
            _ if plain => self.pattern(text),
            _ => Err(self.wrong(text, "a verb is a lower-case word or *")),
        }
    }

    fn who(&self, text: &Spanned<String>) -> Result<Who, LoadError> {
        let parse = |pattern: &str| Pattern::parse(pattern).map_err(|why| self.wrong(text, &why)).map(Some);
        let written = &*text.value;
        if written == "*" {
            return Ok(Who { user: Some(Pattern::anything()), group: None });
        }
        match written.split_once(':') {
            Some(("user", name)) if !name.is_empty() => Ok(Who { user: parse(name)?, group: None }),
            Some(("group", name)) if !name.is_empty() => Ok(Who { user: None, group: parse(name)? }),
            Some(("serviceaccount", account)) => match account.split_once('/') {
                Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => Ok(Who {
                    user: parse(&format!("system:serviceaccount:{namespace}:{name}"))?,
                    group: None,
                }),
                _ => Err(self.wrong(text, "a service account is serviceaccount:NAMESPACE/NAME")),
            },
            _ => {
                Err(self
                    .wrong(text, "a subject is user:NAME, group:NAME, serviceaccount:NAMESPACE/NAME or *"))
            }
        }
    }

    /// A text that people read.
    fn words<'t>(&self, text: &'t Spanned<String>) -> Result<&'t str, LoadError> {
        if text.value.is_empty() || text.value.len() > MAX_REASON || text.value.chars().any(char::is_control)
        {
            return Err(self.wrong(text, "a name or reason has 1 to 256 bytes and no control characters"));
        }
        Ok(&text.value)
    }
}
