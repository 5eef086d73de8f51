//! `Priority`: a pod's priority is its class's, and there is one default class.

use std::sync::Arc;

use portcullis_api::{GroupResource, Object, Result, Value};

use super::{forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

pub(super) struct Priority;

impl Plugin for Priority {
    fn name(&self) -> &'static str {
        "Priority"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let writes = matches!(write.operation, Operation::Create | Operation::Update);
        writes && (write.is("", "pods") || write.is("scheduling.k8s.io", "priorityclasses"))
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        if !write.is("", "pods") {
            return Ok(());
        }
        match write.operation {
            Operation::Create => prioritize(write, object),
            _ => {
                keep(object, write.old);
                Ok(())
            }
        }
    }

    fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        let Some(class) = object.filter(|_| write.is("scheduling.k8s.io", "priorityclasses")) else {
            return Ok(());
        };
        if class.get("globalDefault") != Some(&Value::Bool(true)) {
            return Ok(());
        }
        let created = write.operation == Operation::Create;
        match default_class(write).filter(|other| created || other.name() != class.name()) {
            None => Ok(()),
            Some(other) => {
                let why = format!(
                    "PriorityClass {} is already marked as default. Only one default can exist",
                    other.name()
                );
                Err(forbidden(write, shown_name(class), &why))
            }
        }
    }
}

fn classes() -> GroupResource {
    GroupResource::new("scheduling.k8s.io", "priorityclasses")
}

fn default_class(write: &Attributes<'_>) -> Option<Arc<Object>> {
    let all = write.reader.list(&classes(), "");
    let defaults = all.into_iter().filter(|class| class.get("globalDefault") == Some(&Value::Bool(true)));
    defaults.min_by_key(|class| value(class))
}

fn value(class: &Object) -> i64 {
    class.get("value").and_then(Value::as_i64).unwrap_or(0)
}

fn prioritize(write: &Attributes<'_>, pod: &mut Object) -> Result<()> {
    let named = pod.str_at(&["spec", "priorityClassName"]).to_owned();
    let class = if named.is_empty() {
        let class = default_class(write);
        if let Some(class) = &class {
            pod.set_at(&["spec", "priorityClassName"], class.name().into());
        }
        class
    } else {
        let Some(class) = write.reader.get(&classes(), "", &named) else {
            let why = format!("no PriorityClass with name {named} was found");
            return Err(forbidden(write, shown_name(pod), &why));
        };
        Some(class)
    };
    let priority = class.as_deref().map_or(0, value);
    let policy =
        class.as_deref().map(|class| class.str_at(&["preemptionPolicy"])).filter(|policy| !policy.is_empty());
    let policy = policy.unwrap_or("PreemptLowerPriority").to_owned();
    check_given(write, pod, priority, &policy)?;
    pod.set_at(&["spec", "priority"], priority.into());
    pod.set_at(&["spec", "preemptionPolicy"], policy.into());
    Ok(())
}

fn check_given(write: &Attributes<'_>, pod: &Object, priority: i64, policy: &str) -> Result<()> {
    let given = pod.at(&["spec", "priority"]).and_then(Value::as_i64);
    if let Some(given) = given.filter(|given| *given != priority) {
        let why = format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        );
        return Err(forbidden(write, shown_name(pod), &why));
    }
    let given = pod.str_at(&["spec", "preemptionPolicy"]);
    if !given.is_empty() && given != policy {
        let why = format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        );
        return Err(forbidden(write, shown_name(pod), &why));
    }
    Ok(())
}

/// An update that leaves out what was computed keeps it.
fn keep(pod: &mut Object, old: Option<&Object>) {
    for field in ["priority", "preemptionPolicy"] {
        let missing = pod.at(&["spec", field]).is_none_or(Value::is_null);
        if let Some(was) = old.and_then(|old| old.at(&["spec", field])).filter(|_| missing).cloned() {
            pod.set_at(&["spec", field], was);
        }
    }
}
