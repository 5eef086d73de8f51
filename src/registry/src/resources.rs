//! All served resources, found by their names.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_api::{GroupResource, Gvk};
use portcullis_authn::IDENTITY_GROUP;
use portcullis_schema::Row;
use portcullis_storage::Caches;

use crate::custom::Custom;
use crate::resource::Resource;

/// All served resources by group, version and name.
pub(crate) struct Resources {
    built_in: HashMap<(&'static str, &'static str, &'static str), Arc<Resource>>,
    custom: Arc<Custom>,
}

impl Resources {
    /// Binds every built-in row; those of our own group only where it is served.
    pub(crate) fn bind(caches: &Caches, identities: bool) -> Self {
        let served = |row: &&'static Row| identities || &*row.gvr.gv.group != IDENTITY_GROUP;
        let rows = portcullis_schema::rows().iter().filter(served);
        let bound = rows.filter_map(|row| {
            let name = (&*row.gvr.gv.group, &*row.gvr.gv.version, &*row.gvr.resource);
            Some((name, Arc::new(Resource::built_in(row, caches)?)))
        });
        Self { built_in: bound.collect(), custom: Arc::default() }
    }

    /// A built-in resource.
    pub(crate) fn get(&self, group: &str, version: &str, resource: &str) -> Option<&Arc<Resource>> {
        let gvr = &portcullis_schema::row(group, version, resource)?.gvr;
        self.built_in.get(&(&*gvr.gv.group, &*gvr.gv.version, &*gvr.resource))
    }

    /// Any resource that is served now.
    pub(crate) fn find(&self, group: &str, version: &str, resource: &str) -> Option<Arc<Resource>> {
        self.get(group, version, resource).cloned().or_else(|| self.custom.find(group, version, resource))
    }

    /// All resources that serve the same stored objects as this one, itself included.
    pub(crate) fn alike(&self, resource: &Resource) -> Vec<Arc<Resource>> {
        if let Some(serving) = resource.custom() {
            return self.custom.versions(serving.definition());
        }
        let Some(store) = &resource.row.store else { return Vec::new() };
        let rows = portcullis_schema::rows().iter();
        let same = rows.filter(|row| row.store.as_ref().is_some_and(|other| other.prefix == store.prefix));
        let bound = same.filter_map(|row| {
            self.built_in.get(&(&*row.gvr.gv.group, &*row.gvr.gv.version, &*row.gvr.resource))
        });
        bound.cloned().collect()
    }

    /// The resource whose objects are of a kind.
    pub(crate) fn of_kind(&self, kind: &Gvk) -> Option<Arc<Resource>> {
        let (group, version) = (&*kind.gv.group, &*kind.gv.version);
        let built_in = portcullis_schema::row_of_kind(group, version, &kind.kind)
            .and_then(|row| self.get(group, version, &row.gvr.resource));
        built_in.cloned().or_else(|| self.custom.of_kind(kind))
    }

    /// The custom resources.
    pub(crate) fn custom(&self) -> &Arc<Custom> {
        &self.custom
    }

    /// The persisted resource of a group, in its preferred version.
    pub(crate) fn of_group(&self, gr: &GroupResource) -> Option<Arc<Resource>> {
        let row = portcullis_schema::row_of_group(&gr.group, &gr.resource)?;
        self.find(&row.gvr.gv.group, &row.gvr.gv.version, &row.gvr.resource)
    }
}
