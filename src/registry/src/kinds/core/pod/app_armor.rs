//! AppArmor profiles that are still named in annotations.
//!
//! A new pod's container without a profile gets the one its annotation names, unless the pod as a whole
//! has that one already. Who sent such an annotation is warned, which has to be before the field is set.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::super::super::check::{At, text};
use super::annotations::APP_ARMOR;
use super::security;
use super::spec::visit;

const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Sets the fields that annotations stand for.
pub(super) fn sync(pod: &mut Object) {
    let annotations: Vec<(String, String)> = pod
        .annotations()
        .filter_map(|(key, profile)| Some((key.strip_prefix(APP_ARMOR)?.to_owned(), profile.to_owned())))
        .collect();
    let Some(spec) = pod.at(&["spec"]).filter(|spec| !annotations.is_empty() && !is_windows(spec)) else {
        return;
    };
    let mut spec = spec.clone();
    let of_pod = profile(&spec).cloned();
    for list in LISTS {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers.filter_map(Value::as_object_mut) {
            set(container, &annotations, of_pod.as_ref());
        }
    }
    pod.set_at(&["spec"], spec);
}

fn set(container: &mut Map<String, Value>, annotations: &[(String, String)], of_pod: Option<&Value>) {
    let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
    let Some((_, said)) = annotations.iter().find(|(of, _)| of == name) else { return };
    let context = container.get("securityContext").filter(|context| !context.is_null());
    if context.is_some_and(|context| context.get("appArmorProfile").is_some()) {
        return;
    }
    if let Some(field) = field_of(said).filter(|field| Some(field) != of_pod) {
        let mut context = context.and_then(Value::as_object).cloned().unwrap_or_default();
        context.insert("appArmorProfile".to_owned(), field);
        container.insert("securityContext".to_owned(), context.into());
    }
}

/// The warnings for the annotations of a pod as it was sent.
pub(super) fn warnings(metadata: &Value, spec: &Value) -> Vec<String> {
    let mut found = Vec::new();
    if metadata.get("annotations").is_some() && !is_windows(spec) {
        visit(spec, &At::root("spec"), |container, _| {
            found.extend(warning(metadata, profile(spec), container, field_of, ""));
        });
    }
    found
}

/// The warning for the annotation of a container in a template.
pub(super) fn template_warning(
    metadata: &Value,
    spec: &Value,
    container: &Value,
    prefix: &str,
) -> Option<String> {
    warning(metadata, profile(spec), container, plain_field_of, prefix)
}

/// Nothing need be said of an annotation that says what the pod's profile says.
fn warning(
    metadata: &Value,
    of_pod: Option<&Value>,
    container: &Value,
    field_of: fn(&str) -> Option<Value>,
    prefix: &str,
) -> Option<String> {
    let annotations = metadata.get("annotations")?;
    let key = format!("{APP_ARMOR}{}", text(container, "name"));
    let said = annotations.get(&key)?.as_str()?;
    let same = of_pod.is_some() && field_of(said).as_ref() == of_pod;
    let words = "deprecated since v1.30; use the \"appArmorProfile\" field instead";
    (profile(container).is_none() && !same).then(|| format!("{prefix}metadata.annotations[{key}]: {words}"))
}

fn is_windows(spec: &Value) -> bool {
    spec.get("os").is_some_and(|os| text(os, "name") == "windows")
}

/// The profile in a security context.
fn profile(holder: &Value) -> Option<&Value> {
    holder.get("securityContext")?.get("appArmorProfile").filter(|profile| !profile.is_null())
}

fn plain_field_of(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({ "type": "Unconfined" })),
        "runtime/default" => Some(json!({ "type": "RuntimeDefault" })),
        other => {
            let path = other.strip_prefix("localhost/").filter(|path| !path.is_empty())?;
            Some(json!({ "type": "Localhost", "localhostProfile": path }))
        }
    }
}

/// The field an annotation stands for, if it would be accepted.
fn field_of(annotation: &str) -> Option<Value> {
    let field = plain_field_of(annotation)?;
    let mut errors = ErrorList::new();
    security::app_armor(Some(&field), At::root(""), &mut errors);
    errors.is_empty().then_some(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(annotation: &str, of_pod: Option<Value>, of_container: Option<Value>) -> Object {
        let context = |profile: Option<Value>| profile.map(|profile| json!({ "appArmorProfile": profile }));
        let pod = json!({
            "metadata": { "annotations": { (format!("{APP_ARMOR}c")): annotation } },
            "spec": {
                "securityContext": context(of_pod),
                "containers": [{ "name": "c", "securityContext": context(of_container) }, { "name": "d" }],
            },
        });
        Object::new(pod.as_object().unwrap().clone())
    }

    fn told(pod: &Object) -> usize {
        warnings(pod.get("metadata").unwrap(), pod.get("spec").unwrap()).len()
    }

    #[test]
    fn an_annotation_becomes_the_field_it_stands_for() {
        for (annotation, field) in [
            ("runtime/default", json!({ "type": "RuntimeDefault" })),
            ("unconfined", json!({ "type": "Unconfined" })),
            ("localhost/a", json!({ "type": "Localhost", "localhostProfile": "a" })),
        ] {
            let mut pod = pod(annotation, None, None);
            assert_eq!(told(&pod), 1);
            sync(&mut pod);
            let spec = pod.get("spec").unwrap();
            assert_eq!(spec["containers"][0]["securityContext"]["appArmorProfile"], field);
            assert_eq!(spec["containers"][1], json!({ "name": "d" }));
        }
    }

    #[test]
    fn what_cannot_be_read_and_what_is_said_already_stay() {
        let runtime = json!({ "type": "RuntimeDefault" });
        for (annotation, of_pod, of_container, warned) in [
            ("odd", None, None, 1),
            ("localhost/ a", None, None, 1),
            ("runtime/default", Some(runtime.clone()), None, 0),
            ("unconfined", None, Some(runtime.clone()), 0),
        ] {
            let mut pod = pod(annotation, of_pod, of_container);
            let before = pod.clone();
            assert_eq!(told(&pod), warned, "{annotation}");
            sync(&mut pod);
            assert_eq!(pod.map(), before.map(), "{annotation}");
        }
    }
}
