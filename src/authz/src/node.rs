//! The Node authorizer: a kubelet reaches what its own pods need, and nothing of other nodes.
//!
//! ```text
//! graph   what belongs to which node, maintained commit by commit
//! names   what a pod or volume names, read from the stored bytes
//! ```
//!
//! What needs no object is decided by the rules of the bootstrap role `system:node`, which no binding
//! gives to anybody. What needs the object written (a pod's node, the labels of a node) is admission's
//! part: `NodeRestriction` knows a node by the same [`UserInfo::node`].

mod graph;
mod names;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use portcullis_api::UserInfo;
use portcullis_api::field::go_quote;
use portcullis_api::selector::FieldSelector;

use self::graph::{Graph, Kind};
use crate::attributes::{Attributes, Resource, Subject};
use crate::chain::Authorizer;
use crate::decision::{Decision, Grounds, Reason};
use crate::listing::Rules;
use crate::policies;
use crate::rbac::Rule;

/// Where nodes keep their leases.
const LEASES: &str = "kube-node-lease";

/// The Node authorizer. Clones are handles to the same graph.
#[derive(Clone, Default)]
pub struct NodeAuthorizer(Arc<Inner>);

#[derive(Default)]
struct Inner {
    graph: RwLock<Graph>,
    generation: AtomicU64,
}

/// A resource whose objects make the graph.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watched {
    /// Pods.
    Pods,
    /// Persistent volumes.
    Volumes,
    /// Volume attachments.
    Attachments,
    /// Resource slices.
    Slices,
}

/// `Ok` allows; an error is the reason for having no opinion.
type Verdict = Result<(), Cow<'static, str>>;

