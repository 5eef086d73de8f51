//! What must be current before a write is answered: RBAC's index, the graph of the nodes, the labels of
//! namespaces, the scope of custom resources and the ports in use.
//!
//! The indexes follow the caches of their resources. Another server may write while the state at start is
//! taken in; whatever an event has spoken of by then is newer and stays.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_admission::policies::Policies;
use portcullis_admission::{WebhookKind, Webhooks};
use portcullis_api::{GroupResource, Object, Result};
use portcullis_authn::{IDENTITY_GROUP, Mark, RevocationList, RevokedToken, RevokedTokens, UserTokens};
use portcullis_authz::node::Watched;
use portcullis_authz::rbac::{GROUP as RBAC_GROUP, RbacIndex};
use portcullis_authz::{NamespaceLabels, NodeAuthorizer};
use portcullis_storage::{Change, Event, EventType, Key};

use crate::Registry;
use crate::allocate::Allocator;
use crate::door::storage_error;
use crate::ledger::{self, Ledger};

/// The key prefixes of RBAC's resources.
const RBAC: [(&str, &str); 4] = [
    ("/registry/roles/", "roles"),
    ("/registry/clusterroles/", "clusterroles"),
    ("/registry/rolebindings/", "rolebindings"),
    ("/registry/clusterrolebindings/", "clusterrolebindings"),
];

/// The key prefixes of what the graph of the nodes is made of, each with its group and resource.
const NODES: [(&str, &str, &str, Watched); 4] = [
    ("/registry/pods/", "", "pods", Watched::Pods),
    ("/registry/persistentvolumes/", "", "persistentvolumes", Watched::Volumes),
    ("/registry/volumeattachments/", "storage.k8s.io", "volumeattachments", Watched::Attachments),
    ("/registry/resourceslices/", "resource.k8s.io", "resourceslices", Watched::Slices),
];

/// The group of what configures admission.
const ADMISSION_GROUP: &str = "admissionregistration.k8s.io";

/// Where namespaces are.
const NAMESPACES: &str = "/registry/namespaces/";

/// Where definitions of custom resources are.
const DEFINITIONS: &str = "/registry/apiextensions.k8s.io/customresourcedefinitions/";

/// The key prefixes of our own resources.
const TOKENS: &str = "/registry/identity.portcullis.io/usertokens/";
const REVOCATIONS: &str = "/registry/identity.portcullis.io/certificaterevocations/";
const TOKEN_REVOCATIONS: &str = "/registry/identity.portcullis.io/tokenrevocations/";
const RECORDS: &str = "/registry/identity.portcullis.io/issuedcredentials/";

/// The key prefixes of configurations of webhooks.
const WEBHOOKS: [(&str, WebhookKind); 2] = [
    ("/registry/mutatingwebhookconfigurations/", WebhookKind::Mutating),
    ("/registry/validatingwebhookconfigurations/", WebhookKind::Validating),
];

/// Where admission policies and their bindings are, and their resources.
const ADMISSION: [(&str, &str); 4] = [
    ("/registry/validatingadmissionpolicies/", "validatingadmissionpolicies"),
    ("/registry/validatingadmissionpolicybindings/", "validatingadmissionpolicybindings"),
    ("/registry/mutatingadmissionpolicies/", "mutatingadmissionpolicies"),
    ("/registry/mutatingadmissionpolicybindings/", "mutatingadmissionpolicybindings"),
];

