//! A cluster for tests: objects in memory, and a list of what is allowed.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt as _;
use portcullis_api::{GroupResource, GroupVersion, Gvk, Gvr, Object, Result, UserInfo, Value};
use portcullis_cel::{Authorizer, Decision, Question};
use portcullis_schema::Schema;

use crate::attributes::{Attributes, Operation};
use crate::chain::{Chain, Plugin};
use crate::notes::Notes;
use crate::reader::Reader;
use crate::target::{Kinds, Served, Target};

/// Stored objects by resource, and granted `verb resource name` triples.
#[derive(Default)]
pub(crate) struct Cluster {
    objects: Vec<(String, Arc<Object>)>,
    grants: Vec<String>,
    equivalents: Vec<Target>,
    served: Vec<Served>,
}

impl Cluster {
    /// With another stored object.
    pub(crate) fn with(mut self, resource: &str, object: Value) -> Self {
        self.objects.push((resource.to_owned(), Arc::new(tree(object))));
        self
    }

    /// With another thing that everybody may do: `verb resource name`.
    pub(crate) fn granting(mut self, what: &str) -> Self {
        self.grants.push(what.to_owned());
        self
    }

    /// With another kind that is served.
    pub(crate) fn serving(mut self, group: &str, kind: &str, resource: &str, namespaced: bool) -> Self {
        let gv = GroupVersion::new(group, "v1");
        let target = Target { resource: Gvr::new(gv.clone(), resource), kind: Gvk::new(gv, kind) };
        self.served.push(Served { target, namespaced });
        self
    }

    /// With another version of whatever is asked for.
    pub(crate) fn equivalent(mut self, target: Target) -> Self {
        self.equivalents.push(target);
        self
    }
}

#[async_trait]
impl Kinds for Cluster {
    fn equivalents(&self, _: &Gvr, _: &str) -> Vec<Target> {
        self.equivalents.clone()
    }

    /// Versions differ in their name.
    async fn convert(&self, mut object: Object, _: &Target, to: &Target) -> Result<Object> {
        object.map_mut().insert("apiVersion".into(), to.kind.gv.to_string().into());
        object.map_mut().insert("kind".into(), (*to.kind.kind).into());
        Ok(object)
    }

    fn served(&self, kind: &Gvk) -> Option<Served> {
        self.served.iter().find(|served| served.target.kind == *kind).cloned()
    }

    fn schema(&self, of: &Target) -> Option<Schema> {
        portcullis_schema::kind(&of.kind).map(Schema::from)
    }

    fn settle(&self, _: &Target, _: &mut Object) -> Result<()> {
        Ok(())
    }
}

/// Allows what is granted, whoever asks.
struct Grants(Vec<String>);

impl Authorizer for Grants {
    fn check(&self, question: &Question) -> Decision {
        let what = format!("{} {} {}", question.verb, question.resource, question.name);
        Decision { allowed: self.0.contains(&what), ..Decision::default() }
    }
}

impl Reader for Cluster {
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.list(resource, namespace).into_iter().find(|object| object.name() == name)
    }

    fn list(&self, resource: &GroupResource, namespace: &str) -> Vec<Arc<Object>> {
        let wanted = resource.to_string();
        let matches = |object: &Object| namespace.is_empty() || object.namespace() == namespace;
        let found = self.objects.iter().filter(|(of, object)| *of == wanted && matches(object));
        found.map(|(_, object)| object.clone()).collect()
    }

    fn allows(
        &self,
        _: &UserInfo,
        verb: &str,
        resource: &GroupResource,
        subresource: &str,
        _: &str,
        name: &str,
    ) -> bool {
        let what = match subresource {
            "" => format!("{verb} {resource} {name}"),
            subresource => format!("{verb} {resource}/{subresource} {name}"),
        };
        self.grants.contains(&what)
    }

    fn authorizer(&self, _: &UserInfo) -> Arc<dyn Authorizer> {
        Arc::new(Grants(self.grants.clone()))
    }
}

