//! What it costs to track the owners of an object's fields.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use portcullis_api::Object;
use portcullis_schema::managed::{OneVersion, Request, Tracker, writable};
use portcullis_schema::{FieldValidation, Kind, kind_named};
use serde_json::{Value, json};

const NOW: &str = "2026-01-01T00:00:00Z";

fn managed(criterion: &mut Criterion) {
    for (name, resource, body) in [("ConfigMap", "configmaps", config_map()), ("Pod", "pods", pod())] {
        let Some(kind) = kind_named("", "v1", name) else { continue };
        let tracker = kind.tracker("", writable(resource, ""), &OneVersion);
        let Some(object) = decoded(kind, &body) else { continue };
        create(criterion, name, &tracker, &object);
        update(criterion, name, &tracker, &object);
        apply(criterion, name, &tracker, &object, &body);
    }
}

fn create(criterion: &mut Criterion, name: &str, tracker: &Tracker<'_>, object: &Object) {
    criterion.bench_function(&format!("managed/create/{name}"), |bencher| {
        bencher.iter_batched_ref(
            || object.clone(),
            |object| tracker.update("bench", None, black_box(object), NOW),
            BatchSize::SmallInput,
        );
    });
}

fn update(criterion: &mut Criterion, name: &str, tracker: &Tracker<'_>, object: &Object) {
    let mut live = object.clone();
    tracker.update("bench", None, &mut live, NOW);
    live.set_meta_str("uid", "u");
    let mut new = live.clone();
    new.set_at(&["metadata", "labels", "changed"], "yes".into());
    criterion.bench_function(&format!("managed/update/{name}"), |bencher| {
        bencher.iter_batched_ref(
            || new.clone(),
            |new| tracker.update("bench", Some(&live), black_box(new), NOW),
            BatchSize::SmallInput,
        );
    });
}

fn apply(criterion: &mut Criterion, name: &str, tracker: &Tracker<'_>, object: &Object, body: &Value) {
    let mut live = object.clone();
    tracker.update("bench", None, &mut live, NOW);
    live.set_meta_str("uid", "u");
    let config = Object::new(body.as_object().cloned().unwrap_or_default());
    let request = Request { manager: "applier", force: true, config: &config, now: NOW };
    criterion.bench_function(&format!("managed/apply/{name}"), |bencher| {
        bencher.iter(|| tracker.apply(black_box(request), Some(&live)));
    });
}

fn decoded(kind: &Kind, body: &Value) -> Option<Object> {
    let mut object = kind.decode(body.to_string().as_bytes(), FieldValidation::Ignore).ok()?.object;
    portcullis_schema::defaults::apply(kind.gvk(), &mut object);
    Some(object)
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
            "ports": [{"containerPort": 8080, "name": "http"}],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
            "resources": {"limits": {"cpu": "500m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "64Mi"}},
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
        })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default", "labels": {"app": "bench"}},
        "spec": {"containers": [container("a"), container("b")], "nodeSelector": {"disk": "ssd"}, "volumes": [{"name": "v", "emptyDir": {}}]},
    })
}

criterion_group!(benches, managed);
criterion_main!(benches);
