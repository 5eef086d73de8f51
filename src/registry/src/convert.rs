//! Two versions over one store: which conversion stands between what is served and what is stored.

use portcullis_api::{GroupVersion, Gvk, Map, Object, Value};
use portcullis_schema::Kind;
use portcullis_schema::managed::{ShapeRef, Versions, Writable};

use crate::custom::Asking;
use crate::kinds::others::convert::{event, hpa};

/// Both directions of a lossless conversion. Neither side's TypeMeta is looked at.
pub(crate) struct Conversion {
    /// From the stored version to the one clients see.
    pub(crate) to_served: fn(Object) -> Object,
    /// From the version clients see to the stored one.
    pub(crate) to_stored: fn(Object) -> Object,
}

/// The conversion between a served and a stored kind; `None` when they are the same.
pub(crate) fn between(served: &Kind, stored: &Kind) -> Option<Conversion> {
    if served.gvk() == stored.gvk() {
        return None;
    }
    match (served.api_version(), served.kind()) {
        ("autoscaling/v1", _) => Some(Conversion { to_served: hpa::v2_to_v1, to_stored: hpa::v1_to_v2 }),
        ("autoscaling/v2", _) => Some(Conversion { to_served: hpa::v1_to_v2, to_stored: hpa::v2_to_v1 }),
        ("events.k8s.io/v1", _) => {
            Some(Conversion { to_served: event::core_to_events, to_stored: event::events_to_core })
        }
        _ => None,
    }
}

/// The other versions of a built-in kind, whose owners keep their fields while this version is written.
pub(crate) struct Siblings(pub(crate) Option<&'static Kind>);

impl Versions for Siblings {
    fn convert(
        &self,
        object: &Map<String, Value>,
        api_version: &str,
    ) -> Option<(ShapeRef<'_>, Map<String, Value>)> {
        let own = self.0?;
        let other = portcullis_schema::kind(&Gvk::new(GroupVersion::parse(api_version)?, own.kind()))?;
        let there = between(other, own).map(|from_own| from_own.to_served);
        let there = there.or_else(|| between(own, other).map(|from_other| from_other.to_stored))?;
        Some((other.shape(), there(Object::new(object.clone())).into_map()))
    }
}

/// How the objects of a resource look in its other versions.
pub(crate) enum InVersions<'r> {
    BuiltIn(&'r Siblings),
    Custom(Asking<'r>),
}

impl Versions for InVersions<'_> {
    fn convert(
        &self,
        object: &Map<String, Value>,
        api_version: &str,
    ) -> Option<(ShapeRef<'_>, Map<String, Value>)> {
        match self {
            Self::BuiltIn(versions) => versions.convert(object, api_version),
            Self::Custom(versions) => versions.convert(object, api_version),
        }
    }

    fn writable(&self, api_version: &str) -> Writable<'_> {
        match self {
            Self::BuiltIn(versions) => versions.writable(api_version),
            Self::Custom(versions) => versions.writable(api_version),
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_schema::managed::writable;
    use serde_json::json;

    use super::*;

    fn tracked(group: &str, version: &str, kind: &str, live: Option<&Object>, new: Value) -> Object {
        let kind = portcullis_schema::kind(&Gvk::new(GroupVersion::new(group, version), kind)).unwrap();
        let mut new = Object::new(new.as_object().unwrap().clone());
        kind.normalize(&mut new, portcullis_schema::decode::FieldValidation::Ignore).unwrap();
        let manager = format!("writer-of-{version}-{group}");
        let siblings = Siblings(Some(kind));
        let tracker = kind.tracker("", writable("any", ""), &siblings);
        tracker.update(&manager, live, &mut new, "2026-01-01T00:00:00Z");
        new
    }

    fn owners(object: &Object) -> Value {
        let entries = object.at(&["metadata", "managedFields"]).and_then(Value::as_array).unwrap();
        entries
            .iter()
            .map(|entry| {
                (entry["apiVersion"].as_str().unwrap().to_owned(), entry["fieldsV1"]["f:spec"].clone())
            })
            .collect::<Map<_, _>>()
            .into()
    }

    fn hpa(version: &str, spec: Value) -> Value {
        let target = json!({ "kind": "Deployment", "name": "web", "apiVersion": "apps/v1" });
        let mut tree = json!({
            "apiVersion": format!("autoscaling/{version}"), "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "web", "namespace": "ns", "uid": "u", "resourceVersion": "1" },
            "spec": { "scaleTargetRef": target },
        });
        tree["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        tree
    }

    #[test]
    fn owners_of_one_version_stay_while_another_is_written() {
        let old = json!({ "minReplicas": 2, "maxReplicas": 5, "targetCPUUtilizationPercentage": 70 });
        let first = tracked("autoscaling", "v1", "HorizontalPodAutoscaler", None, hpa("v1", old));
        let live = hpa::v1_to_v2(first);
        let mut new = Value::from(live.clone().into_map());
        new["apiVersion"] = "autoscaling/v2".into();
        new["spec"]["maxReplicas"] = 9.into();
        let second = tracked("autoscaling", "v2", "HorizontalPodAutoscaler", Some(&live), new);
        let owners = owners(&second);
        assert_eq!(owners["autoscaling/v2"], json!({ "f:maxReplicas": {} }));
        let v1 = &owners["autoscaling/v1"];
        assert_eq!(v1["f:minReplicas"], json!({}), "{v1}");
        assert_eq!(v1["f:targetCPUUtilizationPercentage"], json!({}), "{v1}");
        assert_eq!(v1.get("f:maxReplicas"), None, "{v1}");
    }

    #[test]
    fn events_keep_their_owners_over_groups() {
        let tree = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e", "namespace": "ns", "uid": "u" },
            "involvedObject": { "kind": "Pod", "name": "p" }, "message": "one", "reason": "Because",
        });
        let live = event::core_to_events(tracked("", "v1", "Event", None, tree));
        let mut new = Value::from(live.clone().into_map());
        new["apiVersion"] = "events.k8s.io/v1".into();
        new["note"] = "two".into();
        let second = tracked("events.k8s.io", "v1", "Event", Some(&live), new);
        let entries = second.at(&["metadata", "managedFields"]).and_then(Value::as_array).unwrap();
        let core = entries.iter().find(|entry| entry["apiVersion"] == "v1").unwrap();
        assert_eq!(core["fieldsV1"]["f:reason"], json!({}), "{core}");
        assert_eq!(core["fieldsV1"].get("f:message"), None, "{core}");
        let events = entries.iter().find(|entry| entry["apiVersion"] == "events.k8s.io/v1").unwrap();
        assert_eq!(events["fieldsV1"]["f:note"], json!({}), "{events}");
    }

    #[test]
    fn a_kind_with_one_version_has_no_siblings() {
        let gv = GroupVersion::new("", "v1");
        let siblings = Siblings(portcullis_schema::kind(&Gvk::new(gv, "ConfigMap")));
        for version in ["v1", "v2", "apps/v1", "autoscaling/v1"] {
            assert!(siblings.convert(&Map::new(), version).is_none(), "{version}");
        }
    }
}
