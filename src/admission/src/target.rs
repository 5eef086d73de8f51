//! What stages beyond the built-in plugins must know of kinds: versions of the same objects, and how a
//! changed object is brought into order again.

use async_trait::async_trait;
use portcullis_api::{Gvk, Gvr, Object, Result, Value};
use portcullis_schema::Schema;

/// A resource in one version, with the kind of the objects that requests for it carry.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// The resource.
    pub resource: Gvr,
    /// The kind; a subresource may have one of its own.
    pub kind: Gvk,
}

/// A kind as it is served.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Served {
    /// Its resource.
    pub target: Target,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

/// The served kinds, as stages see them. The registry implements it.
#[async_trait]
pub trait Kinds: Send + Sync {
    /// The other versions and groups under which the same stored objects are served, in the order in
    /// which discovery knows them.
    fn equivalents(&self, resource: &Gvr, subresource: &str) -> Vec<Target>;

    /// An object of one target as the other shows it, with `apiVersion` and `kind`.
    ///
    /// # Errors
    /// When it cannot be converted; for example because a conversion webhook does not answer.
    async fn convert(&self, object: Object, from: &Target, to: &Target) -> Result<Object>;

    /// What the objects of a kind are served as.
    fn served(&self, kind: &Gvk) -> Option<Served>;

    /// The schema of a target's objects.
    fn schema(&self, of: &Target) -> Option<Schema>;

    /// Brings an object that something changed into normal form: what its kind does not know is dropped,
    /// what it defaults is filled in.
    ///
    /// # Errors
    /// When no object of the kind can hold what the change made.
    fn settle(&self, of: &Target, object: &mut Object) -> Result<()>;
}

/// The options of an operation (`CreateOptions`, `DeleteOptions` and so on).
pub trait Options: Send + Sync {
    /// The options as a tree with `kind` and `apiVersion`; made only when somebody looks.
    fn tree(&self) -> Option<Value>;
}

/// No options: what a `CONNECT` has.
impl Options for () {
    fn tree(&self) -> Option<Value> {
        None
    }
}
