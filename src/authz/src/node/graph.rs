//! What belongs to which node.
//!
//! ```text
//! node <- pod <- secret, config map, service account, resource claim
//! node <- pod <- claim <- volume <- secret
//! node <- volume attachment, resource slice
//! ```
//!
//! Every object that a scheduled pod names knows its nodes, each with the number of pods that name it, so
//! that a question is a look-up or two, however many pods share a secret. A write changes only its own
//! object's places.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a pod may need of the API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Kind {
    Secret,
    ConfigMap,
    /// A persistent volume claim.
    Claim,
    ResourceClaim,
    ServiceAccount,
}

/// Something a pod names in its own namespace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Need {
    pub(super) kind: Kind,
    pub(super) name: Box<str>,
}

/// A pod on a node.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Pod {
    pub(super) node: Arc<str>,
    /// Sorted, each once.
    pub(super) needs: Box<[Need]>,
}

/// A claimed volume.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Volume {
    /// Namespace and name.
    pub(super) claim: (Box<str>, Box<str>),
    /// What mounting it takes, by namespace and name, each once.
    pub(super) secrets: Box<[(Box<str>, Box<str>)]>,
}

/// All of it.
#[derive(Default)]
pub(super) struct Graph {
    pods: ByName<Pod>,
    /// The nodes of what pods name.
    secrets: ByName<Nodes>,
    config_maps: ByName<Nodes>,
    claims: ByName<Nodes>,
    resource_claims: ByName<Nodes>,
    service_accounts: ByName<Nodes>,
    volumes: HashMap<Box<str>, Volume>,
    /// The volumes that take a secret to mount.
    mounts: ByName<HashSet<Box<str>>>,
    attachments: HashMap<Box<str>, Box<str>>,
    slices: HashMap<Box<str>, Box<str>>,
}

/// How many pods of a node name something.
type Nodes = HashMap<Arc<str>, usize>;

impl Graph {
    /// Notes a pod as it is now; whether that changed anything.
    pub(super) fn set_pod(&mut self, namespace: &str, name: &str, pod: Option<Pod>) -> bool {
        if self.pods.get(namespace, name) == pod.as_ref() {
            return false;
        }
        if let Some(old) = self.pods.remove(namespace, name) {
            for need in &old.needs {
                self.table(need.kind).edit(namespace, &need.name, |nodes| forget(nodes, &old.node));
            }
        }
        if let Some(pod) = pod {
            for need in &pod.needs {
                let node = Arc::clone(&pod.node);
                let add = |nodes: &mut Nodes| {
                    let count = nodes.entry(node).or_default();
                    *count = count.saturating_add(1);
                    false
                };
                self.table(need.kind).edit(namespace, &need.name, add);
            }
            self.pods.insert(namespace, name, pod);
        }
        true
    }

    /// Notes a volume as it is now; whether that changed anything.
    pub(super) fn set_volume(&mut self, name: &str, volume: Option<Volume>) -> bool {
        if self.volumes.get(name) == volume.as_ref() {
            return false;
        }
        for (namespace, secret) in self.volumes.remove(name).iter().flat_map(|old| &old.secrets) {
            self.mounts.edit(namespace, secret, |volumes| {
                volumes.remove(name);
                volumes.is_empty()
            });
        }
        if let Some(volume) = volume {
            for (namespace, secret) in &volume.secrets {
                self.mounts.edit(namespace, secret, |volumes| {
                    volumes.insert(name.into());
                    false
                });
            }
            self.volumes.insert(name.into(), volume);
        }
        true
    }

    /// Notes whose a volume attachment is.
    pub(super) fn set_attachment(&mut self, name: &str, node: Option<Box<str>>) -> bool {
        set(&mut self.attachments, name, node)
    }

    /// Notes whose a resource slice is.
    pub(super) fn set_slice(&mut self, name: &str, node: Option<Box<str>>) -> bool {
        set(&mut self.slices, name, node)
    }

