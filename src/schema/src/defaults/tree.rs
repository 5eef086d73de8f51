//! Small steps through a tree: look, descend, and set what is missing.

use portcullis_api::{Map, Value};

/// Sets a field that is absent. Absent is what a nil pointer and an omitted zero look like in normal form.
pub fn set_missing(map: &mut Map<String, Value>, field: &str, value: impl Into<Value>) {
    // Go writes some pointers even where they point to nothing.
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value.into());
    }
}

/// Sets a string field that is absent or empty.
pub fn set_empty(map: &mut Map<String, Value>, field: &str, value: &str) {
    if str_of(map, field).is_empty() {
        map.insert(field.to_owned(), value.into());
    }
}

/// Sets an integer field that is absent or zero.
pub fn set_zero(map: &mut Map<String, Value>, field: &str, value: i64) {
    if map.get(field).and_then(Value::as_i64).unwrap_or_default() == 0 {
        map.insert(field.to_owned(), value.into());
    }
}

/// The string in a field; empty where there is none.
pub fn str_of<'a>(map: &'a Map<String, Value>, field: &str) -> &'a str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The object in a field, if it is there.
pub fn child<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.get_mut(field)?.as_object_mut()
}

/// The object in a field, made if it is not there.
pub fn child_or_new<'a>(map: &'a mut Map<String, Value>, field: &str) -> Option<&'a mut Map<String, Value>> {
    map.entry(field).or_insert_with(|| Value::Object(Map::new())).as_object_mut()
}

/// The object at a path of fields, if every step is there.
pub fn at<'a>(map: &'a mut Map<String, Value>, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    path.iter().try_fold(map, |map, step| child(map, step))
}

/// Calls `fill` for every object of the list in a field.
pub fn each(map: &mut Map<String, Value>, field: &str, mut fill: impl FnMut(&mut Map<String, Value>)) {
    let list = map.get_mut(field).and_then(Value::as_array_mut);
    list.into_iter().flatten().filter_map(Value::as_object_mut).for_each(&mut fill);
}

/// Calls `fill` for every object that is a value of the map in a field.
pub fn each_value(map: &mut Map<String, Value>, field: &str, mut fill: impl FnMut(&mut Map<String, Value>)) {
    let values = child(map, field).into_iter().flat_map(Map::values_mut);
    values.filter_map(Value::as_object_mut).for_each(&mut fill);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn only_what_is_missing_is_set() {
        let mut tree = map(json!({"a": "", "n": 0, "z": {"b": 1}, "l": [{}, {"x": 1}]}));
        set_missing(&mut tree, "a", "kept empty");
        set_missing(&mut tree, "c", true);
        set_zero(&mut tree, "n", 7);
        each(&mut tree, "l", |item| set_missing(item, "x", 2));
        assert_eq!(tree, map(json!({"a": "", "c": true, "n": 7, "z": {"b": 1}, "l": [{"x": 2}, {"x": 1}]})));
        set_empty(&mut tree, "a", "filled");
        assert_eq!(str_of(&tree, "a"), "filled");
        assert!(at(&mut tree, &["z"]).is_some() && at(&mut tree, &["z", "b"]).is_none());
    }
}
