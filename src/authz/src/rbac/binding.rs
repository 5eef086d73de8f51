//! Who gets which role, and how a grant is told.

use std::fmt;
use std::sync::{Arc, OnceLock};

use portcullis_api::field::Quoted;
use portcullis_api::{Object, UserInfo, Value};

use crate::used::Used;

/// A RoleBinding or ClusterRoleBinding.
#[derive(Debug)]
pub(crate) struct Binding {
    /// Empty for a ClusterRoleBinding.
    pub(crate) namespace: Arc<str>,
    pub(crate) name: Arc<str>,
    pub(crate) role: RoleRef,
    pub(crate) subjects: Box<[Subject]>,
    /// Since it was written or read last.
    pub(crate) used: Used,
}

/// The role that a binding names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RoleRef {
    pub(crate) kind: Box<str>,
    pub(crate) name: Arc<str>,
}

/// One whom a binding is for.
#[derive(Debug)]
pub(crate) struct Subject {
    kind: Box<str>,
    name: Box<str>,
    /// For service accounts: their own, or else the binding's.
    namespace: Box<str>,
    /// How a grant to it is told, once it was.
    told: OnceLock<Arc<str>>,
}

/// How a subject is found: by the user's name or by a group.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Key {
    User(Box<str>),
    Group(Box<str>),
}

impl Binding {
    pub(crate) fn from_object(object: &Object, namespace: &str) -> Self {
        let subjects = object.get("subjects").and_then(Value::as_array).into_iter().flatten();
        Self {
            namespace: namespace.into(),
            name: object.name().into(),
            role: RoleRef::from_object(object),
            subjects: subjects.map(|s| Subject::from_value(s, namespace)).collect(),
            used: Used::default(),
        }
    }
}

impl RoleRef {
    pub(crate) fn from_object(binding: &Object) -> Self {
        Self {
            kind: binding.str_at(&["roleRef", "kind"]).into(),
            name: binding.str_at(&["roleRef", "name"]).into(),
        }
    }

    /// Where the role lives, seen from a binding in a namespace; `None` for a kind that is no role.
    pub(crate) fn namespace<'a>(&self, binding_namespace: &'a str) -> Option<&'a str> {
        match &*self.kind {
            "ClusterRole" => Some(""),
            "Role" if !binding_namespace.is_empty() => Some(binding_namespace),
            _ => None,
        }
    }
}

impl Subject {
    fn from_value(value: &Value, binding_namespace: &str) -> Self {
        let text = |field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default();
        let own = text("namespace");
        let namespace = if own.is_empty() { binding_namespace } else { own };
        Self {
            kind: text("kind").into(),
            name: text("name").into(),
            namespace: namespace.into(),
            told: OnceLock::new(),
        }
    }

    /// How this subject is found; `None` for one that nobody can be.
    pub(crate) fn key(&self) -> Option<Key> {
        match &*self.kind {
            "User" => Some(Key::User(self.name.clone())),
            "Group" => Some(Key::Group(self.name.clone())),
            "ServiceAccount" if !self.namespace.is_empty() => {
                let name = format!("system:serviceaccount:{}:{}", self.namespace, self.name);
                Some(Key::User(name.into()))
            }
            _ => None,
        }
    }

    fn is(&self, user: &UserInfo) -> bool {
        let account = || user.name.strip_prefix("system:serviceaccount:")?.strip_prefix(&*self.namespace);
        match &*self.kind {
            "User" => *user.name == *self.name,
            "Group" => user.in_group(&self.name),
            "ServiceAccount" if !self.namespace.is_empty() => {
                account().and_then(|rest| rest.strip_prefix(':')) == Some(&*self.name)
            }
            _ => false,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.kind {
            "ServiceAccount" => {
                write!(f, "ServiceAccount {}", Quoted(&format!("{}/{}", self.name, self.namespace)))
            }
            kind => write!(f, "{kind} {}", Quoted(&self.name)),
        }
    }
}

/// A binding that granted something to a user.
#[derive(Clone)]
pub struct Grant {
    binding: Arc<Binding>,
    subject: usize,
}

impl Grant {
    /// What a binding grants to a user who is one of its subjects, and may be one before it.
    pub(super) fn new(binding: &Arc<Binding>, user: &UserInfo, subject: usize) -> Self {
        let before = binding.subjects.iter().take(subject);
        let subject = before.into_iter().position(|one| one.is(user)).unwrap_or(subject);
        Self { binding: Arc::clone(binding), subject }
    }

    /// A binding without regard to whom it is for.
    pub(super) fn of_all(binding: &Arc<Binding>) -> Self {
        Self { binding: Arc::clone(binding), subject: binding.subjects.len() }
    }

    /// The binding's namespace, empty for a ClusterRoleBinding, and name.
    pub fn binding(&self) -> (&str, &str) {
        (&self.binding.namespace, &self.binding.name)
    }

    /// Why somebody is allowed, in upstream's words. They are the same for every request of the subject.
    pub(crate) fn told(&self) -> Arc<str> {
        let words = || format!("RBAC: allowed by {self}").into();
        match self.binding.subjects.get(self.subject) {
            Some(subject) => Arc::clone(subject.told.get_or_init(words)),
            None => words(),
        }
    }

    /// How often the binding decided.
    pub fn used(&self) -> &Used {
        &self.binding.used
    }

    /// The kind and name of the role.
    pub fn role(&self) -> (&str, &str) {
        (&self.binding.role.kind, &self.binding.role.name)
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Binding { namespace, name, role, subjects, used: _ } = &*self.binding;
        if namespace.is_empty() {
            write!(f, "ClusterRoleBinding {}", Quoted(name))?;
        } else {
            write!(f, "RoleBinding {}", Quoted(&format!("{name}/{namespace}")))?;
        }
        write!(f, " of {} {}", role.kind, Quoted(&role.name))?;
        subjects.get(self.subject).map_or(Ok(()), |subject| write!(f, " to {subject}"))
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A role that a binding names and that does not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingRole {
    pub(crate) role: RoleRef,
}

impl MissingRole {
    /// The role's name.
    pub fn name(&self) -> &str {
        &self.role.name
    }

    /// Told with another word for the resource: lookups made for a write name the resource written.
    pub(crate) fn told_as(&self, resource: &str) -> String {
        match &*self.role.kind {
            "Role" | "ClusterRole" => format!("{resource} {} not found", Quoted(&self.role.name)),
            kind => format!("unsupported role reference kind: {}", Quoted(kind)),
        }
    }
}

impl fmt::Display for MissingRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.role.kind.to_ascii_lowercase();
        f.write_str(&self.told_as(&format!("{kind}.{}", super::GROUP)))
    }
}