    /// Whether a node's pods name something.
    pub(super) fn needs(&self, node: &str, kind: Kind, namespace: &str, name: &str) -> bool {
        let table = match kind {
            Kind::Secret => &self.secrets,
            Kind::ConfigMap => &self.config_maps,
            Kind::Claim => &self.claims,
            Kind::ResourceClaim => &self.resource_claims,
            Kind::ServiceAccount => &self.service_accounts,
        };
        table.get(namespace, name).is_some_and(|nodes| nodes.contains_key(node))
            || (kind == Kind::Secret && self.mounts_with(node, namespace, name))
    }

    /// Whether a node mounts a volume.
    pub(super) fn mounts(&self, node: &str, volume: &str) -> bool {
        let claim = self.volumes.get(volume).map(|volume| &volume.claim);
        claim.is_some_and(|(namespace, name)| self.needs(node, Kind::Claim, namespace, name))
    }

    /// Whether a pod runs on a node.
    pub(super) fn runs(&self, node: &str, namespace: &str, pod: &str) -> bool {
        self.pods.get(namespace, pod).is_some_and(|pod| &*pod.node == node)
    }

    /// Whether a volume attachment is of a node.
    pub(super) fn attaches(&self, node: &str, attachment: &str) -> bool {
        self.attachments.get(attachment).is_some_and(|of| &**of == node)
    }

    /// Whether a resource slice is of a node.
    pub(super) fn offers(&self, node: &str, slice: &str) -> bool {
        self.slices.get(slice).is_some_and(|of| &**of == node)
    }

    /// The nodes that anything belongs to.
    pub(super) fn nodes(&self) -> Vec<String> {
        let pods = self.pods.0.values().flat_map(HashMap::values).map(|pod| pod.node.to_string());
        let held = self.attachments.values().chain(self.slices.values()).map(ToString::to_string);
        let all: std::collections::BTreeSet<String> = pods.chain(held).collect();
        all.into_iter().collect()
    }

    fn mounts_with(&self, node: &str, namespace: &str, secret: &str) -> bool {
        let volumes = self.mounts.get(namespace, secret);
        volumes.into_iter().flatten().any(|volume| self.mounts(node, volume))
    }

    fn table(&mut self, kind: Kind) -> &mut ByName<Nodes> {
        match kind {
            Kind::Secret => &mut self.secrets,
            Kind::ConfigMap => &mut self.config_maps,
            Kind::Claim => &mut self.claims,
            Kind::ResourceClaim => &mut self.resource_claims,
            Kind::ServiceAccount => &mut self.service_accounts,
        }
    }
}

/// One pod less; whether nobody is left.
fn forget(nodes: &mut Nodes, node: &str) -> bool {
    if let Some(count) = nodes.get_mut(node) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            nodes.remove(node);
        }
    }
    nodes.is_empty()
}

fn set(table: &mut HashMap<Box<str>, Box<str>>, name: &str, node: Option<Box<str>>) -> bool {
    if table.get(name) == node.as_ref() {
        return false;
    }
    match node {
        Some(node) => table.insert(name.into(), node),
        None => table.remove(name),
    };
    true
}

/// Things by namespace and name.
struct ByName<T>(HashMap<Box<str>, HashMap<Box<str>, T>>);

impl<T> Default for ByName<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByName<T> {
    fn get(&self, namespace: &str, name: &str) -> Option<&T> {
        self.0.get(namespace)?.get(name)
    }

    fn insert(&mut self, namespace: &str, name: &str, thing: T) {
        self.0.entry(namespace.into()).or_default().insert(name.into(), thing);
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<T> {
        let names = self.0.get_mut(namespace)?;
        let thing = names.remove(name);
        if names.is_empty() {
            self.0.remove(namespace);
        }
        thing
    }
}

impl<T: Default> ByName<T> {
    /// Changes a thing, making it if need be; it goes when the change says that nothing is left of it.
    fn edit(&mut self, namespace: &str, name: &str, change: impl FnOnce(&mut T) -> bool) {
        let thing = self.0.entry(namespace.into()).or_default().entry(name.into()).or_default();
        if change(thing) {
            self.remove(namespace, name);
        }
    }
}
