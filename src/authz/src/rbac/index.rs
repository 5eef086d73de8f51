//! Roles by name, bindings by subject and namespace.
//!
//! Maintained object by object: a write shows as soon as `upsert` or `remove` returns, and every one
//! raises the generation. A decision takes a read lock and looks up the user and each group, first
//! in the cluster's bindings, then in the namespace's.

use std::collections::BTreeMap;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_api::{GroupResource, Object, UserInfo};
use smallvec::SmallVec;

use super::binding::{Binding, Grant, Key, MissingRole, RoleRef, Subject};
use super::role::{Role, Sought};
use super::rule::Rule;
use super::tables::{Bindings, Place, Tables};
use crate::attributes::Attributes;
use crate::chain::Authorizer;
use crate::decision::{Decision, Grounds, Reason};
use crate::listing::Rules;

/// The RBAC authorizer's knowledge. Clones are handles to the same.
#[derive(Clone, Default)]
pub struct RbacIndex(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tables: RwLock<Tables>,
    generation: AtomicU64,
}

enum Kind {
    Role,
    Binding,
}

impl Kind {
    fn of(resource: &GroupResource) -> Option<Self> {
        match &*resource.resource {
            _ if &*resource.group != super::GROUP => None,
            "roles" | "clusterroles" => Some(Self::Role),
            "rolebindings" | "clusterrolebindings" => Some(Self::Binding),
            _ => None,
        }
    }
}

impl RbacIndex {
    /// An index that grants nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a role or binding as it is now; whether the resource is one of RBAC's.
    pub fn upsert(&self, resource: &GroupResource, object: &Object) -> bool {
        let Some(kind) = Kind::of(resource) else { return false };
        let namespace = object.namespace();
        match kind {
            Kind::Role => {
                let role = Arc::new(Role::new(Rule::list(object.get("rules"))));
                self.0.tables.write().set_role(namespace, object.name(), role);
            }
            Kind::Binding => {
                let binding = Binding::from_object(object, namespace);
                self.0.tables.write().set_binding(binding);
            }
        }
        self.0.generation.fetch_add(1, Ordering::Release);
        true
    }

    /// Forgets a role or binding; whether the resource is one of RBAC's.
    pub fn remove(&self, resource: &GroupResource, namespace: &str, name: &str) -> bool {
        let Some(kind) = Kind::of(resource) else { return false };
        let mut tables = self.0.tables.write();
        match kind {
            Kind::Role => tables.remove_role(namespace, name),
            Kind::Binding => tables.remove_binding(namespace, name),
        }
        self.0.generation.fetch_add(1, Ordering::Release);
        true
    }

    /// The role that a binding names.
    pub(super) fn role(&self, role: &RoleRef, namespace: &str) -> Result<Arc<Role>, MissingRole> {
        let tables = self.0.tables.read();
        tables.role(role, namespace).ok_or_else(|| MissingRole { role: role.clone() })
    }

    /// Shows each binding of a user in a namespace with its role's kind, name and rules.
    pub(super) fn visit_granted(
        &self,
        user: &UserInfo,
        namespace: &str,
        mut visit: impl FnMut((&str, &str), (&str, &str), &[Rule]),
    ) {
        let tables = self.0.tables.read();
        for granted in tables.scopes(namespace).flat_map(|bindings| bindings.of(user)) {
            if let Some(role) = granted.role() {
                let binding = granted.binding();
                let place = (&*binding.namespace, &*binding.name);
                visit(place, (&binding.role.kind, &binding.role.name), role.rules());
            }
        }
    }

    /// Shows the namespace, name and rules of each role that would allow something, where it is asked.
    pub(super) fn visit_roles(&self, asked: &Attributes<'_>, mut visit: impl FnMut(&str, &str, &[Rule])) {
        let tables = self.0.tables.read();
        let sought = Sought::new(asked);
        let here = asked.namespace();
        for namespace in if here.is_empty() { vec![""] } else { vec![here, ""] } {
            for (name, role) in tables.roles_in(namespace) {
                if role.allows(&sought) {
                    visit(namespace, name, role.rules());
                }
            }
        }
    }

