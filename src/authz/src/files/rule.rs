//! One rule of a policy file, whichever its format, and what it says of a request.

use std::fmt;
use std::sync::Arc;

use portcullis_api::UserInfo;

use super::labels::NamespaceLabels;
use super::pattern::Pattern;
use super::selection::{Patterns, Selection};
use crate::attributes::{Attributes, Resource, Subject};
use crate::used::Used;

/// Rules without a priority have this one; a lower number decides first.
pub(super) const DEFAULT_PRIORITY: u32 = 100;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Where it is written.
    pub origin: Origin,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// What it decides.
    pub effect: Effect,
    /// A lower number decides first; where numbers are equal, deny does.
    pub priority: u32,
    /// For whom: one of these.
    pub subjects: Box<[Who]>,
    /// Verbs.
    pub verbs: Box<[Pattern]>,
    /// Resources, if it is about any.
    pub resources: Option<Resources>,
    /// Paths that are no resources.
    pub paths: Box<[Pattern]>,
    /// What the labels of the namespace must be.
    pub namespace_labels: Patterns,
    /// How the request must select, where it must.
    pub selection: Selection,
    /// What the author tells those it refuses.
    pub reason: Option<Arc<str>>,
    /// How often it decided.
    pub used: Arc<Used>,
}

/// A place in a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The file.
    pub file: Arc<str>,
    /// From 1.
    pub line: u64,
    /// From 1.
    pub column: u64,
}

/// What a rule decides.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// It must not be done.
    Deny,
    /// It may be done.
    Allow,
}

/// Somebody: what is given must match.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// The user's name.
    pub user: Option<Pattern>,
    /// One of the user's groups.
    pub group: Option<Pattern>,
}

/// Resources and where they are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resources {
    /// API groups.
    pub groups: Box<[Pattern]>,
    /// Resources, with the subresource after a slash.
    pub resources: Box<[Pattern]>,
    /// Namespaces; empty is all, and the cluster's own.
    pub namespaces: Box<[Pattern]>,
    /// Names; empty is all.
    pub names: Box<[Pattern]>,
}

/// What a rule says of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Says {
    /// It is about something else.
    Nothing,
    /// It decides.
    Decides,
    /// It cannot be told whether it decides.
    Unclear(&'static str),
}

impl Rule {
    /// All of a rule that decides, as one text: the same for rules that always decide the same.
    pub(crate) fn meaning(&self) -> String {
        let whom = (self.effect, self.priority, &self.subjects, &self.verbs);
        format!("{:?}", (whom, &self.resources, &self.paths, &self.namespace_labels, &self.selection))
    }

    /// What the rule says.
    pub fn judge(&self, user: &UserInfo, asked: &Attributes<'_>, labels: &NamespaceLabels) -> Says {
        if !self.subjects.iter().any(|who| who.is(user)) {
            return Says::Nothing;
        }
        self.about(asked, labels)
    }

    /// What the rule says to those it is for.
    pub fn about(&self, asked: &Attributes<'_>, labels: &NamespaceLabels) -> Says {
        let verb = self.verbs.iter().any(|pattern| pattern.matches(asked.verb));
        let about = match &asked.subject {
            Subject::Path(path) => self.paths.iter().any(|pattern| pattern.matches(path)),
            Subject::Resource(resource) => {
                let mine = self.resources.as_ref();
                mine.is_some_and(|mine| mine.cover(asked.verb, resource, self.effect, labels))
            }
        };
        if !(verb && about && self.selection.is_made_by(asked)) {
            return Says::Nothing;
        }
        self.labels_say(asked, labels)
    }

    fn labels_say(&self, asked: &Attributes<'_>, labels: &NamespaceLabels) -> Says {
        if self.namespace_labels.is_empty() {
            return Says::Decides;
        }
        let namespace = asked.namespace();
        if namespace.is_empty() {
            if let Subject::Resource(resource) = &asked.subject
                && labels.is_outside(resource)
            {
                return Says::Nothing;
            }
            // Some namespace among all may have them, or none: only a refusal may rest on that.
            return Says::Unclear("the request is not about one namespace, and the rule asks for its labels");
        }
        match labels.all_match(namespace, &self.namespace_labels) {
            Some(true) => Says::Decides,
            Some(false) => Says::Nothing,
            None => Says::Unclear("the namespace and its labels are not known"),
        }
    }
}

impl Who {
    /// Whether somebody is meant.
    pub fn is(&self, user: &UserInfo) -> bool {
        let named = self.user.as_ref().is_none_or(|pattern| pattern.matches(&user.name));
        let member =
            self.group.as_ref().is_none_or(|pattern| user.groups.iter().any(|group| pattern.matches(group)));
        (self.user.is_some() || self.group.is_some()) && named && member
    }
}

impl Resources {
    /// Whether a request is about these. What a refusal names is also touched by a request for many that
    /// leaves namespace or name open, unless what it asks for lies in no namespace, and by a creation whose name is
    /// not known yet.
    fn cover(&self, verb: &str, asked: &Resource<'_>, effect: Effect, labels: &NamespaceLabels) -> bool {
        let many = matches!(verb, "list" | "watch" | "deletecollection");
        let refuses = effect == Effect::Deny;
        let widely = || refuses && many && asked.namespace.is_empty() && !labels.is_outside(asked);
        let nameless = refuses && (many || verb == "create") && asked.name.is_empty();
        any(&self.groups, asked.group)
            && self.names_resource(asked)
            && (self.namespaces.is_empty() || any(&self.namespaces, asked.namespace) || widely())
            && (self.names.is_empty() || nameless || any(&self.names, asked.name))
    }

    fn names_resource(&self, asked: &Resource<'_>) -> bool {
        if asked.subresource.is_empty() {
            return any(&self.resources, asked.resource);
        }
        let whole = whole(asked);
        any(&self.resources, &whole)
    }
}

/// A resource with its subresource, as rules write it.
pub(super) fn whole(asked: &Resource<'_>) -> String {
    match asked.subresource {
        "" => asked.resource.to_owned(),
        subresource => format!("{}/{subresource}", asked.resource),
    }
}

fn any(patterns: &[Pattern], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

impl Effect {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Where it is written and its name.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} {name} ({})", self.effect.as_str(), self.origin),
            None => write!(f, "{} ({})", self.effect.as_str(), self.origin),
        }
    }
}
