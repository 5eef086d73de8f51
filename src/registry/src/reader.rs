//! Reads that other stages make: admission's plugins, token checks.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_admission::Reader;
use portcullis_api::selector::LabelSelector;
use portcullis_api::{GroupResource, Object, Result, UserInfo};
use portcullis_authn::{Glance, Lookup, LookupError, Watched};
use portcullis_authz::attributes::Resource as Asked;
use portcullis_authz::{Answers, Attributes, Chain};
use portcullis_cel::{Authorizer, Decision, Question};
use portcullis_storage::{Entry, Key, Revision, Trait};

use crate::Registry;
use crate::call::Call;
use crate::resource::Resource;

/// Parsed objects that plugins ask for again and again (namespaces, service accounts): a small table
/// in which a new object displaces an old one.
#[derive(Default)]
pub(crate) struct Trees(Mutex<Vec<Option<Parsed>>>);

/// An object as it was parsed at a revision.
type Parsed = (Key, Revision, Arc<Object>);

const SLOTS: usize = 256;

impl Trees {
    fn find(&self, key: &Key, revision: Revision) -> Option<Arc<Object>> {
        let slots = self.0.lock();
        let (known, at, object) = slots.get(slot(key))?.as_ref()?;
        (known == key && *at == revision).then(|| object.clone())
    }

    fn keep(&self, key: &Key, revision: Revision, object: &Arc<Object>) {
        let mut slots = self.0.lock();
        if slots.is_empty() {
            slots.resize_with(SLOTS, || None);
        }
        if let Some(place) = slots.get_mut(slot(key)) {
            *place = Some((key.clone(), revision, object.clone()));
        }
    }
}

fn slot(key: &str) -> usize {
    use std::hash::{BuildHasher as _, RandomState};
    static HASHES: std::sync::LazyLock<RandomState> = std::sync::LazyLock::new(RandomState::new);
    usize::try_from(HASHES.hash_one(key) % (SLOTS as u64)).unwrap_or(0)
}

impl Registry {
    /// One stored object, parsed; the newest acknowledged state.
    pub(crate) fn object(&self, resource: &Resource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        let key = resource.key(namespace, name);
        let entry = resource.entry(&key).ok()??;
        self.tree(resource, &entry).ok()
    }

    /// The objects of a resource in a namespace, or everywhere, that a selector picks. What it does not pick
    /// is not parsed.
    fn selected(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Result<Vec<Arc<Object>>> {
        let snapshot = resource.snapshot()?;
        let prefix = resource.prefix(namespace);
        let traits: Vec<_> = selector.exact().map(|(key, value)| Trait::Label(key, value)).collect();
        let found = snapshot.having(&traits, &prefix, None);
        let picked = found.filter(|entry| selector.matches(|key| entry.labels().get(key)));
        picked.map(|entry| Ok(Arc::new(resource.tree(entry)?))).collect()
    }

    /// All objects of a resource in a namespace, or everywhere when it is empty; those of short lists are kept, since
    /// they are what plugins look through at every write.
    pub(crate) fn trees(&self, resource: &Resource, namespace: &str) -> Result<Vec<Arc<Object>>> {
        let snapshot = resource.snapshot()?;
        let prefix = resource.prefix(namespace);
        let entries: Vec<_> = snapshot.under(&prefix, None).collect();
        let kept = entries.len() <= SLOTS / 16;
        let parse = |entry: &Arc<Entry>| match kept {
            true => self.tree(resource, entry),
            false => Ok(Arc::new(resource.tree(entry)?)),
        };
        entries.into_iter().map(parse).collect()
    }

    fn tree(&self, resource: &Resource, entry: &Entry) -> Result<Arc<Object>> {
        if let Some(known) = self.trees.find(entry.key(), entry.revision()) {
            return Ok(known);
        }
        let object = Arc::new(resource.tree(entry)?);
        self.trees.keep(entry.key(), entry.revision(), &object);
        Ok(object)
    }
}

impl Reader for Registry {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.object(&*self.resources().of_group(resource)?, namespace, name)
    }

    fn list(&self, resource: &GroupResource, namespace: &str) -> Vec<Arc<Object>> {
        let Some(resource) = self.resources().of_group(resource) else { return Vec::new() };
        self.trees(&resource, namespace).unwrap_or_default()
    }

