//! What a definition may not do: to its own objects, to others' kinds, to the server.

use serde_json::{Value, json};

use crate::wire::Client;
use crate::world::{until, world};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

/// A definition of a namespaced kind with one version.
fn definition(group: &str, plural: &str, kind: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": format!("{plural}.{group}") },
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": { "plural": plural, "singular": kind.to_lowercase(), "kind": kind },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": schema } }],
        },
    })
}

fn plain() -> Value {
    json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "n": { "type": "integer" } } } } })
}

fn define(admin: &Client, definition: &Value) -> String {
    admin.post(DEFINITIONS, definition).is(&[201], "definition");
    format!("{DEFINITIONS}/{}", definition["metadata"]["name"].as_str().unwrap())
}

#[test]
fn f032_a_schema_cannot_be_a_bomb() {
    let world = world();
    let mut deep = json!({ "type": "object" });
    for _ in 0..120 {
        deep = json!({ "type": "object", "properties": { "a": deep } });
    }
    let answer = world.admin.post(DEFINITIONS, &definition("f032.example.com", "deeps", "Deep", &deep));
    assert!(matches!(answer.code, 400 | 422), "{}", answer.head);
    let looped = json!({ "type": "object", "properties": { "a": { "$ref": "#" } } });
    world
        .admin
        .post(DEFINITIONS, &definition("f032.example.com", "loops", "Loop", &looped))
        .is(&[422], "a reference");
    let wide = vec![json!({ "type": "object" }); 10_000];
    let wide = json!({ "type": "object", "properties": { "a": { "type": "object", "anyOf": wide } } });
    let answer = world.admin.post(DEFINITIONS, &definition("f032.example.com", "wides", "Wide", &wide));
    assert!(matches!(answer.code, 400 | 422), "{}", answer.head);
    world.alive();
}

#[test]
fn f033_f054_objects_keep_to_their_schema_and_go_with_it() {
    let world = world();
    let one = define(&world.admin, &definition("f033.example.com", "things", "Thing", &plain()));
    let things = "/apis/f033.example.com/v1/namespaces/a/things";
    let object = json!({
        "apiVersion": "f033.example.com/v1", "kind": "Thing",
        "metadata": { "name": "t", "evil": true, "uid": "mine" },
        "spec": { "n": 1, "unknown": { "a": [1] } }, "other": 1,
    });
    let made = world.admin.post(things, &object).is(&[201], "made").tree();
    assert_eq!(made["spec"], json!({ "n": 1 }));
    assert!(made.get("other").is_none() && made["metadata"].get("evil").is_none());
    assert_ne!(made["metadata"]["uid"], "mine");
    for name in ["../x", "a/b", "UPPER"] {
        let mut bad = object.clone();
        bad["metadata"]["name"] = json!(name);
        world.admin.post(things, &bad).is(&[422], name);
    }
    world.admin.delete(&one).is(&[200], "deleted");
    let late =
        json!({ "apiVersion": "f033.example.com/v1", "kind": "Thing", "metadata": { "name": "late" } });
    world.admin.post(things, &late).is(&[403, 404], "nothing is created while the definition goes");
    until("the definition is gone", || world.admin.get(&one).code == 404);
    world.admin.get(things).is(&[404], "and with it what it served");
    define(&world.admin, &definition("f033.example.com", "things", "Thing", &plain()));
    let list = world.admin.get(things).is(&[200], "defined again").tree();
    assert_eq!(list["items"], json!([]), "nothing is left of its objects");
}

#[test]
fn g025_a_definition_shadows_nothing() {
    let world = world();
    let policies = definition("networking.k8s.io", "networkpolicies", "NetworkPolicy", &plain());
    world.admin.post(DEFINITIONS, &policies).is(&[422], "a protected group needs approval");
    let mut approved = policies;
    approved["metadata"]["annotations"] = json!({ "api-approved.kubernetes.io": "unapproved, a test" });
    define(&world.admin, &approved);
    let policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "g025" },
        "spec": { "podSelector": {}, "policyTypes": ["Ingress"] },
    });
    let at = "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies";
    let made = world.admin.post(at, &policy).is(&[201], "the built-in kind").tree();
    assert_eq!(made["spec"]["policyTypes"], json!(["Ingress"]), "what is built in wins");
    for group in ["", "Upper.example.com", "nodots", "a..b"] {
        let answer = world.admin.post(DEFINITIONS, &definition(group, "xs", "X", &plain()));
        assert!(matches!(answer.code, 400 | 422), "{group}: {}", answer.head);
    }
    define(&world.admin, &definition("g025.example.com", "ones", "One", &plain()));
    let mut second = definition("g025.example.com", "twos", "Two", &plain());
    second["spec"]["names"]["singular"] = json!("one");
    let second = define(&world.admin, &second);
    let conditions = world.admin.get(&second).is(&[200], "second").tree()["status"]["conditions"].clone();
    let accepted = conditions.as_array().unwrap().iter().find(|it| it["type"] == "NamesAccepted").unwrap();
    assert_eq!((&accepted["status"], &accepted["reason"]), (&json!("False"), &json!("SingularConflict")));
    world.admin.get("/apis/g025.example.com/v1/namespaces/a/twos").is(&[404], "not served");
}