impl NodeAuthorizer {
    /// An authorizer that knows of nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes an object as it is stored now, or that it is gone. What cannot be read opens nothing.
    pub fn observe(&self, what: Watched, namespace: &str, name: &str, body: Option<&[u8]>) {
        // Reading comes before the lock.
        let changed = match what {
            Watched::Pods => {
                let pod = body.and_then(names::pod);
                self.0.graph.write().set_pod(namespace, name, pod)
            }
            Watched::Volumes => {
                let volume = body.and_then(names::volume);
                self.0.graph.write().set_volume(name, volume)
            }
            Watched::Attachments => {
                let node = body.and_then(names::node_of);
                self.0.graph.write().set_attachment(name, node)
            }
            Watched::Slices => {
                let node = body.and_then(names::node_of);
                self.0.graph.write().set_slice(name, node)
            }
        };
        if changed {
            self.0.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// The nodes that may do something, of those that run or hold anything.
    pub(crate) fn who_can(&self, asked: &Attributes<'_>) -> Vec<String> {
        let mut nodes = self.0.graph.read().nodes();
        nodes.retain(|node| self.judge(node, asked).is_ok());
        nodes
    }

    fn judge(&self, node: &str, attributes: &Attributes<'_>) -> Verdict {
        let Subject::Resource(asked) = &attributes.subject else { return by_rules(attributes) };
        let verb = attributes.verb;
        let by_name =
            |kind| self.related(asked, |graph| graph.needs(node, kind, asked.namespace, asked.name), node);
        match (asked.group, asked.resource) {
            ("", "secrets") => readable(verb, asked).and_then(|()| by_name(Kind::Secret)),
            ("", "configmaps") => readable(verb, asked).and_then(|()| by_name(Kind::ConfigMap)),
            ("", "persistentvolumeclaims") if asked.subresource == "status" => {
                status_write(verb).and_then(|()| by_name(Kind::Claim))
            }
            ("", "persistentvolumeclaims") => gettable(verb, asked).and_then(|()| by_name(Kind::Claim)),
            ("resource.k8s.io", "resourceclaims") => {
                gettable(verb, asked).and_then(|()| by_name(Kind::ResourceClaim))
            }
            ("", "persistentvolumes") => {
                gettable(verb, asked)?;
                self.related(asked, |graph| graph.mounts(node, asked.name), node)
            }
            ("storage.k8s.io", "volumeattachments") => {
                gettable(verb, asked)?;
                self.related(asked, |graph| graph.attaches(node, asked.name), node)
            }
            ("", "serviceaccounts") if verb == "get" && asked.subresource.is_empty() => {
                readable(verb, asked).and_then(|()| by_name(Kind::ServiceAccount))
            }
            ("", "serviceaccounts") => token(verb, asked).and_then(|()| by_name(Kind::ServiceAccount)),
            ("coordination.k8s.io", "leases") => lease(node, verb, asked),
            ("storage.k8s.io", "csinodes") => csi_node(node, verb, asked),
            ("resource.k8s.io", "resourceslices") => self.slice(node, verb, asked),
            ("", "nodes") => itself(node, verb, asked),
            ("", "pods") => self.pod(node, verb, asked),
            // Certificates for pods are not given out.
            ("certificates.k8s.io", "podcertificaterequests") => no(""),
            _ => by_rules(attributes),
        }
    }

    fn pod(&self, node: &str, verb: &str, asked: &Resource<'_>) -> Verdict {
        let runs = || self.related(asked, |graph| graph.runs(node, asked.namespace, asked.name), node);
        match (asked.subresource, verb) {
            ("", "get") => runs(),
            ("", "list" | "watch") if selects(asked, "spec.nodeName", node) => Ok(()),
            ("", "list" | "watch") if !asked.name.is_empty() => runs(),
            ("", "list" | "watch") => no("can only list/watch pods with spec.nodeName field selector"),
            // Of its own pods only: that is for NodeRestriction to see.
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(()),
            _ => no(""),
        }
    }

    fn slice(&self, node: &str, verb: &str, asked: &Resource<'_>) -> Verdict {
        if !asked.subresource.is_empty() {
            return no("cannot authorize ResourceSlice subresources");
        }
        match verb {
            "create" => Ok(()),
            "get" | "update" | "patch" | "delete" => {
                self.related(asked, |graph| graph.offers(node, asked.name), node)
            }
            "watch" | "list" | "deletecollection" if selects(asked, "spec.nodeName", node) => Ok(()),
            "watch" | "list" | "deletecollection" => {
                no("can only list/watch/deletecollection resourceslices with nodeName field selector")
            }
            _ => no(
                "only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection",
            ),
        }
    }

    fn related(&self, asked: &Resource<'_>, is: impl Fn(&Graph) -> bool, node: &str) -> Verdict {
        if asked.name.is_empty() {
            return no("No Object name found");
        }
        if is(&self.0.graph.read()) {
            return Ok(());
        }
        Err(format!("no relationship found between node '{node}' and this object").into())
    }
}

impl Authorizer for NodeAuthorizer {
    fn name(&self) -> &'static str {
        "Node"
    }

    fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Decision {
        let verdict = match user.node() {
            None => return Decision::no_opinion(),
            Some("") => Err(format!("unknown node for user {}", go_quote(&user.name)).into()),
            Some(node) => self.judge(node, attributes),
        };
        match verdict {
            Ok(()) => Decision::allow(Reason::Node),
            Err(why) if why.is_empty() => Decision::no_opinion(),
            Err(why) => {
                Decision::NoOpinion(Grounds { reasons: vec![Reason::Said(why.into())], errors: Vec::new() })
            }
        }
    }

    fn rules(&self, user: &UserInfo, _: &str) -> Rules {
        if user.node().is_none() {
            return Rules::default();
        }
        let why = Arc::from("node authorizer does not support user rule resolution");
        Rules { rules: Vec::new(), incomplete: true, errors: vec![why] }
    }

    fn generation(&self, user: &UserInfo) -> u64 {
        if user.node().is_some() { self.0.generation.load(Ordering::Acquire) } else { 0 }
    }
}

fn no(why: &'static str) -> Verdict {
    Err(Cow::Borrowed(why))
}

/// The rules that hold for every node alike.
fn by_rules(attributes: &Attributes<'_>) -> Verdict {
    static RULES: LazyLock<Box<[Rule]>> = LazyLock::new(|| {
        let named = |resource: &str, name: &str| resource == "clusterroles" && name == "system:node";
        let role = policies::bootstrap_objects().iter().find(|(gvr, role)| named(&gvr.resource, role.name()));
        Rule::list(role.and_then(|(_, role)| role.get("rules")))
    });
    if RULES.iter().any(|rule| rule.allows(attributes)) { Ok(()) } else { no("") }
}

fn gettable(verb: &str, asked: &Resource<'_>) -> Verdict {
    match (verb, asked.subresource) {
        ("get", "") => Ok(()),
        ("get", _) => no("cannot get subresource"),
        _ => no("can only get individual resources of this type"),
    }
}

fn readable(verb: &str, asked: &Resource<'_>) -> Verdict {
    match verb {
        "get" | "list" | "watch" if !asked.subresource.is_empty() => no("cannot read subresource"),
        "get" | "list" | "watch" if asked.namespace.is_empty() => {
            no("can only read namespaced object of this type")
        }
        "get" | "list" | "watch" => Ok(()),
        _ => no("can only read resources of this type"),
    }
}

fn status_write(verb: &str) -> Verdict {
    match verb {
        "update" | "patch" => Ok(()),
        _ => no("can only get/update/patch this type"),
    }
}

fn token(verb: &str, asked: &Resource<'_>) -> Verdict {
    if verb != "create" || asked.name.is_empty() {
        return no("can only create tokens for individual service accounts");
    }
    match asked.subresource {
        "token" => Ok(()),
        _ => no("can only create token subresource of serviceaccount"),
    }
}

fn lease(node: &str, verb: &str, asked: &Resource<'_>) -> Verdict {
    match verb {
        "get" | "create" | "update" | "patch" | "delete" => {}
        _ => return no("can only get, create, update, patch, or delete a node lease"),
    }
    if asked.namespace != LEASES {
        return Err(format!("can only access leases in the \"{LEASES}\" system namespace").into());
    }
    // The name of what is created is for NodeRestriction to see.
    if verb != "create" && asked.name != node {
        return no("can only access node lease with the same name as the requesting node");
    }
    Ok(())
}

fn csi_node(node: &str, verb: &str, asked: &Resource<'_>) -> Verdict {
    match verb {
        "get" | "create" | "update" | "patch" | "delete" => {}
        _ => return no("can only get, create, update, patch, or delete a CSINode"),
    }
    if !asked.subresource.is_empty() {
        return no("cannot authorize CSINode subresources");
    }
    if verb != "create" && asked.name != node {
        return no("can only access CSINode with the same name as the requesting node");
    }
    Ok(())
}

/// A node's own object: by name rather than by the graph, since it is asked for before it exists.
fn itself(node: &str, verb: &str, asked: &Resource<'_>) -> Verdict {
    match (asked.subresource, verb) {
        ("", "create" | "update" | "patch") | ("status", "update" | "patch") => Ok(()),
        ("", "get" | "list" | "watch") if asked.name == node => Ok(()),
        ("", "get" | "list" | "watch") if asked.name.is_empty() => {
            Err(format!("node '{node}' cannot read all nodes, only its own Node object").into())
        }
        ("", "get" | "list" | "watch") => {
            let name = asked.name;
            Err(format!("node '{node}' cannot read '{name}', only its own Node object").into())
        }
        _ => no(""),
    }
}

/// Whether the request limits itself to objects with a field's value.
fn selects(asked: &Resource<'_>, field: &str, value: &str) -> bool {
    let Ok(selector) = FieldSelector::parse(asked.field_selector) else { return false };
    selector.terms().iter().any(|term| term.field() == field && term.is_equal() && term.value() == value)
}
