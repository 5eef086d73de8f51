//! What must be current before a write is answered: RBAC's index and the ports in use.

use portcullis_api::{GroupResource, Object, Result};
use portcullis_authz::rbac::RbacIndex;
use portcullis_storage::{Change, Observer, Revision};

use crate::Registry;
use crate::door::storage_error;

/// The key prefixes of RBAC's resources.
const RBAC: [(&str, &str); 4] = [
    ("/registry/roles/", "roles"),
    ("/registry/clusterroles/", "clusterroles"),
    ("/registry/rolebindings/", "rolebindings"),
    ("/registry/clusterrolebindings/", "clusterrolebindings"),
];

struct Indexes {
    rbac: RbacIndex,
    allocator: std::sync::Arc<crate::allocate::Allocator>,
}

impl Observer for Indexes {
    fn committed(&mut self, changes: &[Change], _revision: Revision) {
        for change in changes {
            self.allocator.observe(change);
            apply(&self.rbac, change);
        }
    }
}

fn apply(rbac: &RbacIndex, change: &Change) {
    let Some((prefix, resource)) = RBAC.iter().find(|(prefix, _)| change.key.starts_with(prefix)) else {
        return;
    };
    let gr = GroupResource::new("rbac.authorization.k8s.io", *resource);
    let path = change.key.get(prefix.len()..).unwrap_or_default();
    let (namespace, name) = path.split_once('/').unwrap_or(("", path));
    let object = change.value.as_ref().and_then(|value| serde_json::from_slice(value).ok()).map(Object::new);
    match object {
        Some(object) => rbac.upsert(&gr, &object),
        // A value that cannot be read grants nothing.
        None => rbac.remove(&gr, namespace, name),
    };
}

impl Registry {
    /// Starts observing commits, then replays what was stored before.
    pub(crate) fn observe(&self) -> Result<()> {
        let indexes = Indexes { rbac: self.rbac.clone(), allocator: self.allocator.clone() };
        self.store().observe(Box::new(indexes)).map_err(storage_error)?;
        let watched = RBAC
            .iter()
            .map(|(_, resource)| ("rbac.authorization.k8s.io", *resource))
            .chain([("", "services")]);
        for (group, name) in watched {
            let Some(resource) = self.resources().get(group, "v1", name) else { continue };
            for entry in resource.snapshot()?.iter() {
                let change = Change {
                    revision: entry.revision(),
                    key: entry.key().clone(),
                    value: Some(entry.body().clone()),
                    previous: None,
                };
                self.allocator.observe(&change);
                apply(&self.rbac, &change);
            }
        }
        Ok(())
    }
}
