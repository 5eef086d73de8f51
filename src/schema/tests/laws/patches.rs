//! Patches: what differs between two objects, as a patch, makes the one of the other.

use portcullis_api::{Map, Object, Value};
use portcullis_schema::patch::{Patch, PatchType};
use portcullis_schema::types::{Field, Struct, StructId, Type, types};
use portcullis_schema::{FieldValidation, Kind};
use proptest::prelude::*;
use serde_json::json;

use super::generate::{tree, variation};
use super::tape::Tape;
use super::{any_kind, assert_same, choices, normal, object, without_nulls};

/// Two objects of a kind that have much in common.
fn pair(kind: &Kind, choices: &[u8], other: &[u8], skipped: fn(&Field) -> bool) -> (Object, Object) {
    let first = tree(kind, &mut Tape::new(choices).without(skipped));
    let second = variation(kind, &first, &mut Tape::new(other).without(skipped));
    (normal(kind, first), normal(kind, second))
}

fn none(_: &Field) -> bool {
    false
}

/// Any JSON and maps of lists, into which strategic merge patches refuse to look.
fn opaque(field: &Field) -> bool {
    use Type::{FieldsV1, Json, RawObject, SchemaOrArray, SchemaOrBool, SchemaOrStrings};
    let of = match &field.ty {
        Type::Map(of) if matches!(**of, Type::List(_)) => return true,
        Type::List(of) | Type::Map(of) => of,
        other => other,
    };
    matches!(of, RawObject | Json | FieldsV1 | SchemaOrBool | SchemaOrArray | SchemaOrStrings)
}

#[track_caller]
fn patched(kind: &'static Kind, patch: PatchType, current: &Object, body: &Value) -> Object {
    let body = body.to_string();
    let patch = Patch::parse(patch, body.as_bytes(), FieldValidation::Strict).unwrap();
    let patched = patch.run(&kind.into(), current).unwrap_or_else(|why| panic!("{body}: {}", why.message()));
    assert_eq!(patched.warnings, Vec::<String>::new(), "{body}");
    let mut object = patched.object;
    kind.forget_empties(&mut object);
    object
}

/// The merge patch that makes `to` of `from`.
fn merge_diff(from: &Map<String, Value>, to: &Map<String, Value>) -> Value {
    let mut patch = Map::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, new) in to {
        match (from.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), merge_diff(old, new));
            }
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    Value::Object(patch)
}

/// The JSON patch that makes `to` of `from`, with a test of everything it touches.
fn json_diff(from: &Map<String, Value>, to: &Map<String, Value>, at: &str, out: &mut Vec<Value>) {
    let pointer = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    for (name, old) in from {
        let path = pointer(name);
        match (old, to.get(name)) {
            (old, Some(new)) if old == new => out.push(json!({"op": "test", "path": path, "value": old})),
            (Value::Object(old), Some(Value::Object(new))) => json_diff(old, new, &path, out),
            (old, Some(new)) => out.extend([
                json!({"op": "test", "path": path, "value": old}),
                json!({"op": "replace", "path": path, "value": new}),
            ]),
            (old, None) => out.extend([
                json!({"op": "test", "path": path, "value": old}),
                json!({"op": "remove", "path": path}),
            ]),
        }
    }
    for (name, new) in to.iter().filter(|(name, _)| !from.contains_key(*name)) {
        out.push(json!({"op": "add", "path": pointer(name), "value": new}));
    }
}

/// A strategic merge patch with directives where the types allow them.
fn with_directives(id: StructId, patch: &mut Map<String, Value>, tape: &mut Tape<'_>) {
    let schema = types().get(id);
    for (name, value) in std::mem::take(patch) {
        let Some(field) = schema.field(&name) else { continue };
        match (field, value) {
            (Field { ty: Type::Struct(below), .. }, Value::Object(mut map)) => {
                with_directives(*below, &mut map, tape);
                if field.patch_strategy.contains("retainKeys") && tape.below(2) == 1 {
                    let names: Vec<Value> =
                        map.keys().filter(|name| !name.starts_with('$')).cloned().map(Value::from).collect();
                    map.insert("$retainKeys".to_owned(), names.into());
                }
                patch.insert(name, Value::Object(map));
            }
            (field, Value::Array(items)) if field.patch_strategy.contains("merge") => {
                list_directives(field, items, patch, tape);
            }
            (_, value) => {
                patch.insert(name, value);
            }
        }
    }
}

