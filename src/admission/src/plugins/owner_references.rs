//! `OwnerReferencesPermissionEnforcement`: who hangs an object on an owner could have deleted the
//! object; who holds the owner's deletion up could have set its finalizers. An option, as upstream.

use portcullis_api::field::go_quote;
use portcullis_api::{GroupResource, GroupVersion, Object, Result, Scope, Value};
use portcullis_schema::row_of_kind;

use super::{forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::tree::{flag, owners, text};

pub(super) struct OwnerReferences;

impl Plugin for OwnerReferences {
    fn name(&self) -> &'static str {
        "OwnerReferencesPermissionEnforcement"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        // A pod's status cannot touch its owners.
        write.stores() && !(write.subresource == "status" && write.is_any_of("", "pods"))
    }

    fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        let Some(object) = object else { return Ok(()) };
        let known = write.old.map_or(&[][..], owners);
        if owners(object) == known {
            return Ok(());
        }
        if write.operation != Operation::Create {
            may_delete(write, object)?;
        }
        let blocking: Vec<&Value> =
            owners(object).iter().filter(|owner| newly_blocks(owner, known)).collect();
        let anything = GroupResource::new("*", "*");
        if blocking.is_empty() || may_finalize(write, &anything, "", "*") {
            return Ok(());
        }
        blocking.into_iter().try_for_each(|owner| may_block(write, object, owner))
    }
}

fn may_delete(write: &Attributes<'_>, object: &Object) -> Result<()> {
    let (namespace, name) = (write.namespace, write.name);
    if write.reader.allows(write.user, "delete", write.resource, write.subresource, namespace, name) {
        return Ok(());
    }
    let why = "cannot set an ownerRef on a resource you can't delete: , <nil>";
    Err(forbidden(write, shown_name(object), why))
}

fn newly_blocks(owner: &Value, known: &[Value]) -> bool {
    let blocks = |owner: &Value| flag(owner, &["blockOwnerDeletion"]) == Some(true);
    let before = known.iter().rfind(|old| text(old, "uid") == text(owner, "uid"));
    blocks(owner) && !before.is_some_and(blocks)
}

fn may_block(write: &Attributes<'_>, object: &Object, owner: &Value) -> Result<()> {
    let (version, kind) = (text(owner, "apiVersion"), text(owner, "kind"));
    let refuse = |why: &str| Err(forbidden(write, shown_name(object), why));
    let gv = GroupVersion::parse(version);
    let Some(row) = gv.and_then(|gv| row_of_kind(&gv.group, &gv.version, kind)) else {
        return refuse(&format!(
            "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion {version} Kind \
             {kind}: no matches for kind {} in version {}",
            go_quote(kind),
            go_quote(version)
        ));
    };
    // An owner with a namespace is in its dependent's.
    let namespace = if row.scope == Scope::Namespaced { write.namespace } else { "" };
    if may_finalize(write, &row.gvr.group_resource(), namespace, text(owner, "name")) {
        return Ok(());
    }
    refuse(
        "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>",
    )
}

fn may_finalize(write: &Attributes<'_>, resource: &GroupResource, namespace: &str, name: &str) -> bool {
    write.reader.allows(write.user, "update", resource, "finalizers", namespace, name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Judged, Write};

    fn owned(blocks: Option<bool>) -> Value {
        let mut owner = json!({ "apiVersion": "v1", "kind": "Pod", "name": "boss", "uid": "1" });
        if let Some(blocks) = blocks {
            owner["blockOwnerDeletion"] = blocks.into();
        }
        json!({ "metadata": { "name": "a", "namespace": "default", "ownerReferences": [owner] } })
    }

    fn create(cluster: &Cluster, object: Value) -> Judged {
        Write::of(Operation::Create, "configmaps", "ConfigMap").judge(OwnerReferences, cluster, object)
    }

    #[test]
    fn g015_blocking_an_owner_needs_its_finalizers() {
        let none = Cluster::default();
        create(&none, owned(None)).admitted();
        create(&none, owned(Some(false))).admitted();
        assert_eq!(
            create(&none, owned(Some(true))).refused(),
            "configmaps \"a\" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource \
             you can't set finalizers on: , <nil>"
        );
        create(&Cluster::default().granting("update pods/finalizers boss"), owned(Some(true))).admitted();
        create(&Cluster::default().granting("update *.*/finalizers *"), owned(Some(true))).admitted();
    }

    #[test]
    fn g015_a_new_owner_on_a_stored_object_needs_its_deletion() {
        let update = |cluster: &Cluster, old: Value, new: Value| {
            Write::of(Operation::Create, "configmaps", "ConfigMap").change(old).judge(
                OwnerReferences,
                cluster,
                new,
            )
        };
        let bare = || json!({ "metadata": { "name": "a", "namespace": "default" } });
        let refusal = update(&Cluster::default(), bare(), owned(None)).refused();
        assert!(refusal.contains("cannot set an ownerRef on a resource you can't delete"), "{refusal}");
        update(&Cluster::default().granting("delete configmaps a"), bare(), owned(None)).admitted();
        update(&Cluster::default(), owned(Some(true)), owned(Some(true))).admitted();
        update(&Cluster::default().granting("delete configmaps a"), owned(None), owned(Some(true))).refused();
    }
}
