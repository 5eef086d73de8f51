//! A resource as discovery tells of it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::{GroupVersion, Gvk};
use portcullis_schema::{self as schema, Row, Word};
use sha2::{Digest, Sha256};

/// One resource in one version.
#[derive(Clone, Debug)]
pub struct Served {
    /// Group and version.
    pub gv: GroupVersion,
    /// Plural.
    pub resource: String,
    /// Kind.
    pub kind: String,
    /// Singular.
    pub singular: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What command lines accept.
    pub short_names: Vec<String>,
    /// Groups of resources it belongs to.
    pub categories: Vec<String>,
    /// What may be done.
    pub verbs: Vec<String>,
    /// Its subresources.
    pub subresources: Vec<ServedSubresource>,
    /// The version its objects are stored in; `None` if they are not.
    pub stored_as: Option<GroupVersion>,
}

/// A subresource.
#[derive(Clone, Debug)]
pub struct ServedSubresource {
    /// The name after the slash.
    pub name: String,
    /// The kind of what is sent or received.
    pub gvk: Gvk,
    /// What may be done.
    pub verbs: Vec<String>,
}

impl Served {
    /// A token that changes when objects are stored in another form; upstream's recipe.
    pub(super) fn storage_version_hash(&self) -> Option<String> {
        let gv = self.stored_as.as_ref()?;
        let digest = Sha256::digest(format!("{}/{}/{}", gv.group, gv.version, self.kind));
        Some(STANDARD.encode(digest.get(..8).unwrap_or_default()))
    }
}

/// The built-in resources in discovery's order.
pub(super) fn built_in() -> Vec<Served> {
    schema::rows().iter().map(Served::from).collect()
}

impl From<&Row> for Served {
    fn from(row: &Row) -> Self {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let named = |words: &[Word]| words.iter().map(|word| word.clone().into_owned()).collect();
        let subresources = row.subresources.iter().map(|sub| ServedSubresource {
            name: sub.name.to_owned(),
            gvk: sub.gvk.clone(),
            verbs: owned(&sub.verbs),
        });
        Self {
            gv: row.gvr.gv.clone(),
            resource: row.gvr.resource.to_string(),
            kind: row.gvk.kind.to_string(),
            singular: row.singular.clone().into_owned(),
            namespaced: row.is_namespaced(),
            short_names: named(&row.short_names),
            categories: named(&row.categories),
            verbs: owned(&row.verbs),
            subresources: subresources.collect(),
            stored_as: row.store.as_ref().map(|store| store.gv.clone()),
        }
    }
}
