//! `PersistentVolumeClaimResize`: a claim grows only where its storage class lets it.

use portcullis_api::quantity::Quantity;
use portcullis_api::{GroupResource, Object, Result, Value};

use super::forbidden;
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::resources;

pub(super) struct PersistentVolumeClaimResize;

impl Plugin for PersistentVolumeClaimResize {
    fn name(&self) -> &'static str {
        "PersistentVolumeClaimResize"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.operation == Operation::Update && write.is("", "persistentvolumeclaims")
    }

    fn validate(&self, write: &Attributes<'_>, claim: Option<&Object>) -> Result<()> {
        let (Some(new), Some(old)) = (claim, write.old) else { return Ok(()) };
        if size(new) <= size(old) {
            return Ok(());
        }
        let why = if old.str_at(&["status", "phase"]) != "Bound" {
            "Only bound persistent volume claims can be expanded"
        } else if !may_grow(write, new, old) {
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support \
             resize"
        } else {
            return Ok(());
        };
        Err(forbidden(write, new.name(), why))
    }
}

fn size(claim: &Object) -> Quantity {
    let storage = claim.at(&["spec", "resources", "requests", "storage"]);
    storage.and_then(resources::quantity).unwrap_or(Quantity::ZERO)
}

fn may_grow(write: &Attributes<'_>, new: &Object, old: &Object) -> bool {
    let class = class_of(new);
    if class.is_empty() || class != class_of(old) {
        return false;
    }
    let class = write.reader.get(&GroupResource::new("storage.k8s.io", "storageclasses"), "", class);
    class.is_some_and(|class| class.get("allowVolumeExpansion") == Some(&Value::Bool(true)))
}

fn class_of(claim: &Object) -> &str {
    let annotated = claim.annotations().find(|(key, _)| *key == "volume.beta.kubernetes.io/storage-class");
    annotated.map_or_else(|| claim.str_at(&["spec", "storageClassName"]), |(_, class)| class)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Write};

    fn claim(size: &str, class: &str, phase: &str) -> Value {
        json!({
            "metadata": { "name": "data", "namespace": "default" },
            "spec": { "storageClassName": class, "resources": { "requests": { "storage": size } } },
            "status": { "phase": phase },
        })
    }

    fn grow(class: &str, phase: &str) -> crate::fake::Judged {
        let cluster = Cluster::default()
            .with(
                "storageclasses.storage.k8s.io",
                json!({ "metadata": { "name": "elastic" }, "allowVolumeExpansion": true }),
            )
            .with("storageclasses.storage.k8s.io", json!({ "metadata": { "name": "stiff" } }));
        let write = Write::of(Operation::Create, "persistentvolumeclaims", "PersistentVolumeClaim");
        let write = write.change(claim("1Gi", class, phase));
        write.judge(PersistentVolumeClaimResize, &cluster, claim("2Gi", class, phase))
    }

    #[test]
    fn only_a_bound_claim_of_an_elastic_class_grows() {
        grow("elastic", "Bound").admitted();
        assert_eq!(
            grow("elastic", "Pending").refused(),
            "persistentvolumeclaims \"data\" is forbidden: Only bound persistent volume claims can be expanded"
        );
        for class in ["stiff", "missing", ""] {
            assert!(grow(class, "Bound").refused().ends_with("must support resize"), "{class}");
        }
    }

    #[test]
    fn the_same_size_in_other_words_is_no_growth() {
        let write = Write::of(Operation::Create, "persistentvolumeclaims", "PersistentVolumeClaim");
        let write = write.change(claim("1Gi", "", "Pending"));
        write
            .judge(PersistentVolumeClaimResize, &Cluster::default(), claim("1024Mi", "", "Pending"))
            .admitted();
    }
}
