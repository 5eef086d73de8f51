//! What admission must read of the cluster.

use std::sync::Arc;

use portcullis_api::selector::LabelSelector;
use portcullis_api::{GroupResource, Object, UserInfo, Verb};
use portcullis_cel::Authorizer;

/// The cluster's stored objects and its authorizer, as plugins see them. Reads are of the latest
/// committed state.
pub trait Reader: Send + Sync {
    /// One object; the namespace is empty at cluster scope.
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Object>>;

    /// All objects of a resource in a namespace, or everywhere when it is empty.
    fn list(&self, resource: &GroupResource, namespace: &str) -> Vec<Arc<Object>>;

    /// The objects of [`Reader::list`] that a selector picks.
    fn select(
        &self,
        resource: &GroupResource,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Vec<Arc<Object>> {
        let mut found = self.list(resource, namespace);
        found.retain(|object| selector.matches_object(object));
        found
    }

    /// Whether a user may do something (for plugins that ask for a further permission).
    fn allows(
        &self,
        user: &UserInfo,
        verb: &str,
        resource: &GroupResource,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> bool;

    /// Answers the questions that expressions ask about a user.
    fn authorizer(&self, user: &UserInfo) -> Arc<dyn Authorizer>;
}

/// The words of the verbs plugins ask about.
impl dyn Reader + '_ {
    /// [`Reader::allows`] for one of the known verbs, without subresource.
    pub fn may(
        &self,
        user: &UserInfo,
        verb: Verb,
        resource: &GroupResource,
        namespace: &str,
        name: &str,
    ) -> bool {
        self.allows(user, verb.as_str(), resource, "", namespace, name)
    }
}
