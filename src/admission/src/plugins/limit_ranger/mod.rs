//! `LimitRanger`: a namespace's limit ranges fill in what containers leave open, and bound what
//! containers, pods and claims may ask for.

mod bounds;
mod fill;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use portcullis_api::{Object, Result, Value};

use self::bounds::Asked;
use super::{core, forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;
use portcullis_api::resources::{self, Amounts, Half};
use portcullis_api::tree::{at, items, text};

pub(super) struct LimitRanger;

impl Plugin for LimitRanger {
    fn name(&self) -> &'static str {
        "LimitRanger"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        let concerned = match write.operation {
            Operation::Create => write.is("", "pods") || write.is("", "persistentvolumeclaims"),
            Operation::Update => {
                let resizes = write.subresource == "resize" && write.is_any_of("", "pods");
                resizes || write.is("", "persistentvolumeclaims")
            }
            _ => false,
        };
        concerned && !write.old.is_some_and(Object::is_deleting)
    }

    fn mutate(&self, write: &Attributes<'_>, object: &mut Object) -> Result<()> {
        if write.is_any_of("", "pods") {
            for range in ranges(write) {
                fill::defaults(limits(&range), object);
            }
        }
        Ok(())
    }

    fn validate(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<()> {
        let Some(object) = object else { return Ok(()) };
        let spec = object.get("spec").unwrap_or(&Value::Null);
        for range in ranges(write) {
            let mut errors = Vec::new();
            for limit in limits(&range) {
                if write.is_any_of("", "pods") {
                    bound_pod(limit, spec, &mut errors);
                } else {
                    bound_claim(limit, spec, &mut errors);
                }
            }
            if let Some(why) = aggregate(errors) {
                return Err(forbidden(write, shown_name(object), &why));
            }
        }
        Ok(())
    }
}

fn ranges(write: &Attributes<'_>) -> Vec<Arc<Object>> {
    write.reader.list(&core("limitranges"), write.namespace)
}

fn limits(range: &Object) -> &[Value] {
    range.at(&["spec", "limits"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn bound_pod(limit: &Value, spec: &Value, errors: &mut Vec<String>) {
    match text(limit, "type") {
        "Container" => {
            for field in ["containers", "initContainers"] {
                for container in items(spec, field) {
                    let asked = Asked {
                        of: "Container",
                        requests: resources::of_container(container, Half::Requests),
                        limits: resources::of_container(container, Half::Limits),
                    };
                    asked.check(limit, errors);
                }
            }
        }
        "Pod" => {
            let asked = Asked {
                of: "Pod",
                requests: resources::of_pod(spec, Half::Requests),
                limits: resources::of_pod(spec, Half::Limits),
            };
            asked.check(limit, errors);
        }
        _ => {}
    }
}

/// Claims are bounded by what they request; their limits mean nothing.
fn bound_claim(limit: &Value, spec: &Value, errors: &mut Vec<String>) {
    if text(limit, "type") == "PersistentVolumeClaim" {
        let requests = resources::read(at(spec, &["resources", "requests"]));
        let asked = Asked { of: "PersistentVolumeClaim", requests, limits: Amounts::new() };
        asked.check_claim(limit, errors);
    }
}

/// Several mistakes in one sentence, each once.
fn aggregate(mut errors: Vec<String>) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    errors.retain(|error| seen.insert(error.clone()));
    match errors.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}
