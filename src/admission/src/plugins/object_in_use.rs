//! `StorageObjectInUseProtection`: volumes and claims are held until a controller has seen them unused.

use portcullis_api::{Object, Result, Value};

use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

pub(super) struct StorageObjectInUseProtection;

impl Plugin for StorageObjectInUseProtection {
    fn name(&self) -> &'static str {
        "StorageObjectInUseProtection"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.operation == Operation::Create && finalizer(write).is_some()
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        let Some(finalizer) = finalizer(write) else { return Ok(()) };
        if object.finalizers().any(|one| one == finalizer) {
            return Ok(());
        }
        let mut all: Vec<Value> = object.finalizers().map(Value::from).collect();
        all.push(finalizer.into());
        object.metadata_mut().insert("finalizers".into(), Value::Array(all));
        Ok(())
    }
}

fn finalizer(write: &Attributes<'_>) -> Option<&'static str> {
    if write.is("", "persistentvolumes") {
        Some("kubernetes.io/pv-protection")
    } else if write.is("", "persistentvolumeclaims") {
        Some("kubernetes.io/pvc-protection")
    } else if write.is("storage.k8s.io", "volumeattributesclasses") {
        Some("kubernetes.io/vac-protection")
    } else {
        None
    }
}
