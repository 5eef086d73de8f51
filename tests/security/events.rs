//! Events as upstream's server writes them: each expectation was recorded from kube-apiserver v1.36.2 answering the same
//! requests under the same policy.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::wire::Answer;
use crate::world::{Server, make_namespace, pod};

const POLICY: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]\n";
const SERVICES: &str = "/api/v1/namespaces/e/services";

fn start() -> Server {
    let dir = tempfile::Builder::new().prefix("portcullis-security-").tempdir().unwrap().keep();
    let policy = dir.join("audit.yaml");
    std::fs::write(&policy, POLICY).unwrap();
    let server = Server::start_in(dir, &["--audit-policy-file", policy.to_str().unwrap()]);
    make_namespace(&server.admin, "e");
    server
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
}

#[track_caller]
fn event(server: &Server, answer: &Answer) -> Value {
    server.event_of(answer.header("audit-id").unwrap())
}

fn reference(name: &str) -> Value {
    json!({"resource": "services", "namespace": "e", "name": name, "apiVersion": "v1"})
}

#[test]
fn an_event_refers_to_its_object_as_the_request_did() {
    let server = start();
    let admin = &server.admin;
    let made = admin.post(SERVICES, &service("s")).is(&[201], "create");
    let told = event(&server, &made);
    assert_eq!(told["objectRef"], reference("s"), "a new object has no uid yet");
    let (uid, version) = identity(&made.tree());
    let wrote =
        |told: &Value| told["annotations"]["portcullis.io/object"].as_str().unwrap_or_default().to_owned();
    assert_eq!(wrote(&told), format!("name=s uid={uid} resourceVersion={version}"));

    let mut generated = service("");
    generated["metadata"] = json!({"generateName": "g-"});
    let made = admin.post(SERVICES, &generated).is(&[201], "generate");
    let told = event(&server, &made);
    assert_eq!(told["objectRef"].get("name"), None, "{told}");
    let name = made.tree()["metadata"]["name"].as_str().unwrap().to_owned();
    assert!(wrote(&told).starts_with(&format!("name={name} uid=")), "{told}");

    let mut changed = admin.get(&format!("{SERVICES}/s")).tree();
    changed["metadata"]["labels"] = json!({"a": "b"});
    let answer = admin.put(&format!("{SERVICES}/s"), &changed).is(&[200], "update");
    let told = event(&server, &answer);
    let asked = json!({"uid": uid, "resourceVersion": version});
    assert_eq!(told["objectRef"]["uid"], asked["uid"]);
    assert_eq!(told["objectRef"]["resourceVersion"], asked["resourceVersion"], "the one the client had seen");
    let answer = admin.patch("merge", &format!("{SERVICES}/s"), &json!({"metadata": {"labels": {"a": "c"}}}));
    assert_eq!(event(&server, &answer.is(&[200], "patch"))["objectRef"], reference("s"));
}

fn identity(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
    (text("uid"), text("resourceVersion"))
}

#[test]
fn bodies_are_recorded_as_what_they_were_read_as() {
    let server = start();
    let admin = &server.admin;
    admin.post("/api/v1/namespaces/e/serviceaccounts", &json!({"metadata": {"name": "default"}}));
    admin.post("/api/v1/namespaces/e/pods", &pod("p")).is(&[201], "pod");
    let binding = json!({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    let told =
        event(&server, &admin.post("/api/v1/namespaces/e/pods/p/binding", &binding).is(&[201], "bind"));
    assert_eq!(
        (&told["requestObject"]["kind"], &told["requestObject"]["apiVersion"]),
        (&json!("Binding"), &json!("v1"))
    );
    let eviction = json!({"metadata": {"name": "p"}});
    let told = event(&server, &admin.post("/api/v1/namespaces/e/pods/p/eviction", &eviction));
    assert_eq!(told["requestObject"]["kind"], "Eviction", "{told}");
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0});
    let told = event(&server, &admin.json("DELETE", "/api/v1/namespaces/e/pods/p", &options));
    let internal =
        json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/__internal", "gracePeriodSeconds": 0});
    assert_eq!(told["requestObject"], internal);
    let refused = admin.post(SERVICES, &service("Bad_")).is(&[422], "bad");
    let told = event(&server, &refused);
    assert_eq!(told["responseObject"], refused.tree(), "what the client is told");
}

#[test]
fn options_of_a_resource_is_no_verb() {
    let server = start();
    let answer = server.admin.send("OPTIONS", SERVICES, &[], b"").is(&[405], "admin");
    assert_eq!(event(&server, &answer)["verb"], "");
    let low = server.user("low", &[]);
    let answer = low.send("OPTIONS", SERVICES, &[], b"").is(&[403], "low");
    assert_eq!(event(&server, &answer)["verb"], "");
    let message = "services is forbidden: User \"low\" cannot  resource \"services\" in API group \"\" in the namespace \"e\"";
    assert_eq!(answer.tree()["message"], message, "upstream's words");
    let answer = server.admin.send("OPTIONS", "/version", &[], b"");
    assert_eq!(event(&server, &answer)["verb"], "options");
}

#[test]
fn a_slow_request_tells_what_held_it_up() {
    let server = start();
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://127.0.0.1:{}/", silent.local_addr().unwrap().port());
    let webhook = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "slow"},
        "webhooks": [{
            "name": "slow.example.com", "clientConfig": {"url": url}, "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore", "timeoutSeconds": 1,
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["services"], "operations": ["CREATE"]}],
        }],
    });
    let path = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
    server.admin.post(path, &webhook).is(&[201], "webhook");
    let answer = server.admin.post(SERVICES, &service("slow")).is(&[201], "create");
    let told = event(&server, &answer)["annotations"].clone();
    for (what, least) in [("mutating-webhook", 0.9), ("total", 0.9), ("authentication", 0.0), ("etcd", 0.0)] {
        let time = told[format!("apiserver.latency.k8s.io/{what}")].as_str().unwrap_or_default().to_owned();
        assert!(seconds(&time).is_some_and(|seconds| seconds >= least), "{what}: {time:?} of {told}");
    }
    assert_eq!(told.get("apiserver.latency.k8s.io/validating-webhook"), None, "{told}");
    server.admin.delete(&format!("{path}/slow")).is(&[200], "delete");
    let answer = server.admin.get(SERVICES).is(&[200], "list");
    let told = event(&server, &answer);
    assert!(!told.to_string().contains("latency"), "quick ones tell nothing: {told}");
}

/// A duration of less than a minute as Go writes it.
fn seconds(text: &str) -> Option<f64> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let scale = match unit {
        "ns" => 1e-9,
        "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return None,
    };
    text.strip_suffix(unit)?.parse::<f64>().ok().map(|number| number * scale)
}
