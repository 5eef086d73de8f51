//! Conversion webhooks, good ones and evil ones, through the whole stack.

use portcullis_testkit::{ControlPlane, HookReply, Webhook};
use serde_json::{Value, json};

use crate::world::{Seen, apply, ask, create, get};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

fn things(version: &str) -> String {
    format!("/apis/example.com/{version}/namespaces/default/things")
}

/// Two versions: what is `port` in the first is `hostPort` in the second, which is stored.
fn definition(server: &Webhook) -> Value {
    let version = |name: &str, field: &str, storage: bool| {
        let spec = json!({ "type": "object", "properties": { (field): { "type": "integer" } } });
        json!({
            "name": name, "served": true, "storage": storage, "subresources": { "status": {} },
            "schema": { "openAPIV3Schema": { "type": "object", "properties": {
                "spec": spec, "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            } } },
        })
    };
    json!({
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "kind": "Thing" },
            "versions": [version("v1", "port", false), version("v2", "hostPort", true)],
            "conversion": { "strategy": "Webhook", "webhook": {
                "clientConfig": server.client_config(), "conversionReviewVersions": ["v1"],
            } },
        },
    })
}

/// Renames the field, as an honest webhook does.
fn honest(review: &Value) -> Vec<Value> {
    let to = review["request"]["desiredAPIVersion"].as_str().unwrap();
    let (old, new) = if to.ends_with("v1") { ("hostPort", "port") } else { ("port", "hostPort") };
    let convert = |object: &Value| {
        let mut object = object.clone();
        object["apiVersion"] = json!(to);
        if let Some(value) = object["spec"].as_object_mut().and_then(|spec| spec.remove(old)) {
            object["spec"][new] = value;
        }
        object["metadata"]["annotations"] = json!({ "converted-to": to });
        object["metadata"]["finalizers"] = json!(["evil.example.com/stay"]);
        object
    };
    review["request"]["objects"].as_array().unwrap().iter().map(convert).collect()
}

fn answer(review: &Value, objects: &[Value]) -> HookReply {
    HookReply::Json(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {
            "uid": review["request"]["uid"], "result": { "status": "Success" }, "convertedObjects": objects,
        },
    }))
}

