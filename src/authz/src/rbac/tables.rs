//! Where roles and bindings are found.
//!
//! What a decision costs in a large cluster is how often it waits for memory. So short names lie in the tables
//! themselves, a subject's first binding lies beside its name, and a binding holds the place of its role.

use std::collections::{BTreeMap, HashMap};
use std::iter;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use portcullis_api::UserInfo;
use smallvec::SmallVec;

use super::binding::{Binding, Grant, Key, MissingRole, RoleRef, Subject};
use super::role::{Role, Sought};

/// A name; a short one needs no memory elsewhere.
type Word = SmallVec<[u8; 24]>;

/// Everything by namespace.
#[derive(Default)]
pub(super) struct Tables {
    roles: Roles,
    cluster: Bindings,
    namespaces: HashMap<Word, Bindings>,
}

/// Roles by namespace and name; the cluster's own namespace is the empty one.
#[derive(Default)]
struct Roles(HashMap<Arc<str>, HashMap<Arc<str>, Arc<Place>>>);

/// Where a role is, or would be: bindings name roles that do not exist yet, or no more.
#[derive(Default)]
pub(super) struct Place(ArcSwapOption<Role>);

/// The bindings of one namespace, or of the cluster. Each is listed under every subject it has.
#[derive(Default)]
pub(super) struct Bindings {
    users: HashMap<Word, OfSubject>,
    groups: HashMap<Word, OfSubject>,
    by_name: HashMap<Arc<str>, Granted>,
}

/// The bindings of one subject, in the order of their names.
#[derive(Default)]
struct OfSubject {
    first: Option<Granted>,
    others: BTreeMap<Arc<str>, Granted>,
}

/// A binding, as one of its subjects has it.
pub(super) struct Granted {
    binding: Arc<Binding>,
    /// `None` where the binding names no kind of role.
    place: Option<Arc<Place>>,
    /// Which subject.
    subject: usize,
}

impl Tables {
    /// The cluster's bindings, then the namespace's.
    pub(super) fn scopes(&self, namespace: &str) -> impl Iterator<Item = &Bindings> {
        let local = if namespace.is_empty() { None } else { self.namespaces.get(namespace.as_bytes()) };
        iter::once(&self.cluster).chain(local)
    }

    /// Every binding.
    pub(super) fn all(&self) -> impl Iterator<Item = &Granted> {
        iter::once(&self.cluster).chain(self.namespaces.values()).flat_map(|of| of.by_name.values())
    }

    /// The role that a binding of a namespace would give.
    pub(super) fn role(&self, role: &RoleRef, binding_namespace: &str) -> Option<Arc<Role>> {
        self.roles.0.get(role.namespace(binding_namespace)?)?.get(&role.name)?.0.load_full()
    }

    /// The roles of a namespace, with their names.
    pub(super) fn roles_in(&self, namespace: &str) -> impl Iterator<Item = (&str, Arc<Role>)> {
        let here = self.roles.0.get(namespace).into_iter().flatten();
        here.filter_map(|(name, place)| Some((&**name, place.0.load_full()?)))
    }

    pub(super) fn set_role(&mut self, namespace: &str, name: &str, role: Arc<Role>) {
        self.roles.place(namespace, name).0.store(Some(role));
    }

    pub(super) fn remove_role(&mut self, namespace: &str, name: &str) {
        if let Some(place) = self.roles.0.get(namespace).and_then(|here| here.get(name)) {
            place.0.store(None);
        }
        self.roles.tidy(namespace, name);
    }

    pub(super) fn set_binding(&mut self, binding: Binding) {
        self.remove_binding(&binding.namespace, &binding.name);
        let lives_in = binding.role.namespace(&binding.namespace);
        let place = lives_in.map(|namespace| self.roles.place(namespace, &binding.role.name));
        let here = if binding.namespace.is_empty() {
            &mut self.cluster
        } else {
            self.namespaces.entry(binding.namespace.as_bytes().into()).or_default()
        };
        here.insert(Arc::new(binding), place);
    }

    pub(super) fn remove_binding(&mut self, namespace: &str, name: &str) {
        let removed = if namespace.is_empty() {
            self.cluster.remove(name)
        } else {
            let Some(here) = self.namespaces.get_mut(namespace.as_bytes()) else { return };
            let removed = here.remove(name);
            if here.by_name.is_empty() {
                self.namespaces.remove(namespace.as_bytes());
            }
            removed
        };
        let Some(Granted { binding, place: Some(place), .. }) = removed else { return };
        drop(place);
        if let Some(lives_in) = binding.role.namespace(&binding.namespace) {
            self.roles.tidy(lives_in, &binding.role.name);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.roles.0.is_empty() && self.all().next().is_none() && self.namespaces.is_empty()
    }
}

impl Roles {
    fn place(&mut self, namespace: &str, name: &str) -> Arc<Place> {
        let here = self.0.entry(namespace.into()).or_default();
        Arc::clone(here.entry(name.into()).or_default())
    }

