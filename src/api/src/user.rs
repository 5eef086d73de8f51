//! Who is asking, as plain data.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Extra attributes of a user: lower-cased keys, each with a list of values.
pub type Extra = BTreeMap<String, Vec<String>>;

/// A user as the authorizers and reviews see one. Holding a `UserInfo` proves nothing: the proof of
/// a verified identity is the gate's evidence type that carries it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct UserInfo {
    /// The name that identifies the user.
    pub name: Arc<str>,
    /// An identifier that survives a rename; may be empty.
    pub uid: Arc<str>,
    /// The groups the user is in.
    pub groups: Arc<[Arc<str>]>,
    /// What else the authenticator said.
    pub extra: Arc<Extra>,
}

impl UserInfo {
    /// A user by name and groups.
    pub fn new<G: AsRef<str>>(name: &str, groups: impl IntoIterator<Item = G>) -> Self {
        let groups = groups.into_iter().map(|g| Arc::from(g.as_ref())).collect();
        Self { name: name.into(), uid: Arc::from(""), groups, extra: Arc::default() }
    }

    /// Whether the user is in a group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| &**g == group)
    }

    /// The node this user is: a name of the nodes' form in the nodes' group. It may be empty, which is
    /// no node anybody knows.
    pub fn node(&self) -> Option<&str> {
        self.name.strip_prefix("system:node:").filter(|_| self.in_group("system:nodes"))
    }

    /// The namespace and name of the service account this user is, if it is one.
    pub fn service_account(&self) -> Option<(&str, &str)> {
        let (namespace, name) = self.name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
        (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
    }
}

impl fmt::Debug for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfo")
            .field("name", &self.name)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