fn list_directives(field: &Field, items: Vec<Value>, patch: &mut Map<String, Value>, tape: &mut Tape<'_>) {
    let (name, key) = (field.json, field.patch_merge_key);
    let only_key = |item: &Value| if key.is_empty() { item.clone() } else { json!({ key: item[key] }) };
    match (tape.below(5), key.is_empty()) {
        // A list that is `null` has no order that could be set.
        (1, _) if !field.shown_when_absent() => {
            let order = items.iter().map(only_key).collect();
            patch.insert(format!("$setElementOrder/{name}"), order);
        }
        (2, true) => {
            patch.insert(format!("$deleteFromPrimitiveList/{name}"), items.into());
            return;
        }
        (2, false) => {
            let gone = items.iter().map(|item| json!({"$patch": "delete", key: item[key]}));
            patch.insert(name.to_owned(), gone.collect());
            return;
        }
        (3, false) => {
            patch.insert(name.to_owned(), [vec![json!({"$patch": "replace"})], items].concat().into());
            return;
        }
        _ => {}
    }
    patch.insert(name.to_owned(), items.into());
}

/// The names of every list of a patch that is merged, with the order its entries are wanted in.
fn wanted_orders(schema: &Struct, patch: &Map<String, Value>, result: &Map<String, Value>) {
    for field in &schema.fields {
        match (&field.ty, patch.get(field.json), result.get(field.json)) {
            (Type::Struct(id), Some(Value::Object(patch)), Some(Value::Object(result))) => {
                wanted_orders(types().get(*id), patch, result);
            }
            (Type::List(_), Some(Value::Array(new)), Some(Value::Array(all)))
                if field.patch_strategy.contains("merge") =>
            {
                let key = field.patch_merge_key;
                let step = |item: &Value| if key.is_empty() { item.clone() } else { item[key].clone() };
                let wanted: Vec<Value> = new.iter().map(step).collect();
                let found: Vec<Value> = all.iter().map(step).filter(|step| wanted.contains(step)).collect();
                assert_eq!(found, wanted, "the order of {}", field.json);
            }
            _ => {}
        }
    }
}

/// A strategic merge patch that an object is.
fn as_patch(object: &Object) -> Map<String, Value> {
    let mut tree = Value::from(object.clone());
    without_nulls(&mut tree);
    tree.as_object().cloned().unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: super::cases(128), ..ProptestConfig::default() })]

    #[test]
    fn a_merge_patch_of_the_difference_makes_the_other(kind in any_kind(), first in choices(), second in choices()) {
        let (from, to) = pair(kind, &first, &second, none);
        let patch = merge_diff(from.map(), to.map());
        let once = patched(kind, PatchType::Merge, &from, &patch);
        assert_same(&once, &to, "merge patch");
        assert_same(&patched(kind, PatchType::Merge, &once, &patch), &to, "merge patch, again");
    }

    #[test]
    fn a_json_patch_of_the_difference_makes_the_other(kind in any_kind(), first in choices(), second in choices()) {
        let (from, to) = pair(kind, &first, &second, none);
        let mut patch = Vec::new();
        json_diff(from.map(), to.map(), "", &mut patch);
        assert_same(&patched(kind, PatchType::Json, &from, &patch.clone().into()), &to, "JSON patch");
        // The tests of what it changes fail once it is changed.
        if from != to && patch.iter().any(|step| step["op"] == "replace" || step["op"] == "remove") {
            let body = Value::from(patch).to_string();
            let patch = Patch::parse(PatchType::Json, body.as_bytes(), FieldValidation::Strict).unwrap();
            prop_assert!(patch.run(&kind.into(), &to).is_err());
        }
    }

    #[test]
    fn what_is_added_and_removed_was_never_there(kind in any_kind(), choices in choices()) {
        let object = object(kind, &choices);
        let patch = json!([
            {"op": "add", "path": "/nothing", "value": {"a": [1, 2]}},
            {"op": "add", "path": "/nothing/a/-", "value": 3},
            {"op": "test", "path": "/nothing/a/2", "value": 3},
            {"op": "copy", "from": "/nothing/a/0", "path": "/nothing/b"},
            {"op": "move", "from": "/nothing/b", "path": "/nothing/c"},
            {"op": "remove", "path": "/nothing"},
        ]);
        assert_same(&patched(kind, PatchType::Json, &object, &patch), &object, "JSON patch");
    }

    #[test]
    fn an_object_patched_with_itself_stays(kind in any_kind(), choices in choices()) {
        let object = normal(kind, tree(kind, &mut Tape::new(&choices).without(opaque)));
        let patch = Value::Object(as_patch(&object));
        assert_same(&patched(kind, PatchType::Strategic, &object, &patch), &object, "strategic merge patch");
    }

    #[test]
    fn a_strategic_merge_patch_settles_at_once(kind in any_kind(), first in choices(), second in choices(), tape in choices()) {
        let (from, other) = pair(kind, &first, &second, opaque);
        let mut patch = as_patch(&other);
        wanted_orders(kind.root_struct(), &patch, patched(kind, PatchType::Strategic, &from, &patch.clone().into()).map());
        with_directives(kind.root(), &mut patch, &mut Tape::new(&tape));
        let patch = Value::Object(patch);
        let once = patched(kind, PatchType::Strategic, &from, &patch);
        assert_same(&patched(kind, PatchType::Strategic, &once, &patch), &once, "strategic merge patch");
    }
}
