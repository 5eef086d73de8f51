//! What a custom object costs on its way in: pruning, defaults, validation.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portcullis_api::Object;
use portcullis_api::field::ErrorList;
use portcullis_schema::custom::Structural;
use serde_json::{Value, json};

fn structural(criterion: &mut Criterion) {
    let schema = schema();
    criterion.bench_function("structural/compile", |bencher| {
        bencher.iter(|| Structural::compile(black_box(&schema), false));
    });
    let Ok(compiled) = Structural::compile(&schema, false) else { return };
    for entries in [1, 100] {
        let object = object(entries);
        criterion.bench_function(&format!("structural/prune-default/{entries}"), |bencher| {
            bencher.iter_batched_ref(
                || object.clone(),
                |object| {
                    compiled.prune(object);
                    compiled.default(object)
                },
                BatchSize::SmallInput,
            );
        });
        criterion.bench_function(&format!("structural/validate/{entries}"), |bencher| {
            bencher.iter(|| compiled.validate(black_box(&object), None, &no_rules));
        });
        criterion.bench_function(&format!("structural/validate-update/{entries}"), |bencher| {
            bencher.iter(|| compiled.validate(black_box(&object), Some(&object), &no_rules));
        });
    }
}

fn no_rules(_: &Object, _: &mut ErrorList) {}

fn schema() -> Value {
    let entry = json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string", "maxLength": 63, "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$" },
        "port": { "x-kubernetes-int-or-string": true },
        "protocol": { "type": "string", "enum": ["TCP", "UDP"], "default": "TCP" },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
    } });
    json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": {
        "replicas": { "type": "integer", "format": "int32", "minimum": 0 },
        "since": { "type": "string", "format": "date-time" },
        "entries": { "type": "array", "items": entry, "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"] },
    } } } })
}

fn object(entries: usize) -> Object {
    let entry = |n: usize| json!({ "name": format!("e{n}"), "port": n, "labels": { "a": "b", "c": "d" } });
    let entries: Vec<Value> = (0..entries).map(entry).collect();
    let mut object = Object::default();
    object.set_at(&["metadata", "name"], "bench".into());
    object.set_at(&["spec"], json!({ "replicas": 3, "since": "2026-01-01T00:00:00Z", "entries": entries }));
    object
}

criterion_group!(benches, structural);
criterion_main!(benches);
