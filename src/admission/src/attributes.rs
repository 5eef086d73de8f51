//! What a plugin may know about the write it judges.

use jiff::Timestamp;
use portcullis_api::{GroupResource, Gvk, Gvr, Object, UserInfo};

use crate::notes::Notes;
use crate::reader::Reader;
use crate::target::{Kinds, Options, Target};

/// What a write does to the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object exists and changes.
    Update,
    /// The object goes away.
    Delete,
    /// A stream into the object is opened (exec, attach, port-forward, proxy).
    Connect,
}

impl Operation {
    /// The word upstream prints.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// The kinds that configure admission.
const CONFIGURATIONS: [&str; 6] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
];

/// The facts of one write, the same for every plugin of the chain.
pub struct Attributes<'a> {
    /// Who asks (after impersonation).
    pub user: &'a UserInfo,
    /// What happens.
    pub operation: Operation,
    /// The kind of the object in the request.
    pub kind: &'a Gvk,
    /// The resource asked for.
    pub resource: &'a GroupResource,
    /// The same with the version it was asked for in.
    pub gvr: &'a Gvr,
    /// The subresource, or nothing.
    pub subresource: &'a str,
    /// The namespace; empty at cluster scope.
    pub namespace: &'a str,
    /// The object's name; empty while a generated name is outstanding.
    pub name: &'a str,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The options of the operation.
    pub options: &'a dyn Options,
    /// Whether the write follows from another one that was admitted (a binding changes a pod), or is the
    /// server's own upkeep: policies and webhooks are not asked again.
    pub follows: bool,
    /// When the request arrived: what waits for others must not wait longer than the client does.
    pub since: Timestamp,
    /// The stored object an update or deletion starts from.
    pub old: Option<&'a Object>,
    /// The cluster as it is now.
    pub reader: &'a dyn Reader,
    /// What is served, and how versions become each other.
    pub kinds: &'a dyn Kinds,
    /// Where plugins leave warnings and audit annotations.
    pub notes: &'a Notes,
}

impl Attributes<'_> {
    /// Whether the object is created or changed.
    pub(crate) fn stores(&self) -> bool {
        matches!(self.operation, Operation::Create | Operation::Update)
    }

    /// Whether the request concerns a resource of a group, without subresource.
    pub fn is(&self, group: &str, resource: &str) -> bool {
        self.subresource.is_empty() && self.is_any_of(group, resource)
    }

    /// What the request is about.
    pub fn target(&self) -> Target {
        Target { resource: self.gvr.clone(), kind: self.kind.clone() }
    }

    /// The namespace as policies and webhooks see it: a namespace is in itself.
    pub fn home(&self) -> &str {
        if self.namespace.is_empty() && self.is_any_of("", "namespaces") { self.name } else { self.namespace }
    }

    /// Whether the request is about the configuration of admission itself, which no policy and no webhook
    /// that is an object of the API may keep anybody from mending.
    pub fn configures_admission(&self) -> bool {
        &*self.kind.gv.group == "admissionregistration.k8s.io" && CONFIGURATIONS.contains(&&*self.kind.kind)
    }

    /// Whether the request concerns a resource of a group, whatever the subresource.
    pub fn is_any_of(&self, group: &str, resource: &str) -> bool {
        &*self.resource.group == group && &*self.resource.resource == resource
    }
}
