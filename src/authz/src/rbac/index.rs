//! Roles by name, bindings by subject and namespace.
//!
//! Maintained object by object: a write shows as soon as `upsert` or `remove` returns, and every one
//! raises the generation. A decision takes a read lock and looks up the user and each group, first
//! in the cluster's bindings, then in the namespace's.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;
use portcullis_api::{GroupResource, Object, UserInfo};
use smallvec::SmallVec;

use super::binding::{Binding, Grant, Key, MissingRole, RoleRef};
use super::role::{Role, Sought};
use super::rule::Rule;
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

/// Everything by namespace; the cluster's own is the empty one.
#[derive(Default)]
struct Tables {
    roles: HashMap<Arc<str>, Roles>,
    bindings: HashMap<Arc<str>, Bindings>,
}

/// The roles of one namespace, by name.
type Roles = HashMap<Arc<str>, Arc<Role>>;

/// Bindings by subject, then by their name.
type BySubject = HashMap<Box<str>, BTreeMap<Arc<str>, Arc<Binding>>>;

/// The bindings of one namespace. Each is listed under every subject it has.
#[derive(Default)]
struct Bindings {
    by_name: HashMap<Arc<str>, Arc<Binding>>,
    users: BySubject,
    groups: BySubject,
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
                let binding = Arc::new(Binding::from_object(object, namespace));
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
        tables.role(role, namespace).map(Arc::clone).ok_or_else(|| MissingRole { role: role.clone() })
    }

    /// Shows each binding of a user in a namespace with its role's kind, name and rules.
    pub(super) fn visit_granted(
        &self,
        user: &UserInfo,
        namespace: &str,
        mut visit: impl FnMut((&str, &str), (&str, &str), &[Rule]),
    ) {
        let tables = self.0.tables.read();
        for binding in tables.scopes(namespace).flat_map(|bindings| bindings.of(user)) {
            if let Some(role) = tables.role(&binding.role, &binding.namespace) {
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
            for (name, role) in tables.roles.get(namespace).into_iter().flatten() {
                if role.allows(&sought) {
                    visit(namespace, name, role.rules());
                }
            }
        }
    }

    /// Shows every binding.
    pub(crate) fn visit_bindings(&self, mut visit: impl FnMut(&Grant)) {
        let tables = self.0.tables.read();
        for binding in tables.bindings.values().flat_map(|bindings| bindings.by_name.values()) {
            visit(&Grant::of_all(binding));
        }
    }

    /// Shows whom bindings let do something: `User` or `Group`, the name, and the binding.
    pub(crate) fn visit_who_can(&self, asked: &Attributes<'_>, mut visit: impl FnMut(&str, &str, &Grant)) {
        let tables = self.0.tables.read();
        let sought = Sought::new(asked);
        for bindings in tables.scopes(asked.namespace()) {
            let ordered: BTreeMap<&str, &Arc<Binding>> =
                bindings.by_name.iter().map(|(name, binding)| (&**name, binding)).collect();
            for binding in ordered.into_values() {
                let role = tables.role(&binding.role, &binding.namespace);
                if !role.is_some_and(|role| role.allows(&sought)) {
                    continue;
                }
                for key in binding.subjects.iter().filter_map(super::binding::Subject::key) {
                    match key {
                        Key::User(name) => visit("User", &name, &Grant::of_all(binding)),
                        Key::Group(name) => visit("Group", &name, &Grant::of_all(binding)),
                    }
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
            let found: BTreeMap<&str, &Arc<Binding>> = bindings.of(user).map(|b| (&*b.name, b)).collect();
            for binding in found.into_values() {
                match tables.role(&binding.role, &binding.namespace) {
                    Some(role) => rules.extend_from_slice(role.rules()),
                    None => missing.push(MissingRole { role: binding.role.clone() }),
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
        for binding in tables.scopes(attributes.namespace()).flat_map(|bindings| bindings.of(user)) {
            match tables.role(&binding.role, &binding.namespace) {
                Some(role) if asked.before(role) => {}
                Some(role) if role.allows(&sought) => {
                    return Decision::allow(Reason::Granted(Grant::new(binding, user)));
                }
                Some(_) => {}
                None => missing.push(MissingRole { role: binding.role.clone() }),
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
struct Asked<'a>(SmallVec<[&'a Arc<Role>; 8]>);

impl<'a> Asked<'a> {
    /// Whether a role was asked before; it is remembered if there is room.
    fn before(&mut self, role: &'a Arc<Role>) -> bool {
        let known = self.0.iter().any(|other| Arc::ptr_eq(other, role));
        if !known && self.0.len() < self.0.inline_size() {
            self.0.push(role);
        }
        known
    }
}

impl Tables {
    fn role(&self, role: &RoleRef, binding_namespace: &str) -> Option<&Arc<Role>> {
        self.roles.get(role.namespace(binding_namespace)?)?.get(&role.name)
    }

    /// The cluster's bindings, then the namespace's.
    fn scopes(&self, namespace: &str) -> impl Iterator<Item = &Bindings> {
        let local = if namespace.is_empty() { None } else { self.bindings.get(namespace) };
        self.bindings.get("").into_iter().chain(local)
    }

    fn set_role(&mut self, namespace: &str, name: &str, role: Arc<Role>) {
        self.roles.entry(namespace.into()).or_default().insert(name.into(), role);
    }

    fn remove_role(&mut self, namespace: &str, name: &str) {
        let Some(roles) = self.roles.get_mut(namespace) else { return };
        roles.remove(name);
        if roles.is_empty() {
            self.roles.remove(namespace);
        }
    }

    fn set_binding(&mut self, binding: Arc<Binding>) {
        self.remove_binding(&binding.namespace, &binding.name);
        self.bindings.entry(Arc::clone(&binding.namespace)).or_default().insert(binding);
    }

    fn remove_binding(&mut self, namespace: &str, name: &str) {
        let Some(bindings) = self.bindings.get_mut(namespace) else { return };
        bindings.remove(name);
        if bindings.by_name.is_empty() {
            self.bindings.remove(namespace);
        }
    }
}

impl Bindings {
    /// The bindings that name the user or a group of the user's. One that names several comes often.
    fn of<'a>(&'a self, user: &'a UserInfo) -> impl Iterator<Item = &'a Arc<Binding>> {
        let own = self.users.get(&*user.name).into_iter();
        let shared = user.groups.iter().filter_map(|group| self.groups.get(&**group));
        own.chain(shared).flat_map(BTreeMap::values)
    }

    fn insert(&mut self, binding: Arc<Binding>) {
        for key in binding.subjects.iter().filter_map(super::binding::Subject::key) {
            let (table, subject) = self.table(key);
            table.entry(subject).or_default().insert(Arc::clone(&binding.name), Arc::clone(&binding));
        }
        self.by_name.insert(Arc::clone(&binding.name), binding);
    }

    fn remove(&mut self, name: &str) {
        let Some(binding) = self.by_name.remove(name) else { return };
        for key in binding.subjects.iter().filter_map(super::binding::Subject::key) {
            let (table, subject) = self.table(key);
            let Some(listed) = table.get_mut(&subject) else { continue };
            listed.remove(name);
            if listed.is_empty() {
                table.remove(&subject);
            }
        }
    }

    fn table(&mut self, key: Key) -> (&mut BySubject, Box<str>) {
        match key {
            Key::User(name) => (&mut self.users, name),
            Key::Group(name) => (&mut self.groups, name),
        }
    }
}

#[cfg(test)]
mod tests;
