//! What exists at start: system namespaces, bootstrap policy, flow control, the API's own service.

use portcullis_api::{ApiError, Gvr, Object, Result, Verb};
use portcullis_authz::Permit;
use portcullis_authz::rbac::{Reconciled, reconcile};

use crate::Registry;
use crate::call::Call;
use crate::options::{DeleteOptions, WriteOptions};
use crate::own::Own;
use crate::verbs::update::{self, Change};
use crate::verbs::{create, delete};

const MANAGER: &str = "kube-apiserver";
const FLOW_CONTROL: &str = "api-priority-and-fairness-config-producer-v1";
/// What the server says of itself, anew with every start.
const OWN: &[(&str, &str)] = &[
    ("", "configmaps"),
    ("", "endpoints"),
    ("coordination.k8s.io", "leases"),
    ("discovery.k8s.io", "endpointslices"),
];

impl Registry {
    /// Creates the objects that are missing and brings RBAC's bootstrap objects up to date, without
    /// touching what an operator opted out of or added. What the server says of itself is written over.
    ///
    /// # Errors
    /// The first object that cannot be stored.
    pub async fn bootstrap(&self, wanted: Vec<(Gvr, Object)>) -> Result<()> {
        let own = Own::new(Permit::assertion_for_bootstrap("objects that every cluster starts with"));
        // Namespaces first; the rest together, so that they share a few durable commits.
        let (namespaces, rest): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|(gvr, _)| &*gvr.resource == "namespaces");
        for objects in [namespaces, rest] {
            let writes = objects.into_iter().map(|(gvr, object)| self.ensure(&own, gvr, object));
            futures::future::try_join_all(writes).await?;
        }
        Ok(())
    }

    async fn ensure(&self, own: &Own, gvr: Gvr, object: Object) -> Result<()> {
        let resource = self
            .resources()
            .get(&gvr.gv.group, &gvr.gv.version, &gvr.resource)
            .ok_or_else(|| ApiError::internal(format!("bootstrap of {gvr:?}, which is not served")))?;
        let mut call = own.call(self, resource, Verb::Create, (object.namespace(), ""));
        let object = complete(&call, object)?;
        match call.live(object.name()).await? {
            None => insert(&mut call, object).await,
            Some(live) if &*gvr.gv.group == "rbac.authorization.k8s.io" => {
                bring_up_to_date(&mut call, &live.object, &object).await
            }
            Some(live) if OWN.contains(&(&gvr.gv.group, &gvr.resource)) => {
                if says_other(&live.object, &object) {
                    replace(&mut call, &object, restated).await?;
                }
                Ok(())
            }
            Some(_) => Ok(()),
        }
    }
}

impl Registry {
    /// Does something in the server's own name to a resource of the cluster; `because` says why that is sound.
    pub(crate) async fn as_server<T>(
        &self,
        group: &str,
        resource: &str,
        because: &'static str,
        work: impl AsyncFnOnce(&mut Call<'_>, &WriteOptions) -> Result<T>,
    ) -> Result<T> {
        let bound = self.resources().get(group, "v1", resource).ok_or_else(ApiError::no_such_path)?;
        let own = Own::new(Permit::assertion_for_upkeep(because));
        let mut call = own.call(self, bound, Verb::Update, ("", ""));
        let options = options(&call);
        work(&mut call, &options).await
    }
}

fn complete(call: &Call<'_>, object: Object) -> Result<Object> {
    let mut object = object;
    call.resource.normalize(&mut object)?;
    call.resource.kind.fill_defaults(&mut object)?;
    Ok(object)
}

fn options(call: &Call<'_>) -> WriteOptions {
    let flow_control = &*call.resource.gr.group == "flowcontrol.apiserver.k8s.io";
    WriteOptions::own(if flow_control { FLOW_CONTROL } else { MANAGER }, false)
}

async fn insert(call: &mut Call<'_>, mut object: Object) -> Result<()> {
    let options = options(call);
    call.own_fields(&options, None, &mut object)?;
    create::store_new(call, object, &options).await.map(drop)
}

async fn bring_up_to_date(call: &mut Call<'_>, live: &Object, wanted: &Object) -> Result<()> {
    match reconcile(live, wanted) {
        Reconciled::Keep => Ok(()),
        Reconciled::Update(_) => replace(call, wanted, reconciled).await,
        Reconciled::Recreate(_) => {
            delete::run(call, wanted.name(), &DeleteOptions::default()).await?;
            insert(call, wanted.clone()).await
        }
    }
}

/// A role or binding with what it must at least hold.
fn reconciled(live: &Object, wanted: &Object) -> Object {
    match reconcile(live, wanted) {
        Reconciled::Update(new) => new,
        _ => live.clone(),
    }
}

fn says_other(live: &Object, wanted: &Object) -> bool {
    restated(live, wanted) != *live
}

/// The live object with everything the server wants to say in it.
fn restated(live: &Object, wanted: &Object) -> Object {
    let mut new = live.clone();
    for (field, value) in wanted.map() {
        if field != "metadata" {
            new.map_mut().insert(field.clone(), value.clone());
        }
    }
    for (label, value) in wanted.labels() {
        new.set_at(&["metadata", "labels", label], value.into());
    }
    new
}

/// Stores what `make` makes of the live object and the wanted one.
async fn replace(
    call: &mut Call<'_>,
    wanted: &Object,
    make: impl Fn(&Object, &Object) -> Object + Send + Sync,
) -> Result<()> {
    let options = options(call);
    let produce = |call: &mut Call<'_>, live: Option<&Object>| {
        let live = live.ok_or_else(|| ApiError::not_found(&call.resource.gr, wanted.name()))?;
        let mut new = make(live, wanted);
        call.own_fields(&options, Some(live), &mut new)?;
        Ok(new)
    };
    let strategy = call.resource.strategy()?;
    let name = wanted.name();
    let change =
        Change { name, strategy, options: &options, may_create: false, expect_uid: "", produce: &produce };
    update::run(call, &change).await.map(drop)
}