fn thing(name: &str, version: &str, spec: Value) -> Value {
    json!({ "apiVersion": format!("example.com/{version}"), "kind": "Thing", "metadata": { "name": name }, "spec": spec })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_served_in_every_version() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|review| answer(review, &honest(review))).await.unwrap();
    create(&plane, DEFINITIONS, definition(&server)).await.ok();
    let made = create(&plane, &things("v1"), thing("a", "v1", json!({ "port": 80 }))).await.ok().body;
    assert_eq!((&made["apiVersion"], &made["spec"]), (&json!("example.com/v1"), &json!({ "port": 80 })));
    let stored = get(&plane, &format!("{}/a", things("v2"))).await.ok().body;
    assert_eq!(stored["spec"], json!({ "hostPort": 80 }));
    assert_eq!(stored["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(stored["metadata"]["annotations"], json!({ "converted-to": "example.com/v2" }));
    assert!(stored["metadata"]["finalizers"].is_null(), "only labels and annotations are taken: {stored}");
    create(&plane, &things("v2"), thing("b", "v2", json!({ "hostPort": 81 }))).await.ok();
    let before = server.heard().len();
    let list = get(&plane, &things("v1")).await.ok().body;
    let ports: Vec<&Value> =
        list["items"].as_array().unwrap().iter().map(|item| &item["spec"]["port"]).collect();
    assert_eq!(ports, [&json!(80), &json!(81)]);
    assert!(server.heard().len() <= before + 1, "a list is converted together");
    let path = format!("{}/a", things("v1"));
    ask(&plane, "PATCH", &path, Some(json!({ "spec": { "port": 82 } }))).await.ok();
    let mut next = get(&plane, &format!("{}/a", things("v2"))).await.ok().body;
    assert_eq!(next["spec"], json!({ "hostPort": 82 }));
    next["status"] = json!({ "ready": true });
    ask(&plane, "PUT", &format!("{}/a/status", things("v2")), Some(next)).await.ok();
    assert_eq!(get(&plane, &path).await.ok().body["status"], json!({ "ready": true }));
    let definition = get(&plane, &format!("{DEFINITIONS}/things.example.com")).await.ok().body;
    assert_eq!(definition["status"]["storedVersions"], json!(["v2"]));
    ask(&plane, "DELETE", &path, None).await.ok();
    assert_eq!(get(&plane, &path).await.code, 404);
    plane.shutdown().await.unwrap();
}

/// Who owns what of the specification: `MANAGER VERSION FIELDS`.
fn owners(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().unwrap().iter();
    let told = |entry: &Value| {
        let fields = entry["fieldsV1"]["f:spec"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let word = |field: &str| entry[field].as_str().unwrap().to_owned();
        format!("{} {} {}", word("manager"), word("apiVersion"), fields.join(","))
    };
    let mut owners: Vec<String> = entries.map(told).collect();
    owners.sort();
    owners
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn owners_in_one_version_lose_what_another_version_changes() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|review| answer(review, &honest(review))).await.unwrap();
    create(&plane, DEFINITIONS, definition(&server)).await.ok();
    let path = |version: &str, query: &str| format!("{}/a?{query}", things(version));
    let ann = path("v1", "fieldManager=ann");
    apply(&plane, &ann, thing("a", "v1", json!({ "port": 80 }))).await.ok();
    // What is a port there is one here as well.
    let bob = path("v2", "fieldManager=bob");
    let refused = apply(&plane, &bob, thing("a", "v2", json!({ "hostPort": 81 }))).await;
    let said = refused.body["message"].as_str().unwrap_or_default();
    assert_eq!(refused.code, 409, "{said}");
    assert_eq!(said, "Apply failed with 1 conflict: conflict with \"ann\": .spec.port");
    let both = apply(&plane, &bob, thing("a", "v2", json!({ "hostPort": 80 }))).await.ok().body;
    assert_eq!(owners(&both), ["ann example.com/v1 f:port", "bob example.com/v2 f:hostPort"]);
    // Two owners in the same version ask no more than one.
    let eve = path("v1", "fieldManager=eve&force=true");
    apply(&plane, &eve, thing("a", "v1", json!({ "port": 80 }))).await.ok();
    let heard = server.heard().len();
    apply(&plane, &bob, thing("a", "v2", json!({ "hostPort": 80 }))).await.ok();
    assert!(server.heard().len() <= heard + 2, "the old object and the new one");
    // An update takes it from all, and from nobody what it leaves as it is.
    let carol = path("v2", "fieldManager=carol");
    let noted = json!({ "metadata": { "labels": { "noted": "yes" } } });
    let kept = ask(&plane, "PATCH", &carol, Some(noted)).await.ok().body;
    assert_eq!(kept["metadata"]["managedFields"].as_array().unwrap().len(), 4);
    let changed = json!({ "spec": { "hostPort": 82 }, "metadata": { "labels": null } });
    let taken = ask(&plane, "PATCH", &carol, Some(changed)).await.ok().body;
    assert_eq!(owners(&taken), ["carol example.com/v2 f:hostPort"]);
    let forced = path("v1", "fieldManager=ann&force=true");
    let forced = apply(&plane, &forced, thing("a", "v1", json!({ "port": 83 }))).await.ok().body;
    assert_eq!(owners(&forced), ["ann example.com/v1 f:port"]);
    plane.shutdown().await.unwrap();
}

/// What an evil webhook does to a list of well converted objects.
fn evil(name: &str, review: &Value) -> HookReply {
    let mut objects = honest(review);
    let raw = |text: &str| HookReply::Raw(text.to_owned());
    match name {
        "uid" => objects[0]["metadata"]["uid"] = json!("other"),
        "name" => objects[0]["metadata"]["name"] = json!("other"),
        "namespace" => objects[0]["metadata"]["namespace"] = json!("kube-system"),
        "kind" => objects[0]["kind"] = json!("Secret"),
        "version" => objects[0]["apiVersion"] = json!("example.com/v9"),
        "bare" => drop(objects[0].as_object_mut().unwrap().remove("metadata")),
        "labels" => objects[0]["metadata"]["labels"] = json!({ "a": 1 }),
        "label" => objects[0]["metadata"]["labels"] = json!({ "not a key": "x" }),
        "fewer" => objects.clear(),
        "text" => objects[0] = json!("x"),
        "says" => {
            return HookReply::Json(json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
                "response": { "uid": review["request"]["uid"], "result": { "status": "Failed", "message": "no way" } },
            }));
        }
        "stranger" => {
            return HookReply::Json(json!({
                "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
                "response": { "uid": "x", "result": { "status": "Success" }, "convertedObjects": objects },
            }));
        }
        "huge" => return HookReply::Flood(256 << 20),
        "hangup" => return HookReply::Hangup,
        "redirect" => {
            return raw(
                "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            );
        }
        _ => {}
    }
    answer(review, &objects)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f056_what_is_no_honest_conversion_is_refused_and_nothing_is_lost() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|review| {
        let name =
            review["request"]["objects"][0]["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        evil(&name, review)
    });
    let server = server.await.unwrap();
    create(&plane, DEFINITIONS, definition(&server)).await.ok();
    let begin = "conversion webhook for example.com/v2, Kind=Thing ";
    for (name, words) in [
        ("uid", "returned invalid object: must have the same UID: "),
        ("name", "returned invalid object: must have the same name: name != other"),
        ("namespace", "returned invalid object: must have the same namespace: default != kube-system"),
        ("kind", "returned invalid object at index 0: invalid kind (expected Thing, received Secret)"),
        (
            "version",
            "returned invalid object at index 0: invalid groupVersion (expected example.com/v1, received example.com/v9)",
        ),
        ("bare", "returned invalid object: must have the same name: bare != "),
        (
            "labels",
            "returned invalid metadata: metadata.labels[a] must be a string, but is int64 in converted object",
        ),
        ("label", "returned invalid metadata: metadata.labels: Invalid value: \"not a key\""),
        ("fewer", "returned 0 objects, expected 1"),
        ("text", "returned invalid object: "),
        ("says", "failed: no way"),
        ("stranger", "failed: expected response.uid="),
        ("huge", "failed: Post \"https://127.0.0.1:"),
        ("hangup", "failed: Post \"https://127.0.0.1:"),
        ("redirect", "failed: Post \"https://127.0.0.1:"),
    ] {
        create(&plane, &things("v2"), thing(name, "v2", json!({ "hostPort": 1 }))).await.ok();
        let Seen { code, body, .. } = get(&plane, &format!("{}/{name}", things("v1"))).await;
        let message = body["message"].as_str().unwrap_or_default();
        assert_eq!(code, 500, "{name}: {message}");
        assert!(message.starts_with(begin) && message.contains(words), "{name}: {message}");
        let path = format!("{}/{name}", things("v2"));
        assert_eq!(get(&plane, &path).await.ok().body["spec"], json!({ "hostPort": 1 }), "{name}");
        let refused = create(&plane, &things("v1"), thing(name, "v1", json!({ "port": 2 }))).await;
        assert!(refused.code >= 400, "{name}");
        ask(&plane, "DELETE", &path, None).await.ok();
    }
    // Others are served as ever, in both versions.
    create(&plane, &things("v1"), thing("fine", "v1", json!({ "port": 3 }))).await.ok();
    assert_eq!(get(&plane, &things("v2")).await.ok().body["items"].as_array().unwrap().len(), 1);
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_webhook_is_believed_as_soon_as_the_definition_names_it() {
    let plane = ControlPlane::start().await.unwrap();
    let first = Webhook::start(|_| HookReply::Hangup).await.unwrap();
    let second = Webhook::start(|review| answer(review, &honest(review))).await.unwrap();
    create(&plane, DEFINITIONS, definition(&first)).await.ok();
    create(&plane, &things("v2"), thing("a", "v2", json!({ "hostPort": 1 }))).await.ok();
    let path = format!("{}/a", things("v1"));
    assert_eq!(get(&plane, &path).await.code, 500);
    let other =
        json!({ "spec": { "conversion": { "webhook": { "clientConfig": second.client_config() } } } });
    ask(&plane, "PATCH", &format!("{DEFINITIONS}/things.example.com"), Some(other)).await.ok();
    assert_eq!(get(&plane, &path).await.ok().body["spec"], json!({ "port": 1 }));
    plane.shutdown().await.unwrap();
}