/// One write to be judged.
pub(crate) struct Write {
    pub(crate) user: UserInfo,
    pub(crate) operation: Operation,
    pub(crate) group: &'static str,
    pub(crate) resource: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) subresource: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) old: Option<Object>,
}

impl Write {
    /// A write of a core object in the namespace `default` by somebody ordinary.
    pub(crate) fn of(operation: Operation, resource: &'static str, kind: &'static str) -> Self {
        Self {
            user: UserInfo::new("alice", ["system:authenticated"]),
            operation,
            group: "",
            resource,
            kind,
            subresource: "",
            namespace: "default",
            old: None,
        }
    }

    /// The creation of a pod.
    pub(crate) fn pod() -> Self {
        Self::of(Operation::Create, "pods", "Pod")
    }

    /// A change of a stored object.
    pub(crate) fn change(self, old: Value) -> Self {
        Self { operation: Operation::Update, old: Some(tree(old)), ..self }
    }

    /// Lets both passes of a plugin judge the object.
    pub(crate) fn judge(&self, plugin: impl Plugin, cluster: &Cluster, object: Value) -> Judged {
        self.judge_all(Chain::new(vec![Box::new(plugin)]), cluster, object)
    }

    /// Lets both passes of a chain judge the object.
    pub(crate) fn judge_all(&self, chain: Chain, cluster: &Cluster, object: Value) -> Judged {
        let notes = Notes::default();
        let result = self.run(&chain, cluster, &notes, tree(object));
        Judged { result, notes }
    }

    /// Nothing here waits for anything but its turn.
    pub(crate) fn run(
        &self,
        chain: &Chain,
        cluster: &Cluster,
        notes: &Notes,
        mut object: Object,
    ) -> Result<Object> {
        let name = self.old.as_ref().unwrap_or(&object).name().to_owned();
        self.with(cluster, notes, &name, |write| {
            let done = async {
                if self.operation == Operation::Delete {
                    return chain.admit_deletion(write, None).await.map(|_| object);
                }
                chain.mutate(write, &mut object).await?;
                let admitted = chain.admit(write, Some(object)).await?;
                Ok(admitted.into_object().unwrap_or_default())
            };
            let mut done = std::pin::pin!(done);
            loop {
                if let Some(done) = done.as_mut().now_or_never() {
                    return done;
                }
            }
        })
    }

    /// Does something with the facts of the write.
    pub(crate) fn with<T>(
        &self,
        cluster: &Cluster,
        notes: &Notes,
        name: &str,
        work: impl FnOnce(&Attributes<'_>) -> T,
    ) -> T {
        let gv = GroupVersion::new(self.group, "v1");
        work(&Attributes {
            user: &self.user,
            operation: self.operation,
            kind: &Gvk::new(gv.clone(), self.kind),
            resource: &GroupResource::new(self.group, self.resource),
            gvr: &Gvr::new(gv, self.resource),
            subresource: self.subresource,
            namespace: self.namespace,
            name,
            dry_run: false,
            options: &(),
            follows: false,
            since: jiff::Timestamp::now(),
            old: self.old.as_ref(),
            reader: cluster,
            kinds: cluster,
            notes,
        })
    }
}

/// What came of a write.
pub(crate) struct Judged {
    pub(crate) result: Result<Object>,
    pub(crate) notes: Notes,
}

impl Judged {
    /// The object, if it was admitted.
    #[track_caller]
    pub(crate) fn admitted(self) -> Object {
        match self.result {
            Ok(object) => object,
            Err(error) => panic!("refused: {}", error.message()),
        }
    }

    /// The words of the refusal.
    #[track_caller]
    pub(crate) fn refused(self) -> String {
        match self.result {
            Ok(object) => panic!("admitted: {:?}", object.map()),
            Err(error) => error.message().to_owned(),
        }
    }
}

/// A tree from JSON.
#[track_caller]
pub(crate) fn tree(value: Value) -> Object {
    let Value::Object(map) = value else { panic!("no object: {value}") };
    Object::new(map)
}