    /// Forgets the place of a role that does not exist and that no binding names.
    fn tidy(&mut self, namespace: &str, name: &str) {
        let Some(here) = self.0.get_mut(namespace) else { return };
        let unused = |place: &Arc<Place>| place.0.load().is_none() && Arc::strong_count(place) == 1;
        if here.get(name).is_some_and(unused) {
            here.remove(name);
        }
        if here.is_empty() {
            self.0.remove(namespace);
        }
    }
}

impl Place {
    /// Whether the role allows something; `None` if it does not exist.
    pub(super) fn allows(&self, sought: &Sought<'_>) -> Option<bool> {
        self.0.load().as_ref().map(|role| role.allows(sought))
    }
}

impl Bindings {
    /// The bindings that name the user or a group of the user's. One that names several comes often.
    pub(super) fn of<'a>(&'a self, user: &'a UserInfo) -> impl Iterator<Item = &'a Granted> {
        let own = self.users.get(user.name.as_bytes()).into_iter();
        let shared = user.groups.iter().filter_map(|group| self.groups.get(group.as_bytes()));
        own.chain(shared).flat_map(OfSubject::iter)
    }

    /// All of them, in the order of their names.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Granted> {
        self.by_name.iter().collect::<BTreeMap<_, _>>().into_values()
    }

    fn insert(&mut self, binding: Arc<Binding>, place: Option<Arc<Place>>) {
        for (subject, key) in keys(&binding) {
            let (table, word) = self.table(key);
            let granted = Granted { binding: Arc::clone(&binding), place: place.clone(), subject };
            table.entry(word).or_default().insert(granted);
        }
        let subject = binding.subjects.len();
        self.by_name.insert(Arc::clone(&binding.name), Granted { binding, place, subject });
    }

    fn remove(&mut self, name: &str) -> Option<Granted> {
        let removed = self.by_name.remove(name)?;
        for (_, key) in keys(&removed.binding) {
            let (table, word) = self.table(key);
            let Some(listed) = table.get_mut(&word) else { continue };
            listed.remove(name);
            if listed.first.is_none() {
                table.remove(&word);
            }
        }
        Some(removed)
    }

    fn table(&mut self, key: Key) -> (&mut HashMap<Word, OfSubject>, Word) {
        match key {
            Key::User(name) => (&mut self.users, name.as_bytes().into()),
            Key::Group(name) => (&mut self.groups, name.as_bytes().into()),
        }
    }
}

/// How each subject of a binding is found.
fn keys(binding: &Binding) -> impl Iterator<Item = (usize, Key)> {
    binding.subjects.iter().enumerate().filter_map(|(place, subject)| Some((place, Subject::key(subject)?)))
}

impl OfSubject {
    fn iter(&self) -> impl Iterator<Item = &Granted> {
        self.first.iter().chain(self.others.values())
    }

    /// Lists a binding; one that names a subject twice is listed as the first.
    fn insert(&mut self, mut new: Granted) {
        match &mut self.first {
            None => self.first = Some(new),
            Some(first) if first.binding.name == new.binding.name => {}
            Some(first) => {
                if new.binding.name < first.binding.name {
                    std::mem::swap(first, &mut new);
                }
                self.others.entry(Arc::clone(&new.binding.name)).or_insert(new);
            }
        }
    }

    fn remove(&mut self, name: &str) {
        if self.first.as_ref().is_some_and(|first| *first.binding.name == *name) {
            self.first = self.others.pop_first().map(|(_, next)| next);
        } else {
            self.others.remove(name);
        }
    }
}

impl Granted {
    pub(super) fn binding(&self) -> &Binding {
        &self.binding
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// The role it gives, if that exists.
    pub(super) fn role(&self) -> Option<Arc<Role>> {
        self.place.as_ref()?.0.load_full()
    }

    /// That the role it gives does not exist.
    pub(super) fn missing(&self) -> MissingRole {
        MissingRole { role: self.binding.role.clone() }
    }

    /// What it grants to a user who is, or is in, the subject it is listed under.
    pub(super) fn to(&self, user: &UserInfo) -> Grant {
        Grant::new(&self.binding, user, self.subject)
    }

    /// The same without regard to whom it is for.
    pub(super) fn to_all(&self) -> Grant {
        Grant::of_all(&self.binding)
    }
}
