//! Events of the core group and of `events.k8s.io`: the same object under other field names.

use portcullis_api::{Map, Object, Value};

type Tree = Map<String, Value>;

/// Fields by their name in the core group and in `events.k8s.io`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// What the core group writes even when it is empty.
const CORE_EMPTY: [&str; 2] = ["reportingComponent", "reportingInstance"];

/// An event of the core group, as `events.k8s.io` shows it.
pub(crate) fn core_to_events(event: Object) -> Object {
    let mut tree = event.into_map();
    for (core, events) in NAMES {
        rename(&mut tree, core, events);
    }
    for field in ["reportingController", "reportingInstance"] {
        if tree.get(field).is_some_and(|value| value.as_str() == Some("")) {
            tree.remove(field);
        }
    }
    if let Some(Value::Object(series)) = tree.get_mut("series") {
        series.entry("count").or_insert(Value::from(0));
    }
    Object::new(tree)
}

/// An event of `events.k8s.io`, as the core group shows it.
pub(crate) fn events_to_core(event: Object) -> Object {
    let mut tree = event.into_map();
    for (core, events) in NAMES {
        rename(&mut tree, events, core);
    }
    for field in CORE_EMPTY {
        tree.entry(field).or_insert_with(|| "".into());
    }
    tree.entry("involvedObject").or_insert_with(|| Tree::new().into());
    if let Some(Value::Object(series)) = tree.get_mut("series")
        && series.get("count").and_then(Value::as_i64) == Some(0)
    {
        series.remove("count");
    }
    Object::new(tree)
}

fn rename(tree: &mut Tree, from: &str, to: &str) {
    if let Some(value) = tree.remove(from) {
        tree.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        Object::new(value.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn the_new_names_become_the_old_ones() {
        let new = json!({
            "metadata": {"name": "e"}, "eventTime": "2017-08-09T15:04:05.000000Z", "note": "n", "regarding": {},
            "reportingController": "c", "reportingInstance": "i", "deprecatedSource": {},
            "deprecatedFirstTimestamp": null, "deprecatedLastTimestamp": null,
            "series": {"count": 0, "lastObservedTime": null},
        });
        let old = json!({
            "metadata": {"name": "e"}, "eventTime": "2017-08-09T15:04:05.000000Z", "message": "n",
            "involvedObject": {}, "reportingComponent": "c", "reportingInstance": "i", "source": {},
            "firstTimestamp": null, "lastTimestamp": null, "series": {"lastObservedTime": null},
        });
        assert_eq!(events_to_core(object(new.clone())), object(old.clone()));
        assert_eq!(core_to_events(object(old)), object(new));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_on_the_way_there_and_back(
            note in proptest::option::of("[a-z]{1,4}"), controller in "[a-z]{0,3}", instance in "[a-z]{0,3}",
            count in proptest::option::of(1..9_i64), observed in proptest::option::of(0..3_i64),
        ) {
            let mut event = json!({
                "metadata": {"name": "e"}, "involvedObject": {"kind": "Pod"}, "source": {"component": "x"},
                "firstTimestamp": null, "lastTimestamp": "2020-01-01T00:00:00Z", "eventTime": null,
                "reportingComponent": controller, "reportingInstance": instance,
            });
            if let Some(note) = note {
                event["message"] = note.into();
            }
            if let Some(count) = count {
                event["count"] = count.into();
            }
            if let Some(count) = observed {
                event["series"] = json!({"lastObservedTime": null});
                if count > 0 {
                    event["series"]["count"] = count.into();
                }
            }
            let event = object(event);
            prop_assert_eq!(events_to_core(core_to_events(event.clone())), event);
        }
    }
}
