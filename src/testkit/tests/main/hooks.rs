//! Admission webhooks, good ones and evil ones, through the whole stack.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_testkit::{ControlPlane, HookReply, Webhook};
use serde_json::{Value, json};

use crate::world::{ask, create, get};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The answer to a review.
fn response(review: &Value, mut answer: Value) -> HookReply {
    answer["uid"] = review["request"]["uid"].clone();
    HookReply::Json(
        json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer }),
    )
}

fn allow(review: &Value) -> HookReply {
    response(review, json!({ "allowed": true }))
}

fn patch(review: &Value, operations: &Value) -> HookReply {
    let patch = STANDARD.encode(operations.to_string());
    response(review, json!({ "allowed": true, "patchType": "JSONPatch", "patch": patch }))
}

/// A webhook for all writes of config maps.
fn hook(name: &str, server: &Webhook) -> Value {
    json!({
        "name": format!("{name}.example.com"),
        "clientConfig": server.client_config(),
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"],
            "resources": ["configmaps", "pods", "pods/*"], "scope": "Namespaced",
        }],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
    })
}

async fn configure(plane: &ControlPlane, path: &str, name: &str, hooks: &[Value]) {
    let body = json!({ "metadata": { "name": name }, "webhooks": hooks });
    create(plane, path, body).await.ok();
}