    fn select(
        &self,
        resource: &GroupResource,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Vec<Arc<Object>> {
        let Some(resource) = self.resources().of_group(resource) else { return Vec::new() };
        self.selected(&resource, namespace, selector).unwrap_or_default()
    }

    fn allows(
        &self,
        user: &UserInfo,
        verb: &str,
        resource: &GroupResource,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        self.authorizer.decide(user, &question(verb, resource, subresource, namespace, name)).is_allowed()
    }

    fn authorizer(&self, user: &UserInfo) -> Arc<dyn Authorizer> {
        let answers = Answers::default();
        Arc::new(Questions { chain: self.authorizer.clone(), answers, user: user.clone() })
    }
}

/// Answers for one user.
struct Questions {
    chain: Arc<Chain>,
    answers: Answers,
    user: UserInfo,
}

impl Authorizer for Questions {
    fn check(&self, question: &Question) -> Decision {
        let account = question.service_account.as_ref().map(service_account);
        let user = account.as_ref().unwrap_or(&self.user);
        let receipt = self.chain.weigh(user, &attributes(question), &self.answers);
        let error = receipt.decision().grounds().error();
        Decision {
            allowed: receipt.is_allowed(),
            reason: receipt.reason(),
            error: (!error.is_empty() && !receipt.is_allowed()).then_some(error),
        }
    }
}

fn attributes(question: &Question) -> Attributes<'_> {
    match &question.path {
        Some(path) => Attributes::path(&question.verb, path),
        None => Attributes::resource(
            &question.verb,
            Asked {
                group: &question.group,
                version: "*",
                namespace: &question.namespace,
                resource: &question.resource,
                subresource: &question.subresource,
                name: &question.name,
                label_selector: question.label_selector.as_deref().unwrap_or_default(),
                field_selector: question.field_selector.as_deref().unwrap_or_default(),
            },
        ),
    }
}

/// The user that a service account is.
fn service_account((namespace, name): &(String, String)) -> UserInfo {
    let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    UserInfo::new(&format!("system:serviceaccount:{namespace}:{name}"), groups)
}

/// What plugins ask on the way of a request is answered with what webhooks said on that way.
impl Reader for Call<'_> {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        Reader::get(self.registry, resource, namespace, name)
    }

    fn list(&self, resource: &GroupResource, namespace: &str) -> Vec<Arc<Object>> {
        Reader::list(self.registry, resource, namespace)
    }

    fn select(
        &self,
        resource: &GroupResource,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Vec<Arc<Object>> {
        Reader::select(self.registry, resource, namespace, selector)
    }

    fn allows(
        &self,
        user: &UserInfo,
        verb: &str,
        resource: &GroupResource,
        subresource: &str,
        namespace: &str,
        name: &str,
    ) -> bool {
        self.asking().allows(user, &question(verb, resource, subresource, namespace, name))
    }

    fn authorizer(&self, user: &UserInfo) -> Arc<dyn Authorizer> {
        let (chain, answers) = (self.registry.authorizer.clone(), self.permit.answers().clone());
        Arc::new(Questions { chain, answers, user: user.clone() })
    }
}

fn question<'a>(
    verb: &'a str,
    resource: &'a GroupResource,
    subresource: &'a str,
    namespace: &'a str,
    name: &'a str,
) -> Attributes<'a> {
    let (group, resource) = (&*resource.group, &*resource.resource);
    let asked = Asked { group, version: "*", namespace, resource, subresource, name, ..Asked::default() };
    Attributes::resource(verb, asked)
}

#[async_trait::async_trait]
impl Lookup for Registry {
    async fn get(
        &self,
        of: Watched,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Arc<Object>>, LookupError> {
        let missing = || LookupError(format!("{} are not served", of.as_str()));
        let resource = self.resources().get("", "v1", of.as_str()).ok_or_else(missing)?;
        // What was acknowledged anywhere must be seen here: a revoked token must not be found valid.
        self.store().fresh().await.map_err(|error| LookupError(error.to_string()))?;
        Ok(self.object(resource, namespace, name))
    }

    fn glance(&self, of: Watched, namespace: &str, name: &str) -> Glance {
        let Some(resource) = self.resources().get("", "v1", of.as_str()) else { return Glance::Unknown };
        match resource.entry(&resource.key(namespace, name)) {
            Ok(Some(entry)) => Glance::There(entry.uid().into()),
            Ok(None) => Glance::Gone,
            Err(_) => Glance::Unknown,
        }
    }
}
