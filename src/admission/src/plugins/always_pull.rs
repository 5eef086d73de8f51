//! `AlwaysPullImages`: a pod's images are pulled with its own credentials each time, so that nobody runs
//! what somebody else's credentials brought to the node. An option, as upstream.

use std::collections::HashSet;

use portcullis_api::field::{self, Path};
use portcullis_api::{Object, Result, Value};

use super::{forbidden, shown_name};
use crate::attributes::{Attributes, Operation};
use crate::chain::Plugin;

const ALWAYS: &str = "Always";
/// In the order in which upstream visits them.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

pub(super) struct AlwaysPullImages;

impl Plugin for AlwaysPullImages {
    fn name(&self) -> &'static str {
        "AlwaysPullImages"
    }

    fn handles(&self, write: &Attributes<'_>) -> bool {
        write.stores() && write.is("", "pods")
    }

    fn mutate(&self, write: &Attributes<'_>, pod: &mut Object) -> Result<()> {
        if names_nothing_new(write, pod) {
            return Ok(());
        }
        for list in LISTS {
            set_all(pod, list, &[], "imagePullPolicy");
        }
        set_all(pod, "volumes", &["image"], "pullPolicy");
        Ok(())
    }

    fn validate(&self, write: &Attributes<'_>, pod: Option<&Object>) -> Result<()> {
        let Some(pod) = pod else { return Ok(()) };
        if names_nothing_new(write, pod) {
            return Ok(());
        }
        let wrong: Vec<String> = wrong(pod).iter().map(ToString::to_string).collect();
        match wrong.as_slice() {
            [] => Ok(()),
            [one] => Err(forbidden(write, shown_name(pod), one)),
            many => Err(forbidden(write, shown_name(pod), &format!("[{}]", many.join(", ")))),
        }
    }
}

fn items<'p>(pod: &'p Object, list: &str) -> &'p [Value] {
    pod.at(&["spec", list]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An update that names no image which the pod did not have before is not about pulling.
fn names_nothing_new(write: &Attributes<'_>, pod: &Object) -> bool {
    let images = |pod: &Object| -> HashSet<String> {
        let containers = LISTS.iter().flat_map(|list| items(pod, list));
        containers.filter_map(|one| one.get("image")?.as_str().map(str::to_owned)).collect()
    };
    match write.old {
        Some(old) if write.operation == Operation::Update => images(pod).is_subset(&images(old)),
        _ => false,
    }
}

/// Sets a field of each item, or of a part of it where the item has one.
fn set_all(pod: &mut Object, list: &str, part: &[&str], field: &str) {
    let Some(mut all) = pod.at(&["spec", list]).and_then(Value::as_array).cloned() else { return };
    for item in &mut all {
        let holder = part.iter().try_fold(&mut *item, |at, key| at.get_mut(*key));
        if let Some(holder) = holder.and_then(Value::as_object_mut) {
            holder.insert(field.to_owned(), ALWAYS.into());
        }
    }
    pod.set_at(&["spec", list], Value::Array(all));
}

fn wrong(pod: &Object) -> Vec<field::Error> {
    let spec = Path::new("spec");
    let mut errors = Vec::new();
    let mut check = |holder: &Value, field: &str, at: &Path| {
        let given = holder.get(field).and_then(Value::as_str).unwrap_or_default();
        if given != ALWAYS {
            errors.push(field::Error::not_supported(&at.child(field), given, &[ALWAYS]));
        }
    };
    for list in LISTS {
        for (index, container) in items(pod, list).iter().enumerate() {
            check(container, "imagePullPolicy", &spec.child(list).index(index));
        }
    }
    for (index, volume) in items(pod, "volumes").iter().enumerate() {
        if let Some(image) = volume.get("image").filter(|image| image.is_object()) {
            check(image, "pullPolicy", &spec.child("volumes").index(index).child("image"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fake::{Cluster, Write};

    fn pod(policy: Option<&str>, image: &str) -> Value {
        let container = match policy {
            Some(policy) => json!({ "name": "c", "image": image, "imagePullPolicy": policy }),
            None => json!({ "name": "c", "image": image }),
        };
        json!({ "metadata": { "name": "web" }, "spec": {
            "containers": [container], "initContainers": [container],
            "volumes": [{ "name": "v", "image": { "reference": "r" } }, { "name": "w", "emptyDir": {} }],
        } })
    }

    #[test]
    fn c015_whatever_a_pod_says_its_images_are_pulled() {
        let create = || Write::of(Operation::Create, "pods", "Pod");
        let made = create().judge(AlwaysPullImages, &Cluster::default(), pod(Some("Never"), "a")).admitted();
        for list in ["containers", "initContainers"] {
            assert_eq!(made.at(&["spec", list]).unwrap()[0]["imagePullPolicy"], "Always", "{list}");
        }
        let volumes = made.at(&["spec", "volumes"]).unwrap();
        assert_eq!(volumes[0]["image"]["pullPolicy"], "Always");
        assert_eq!(volumes[1], json!({ "name": "w", "emptyDir": {} }));
    }

    #[test]
    fn an_update_without_a_new_image_is_left_alone() {
        let update = || Write::of(Operation::Update, "pods", "Pod").change(pod(Some("Never"), "a"));
        let cluster = Cluster::default();
        let same = update().judge(AlwaysPullImages, &cluster, pod(Some("Never"), "a")).admitted();
        assert_eq!(same.at(&["spec", "containers"]).unwrap()[0]["imagePullPolicy"], "Never");
        let other = update().judge(AlwaysPullImages, &cluster, pod(None, "b")).admitted();
        assert_eq!(other.at(&["spec", "containers"]).unwrap()[0]["imagePullPolicy"], "Always");
    }
}