fn map(name: &str) -> Value {
    json!({ "metadata": { "name": name }, "data": { "a": "1" } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a016_g005_webhooks_see_the_true_objects_and_who_asks() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(allow).await.unwrap();
    configure(&plane, VALIDATING, "v", &[hook("v", &server)]).await;
    create(&plane, MAPS, map("m")).await.ok();
    let stored = get(&plane, &format!("{MAPS}/m")).await.ok().body;
    let mut next = stored.clone();
    next["data"] = json!({ "b": "2" });
    ask(&plane, "PUT", &format!("{MAPS}/m?dryRun=All&fieldManager=me"), Some(next)).await.ok();
    ask(&plane, "DELETE", &format!("{MAPS}/m"), None).await.ok();
    let heard = server.heard();
    let asked: Vec<&Value> = heard.iter().map(|review| &review["request"]).collect();
    assert_eq!(asked.len(), 3, "{heard:?}");
    assert_eq!((&asked[0]["operation"], &asked[0]["oldObject"]), (&json!("CREATE"), &Value::Null));
    assert_eq!(asked[0]["object"]["data"], json!({ "a": "1" }));
    assert_eq!(asked[0]["options"]["kind"], "CreateOptions");
    assert_eq!(asked[1]["oldObject"], stored);
    assert_eq!(asked[1]["object"]["data"], json!({ "b": "2" }));
    assert_eq!((&asked[1]["dryRun"], &asked[1]["options"]["fieldManager"]), (&json!(true), &json!("me")));
    assert_eq!((&asked[2]["operation"], &asked[2]["object"]), (&json!("DELETE"), &Value::Null));
    assert_eq!(asked[2]["oldObject"], stored);
    for one in asked {
        assert_eq!(one["userInfo"]["username"], "root");
        assert_eq!(one["requestKind"], json!({ "group": "", "version": "v1", "kind": "ConfigMap" }));
        assert_eq!((&one["namespace"], &one["name"]), (&json!("default"), &json!("m")));
    }
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g003_what_is_judged_last_is_what_is_stored() {
    let plane = ControlPlane::start().await.unwrap();
    let privileged = |review: &Value| match review["request"]["kind"]["kind"].as_str() {
        Some("Pod") => patch(review, &json!([{ "op": "add", "path": "/spec/hostPID", "value": true }])),
        _ => patch(review, &json!([{ "op": "add", "path": "/metadata/labels", "value": { "seen": "yes" } }])),
    };
    let (changes, judges) = (Webhook::start(privileged).await.unwrap(), Webhook::start(allow).await.unwrap());
    let labels = json!({ "pod-security.kubernetes.io/enforce": "baseline" });
    ask(&plane, "PATCH", "/api/v1/namespaces/default", Some(json!({ "metadata": { "labels": labels } })))
        .await
        .ok();
    let account = json!({ "metadata": { "name": "default" } });
    create(&plane, "/api/v1/namespaces/default/serviceaccounts", account).await.ok();
    configure(&plane, MUTATING, "m", &[hook("m", &changes)]).await;
    configure(&plane, VALIDATING, "v", &[hook("v", &judges)]).await;
    let pod =
        json!({ "metadata": { "name": "p" }, "spec": { "containers": [{ "name": "c", "image": "i" }] } });
    let refused = create(&plane, "/api/v1/namespaces/default/pods", pod).await;
    assert_eq!(refused.code, 403, "{refused:?}");
    assert!(refused.message().contains("hostPID=true"), "{}", refused.message());
    create(&plane, MAPS, map("m")).await.ok();
    let stored = get(&plane, &format!("{MAPS}/m")).await.ok().body;
    assert_eq!(stored["metadata"]["labels"], json!({ "seen": "yes" }));
    let last = judges.heard().pop().unwrap();
    assert_eq!(last["request"]["object"]["metadata"]["labels"], json!({ "seen": "yes" }));
    plane.shutdown().await.unwrap();
}

/// Whether a config map of a name is stored.
async fn is_stored(plane: &ControlPlane, name: &str) -> bool {
    get(plane, &format!("{MAPS}/{name}")).await.code == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g006_whatever_is_not_plainly_an_answer_is_a_failure() {
    let plane = ControlPlane::start().await.unwrap();
    let evil = |review: &Value| {
        let name = review["request"]["name"].as_str().unwrap_or_default().to_owned();
        let own = |version: &str, kind: &str, uid: Value| {
            HookReply::Json(
                json!({ "apiVersion": version, "kind": kind, "response": { "uid": uid, "allowed": true } }),
            )
        };
        let uid = review["request"]["uid"].clone();
        let raw = |head: &str, body: &str| {
            HookReply::Raw(format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
        };
        let answer = |extra: Value| {
            let mut answer = json!({ "allowed": true });
            answer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            response(review, answer)
        };
        match name.as_str() {
            "uid" => own("admission.k8s.io/v1", "AdmissionReview", json!("other")),
            "version" => own("admission.k8s.io/v1beta1", "AdmissionReview", uid),
            "kind" => own("admission.k8s.io/v1", "Status", uid),
            "absent" => {
                HookReply::Json(json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview" }))
            }
            "missing" => response(review, json!({})),
            "html" => raw("200 OK\r\ncontent-type: text/html", "<html>"),
            "redirect" => raw("307 Temporary Redirect\r\nlocation: https://127.0.0.1:1/", ""),
            "gzip" => raw("200 OK\r\ncontent-encoding: gzip", "xxxx"),
            "down" => raw("500 Internal Server Error", "boom"),
            "huge" => HookReply::Flood(64 << 20),
            "slow" => HookReply::Silence,
            "hangup" => HookReply::Hangup,
            "patchless" => answer(json!({ "patchType": "JSONPatch" })),
            "typeless" => answer(json!({ "patch": STANDARD.encode("[]") })),
            "untyped" => answer(json!({ "patch": STANDARD.encode("[{}]"), "patchType": "Merge" })),
            "garbled" => answer(json!({ "patch": STANDARD.encode("{"), "patchType": "JSONPatch" })),
            "nowhere" => patch(review, &json!([{ "op": "remove", "path": "/data/none" }])),
            "rekind" => patch(review, &json!([{ "op": "replace", "path": "/kind", "value": "Secret" }])),
            "moved" => patch(
                review,
                &json!([{ "op": "replace", "path": "/metadata/namespace", "value": "kube-system" }]),
            ),
            _ => allow(review),
        }
    };
    let server = Webhook::start(evil).await.unwrap();
    let mut quick = hook("evil", &server);
    quick["timeoutSeconds"] = json!(1);
    configure(&plane, MUTATING, "m", &[quick]).await;
    let cases = [
        ("uid", 500, "expected response.uid="),
        (
            "version",
            500,
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got admission.k8s.io/v1beta1",
        ),
        ("kind", 500, "got admission.k8s.io/v1, Kind=Status"),
        ("absent", 500, "webhook response was absent"),
        ("missing", 400, "denied the request without explanation"),
        ("html", 500, "failed to call webhook"),
        ("redirect", 500, "redirect"),
        ("gzip", 500, "content encoding"),
        ("down", 500, "an error on the server (\"boom\") has prevented the request from succeeding"),
        ("huge", 500, "larger than"),
        ("slow", 500, "context deadline exceeded"),
        ("hangup", 500, "EOF"),
        ("patchless", 500, "webhook returned response.patchType but not response.patch"),
        ("typeless", 500, "webhook returned response.patch but not response.patchType"),
        ("untyped", 500, "unsupported patch type \"Merge\""),
        ("garbled", 500, "received undecodable patch in webhook response"),
        ("nowhere", 500, "Internal error occurred"),
        ("rekind", 500, "attempted to change the kind"),
        ("moved", 400, "namespace"),
    ];
    for (name, code, words) in cases {
        let refused = create(&plane, MAPS, map(name)).await;
        assert_eq!(refused.code, code, "{name}: {}", refused.message());
        assert!(refused.message().contains(words), "{name}: {}", refused.message());
        assert!(!is_stored(&plane, name).await, "{name}");
    }
    create(&plane, MAPS, map("fine")).await.ok();
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g006_a_refusal_warnings_and_annotations_are_passed_on_within_bounds() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|review| {
        let many: Vec<String> =
            (0..5000).map(|number| format!("warning {number} {}", "x".repeat(300))).collect();
        let status = json!({ "code": 418, "reason": "Teapot", "message": "no coffee" });
        response(
            review,
            json!({
                "allowed": review["request"]["name"] != "no", "status": status, "warnings": many,
                "auditAnnotations": { "good": "yes", "not a key\r\n": "no" },
            }),
        )
    });
    let server = server.await.unwrap();
    configure(&plane, VALIDATING, "v", &[hook("v", &server)]).await;
    let refused = create(&plane, MAPS, map("no")).await;
    assert_eq!((refused.code, &refused.body["reason"]), (418, &json!("Teapot")));
    assert_eq!(refused.message(), "admission webhook \"v.example.com\" denied the request: no coffee");
    let fine = create(&plane, MAPS, map("yes")).await.ok();
    let size: usize = fine.warnings.iter().map(String::len).sum();
    assert!(!fine.warnings.is_empty() && size < 8192, "{size}");
    let noted = annotations(&plane, "create", "yes");
    assert!(noted.iter().any(|(key, value)| key == "v.example.com/good" && value == "yes"), "{noted:?}");
    assert!(noted.iter().all(|(key, _)| !key.contains("not a key")), "{noted:?}");
    plane.shutdown().await.unwrap();
}

/// The annotations of the last event of a verb for an object.
fn annotations(plane: &ControlPlane, verb: &str, name: &str) -> Vec<(String, String)> {
    let events = plane.audit().take();
    let about = |event: &&portcullis_audit::Event| {
        event.opening.info.verb.as_str() == verb && event.story.object.name == name
    };
    let event = events.iter().rev().find(about);
    let event = event.unwrap_or_else(|| panic!("no event of {verb} {name}"));
    event.story.annotations.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g007_a_failure_refuses_unless_it_is_to_be_ignored_which_is_written_down() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|_| HookReply::Silence).await.unwrap();
    let stranger = Webhook::start(allow).await.unwrap();
    let mut silent = hook("silent", &server);
    silent["timeoutSeconds"] = json!(1);
    let mut unbelieved = hook("unbelieved", &server);
    unbelieved["clientConfig"]["caBundle"] = stranger.client_config()["caBundle"].clone();
    let mut down = hook("down", &server);
    down["clientConfig"]["url"] = json!("https://127.0.0.1:1/");
    let mut unknown = hook("unknown", &server);
    unknown["clientConfig"] = json!({ "service": { "namespace": "default", "name": "none", "path": "/" } });
    for (name, hook, words) in [
        ("silent", silent, "context deadline exceeded"),
        ("unbelieved", unbelieved, "certificate signed by unknown authority"),
        ("down", down, "connection refused"),
        ("unknown", unknown, "service \"none\" not found"),
    ] {
        for path in [MUTATING, VALIDATING] {
            configure(&plane, path, name, std::slice::from_ref(&hook)).await;
            let refused = create(&plane, MAPS, map(name)).await;
            assert_eq!(refused.code, 500, "{name}: {}", refused.message());
            let begin = format!(
                "Internal error occurred: failed calling webhook \"{name}.example.com\": failed to call webhook: "
            );
            assert!(refused.message().starts_with(&begin), "{}", refused.message());
            assert!(refused.message().contains(words), "{name}: {}", refused.message());
            assert!(!is_stored(&plane, name).await);
            let ignore = json!({ "webhooks": [{ "name": hook["name"], "failurePolicy": "Ignore" }] });
            let mut all = hook.clone();
            all["failurePolicy"] = ignore["webhooks"][0]["failurePolicy"].clone();
            ask(&plane, "PATCH", &format!("{path}/{name}"), Some(json!({ "webhooks": [all] }))).await.ok();
            create(&plane, &format!("{MAPS}?dryRun=All"), map(name)).await.ok();
            create(&plane, MAPS, map(name)).await.ok();
            let noted = annotations(&plane, "create", name);
            assert!(noted.iter().any(|(key, _)| key.starts_with("failed-open.")), "{noted:?}");
            ask(&plane, "DELETE", &format!("{MAPS}/{name}"), None).await.ok();
            ask(&plane, "DELETE", &format!("{path}/{name}"), None).await.ok();
        }
    }
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g008_a_webhook_that_refuses_everything_can_be_removed() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(|review| response(review, json!({ "allowed": false }))).await.unwrap();
    let mut all = hook("all", &server);
    all["rules"] = json!([{
        "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"], "scope": "*",
    }]);
    configure(&plane, VALIDATING, "v", &[all.clone()]).await;
    configure(&plane, MUTATING, "m", &[all]).await;
    assert_eq!(create(&plane, MAPS, map("m")).await.code, 400);
    let patch = json!({ "metadata": { "labels": { "a": "b" } } });
    assert_eq!(ask(&plane, "PATCH", "/api/v1/namespaces/default", Some(patch)).await.code, 400);
    for (path, name) in [(VALIDATING, "v"), (MUTATING, "m")] {
        ask(&plane, "DELETE", &format!("{path}/{name}"), None).await.ok();
    }
    create(&plane, MAPS, map("m")).await.ok();
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_wants_to_sees_what_came_after_it() {
    let plane = ControlPlane::start().await.unwrap();
    let add = |key: &'static str| {
        move |review: &Value| {
            let labels = review["request"]["object"]["metadata"]["labels"].clone();
            let mut labels = labels.as_object().cloned().unwrap_or_default();
            labels.insert(key.to_owned(), "yes".into());
            patch(review, &json!([{ "op": "add", "path": "/metadata/labels", "value": labels }]))
        }
    };
    let first = Webhook::start(add("first")).await.unwrap();
    let second = Webhook::start(add("second")).await.unwrap();
    let mut again = hook("a", &first);
    again["reinvocationPolicy"] = json!("IfNeeded");
    configure(&plane, MUTATING, "m", &[again, hook("b", &second)]).await;
    let made = create(&plane, MAPS, map("m")).await.ok();
    assert_eq!(made.body["metadata"]["labels"], json!({ "first": "yes", "second": "yes" }));
    assert_eq!((first.heard().len(), second.heard().len()), (2, 1));
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_runs_conditions_and_other_versions() {
    let plane = ControlPlane::start().await.unwrap();
    let server = Webhook::start(allow).await.unwrap();
    let mut loud = hook("loud", &server);
    loud["matchConditions"] = json!([{ "name": "c", "expression": "object.metadata.name != 'quiet'" }]);
    configure(&plane, VALIDATING, "v", &[loud]).await;
    create(&plane, MAPS, map("quiet")).await.ok();
    assert!(server.heard().is_empty());
    create(&plane, MAPS, map("loud")).await.ok();
    assert_eq!(server.heard().len(), 1);
    let mut scaler = hook("scaler", &server);
    scaler["matchPolicy"] = json!("Equivalent");
    scaler["rules"][0]["apiGroups"] = json!(["autoscaling"]);
    scaler["rules"][0]["apiVersions"] = json!(["v2"]);
    scaler["rules"][0]["resources"] = json!(["horizontalpodautoscalers"]);
    configure(&plane, VALIDATING, "w", &[scaler]).await;
    let target = json!({ "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" });
    let spec = json!({ "scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50 });
    let path = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    create(&plane, path, json!({ "metadata": { "name": "h" }, "spec": spec })).await.ok();
    let asked = server.heard().pop().unwrap();
    assert_eq!(asked["request"]["kind"]["version"], "v2");
    assert_eq!(asked["request"]["requestKind"]["version"], "v1");
    assert_eq!(asked["request"]["object"]["apiVersion"], "autoscaling/v2");
    assert!(asked["request"]["object"]["spec"]["metrics"].is_array(), "{asked}");
    plane.shutdown().await.unwrap();
}
