//! Metrics of autoscalers: version 2 nests names and targets where version 1 has them side by side.

use portcullis_api::{Map, Value};
use serde_json::json;

use crate::kinds::others::go::{Field, Shape, Struct, field, plain};

type Tree = Map<String, Value>;

const REFERENCE: Struct = &[plain("kind"), plain("name"), plain("apiVersion")];

/// A metric of version 1, in the order of its fields.
pub(super) const SPEC_V1: Struct = &[
    plain("type"),
    field(
        "object",
        Shape::Struct(&[
            field("target", Shape::Struct(REFERENCE)),
            plain("metricName"),
            plain("targetValue"),
            plain("selector"),
            plain("averageValue"),
        ]),
    ),
    field("pods", Shape::Struct(&[plain("metricName"), plain("targetAverageValue"), plain("selector")])),
    field("resource", Shape::Struct(RESOURCE_SPEC)),
    field("containerResource", Shape::Struct(CONTAINER_SPEC)),
    field(
        "external",
        Shape::Struct(&[
            plain("metricName"),
            plain("metricSelector"),
            plain("targetValue"),
            plain("targetAverageValue"),
        ]),
    ),
];

const RESOURCE_SPEC: Struct =
    &[plain("name"), plain("targetAverageUtilization"), plain("targetAverageValue")];
const CONTAINER_SPEC: Struct =
    &[plain("name"), plain("targetAverageUtilization"), plain("targetAverageValue"), plain("container")];

/// A metric's status of version 1, in the order of its fields.
pub(super) const STATUS_V1: Struct = &[
    plain("type"),
    field(
        "object",
        Shape::Struct(&[
            field("target", Shape::Struct(REFERENCE)),
            plain("metricName"),
            plain("currentValue"),
            plain("selector"),
            plain("averageValue"),
        ]),
    ),
    field("pods", Shape::Struct(&[plain("metricName"), plain("currentAverageValue"), plain("selector")])),
    field(
        "resource",
        Shape::Struct(&[plain("name"), plain("currentAverageUtilization"), plain("currentAverageValue")]),
    ),
    field(
        "containerResource",
        Shape::Struct(&[
            plain("name"),
            plain("currentAverageUtilization"),
            plain("currentAverageValue"),
            plain("container"),
        ]),
    ),
    field(
        "external",
        Shape::Struct(&[
            plain("metricName"),
            plain("metricSelector"),
            plain("currentValue"),
            plain("currentAverageValue"),
        ]),
    ),
];

/// Conditions, in the order of their fields.
pub(super) const CONDITION: Struct =
    &[plain("type"), plain("status"), plain("lastTransitionTime"), plain("reason"), plain("message")];

/// The behaviour, under the names of upstream's internal type.
pub(super) const BEHAVIOR: Struct =
    &[renamed("scaleUp", "ScaleUp", RULES), renamed("scaleDown", "ScaleDown", RULES)];

const RULES: Struct = &[
    internal("stabilizationWindowSeconds", "StabilizationWindowSeconds"),
    internal("selectPolicy", "SelectPolicy"),
    Field {
        from: "policies",
        to: "Policies",
        shape: Shape::List(&[
            internal("type", "Type"),
            internal("value", "Value"),
            internal("periodSeconds", "PeriodSeconds"),
        ]),
        nullable: true,
    },
    internal("tolerance", "Tolerance"),
];

const fn renamed(from: &'static str, to: &'static str, shape: Struct) -> Field {
    Field { from, to, shape: Shape::Struct(shape), nullable: true }
}

const fn internal(from: &'static str, to: &'static str) -> Field {
    Field { from, to, shape: Shape::Plain, nullable: true }
}

/// Reads a behaviour as the annotation has it; names match in any case, as Go reads them.
pub(super) fn behavior_from_text(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    let mut behavior = Tree::new();
    for (name, rules) in value.as_object()? {
        let name = if name.eq_ignore_ascii_case("scaleUp") { "scaleUp" } else { "scaleDown" };
        if rules.is_object() {
            behavior.insert(name.to_owned(), lower_first(rules));
        }
    }
    (!behavior.is_empty()).then(|| behavior.into())
}

/// The same tree with field names that start in lower case, without nulls. Depth is bounded by the parser.
fn lower_first(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let fields = map.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (first_lower(name), lower_first(value))).collect::<Tree>().into()
        }
        Value::Array(list) => list.iter().map(lower_first).collect(),
        other => other.clone(),
    }
}

fn first_lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

