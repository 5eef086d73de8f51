//! What authentication must know about objects: whoever has a store answers.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use portcullis_api::{Object, time};

/// The resources of the core group that credentials are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Watched {
    /// `serviceaccounts`
    ServiceAccounts,
    /// `pods`
    Pods,
    /// `secrets`
    Secrets,
    /// `nodes`; the namespace is empty
    Nodes,
}

impl Watched {
    /// The plural name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServiceAccounts => "serviceaccounts",
            Self::Pods => "pods",
            Self::Secrets => "secrets",
            Self::Nodes => "nodes",
        }
    }
}

/// What a token's binding depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// `metadata.uid`
    pub uid: Arc<str>,
    /// `metadata.deletionTimestamp`, if the object is going away.
    pub deleted_at: Option<Timestamp>,
}

impl Facts {
    /// The facts of an object. A deletion time that cannot be read counts as long ago.
    pub fn of(object: &Object) -> Self {
        let deletion = object.meta_str("deletionTimestamp");
        let deleted_at = (!deletion.is_empty()).then(|| time::parse(deletion).unwrap_or(Timestamp::MIN));
        Self { uid: object.uid().into(), deleted_at }
    }
}

/// What is known of an object without asking the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glance {
    /// It is there, under this uid.
    There(Box<str>),
    /// It is not.
    Gone,
    /// Nothing is known.
    Unknown,
}

/// The store could not answer. The words are for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct LookupError(pub String);

/// Reads objects without asking who wants them. Answers must be as new as any write that was
/// acknowledged: a deleted object must not be found.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// An object.
    async fn get(&self, of: Watched, namespace: &str, name: &str)
    -> Result<Option<Arc<Object>>, LookupError>;

    /// An object's facts; worth overriding where they are at hand without the whole object.
    async fn facts(&self, of: Watched, namespace: &str, name: &str) -> Result<Option<Facts>, LookupError> {
        Ok(self.get(of, namespace, name).await?.map(|object| Facts::of(&object)))
    }

    /// The uid of an object as far as this process has heard, for what is asked several times a second.
    fn glance(&self, of: Watched, namespace: &str, name: &str) -> Glance {
        let _ = (of, namespace, name);
        Glance::Unknown
    }
}
