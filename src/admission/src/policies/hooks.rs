//! The policies that are in force: those that are bound, compiled, in the order of their names.
//!
//! They follow what is stored, one object at a time; whoever reads sees one state as a whole. A policy is compiled
//! when it is first bound, and again only when its `spec` changes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use portcullis_api::{Object, Value};

use super::binding::Binding;
use super::judge::Validations;
use super::mutating::Mutations;
use super::policy::{Policy, Rules};

/// All policies and bindings of a server. Clones share them.
#[derive(Clone, Default, Debug)]
pub struct Policies {
    pub(super) validating: Arc<Hooks<Validations>>,
    pub(super) mutating: Arc<Hooks<Mutations>>,
}

impl Policies {
    /// No policies.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of a stored object of one of the resources of policies and bindings, or of its removal.
    /// Other resources are none of its business.
    pub fn observe(&self, resource: &str, name: &str, object: Option<&Object>) {
        match resource {
            "validatingadmissionpolicies" => self.validating.set_policy(name, object),
            "validatingadmissionpolicybindings" => self.validating.set_binding(name, object),
            "mutatingadmissionpolicies" => self.mutating.set_policy(name, object),
            "mutatingadmissionpolicybindings" => self.mutating.set_binding(name, object),
            _ => {}
        }
    }
}

/// A policy with what binds it.
pub(super) struct Hook<R> {
    pub(super) policy: Arc<Policy<R>>,
    pub(super) bindings: Vec<Arc<Binding>>,
}

/// The policies of one kind.
pub(super) struct Hooks<R> {
    stored: Mutex<Stored<R>>,
    active: ArcSwap<Vec<Hook<R>>>,
    /// Whether any policy is bound.
    any: AtomicBool,
}

struct Stored<R> {
    policies: BTreeMap<Arc<str>, Entry<R>>,
    bindings: BTreeMap<Arc<str>, Arc<Binding>>,
}

/// A stored policy, compiled once it is bound.
struct Entry<R> {
    object: Object,
    compiled: Option<Arc<Policy<R>>>,
}

impl<R> Default for Hooks<R> {
    fn default() -> Self {
        let stored = Stored { policies: BTreeMap::new(), bindings: BTreeMap::new() };
        Self { stored: Mutex::new(stored), active: ArcSwap::default(), any: AtomicBool::new(false) }
    }
}

impl<R> fmt::Debug for Hooks<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Hooks").field("active", &self.active.load().len()).finish_non_exhaustive()
    }
}

impl<R> Hooks<R> {
    /// Whether no policy is bound: no more than a look.
    pub(super) fn is_idle(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The policies in force.
    pub(super) fn active(&self) -> Arc<Vec<Hook<R>>> {
        self.active.load_full()
    }
}

impl<R: Rules> Hooks<R> {
    fn set_policy(&self, name: &str, object: Option<&Object>) {
        let mut stored = self.stored.lock();
        match object {
            None => {
                stored.policies.remove(name);
            }
            Some(object) => {
                let before = stored.policies.remove(name);
                let compiled = before.filter(|entry| spec(&entry.object) == spec(object));
                let compiled = compiled.and_then(|entry| entry.compiled);
                stored.policies.insert(name.into(), Entry { object: object.clone(), compiled });
            }
        }
        self.publish(&mut stored);
    }

    fn set_binding(&self, name: &str, object: Option<&Object>) {
        let mut stored = self.stored.lock();
        match object {
            None => stored.bindings.remove(name),
            Some(object) => stored.bindings.insert(name.into(), Binding::read(object).into()),
        };
        self.publish(&mut stored);
    }

    /// Puts what is stored in force.
    fn publish(&self, stored: &mut Stored<R>) {
        let mut bound: BTreeMap<Arc<str>, Vec<Arc<Binding>>> = BTreeMap::new();
        for binding in stored.bindings.values() {
            bound.entry(binding.policy.clone()).or_default().push(binding.clone());
        }
        let mut active = Vec::with_capacity(bound.len());
        for (name, bindings) in bound {
            let Some(entry) = stored.policies.get_mut(&name) else { continue };
            let object = &entry.object;
            let policy = entry.compiled.get_or_insert_with(|| Arc::new(Policy::compile(object))).clone();
            active.push(Hook { policy, bindings });
        }
        let any = !active.is_empty();
        self.active.store(Arc::new(active));
        self.any.store(any, Ordering::Release);
    }
}

fn spec(object: &Object) -> Option<&Value> {
    object.get("spec")
}
