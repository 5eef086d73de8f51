//! All caches above one store.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::RwLock;
use smallvec::SmallVec;

use super::{Resource, ResourceCache};
use crate::{Change, KeyValue, Observer, Revision, Store, StoreError};

/// The caches of all resources, kept current by the store.
pub struct Caches {
    store: Arc<dyn Store>,
    routes: Arc<Routes>,
}

type Routes = RwLock<HashMap<String, Arc<ResourceCache>>>;

impl Caches {
    /// Begins to follow a store.
    pub fn new(store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let routes = Arc::new(Routes::default());
        // Weak: the caches hold the store, which holds the observer.
        store.observe(Box::new(Route(Arc::downgrade(&routes))))?;
        Ok(Self { store, routes })
    }

    /// The store below.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The cache of a resource; made, but not loaded, if there is none for its prefix yet.
    pub fn resource(&self, resource: Resource) -> Arc<ResourceCache> {
        let mut routes = self.routes.write();
        let make = || Arc::new(ResourceCache::new(self.store.clone(), resource.clone()));
        routes.entry(resource.prefix.clone()).or_insert_with(make).clone()
    }

    /// Forgets the cache of a resource that is no longer served. Watchers it has see no further event.
    pub fn remove(&self, prefix: &str) {
        self.routes.write().remove(prefix);
    }

    pub(super) fn all(&self) -> Vec<Arc<ResourceCache>> {
        self.routes.read().values().cloned().collect()
    }
}

impl std::fmt::Debug for Caches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caches").finish_non_exhaustive()
    }
}

/// Hands each change to the cache of its resource.
struct Route(Weak<Routes>);

impl Observer for Route {
    fn committed(&mut self, changes: &[Change], _: Revision) {
        let Some(routes) = self.0.upgrade() else { return };
        let mut grouped: SmallVec<[(Arc<ResourceCache>, Vec<&Change>); 4]> = SmallVec::new();
        for change in changes {
            let known = grouped.iter_mut().find(|(cache, _)| change.key.starts_with(cache.prefix()));
            if let Some((_, group)) = known {
                group.push(change);
            } else if let Some(cache) = route(&routes, &change.key) {
                grouped.push((cache, vec![change]));
            }
        }
        for (cache, group) in grouped {
            cache.committed(&group);
        }
    }

    fn rebuilt(&mut self, all: &[KeyValue], revision: Revision) {
        let Some(routes) = self.0.upgrade() else { return };
        let caches: Vec<_> = routes.read().values().cloned().collect();
        for cache in caches {
            let below = all.partition_point(|kv| *kv.key < *cache.prefix());
            let below = all.iter().skip(below).take_while(|kv| kv.key.starts_with(cache.prefix()));
            let own = |kv: &&KeyValue| route(&routes, &kv.key).is_some_and(|home| Arc::ptr_eq(&home, &cache));
            cache.rebuilt(below.filter(own), revision);
        }
    }
}

/// The cache with the longest prefix of a key.
fn route(routes: &Routes, key: &str) -> Option<Arc<ResourceCache>> {
    let routes = routes.read();
    key.rmatch_indices('/').find_map(|(slash, _)| routes.get(key.get(..=slash)?).cloned())
}