/// Which fields of the flat form stand where in the nested one: flat name, nested path.
type Paths = &'static [(&'static str, [&'static str; 2])];

const SPEC_PATHS: [(&str, Paths); 5] = [
    (
        "object",
        &[
            ("metricName", ["metric", "name"]),
            ("selector", ["metric", "selector"]),
            ("targetValue", ["target", "value"]),
            ("averageValue", ["target", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", ["metric", "name"]),
            ("selector", ["metric", "selector"]),
            ("targetAverageValue", ["target", "averageValue"]),
        ],
    ),
    ("resource", RESOURCE_PATHS),
    ("containerResource", RESOURCE_PATHS),
    (
        "external",
        &[
            ("metricName", ["metric", "name"]),
            ("metricSelector", ["metric", "selector"]),
            ("targetValue", ["target", "value"]),
            ("targetAverageValue", ["target", "averageValue"]),
        ],
    ),
];

const RESOURCE_PATHS: Paths = &[
    ("targetAverageUtilization", ["target", "averageUtilization"]),
    ("targetAverageValue", ["target", "averageValue"]),
];

const STATUS_PATHS: [(&str, Paths); 5] = [
    (
        "object",
        &[
            ("metricName", ["metric", "name"]),
            ("selector", ["metric", "selector"]),
            ("currentValue", ["current", "value"]),
            ("averageValue", ["current", "averageValue"]),
        ],
    ),
    (
        "pods",
        &[
            ("metricName", ["metric", "name"]),
            ("selector", ["metric", "selector"]),
            ("currentAverageValue", ["current", "averageValue"]),
        ],
    ),
    ("resource", RESOURCE_STATUS_PATHS),
    ("containerResource", RESOURCE_STATUS_PATHS),
    (
        "external",
        &[
            ("metricName", ["metric", "name"]),
            ("metricSelector", ["metric", "selector"]),
            ("currentValue", ["current", "value"]),
            ("currentAverageValue", ["current", "averageValue"]),
        ],
    ),
];

const RESOURCE_STATUS_PATHS: Paths = &[
    ("currentAverageUtilization", ["current", "averageUtilization"]),
    ("currentAverageValue", ["current", "averageValue"]),
];

/// Quantities version 1 always writes.
const ALWAYS: [(&str, &str); 6] = [
    ("object", "targetValue"),
    ("pods", "targetAverageValue"),
    ("object", "currentValue"),
    ("pods", "currentAverageValue"),
    ("external", "currentValue"),
    ("resource", "currentAverageValue"),
];

/// A metric of version 2 in the form of version 1.
pub(super) fn spec_to_flat(metric: &Value) -> Value {
    to_flat(metric, &SPEC_PATHS, "targetValue")
}

/// A metric's status of version 2 in the form of version 1.
pub(super) fn status_to_flat(metric: &Value) -> Value {
    to_flat(metric, &STATUS_PATHS, "currentValue")
}

fn to_flat(metric: &Value, paths: &[(&str, Paths)], marker: &str) -> Value {
    let mut out = Tree::new();
    copy(metric, &mut out, "type");
    let is_status = marker == "currentValue";
    for (source, paths) in paths {
        let Some(nested) = metric.get(*source) else { continue };
        let mut flat = Tree::new();
        copy(nested, &mut flat, "name");
        copy(nested, &mut flat, "container");
        if let Some(object) = nested.get("describedObject") {
            flat.insert("target".into(), object.clone());
        }
        for (name, [holder, inner]) in *paths {
            if let Some(value) = nested.get(*holder).and_then(|holder| holder.get(*inner)) {
                flat.insert((*name).to_owned(), value.clone());
            }
        }
        for (_, name) in
            ALWAYS.iter().filter(|(of, name)| of == source && name.starts_with("current") == is_status)
        {
            flat.entry(*name).or_insert_with(|| "0".into());
        }
        if is_status && *source == "containerResource" {
            flat.entry("currentAverageValue").or_insert_with(|| "0".into());
        }
        out.insert((*source).to_owned(), flat.into());
    }
    out.into()
}

/// A metric of version 1 in the form of version 2.
pub(super) fn spec_from_flat(metric: &Value) -> Value {
    let mut out = from_flat(metric, &SPEC_PATHS, "target");
    for source in ["object", "pods", "resource", "containerResource", "external"] {
        let Some(nested) = out.get_mut(source) else { continue };
        let target = nested.get("target").cloned().unwrap_or_else(|| json!({}));
        let kind = target_type(source, &target);
        if let Some(target) = nested.get_mut("target").and_then(Value::as_object_mut) {
            let averaged = source == "object" && target.contains_key("averageValue");
            if averaged && target.get("value").and_then(Value::as_str) == Some("0") {
                target.remove("value");
            }
            target.insert("type".into(), kind.into());
        }
    }
    out.into()
}

/// A metric's status of version 1 in the form of version 2.
pub(super) fn status_from_flat(metric: &Value) -> Value {
    from_flat(metric, &STATUS_PATHS, "current").into()
}

fn from_flat(metric: &Value, paths: &[(&str, Paths)], holder: &str) -> Tree {
    let mut out = Tree::new();
    copy(metric, &mut out, "type");
    for (source, paths) in paths {
        let Some(flat) = metric.get(*source) else { continue };
        let mut nested = Tree::new();
        nested.insert(holder.to_owned(), json!({}));
        copy(flat, &mut nested, "name");
        copy(flat, &mut nested, "container");
        if let Some(object) = flat.get("target") {
            nested.insert("describedObject".into(), object.clone());
        }
        for (name, [holder, inner]) in *paths {
            let Some(value) = flat.get(*name) else { continue };
            if let Some(holder) = nested.entry(*holder).or_insert_with(|| json!({})).as_object_mut() {
                holder.insert((*inner).to_owned(), value.clone());
            }
        }
        out.insert((*source).to_owned(), nested.into());
    }
    out
}

fn target_type(source: &str, target: &Value) -> &'static str {
    let has = |field: &str| target.get(field).is_some();
    match source {
        "pods" => "AverageValue",
        "object" if has("averageValue") => "AverageValue",
        "object" => "Value",
        "external" if has("value") => "Value",
        "external" => "AverageValue",
        _ if has("averageUtilization") => "Utilization",
        _ => "AverageValue",
    }
}

fn copy(from: &Value, to: &mut Tree, field: &str) {
    if let Some(value) = from.get(field) {
        to.insert(field.to_owned(), value.clone());
    }
}
