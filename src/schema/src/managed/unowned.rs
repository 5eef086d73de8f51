//! Merging a configuration that nobody will own: what mutating admission policies apply.

use portcullis_api::Value;

use super::element::Element;
use super::merge::merge;
use super::shape::{Entries, Shape, ShapeRef};
use super::validate::misfits;

/// Merges `config` into `live` as an apply does, but nothing is removed and nobody owns anything.
///
/// # Errors
/// When the configuration does not fit, or when it sets something atomic: that would take away what it does not
/// name. In upstream's words.
pub fn merge_unowned(shape: ShapeRef<'_>, live: &Value, config: &Value) -> Result<Value, String> {
    if let Some(why) = misfits(shape, config, false).text() {
        return Err(format!("failed to convert patch object to typed object: {why}"));
    }
    let mut found = Vec::new();
    atomics(shape, config, &mut String::new(), &mut found);
    if !found.is_empty() {
        let found = found.join(", ");
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {found}"
        ));
    }
    merge(shape, live, config).map_err(|why| format!("failed to merge patch: {why}"))
}

/// The paths to what is owned as a whole.
fn atomics(shape: ShapeRef<'_>, value: &Value, path: &mut String, found: &mut Vec<String>) {
    match (shape.get(), value) {
        (Shape::Map(map), Value::Object(object)) => {
            if map.atomic {
                found.push(path.clone());
            }
            for (name, value) in object {
                if let Some(field) = map.field(name) {
                    below(&Element::field(name), shape.at(field.shape), value, path, found);
                }
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            if list.entries == Entries::Atomic {
                found.push(path.clone());
            }
            within(items, shape.at(list.item), path, found);
        }
        (Shape::Deduced | Shape::Opaque, Value::Array(items)) => {
            found.push(path.clone());
            within(items, shape, path, found);
        }
        (Shape::Opaque, Value::Object(_)) => found.push(path.clone()),
        _ => {}
    }
}

fn within(items: &[Value], shape: ShapeRef<'_>, path: &mut String, found: &mut Vec<String>) {
    for (at, item) in items.iter().enumerate() {
        below(&Element::Index(i64::try_from(at).unwrap_or(i64::MAX)), shape, item, path, found);
    }
}

fn below(
    element: &Element<'_>,
    shape: ShapeRef<'_>,
    value: &Value,
    path: &mut String,
    found: &mut Vec<String>,
) {
    let length = path.len();
    path.push_str(&element.to_string());
    atomics(shape, value, path, found);
    path.truncate(length);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn applied(config: Value) -> Result<Value, String> {
        let shape = crate::kind_named("apps", "v1", "Deployment").unwrap().shape();
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}},
        });
        merge_unowned(shape, &live, &config)
    }

    #[test]
    fn what_is_not_named_stays() {
        let container = json!({"name": "a", "imagePullPolicy": "Always"});
        let merged = applied(json!({"spec": {"template": {"spec": {"containers": [container]}}}})).unwrap();
        assert_eq!(
            merged.pointer("/spec/template/spec/containers/0"),
            Some(&json!({"name": "a", "image": "x", "imagePullPolicy": "Always"}))
        );
        assert_eq!(merged.pointer("/spec/replicas"), Some(&json!(1)));
    }

    #[test]
    fn what_is_owned_as_a_whole_is_not_set() {
        let container = json!({"name": "a", "args": ["b"]});
        let refused = applied(json!({"spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [container]}},
        }}));
        assert_eq!(
            refused.unwrap_err(),
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector, \
             .spec.template.spec.containers[0].args"
        );
    }

    #[test]
    fn what_the_kind_does_not_know_is_refused() {
        assert_eq!(
            applied(json!({"spec": {"colour": "red"}})).unwrap_err(),
            "failed to convert patch object to typed object: .spec.colour: field not declared in schema"
        );
    }
}
