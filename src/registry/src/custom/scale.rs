//! The scale of a custom object: where its definition says that its replicas are.

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{Map, Object, Value};
use portcullis_schema::custom::path::{int_at, text_at};
use serde_json::json;

use crate::kinds::check::text;

/// The metadata a scale shares with its object.
const SHARED: [&str; 5] = ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"];

/// Dotted paths, each with its leading dot.
#[derive(Clone, Debug)]
pub(crate) struct ScalePaths {
    spec: String,
    status: String,
    selector: Option<String>,
}

/// A scale, and whether its object says how many replicas it wants.
pub(crate) struct Found {
    pub(crate) scale: Object,
    pub(crate) replicas: bool,
}

impl ScalePaths {
    /// Reads `subresources.scale` of a version.
    pub(super) fn read(scale: &Value) -> Self {
        let path = |field| text(scale, field).to_owned();
        let selector = Some(path("labelSelectorPath")).filter(|path| !path.is_empty());
        Self { spec: path("specReplicasPath"), status: path("statusReplicasPath"), selector }
    }

    /// The path of the wanted replicas, as it is written.
    pub(crate) fn spec(&self) -> &str {
        &self.spec
    }

    /// The path of the wanted replicas, step by step.
    pub(crate) fn spec_steps(&self) -> Vec<&str> {
        self.spec.strip_prefix('.').unwrap_or(&self.spec).split('.').collect()
    }

    /// The scale of an object.
    ///
    /// # Errors
    /// In upstream's words, when something else than numbers is where the replicas should be.
    pub(crate) fn of(&self, object: &Object) -> Result<Found, String> {
        let wanted = int_at(object, &self.spec)?;
        let there = int_at(object, &self.status)?.unwrap_or_default();
        let selector = self.selector.as_deref().map(|path| text_at(object, path)).transpose()?.flatten();
        let meta = object.metadata();
        let shared =
            SHARED.iter().filter_map(|field| Some(((*field).to_owned(), meta?.get(*field)?.clone())));
        let mut status = json!({ "replicas": int32(there) });
        if let (Some(selector), Some(status)) = (selector.filter(|it| !it.is_empty()), status.as_object_mut())
        {
            status.insert("selector".to_owned(), selector.into());
        }
        let scale = Map::from_iter([
            ("apiVersion".to_owned(), "autoscaling/v1".into()),
            ("kind".to_owned(), "Scale".into()),
            ("metadata".to_owned(), Value::Object(shared.collect())),
            ("spec".to_owned(), spec_of(int32(wanted.unwrap_or_default()))),
            ("status".to_owned(), status),
        ]);
        Ok(Found { scale: Object::new(scale), replicas: wanted.is_some() })
    }

    /// Gives an object the replicas a scale asks for.
    pub(crate) fn put(&self, replicas: i64, object: &mut Object) {
        object.set_at(&self.spec_steps(), replicas.into());
    }

    /// The rules for the wanted replicas.
    pub(super) fn check_spec(&self, object: &Object, errors: &mut ErrorList) {
        check_count(object, &self.spec, errors);
    }

    /// The rules for the replicas that are there, and for their selector.
    pub(super) fn check_status(&self, object: &Object, errors: &mut ErrorList) {
        check_count(object, &self.status, errors);
        let Some(path) = &self.selector else { return };
        if let Err(why) = text_at(object, path) {
            errors.push(Error::invalid(&Path::new(path), "", why));
        }
    }
}

fn spec_of(replicas: i64) -> Value {
    if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) }
}

/// As Go cuts a number to 32 bits.
fn int32(number: i64) -> i64 {
    let low = number.rem_euclid(1 << 32);
    if low >= 1 << 31 { low - (1 << 32) } else { low }
}

fn check_count(object: &Object, path: &str, errors: &mut ErrorList) {
    let at = Path::new(path);
    match int_at(object, path) {
        Err(why) => errors.push(Error::invalid(&at, 0_i64, why)),
        Ok(Some(count)) if count < 0 => {
            errors.push(Error::invalid(&at, count, "should be a non-negative integer"));
        }
        Ok(Some(count)) if count > i64::from(i32::MAX) => {
            let words = format!("should be less than or equal to {}", i32::MAX);
            errors.push(Error::invalid(&at, count, words));
        }
        Ok(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(tree: Value) -> Object {
        Object::new(tree.as_object().cloned().unwrap())
    }

    fn paths() -> ScalePaths {
        ScalePaths::read(&json!({"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size",
            "labelSelectorPath": ".status.selector"}))
    }

    #[test]
    fn a_scale_is_read_where_the_definition_says() {
        let mut thing = object(json!({"metadata": {"name": "t", "labels": {"a": "b"}}, "spec": {"size": 3},
            "status": {"size": 2, "selector": "a=b"}}));
        let found = paths().of(&thing).unwrap();
        assert!(found.replicas);
        assert_eq!(found.scale.get("spec"), Some(&json!({"replicas": 3})));
        assert_eq!(found.scale.get("status"), Some(&json!({"replicas": 2, "selector": "a=b"})));
        assert_eq!(found.scale.get("metadata"), Some(&json!({"name": "t"})));
        paths().put(7, &mut thing);
        assert_eq!(thing.at(&["spec", "size"]), Some(&json!(7)));
        assert!(!paths().of(&object(json!({}))).unwrap().replicas);
    }

    #[test]
    fn what_is_no_count_is_refused() {
        let mut errors = ErrorList::new();
        paths().check_spec(&object(json!({"spec": {"size": -1}})), &mut errors);
        paths().check_spec(&object(json!({"spec": {"size": 3_000_000_000_u64}})), &mut errors);
        paths().check_spec(&object(json!({"spec": {"size": 3}})), &mut errors);
        let bodies: Vec<_> =
            errors.iter().map(|error| format!("{}: {}", error.path.as_str(), error.body())).collect();
        assert_eq!(
            bodies,
            [
                ".spec.size: Invalid value: -1: should be a non-negative integer",
                ".spec.size: Invalid value: 3000000000: should be less than or equal to 2147483647",
            ]
        );
    }

    #[test]
    fn large_numbers_are_cut_as_go_cuts_them() {
        assert_eq!((int32(-1), int32(1 << 31), int32(1 << 32)), (-1, i64::from(i32::MIN), 0));
    }
}
