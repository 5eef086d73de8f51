//! What only patches are written with: `Object{..}`, `JSONPatch{..}` and `jsonpatch.escapeKey`.

use serde_json::{Value as Json, json};

use crate::{Bindings, Budget, Environment, Shape, Type, Val};

const MOST: usize = 1 << 20;

fn environment() -> Environment {
    Environment::new().variable("object", Type::Dyn).writing_patches()
}

/// Compiles and evaluates, and hands the value to `read`.
#[track_caller]
fn made<T>(text: &str, read: impl Fn(&Val<'_>) -> Result<T, String>) -> Result<T, String> {
    let program = environment().compile(text).unwrap_or_else(|error| panic!("{error}"));
    let object = json!({"spec": {"replicas": 3, "names": ["a", "b"]}});
    let any = Shape::any();
    let bindings = Bindings::new().bind_json("object", &object, &any);
    let value = program.evaluate(&bindings, &mut Budget::new(10_000)).map_err(|error| error.to_string())?;
    read(&value)
}

fn configuration(text: &str) -> Result<Json, String> {
    made(text, |value| value.to_configuration(MOST).map(Json::Object))
}

fn steps(text: &str) -> Result<Json, String> {
    made(text, |value| value.to_json_patch(MOST))
}

#[track_caller]
fn complaint(text: &str) -> String {
    environment().compile(text).unwrap_err().to_string()
}

#[test]
fn configurations_leave_as_they_are_written() {
    let text = "Object{spec: Object.spec{replicas: object.spec.replicas + 1, names: object.spec.names, \
                labels: {'a': 'b'}, ?absent: optional.none(), ?there: optional.of(1.5)}}";
    let wanted = json!({"spec": {"replicas": 4, "names": ["a", "b"], "labels": {"a": "b"}, "there": 1.5}});
    assert_eq!(configuration(text).unwrap(), wanted);
    assert_eq!(configuration("Object{}").unwrap(), json!({}));
    let listed =
        "Object{spec: Object.spec{containers: object.spec.names.map(n, Object.spec.containers{name: n})}}";
    assert_eq!(
        configuration(listed).unwrap(),
        json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}})
    );
}

#[test]
fn types_must_have_the_names_of_the_paths_to_them() {
    assert_eq!(
        configuration("Object{spec: Object.spec{selector: Object.spec.wrong{}}}").unwrap_err(),
        "type mismatch: unexpected type name \"Object.spec.wrong\", expected \"Object.spec.selector\", which matches \
         field name path from root Object type"
    );
    assert!(configuration("Object{spec: [Object.other{}]}").unwrap_err().contains("Object.other"));
}

#[test]
fn steps_leave_as_operations() {
    let text = "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('k8s.io/my~label'), value: 'x'}, \
                JSONPatch{op: 'move', from: '/a', path: '/b'}, \
                JSONPatch{op: 'add', path: '/spec', value: Object.spec{replicas: 1}}]";
    let wanted = json!([
        {"op": "add", "path": "/metadata/labels/k8s.io~1my~0label", "value": "x"},
        {"op": "move", "path": "/b", "from": "/a"},
        {"op": "add", "path": "/spec", "value": {"replicas": 1}},
    ]);
    assert_eq!(steps(text).unwrap(), wanted);
    assert_eq!(steps("[JSONPatch{op: 'remove', path: '/a'}].filter(p, p.op == 'add')").unwrap(), json!([]));
}

#[test]
fn what_does_not_fit_is_complained_about_when_it_is_written() {
    for (text, words) in [
        ("JSONPatch{op: 1}", "expected type of field 'op' is 'string' but provided type is 'int'"),
        ("JSONPatch{colour: 'red'}", "expected type of field 'colour' is '' but provided type is 'string'"),
        ("Objects{}", "undeclared reference to 'Objects' (in container '')"),
        ("Object.spec{a: 1} + 1", "found no matching overload for '_+_' applied to '(Object.spec, int)'"),
    ] {
        let found = complaint(text);
        assert!(found.contains(words), "{text}: {found}");
    }
    let plain = Environment::new();
    for text in ["Object{}", "JSONPatch{op: 'add'}", "jsonpatch.escapeKey('a')"] {
        assert!(plain.compile(text).unwrap_err().to_string().contains("undeclared reference"), "{text}");
    }
}

#[test]
fn what_does_not_fit_fails_when_it_is_evaluated() {
    assert_eq!(
        steps("[JSONPatch{op: dyn(1), path: '/a'}]").unwrap_err(),
        "unexpected type int64 for JSONPatchType 'op' field"
    );
    assert_eq!(
        configuration("Object{a: {1: 'b'}}").unwrap_err(),
        "map key \"1\" is of type types.Int, not string"
    );
}

#[test]
fn a_small_value_does_not_leave_as_a_large_one() {
    let doubled = (0..16).fold("'0123456789'".to_owned(), |text, _| format!("[{text}].map(a, [a, a])[0]"));
    let error = configuration(&format!("Object{{a: {doubled}}}"));
    assert_eq!(error.unwrap_err(), "the value is too large to be part of an object");
}

#[test]
fn making_an_object_costs_what_it_costs_upstream() {
    let program = environment().compile("Object{spec: Object.spec{replicas: 1}}").unwrap();
    let mut budget = Budget::new(1_000);
    program.evaluate(&Bindings::new(), &mut budget).unwrap();
    assert_eq!(budget.left(), 1_000 - 80);
}

#[test]
fn what_is_selected_of_a_variable_is_known() {
    let environment = Environment::new().variable("object", Type::Dyn).variable("o", Type::Dyn);
    let fields = |text: &str| {
        let program = environment.compile(text).unwrap();
        program.fields_of("object").map(|fields| fields.into_iter().map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(fields("object.a + object.b.c"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(fields("has(object.a) && object.?b.hasValue()"), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(fields("o.a"), Some(Vec::new()));
    assert_eq!(fields("object == 1 || object.a"), None);
    assert_eq!(fields("o.exists(x, object.a == x)"), Some(vec!["a".to_owned()]));
}
