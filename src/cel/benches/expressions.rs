//! Compiling and evaluating the kind of rules that definitions have.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_cel::{Bindings, Budget, Environment, Merge, OBJECT_BUDGET, Property, Shape};
use serde_json::json;

const RULES: [(&str, &str); 4] = [
    ("two fields", "!has(self.replicas) || self.replicas <= self.size"),
    ("transition", "self.color == oldSelf.color"),
    ("loop of 100", "self.ports.all(p, p.no > 0 && p.no < 65536)"),
    ("pattern", "self.color.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')"),
];

fn shape() -> Shape {
    let property =
        |name: &str, shape: Shape| Property { name: name.to_owned(), shape: Arc::new(shape), counted: false };
    let port =
        Shape::object("port", vec![property("no", Shape::int()), property("name", Shape::string(None))]);
    Shape::object(
        "spec",
        vec![
            property("replicas", Shape::int()),
            property("size", Shape::int()),
            property("color", Shape::string(Some(63))),
            property("ports", Shape::list(Arc::new(port), Some(100), Merge::Atomic)),
        ],
    )
}

fn expressions(criterion: &mut Criterion) {
    let shape = shape();
    let Some(kind) = shape.cel_type() else { return };
    let environment = Environment::new().variable("self", kind.clone()).variable("oldSelf", kind);
    let ports: Vec<_> = (1..=100).map(|no| json!({"no": no, "name": format!("p{no}")})).collect();
    let data = json!({"replicas": 3, "size": 5, "color": "blue", "ports": ports});
    for (name, rule) in RULES {
        criterion.bench_function(&format!("compile/{name}"), |bench| {
            bench.iter(|| environment.compile(black_box(rule)).map(|program| program.output().clone()));
        });
        let Ok(program) = environment.compile(rule) else { continue };
        criterion.bench_function(&format!("evaluate/{name}"), |bench| {
            bench.iter(|| {
                let bindings =
                    Bindings::new().bind_json("self", &data, &shape).bind_json("oldSelf", &data, &shape);
                let value = program.evaluate(&bindings, &mut Budget::new(OBJECT_BUDGET));
                value.map(|value| value.as_bool())
            });
        });
    }
}

criterion_group!(benches, expressions);
criterion_main!(benches);
