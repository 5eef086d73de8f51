//! `DefaultStorageClass` and `DefaultIngressClass`: the class of objects that name none.

use std::sync::Arc;

use portcullis_api::{GroupResource, Object, Result, Value};

use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

pub(super) struct DefaultStorageClass;

impl Plugin for DefaultStorageClass {
    fn name(&self) -> &'static str {
        "DefaultStorageClass"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("", "persistentvolumeclaims") && write.operation == Operation::Create
    }

    fn mutate(&self, write: &Attributes<'_>, claim: &mut Object) -> Result<()> {
        let beta = "volume.beta.kubernetes.io/storage-class";
        if claim.at(&["spec", "storageClassName"]).is_some()
            || claim.annotations().any(|(key, _)| key == beta)
        {
            return Ok(());
        }
        let resource = GroupResource::new("storage.k8s.io", "storageclasses");
        let marks = [
            "storageclass.kubernetes.io/is-default-class",
            "storageclass.beta.kubernetes.io/is-default-class",
        ];
        let mut defaults = marked(write, &resource, &marks);
        // The newest default wins; of two of one age the first by name.
        defaults.sort_by(|a, b| age(b).cmp(age(a)).then_with(|| a.name().cmp(b.name())));
        if let Some(class) = defaults.first() {
            claim.set_at(&["spec", "storageClassName"], class.name().into());
        }
        Ok(())
    }
}

pub(super) struct DefaultIngressClass;

impl Plugin for DefaultIngressClass {
    fn name(&self) -> &'static str {
        "DefaultIngressClass"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("networking.k8s.io", "ingresses") && write.operation == Operation::Create
    }

    fn mutate(&self, write: &Attributes<'_>, ingress: &mut Object) -> Result<()> {
        let annotated = ingress.annotations().any(|(key, _)| key == "kubernetes.io/ingress.class");
        if ingress.at(&["spec", "ingressClassName"]).is_some() || annotated {
            return Ok(());
        }
        let resource = GroupResource::new("networking.k8s.io", "ingressclasses");
        let mut defaults = marked(write, &resource, &["ingressclass.kubernetes.io/is-default-class"]);
        defaults.sort_by(|a, b| age(b).cmp(age(a)).then_with(|| a.name().cmp(b.name())));
        if let Some(class) = defaults.first() {
            ingress.set_at(&["spec", "ingressClassName"], Value::from(class.name()));
        }
        Ok(())
    }
}

fn marked(write: &Attributes<'_>, resource: &GroupResource, annotations: &[&str]) -> Vec<Arc<Object>> {
    let mut all = write.reader.list(resource, "");
    all.retain(|class| class.annotations().any(|(key, value)| value == "true" && annotations.contains(&key)));
    all
}

fn age(object: &Object) -> &str {
    object.meta_str("creationTimestamp")
}