/// What else is replayed at start.
const OTHERS: [(&str, &str); 9] = [
    ("", "services"),
    ("", "namespaces"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    (IDENTITY_GROUP, "usertokens"),
    (IDENTITY_GROUP, "certificaterevocations"),
    (IDENTITY_GROUP, "tokenrevocations"),
    (IDENTITY_GROUP, ledger::RESOURCE),
    (ADMISSION_GROUP, "mutatingwebhookconfigurations"),
    (ADMISSION_GROUP, "validatingwebhookconfigurations"),
];

/// Keys that events spoke of while the state at start is not taken in yet.
type Newer = Arc<Mutex<Option<HashSet<Key>>>>;

#[derive(Clone)]
struct Indexes {
    rbac: RbacIndex,
    nodes: NodeAuthorizer,
    labels: NamespaceLabels,
    credentials: Credentials,
    webhooks: Webhooks,
    allocator: Arc<Allocator>,
    policies: Policies,
}

impl Indexes {
    fn apply(&self, change: &Change) {
        self.allocator.observe(change);
        observe_rbac(&self.rbac, change);
        observe_nodes(&self.nodes, change);
        if let Some(name) = change.key.strip_prefix(NAMESPACES) {
            self.labels.observe(name, change.value.as_deref());
        } else if let Some(name) = change.key.strip_prefix(DEFINITIONS) {
            self.labels.observe_definition(name, change.value.as_deref());
        }
        self.credentials.apply(change);
        observe_webhooks(&self.webhooks, change);
        observe_policies(&self.policies, change);
    }
}

/// Which credentials of ours let somebody in.
#[derive(Clone)]
struct Credentials {
    tokens: Option<UserTokens>,
    revoked: Arc<RevocationList>,
    revoked_tokens: Arc<RevokedTokens>,
    ledger: Ledger,
}

impl Credentials {
    fn apply(&self, change: &Change) {
        if let (Some(name), Some(tokens)) = (change.key.strip_prefix(TOKENS), &self.tokens) {
            match object_of(change) {
                Some(object) => tokens.upsert(&object),
                None => tokens.remove(name),
            }
        } else if let Some(name) = change.key.strip_prefix(REVOCATIONS) {
            self.revoked.set(name, object_of(change).as_ref().and_then(mark));
        } else if let Some(name) = change.key.strip_prefix(TOKEN_REVOCATIONS) {
            self.revoked_tokens.set(name, object_of(change).as_ref().and_then(RevokedToken::of));
        } else if let Some(name) = change.key.strip_prefix(RECORDS) {
            self.ledger.apply(name, change);
        }
    }
}

fn mark(revocation: &Object) -> Option<Mark> {
    let given = |field: &str| Some(revocation.str_at(&["spec", field])).filter(|text| !text.is_empty());
    given("fingerprint").map(Mark::fingerprint).or_else(|| given("serialNumber").map(Mark::serial))
}

fn object_of(change: &Change) -> Option<Object> {
    change.value.as_ref().and_then(|value| serde_json::from_slice(value).ok()).map(Object::new)
}

fn observe_rbac(rbac: &RbacIndex, change: &Change) {
    let Some((prefix, resource)) = RBAC.iter().find(|(prefix, _)| change.key.starts_with(prefix)) else {
        return;
    };
    let gr = GroupResource::new(RBAC_GROUP, *resource);
    let (namespace, name) = place(change, prefix);
    match object_of(change) {
        Some(object) => rbac.upsert(&gr, &object),
        // A value that cannot be read grants nothing.
        None => rbac.remove(&gr, namespace, name),
    };
}

/// A value that cannot be read is kept as an object that says nothing; what is bound to it then fails.
fn observe_policies(policies: &Policies, change: &Change) {
    let Some((prefix, resource)) = ADMISSION.iter().find(|(prefix, _)| change.key.starts_with(prefix)) else {
        return;
    };
    let (_, name) = place(change, prefix);
    match &change.value {
        None => policies.observe(resource, name, None),
        Some(_) => {
            let mut object = object_of(change).unwrap_or_default();
            object.set_meta_str("name", name);
            policies.observe(resource, name, Some(&object));
        }
    }
}

fn observe_nodes(nodes: &NodeAuthorizer, change: &Change) {
    let found = NODES.iter().find(|(prefix, ..)| change.key.starts_with(prefix));
    let Some((prefix, _, _, what)) = found else { return };
    let (namespace, name) = place(change, prefix);
    nodes.observe(*what, namespace, name, change.value.as_deref());
}

fn observe_webhooks(webhooks: &Webhooks, change: &Change) {
    for (prefix, kind) in WEBHOOKS {
        let Some(name) = change.key.strip_prefix(prefix) else { continue };
        match object_of(change) {
            Some(configuration) => webhooks.upsert(kind, &configuration),
            None => webhooks.remove(kind, name),
        }
    }
}

/// The namespace and name in a key.
fn place<'a>(change: &'a Change, prefix: &str) -> (&'a str, &'a str) {
    let path = change.key.get(prefix.len()..).unwrap_or_default();
    path.split_once('/').unwrap_or(("", path))
}

impl Registry {
    /// Fills the indexes and lets them follow every commit.
    pub(crate) async fn observe(&self) -> Result<()> {
        let indexes = Indexes {
            rbac: self.rbac.clone(),
            nodes: self.nodes.clone(),
            labels: self.labels.clone(),
            credentials: Credentials {
                tokens: self.user_tokens.clone(),
                revoked: self.revoked.clone(),
                revoked_tokens: self.revoked_tokens.clone(),
                ledger: self.ledger.clone(),
            },
            webhooks: self.webhooks.clone(),
            allocator: self.allocator.clone(),
            policies: self.policies.clone(),
        };
        let rbac = RBAC.iter().map(|(_, resource)| (RBAC_GROUP, *resource));
        let nodes = NODES.iter().map(|(_, group, resource, _)| (*group, *resource));
        let policies = ADMISSION.iter().map(|(_, resource)| (ADMISSION_GROUP, *resource));
        for (group, resource) in rbac.chain(nodes).chain(policies).chain(OTHERS) {
            self.index(group, resource, &indexes).await?;
        }
        Ok(())
    }

    async fn index(&self, group: &str, resource: &str, indexes: &Indexes) -> Result<()> {
        let Some(resource) = self.resources().get(group, "v1", resource) else { return Ok(()) };
        let newer: Newer = Arc::new(Mutex::new(Some(HashSet::new())));
        let (spoken, following) = (newer.clone(), indexes.clone());
        let observer = move |events: &[Arc<Event>]| {
            let mut newer = spoken.lock();
            for event in events {
                if let Some(newer) = &mut *newer {
                    newer.insert(event.entry.key().clone());
                }
                following.apply(&change(event));
            }
        };
        let start = resource.cache()?.on_commit(Box::new(observer)).await.map_err(storage_error)?;
        let mut newer = newer.lock();
        let spoken = newer.take().unwrap_or_default();
        for entry in start.iter().filter(|entry| !spoken.contains(entry.key())) {
            let (key, revision) = (entry.key().clone(), entry.revision());
            indexes.apply(&Change { revision, key, value: Some(entry.body().clone()), previous: None });
        }
        Ok(())
    }
}

fn change(event: &Event) -> Change {
    let value = (event.event_type != EventType::Deleted).then(|| event.entry.body().clone());
    Change { revision: event.revision, key: event.entry.key().clone(), value, previous: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use portcullis_api::Scope;
    use portcullis_authz::files::cluster_scoped;

    #[test]
    fn policies_know_what_lies_in_no_namespace() {
        let served = portcullis_schema::rows().iter().filter(|row| row.scope == Scope::Cluster);
        let served: BTreeSet<(&str, &str)> =
            served.map(|row| (&*row.gvr.gv.group, &*row.gvr.resource)).collect();
        assert_eq!(cluster_scoped().collect::<BTreeSet<_>>(), served);
    }
}
