//! What protobuf costs: an object in and out, a page of a list, a watch frame.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_api::{Map, Object};
use portcullis_schema::protobuf::{ListWriter, encode, encode_json, encode_watch_event};
use portcullis_schema::{FieldValidation, Kind, kind_named};
use serde_json::{Value, json};

/// Objects in a page.
const PAGE: usize = 500;

fn protobuf(criterion: &mut Criterion) {
    for (name, body) in [("ConfigMap", config_map()), ("Pod", pod())] {
        let Some(kind) = kind_named("", "v1", name) else { continue };
        let Some(object) = body.as_object().cloned().map(Object::new) else { continue };
        measure(criterion, name, kind, &object);
    }
}

fn measure(criterion: &mut Criterion, name: &str, kind: &'static Kind, object: &Object) {
    let (Ok(bytes), Ok(json)) = (encode(kind, object.map()), serde_json::to_vec(object.map())) else {
        return;
    };
    let mut group = criterion.benchmark_group(format!("protobuf/{name}"));
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| encode(kind, black_box(object.map()))));
    group.bench_function("encode JSON", |bencher| bencher.iter(|| encode_json(kind, black_box(&json))));
    group.bench_function("decode", |bencher| {
        bencher.iter(|| kind.decode_protobuf(black_box(&bytes), FieldValidation::Ignore));
    });
    group.bench_function("watch frame", |bencher| {
        bencher.iter(|| encode_watch_event("MODIFIED", black_box(&bytes)));
    });
    group.bench_function("page of 500", |bencher| {
        bencher.iter(|| {
            let mut list = ListWriter::new(kind, &Map::new())?;
            for _ in 0..PAGE {
                list.push_json(black_box(&json))?;
            }
            Ok::<_, serde_json::Error>(list.finish())
        });
    });
    group.finish();
}

fn config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": "default", "labels": {"app": "bench", "tier": "a"}},
        "data": {"payload": "x".repeat(1024)},
    })
}

fn pod() -> Value {
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.com/app:1.2.3", "command": ["/app", "--serve"],
            "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
            "env": [{"name": "A", "value": "1"}],
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default", "labels": {"app": "bench"}},
        "spec": {"containers": [container("a"), container("b")], "volumes": [{"name": "v", "emptyDir": {}}]},
    })
}

criterion_group!(benches, protobuf);
criterion_main!(benches);
