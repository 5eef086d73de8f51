//! What it costs to bring a body into normal form.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use portcullis_schema::{FieldValidation, kind_named};
use serde_json::json;

fn decode(criterion: &mut Criterion) {
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cm", "namespace": "default", "labels": {"app": "bench", "tier": "a"}},
        "data": {"payload": "x".repeat(1024)},
    });
    let container = |name: &str| {
        json!({
            "name": name, "image": "registry.example.com/app:1.2.3", "command": ["/app", "--serve"],
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        })
    };
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default", "labels": {"app": "bench"}},
        "spec": {"containers": [container("a"), container("b")], "nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "v", "emptyDir": {}}]},
    });
    let mut group = criterion.benchmark_group("decode");
    for (name, body) in [("ConfigMap", config_map.to_string()), ("Pod", pod.to_string())] {
        let Some(kind) = kind_named("", "v1", name) else { continue };
        group.throughput(Throughput::Bytes(body.len() as u64));
        for validation in [FieldValidation::Ignore, FieldValidation::Strict] {
            group.bench_function(format!("{name}/{validation:?}"), |bencher| {
                bencher.iter(|| kind.decode(black_box(body.as_bytes()), validation));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, decode);
criterion_main!(benches);
