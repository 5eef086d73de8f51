//! `RuntimeClass`: a pod's overhead and placement follow from its runtime class.

use portcullis_api::{GroupResource, Object, Result, Value};

use super::{forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

pub(super) struct RuntimeClass;

impl Plugin for RuntimeClass {
    fn name(&self) -> &'static str {
        "RuntimeClass"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.is("", "pods") && write.operation == Operation::Create
    }

    fn mutate(&self, write: &Attributes<'_>, pod: &mut Object) -> Result<()> {
        let Some(class) = class_of(write, pod)? else { return Ok(()) };
        if let Some(fixed) = class.at(&["overhead", "podFixed"]) {
            if pod.at(&["spec", "overhead"]).is_some_and(|given| given != fixed) {
                let why = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";
                return Err(forbidden(write, shown_name(pod), why));
            }
            pod.set_at(&["spec", "overhead"], fixed.clone());
        }
        merge_selector(write, pod, &class)?;
        merge_tolerations(pod, &class);
        Ok(())
    }

    fn validate(&self, write: &Attributes<'_>, pod: Option<&Object>) -> Result<()> {
        let Some(pod) = pod else { return Ok(()) };
        let class = class_of(write, pod)?;
        let defined = class.as_ref().and_then(|class| class.at(&["overhead", "podFixed"]));
        let given = pod.at(&["spec", "overhead"]);
        let why = match defined {
            _ if given == defined => return Ok(()),
            None => "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            Some(_) => "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        };
        Err(forbidden(write, shown_name(pod), why))
    }
}

fn class_of(write: &Attributes<'_>, pod: &Object) -> Result<Option<std::sync::Arc<Object>>> {
    let name = pod.str_at(&["spec", "runtimeClassName"]);
    if name.is_empty() {
        return Ok(None);
    }
    let class = write.reader.get(&GroupResource::new("node.k8s.io", "runtimeclasses"), "", name);
    let refuse =
        || forbidden(write, shown_name(pod), &format!("pod rejected: RuntimeClass \"{name}\" not found"));
    class.map(Some).ok_or_else(refuse)
}

fn merge_selector(write: &Attributes<'_>, pod: &mut Object, class: &Object) -> Result<()> {
    let Some(wanted) = class.at(&["scheduling", "nodeSelector"]).and_then(Value::as_object) else {
        return Ok(());
    };
    for (key, value) in wanted {
        let path = ["spec", "nodeSelector", key.as_str()];
        if let Some(given) = pod.at(&path).filter(|given| *given != value) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                text(value),
                text(given)
            );
            return Err(forbidden(write, shown_name(pod), &why));
        }
        pod.set_at(&path, value.clone());
    }
    Ok(())
}

fn merge_tolerations(pod: &mut Object, class: &Object) {
    let Some(wanted) = class.at(&["scheduling", "tolerations"]).and_then(Value::as_array) else { return };
    let mut all = pod.at(&["spec", "tolerations"]).and_then(Value::as_array).cloned().unwrap_or_default();
    let missing: Vec<Value> = wanted.iter().filter(|one| !all.contains(one)).cloned().collect();
    all.extend(missing);
    if !all.is_empty() {
        pod.set_at(&["spec", "tolerations"], Value::Array(all));
    }
}