    /// Shows every binding.
    pub(crate) fn visit_bindings(&self, mut visit: impl FnMut(&Grant)) {
        let tables = self.0.tables.read();
        for granted in tables.all() {
            visit(&granted.to_all());
        }
    }

    /// Shows whom bindings let do something: `User` or `Group`, the name, and the binding.
    pub(crate) fn visit_who_can(&self, asked: &Attributes<'_>, mut visit: impl FnMut(&str, &str, &Grant)) {
        let tables = self.0.tables.read();
        let sought = Sought::new(asked);
        let granted = tables.scopes(asked.namespace()).flat_map(Bindings::in_order);
        for granted in granted.filter(|granted| granted.role().is_some_and(|role| role.allows(&sought))) {
            for key in granted.binding().subjects.iter().filter_map(Subject::key) {
                match key {
                    Key::User(name) => visit("User", &name, &granted.to_all()),
                    Key::Group(name) => visit("Group", &name, &granted.to_all()),
                }
            }
        }
    }

    /// All rules that a user has in a namespace, bindings in the order of their names, and the roles
    /// that could not be found.
    pub(crate) fn rules_for(&self, user: &UserInfo, namespace: &str) -> (Vec<Rule>, Vec<MissingRole>) {
        let (mut rules, mut missing) = (Vec::new(), Vec::new());
        let tables = self.0.tables.read();
        for bindings in tables.scopes(namespace) {
            let found: BTreeMap<&str, _> = bindings.of(user).map(|one| (&*one.binding().name, one)).collect();
            for granted in found.into_values() {
                match granted.role() {
                    Some(role) => rules.extend_from_slice(role.rules()),
                    None => missing.push(granted.missing()),
                }
            }
        }
        (rules, missing)
    }
}

impl Authorizer for RbacIndex {
    fn name(&self) -> &'static str {
        "RBAC"
    }

    fn decide(&self, user: &UserInfo, attributes: &Attributes<'_>) -> Decision {
        let tables = self.0.tables.read();
        let mut missing = Vec::new();
        let (sought, mut asked) = (Sought::new(attributes), Asked::default());
        for granted in tables.scopes(attributes.namespace()).flat_map(|bindings| bindings.of(user)) {
            let place = granted.place();
            if place.is_some_and(|place| asked.contains(place)) {
                continue;
            }
            match (place, place.and_then(|place| place.allows(&sought))) {
                (_, Some(true)) => return Decision::allow(Reason::Granted(granted.to(user))),
                (Some(place), Some(false)) => asked.note(place),
                _ => missing.push(granted.missing()),
            }
        }
        let reasons = if missing.is_empty() { Vec::new() } else { vec![Reason::Unresolved(missing)] };
        Decision::NoOpinion(Grounds { reasons, errors: Vec::new() })
    }

    fn rules(&self, user: &UserInfo, namespace: &str) -> Rules {
        let (rules, missing) = self.rules_for(user, namespace);
        let errors = missing.iter().map(|m| m.to_string().into()).collect();
        Rules { rules, incomplete: false, errors }
    }

    fn generation(&self, _: &UserInfo) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }
}

/// The roles that were asked in one decision and did not allow: the first few are remembered, since
/// a user often gets the same role by several groups.
#[derive(Default)]
struct Asked<'a>(SmallVec<[&'a Place; 8]>);

impl<'a> Asked<'a> {
    fn contains(&self, place: &Place) -> bool {
        self.0.iter().any(|other| ptr::eq(*other, place))
    }

    /// Remembers one if there is room.
    fn note(&mut self, place: &'a Place) {
        if self.0.len() < self.0.inline_size() {
            self.0.push(place);
        }
    }
}

#[cfg(test)]
mod tests;
