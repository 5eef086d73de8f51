//! What a plugin may know about the write it judges.

use portcullis_api::{GroupResource, Gvk, Object, UserInfo};

use crate::notes::Notes;
use crate::reader::Reader;

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
    /// The subresource, or nothing.
    pub subresource: &'a str,
    /// The namespace; empty at cluster scope.
    pub namespace: &'a str,
    /// The object's name; empty while a generated name is outstanding.
    pub name: &'a str,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The stored object an update or deletion starts from.
    pub old: Option<&'a Object>,
    /// The cluster as it is now.
    pub reader: &'a dyn Reader,
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

    /// Whether the request concerns a resource of a group, whatever the subresource.
    pub fn is_any_of(&self, group: &str, resource: &str) -> bool {
        &*self.resource.group == group && &*self.resource.resource == resource
    }
}
