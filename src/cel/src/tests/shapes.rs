//! Data read through shapes.

use std::sync::Arc;

use serde_json::json;

use crate::shape::{escape, unescape};
use crate::{Bindings, Budget, Environment, Hints, Merge, Property, Shape, Val};

fn property(name: &str, shape: Shape) -> Property {
    Property { name: name.to_owned(), shape: Arc::new(shape), counted: false }
}

fn shape() -> Shape {
    let port =
        Shape::object("port", vec![property("name", Shape::string(None)), property("no", Shape::int())]);
    Shape::object(
        "root",
        vec![
            property("a-b", Shape::int()),
            property("namespace", Shape::string(Some(10))),
            property("ratio", Shape::double()),
            property("when", Shape::date_time()),
            property("long", Shape::duration()),
            property("raw", Shape::bytes(None)),
            property("port", Shape::int_or_string(None)),
            property("any", Shape::hidden()),
            property("set", Shape::list(Arc::new(Shape::string(None)), Some(5), Merge::Set)),
            property("ports", Shape::list(Arc::new(port), None, Merge::Keys(vec!["name".to_owned()]))),
            property("labels", Shape::map(Arc::new(Shape::string(Some(3))), Some(7))),
            property("none", Shape::string(None).nullable()),
        ],
    )
}

#[track_caller]
fn holds(text: &str) {
    let shape = shape();
    let data = json!({
        "a-b": 1, "namespace": "x", "ratio": 2, "when": "2020-01-01T00:00:00Z", "long": "1h30m", "raw": "YWI=",
        "port": "http", "any": {"deep": 1}, "set": ["a", "b"], "none": null, "unknown": 1,
        "ports": [{"name": "a", "no": 1}, {"name": "b", "no": 2}], "labels": {"k": "v"},
    });
    let kind = shape.cel_type().unwrap();
    let program =
        Environment::new().variable("self", kind).compile(text).unwrap_or_else(|error| panic!("{error}"));
    let bindings = Bindings::new().bind_json("self", &data, &shape);
    match program.evaluate(&bindings, &mut Budget::new(u64::MAX)) {
        Ok(Val::Bool(true)) => {}
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn values_are_what_their_shape_says() {
    holds("self.a__dash__b == 1 && self.__namespace__ == 'x'");
    holds("self.ratio == 2.0 && self.ratio / 4.0 == 0.5");
    holds("self.when.getFullYear() == 2020 && self.long == duration('90m') && self.raw == b'ab'");
    holds("type(self.port) == string && self.port == 'http'");
    holds("!has(self.none) && has(self.labels.k) && !has(self.labels.x) && self.labels['k'] == 'v'");
    holds("self.ports.map(p, p.no).sum() == 3 && self.ports.exists(p, p.name == 'b')");
}

#[test]
fn sets_and_lists_with_keys_do_not_mind_the_order() {
    holds("self.set == ['b', 'a'] && self.set + ['c', 'a'] == ['a', 'b', 'c']");
    holds("self.ports == self.ports && (self.ports + self.ports).size() == 2");
}

#[test]
fn what_has_no_name_in_expressions_is_not_seen() {
    let shape = shape();
    let environment = Environment::new().variable("self", shape.cel_type().unwrap());
    let error = environment.compile("self.any.deep == 1").unwrap_err();
    assert!(error.to_string().contains("undefined field 'any'"), "{error}");
}

#[test]
fn bounds_make_costs_finite() {
    let shape = shape();
    let environment = Environment::new().variable("self", shape.cel_type().unwrap());
    let cost = |text: &str| environment.compile(text).unwrap().estimate(Hints::of(&shape)).max;
    assert_eq!(cost("self.set.all(s, s.size() > 0)"), 5 * 6 + 3);
    assert_eq!(cost("self.labels.all(k, self.labels[k] == 'v')"), 7 * 8 + 3);
    assert!(cost("self.ports.all(p, p.name == 'v')") > 1_000_000);
}

#[test]
fn names_are_escaped_and_back() {
    for (name, escaped) in [
        ("a", Some("a")),
        ("a.b", Some("a__dot__b")),
        ("a-b/c", Some("a__dash__b__slash__c")),
        ("a__b", Some("a__underscores__b")),
        ("in", Some("__in__")),
        ("a_b", Some("a_b")),
        ("", None),
        ("1a", None),
        ("a b", None),
        ("$ref", None),
    ] {
        assert_eq!(escape(name).as_deref(), escaped, "{name}");
        if let Some(escaped) = escaped {
            assert_eq!(unescape(escaped).as_deref(), Some(name), "{escaped}");
        }
    }
    assert_eq!(unescape("__x__"), None);
    assert_eq!(unescape("a__in__"), None);
}