#[test]
fn g026_scope_and_versions_cannot_flip_under_objects() {
    let world = world();
    let one = define(&world.admin, &definition("g026.example.com", "things", "Thing", &plain()));
    let things = "/apis/g026.example.com/v1/namespaces/a/things";
    let object = json!({ "apiVersion": "g026.example.com/v1", "kind": "Thing", "metadata": { "name": "t" } });
    world.admin.post(things, &object).is(&[201], "made");
    world.admin.patch("merge", &one, &json!({ "spec": { "scope": "Cluster" } })).is(&[422], "scope");
    let v2 =
        json!([{ "name": "v2", "served": true, "storage": true, "schema": { "openAPIV3Schema": plain() } }]);
    world.admin.patch("merge", &one, &json!({ "spec": { "versions": v2 } })).is(&[422], "stored version");
    let hidden = json!([{ "op": "replace", "path": "/spec/versions/0/served", "value": false }]);
    world.admin.patch("json", &one, &hidden).is(&[200], "served no more");
    world.admin.get(things).is(&[404], "served no more");
    let shown = json!([{ "op": "replace", "path": "/spec/versions/0/served", "value": true }]);
    world.admin.patch("json", &one, &shown).is(&[200], "served again");
    let list = world.admin.get(things).is(&[200], "served again").tree();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "nothing was lost");
}

#[test]
fn g027_status_and_scale_stay_in_their_place() {
    let world = world();
    let mut definition = definition(
        "g027.example.com",
        "things",
        "Thing",
        &json!({ "type": "object", "properties": {
            "spec": { "type": "object", "properties": { "replicas": { "type": "integer" } } },
            "status": { "type": "object", "properties": { "replicas": { "type": "integer" } } } } }),
    );
    for path in [".metadata.generation", ".status.replicas", ".data.password"] {
        let scale = json!({ "specReplicasPath": path, "statusReplicasPath": ".status.replicas" });
        definition["spec"]["versions"][0]["subresources"] = json!({ "scale": scale });
        world.admin.post(DEFINITIONS, &definition).is(&[422], path);
    }
    let scale = json!({ "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas" });
    definition["spec"]["versions"][0]["subresources"] = json!({ "status": {}, "scale": scale });
    define(&world.admin, &definition);
    let things = "/apis/g027.example.com/v1/namespaces/a/things";
    let object = json!({ "apiVersion": "g027.example.com/v1", "kind": "Thing", "metadata": { "name": "t" },
        "spec": { "replicas": 1 }, "status": { "replicas": 9 } });
    let made = world.admin.post(things, &object).is(&[201], "made").tree();
    assert!(made.get("status").is_none(), "the main endpoint sets no status");
    let patch = json!({ "spec": { "replicas": 5 }, "status": { "replicas": 1 } });
    let patched =
        world.admin.patch("merge", &format!("{things}/t/status"), &patch).is(&[200], "status").tree();
    assert_eq!((&patched["spec"]["replicas"], &patched["status"]["replicas"]), (&json!(1), &json!(1)));
    world
        .admin
        .patch("merge", &format!("{things}/t/scale"), &json!({ "spec": { "replicas": -1 } }))
        .is(&[422], "a negative count");
}

#[test]
fn f055_paths_of_columns_and_selectable_fields_are_bounded() {
    let world = world();
    let with = |plural: &str, part: &str, value: Value| {
        let mut definition = definition("f055.example.com", plural, "Path", &plain());
        definition["spec"]["versions"][0][part] = value;
        definition["spec"]["names"]["kind"] = format!("Path{plural}").into();
        definition["spec"]["names"]["singular"] = format!("path{plural}").into();
        definition
    };
    let column = |path: &str| json!([{ "name": "C", "type": "string", "jsonPath": path }]);
    let long = format!(".{}", "a.".repeat(600_000));
    for path in ["", "spec", ".spec[?(@.n", "{.spec", ".spec}{", ".spec[", long.as_str()] {
        let answer = world.admin.post(DEFINITIONS, &with("bads", "additionalPrinterColumns", column(path)));
        assert!(matches!(answer.code, 201 | 413 | 422), "{}: {:.80}", answer.code, path);
        if answer.code == 201 {
            world.admin.delete(&format!("{DEFINITIONS}/bads.f055.example.com")).is(&[200], "delete");
            until("it goes", || world.admin.get(&format!("{DEFINITIONS}/bads.f055.example.com")).code == 404);
        }
    }
    for path in ["", "spec.n", ".spec[0]", ".spec..n", ".metadata.name", ".spec.none", ".spec.n.deeper"] {
        let fields = json!([{ "jsonPath": path }]);
        world.admin.post(DEFINITIONS, &with("bads", "selectableFields", fields)).is(&[422], path);
    }
    let wrong = json!([{ "name": "C", "type": "anything", "jsonPath": ".spec" }]);
    world.admin.post(DEFINITIONS, &with("bads", "additionalPrinterColumns", wrong)).is(&[422], "a type");
    // A path that looks everywhere, many times over, over an object that is as wide as may be.
    let mut definition = with("wides", "additionalPrinterColumns", column("..*"));
    definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let all: Vec<Value> = (0..20)
        .map(|i| json!({ "name": format!("C{i}"), "type": "string", "jsonPath": "..*..*..*" }))
        .collect();
    definition["spec"]["versions"][0]["additionalPrinterColumns"] = all.into();
    if world.admin.post(DEFINITIONS, &definition).code == 201 {
        let objects = "/apis/f055.example.com/v1/namespaces/a/wides";
        let wide: Value = (0..20_000)
            .map(|i| (format!("k{i}"), json!({ "a": i })))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let object = json!({
            "apiVersion": "f055.example.com/v1", "kind": "Pathwides", "metadata": { "name": "w" }, "data": wide,
        });
        until("the resource is served", || world.admin.post(objects, &object).code != 404);
        let table = [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")];
        let answer = world.admin.send("GET", objects, &table, b"").is(&[200], "a table");
        assert!(answer.body.len() < 64 << 20);
    }
}
