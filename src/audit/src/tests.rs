use std::sync::Arc;

use http::{HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_api::attributes::parse;
use portcullis_api::{ApiError, Body, Reason, UserInfo, body};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::*;

pub(crate) fn slot(sink: Arc<dyn Sink>, method: &Method, uri: &str) -> AuditSlot {
    slot_by(sink, Policy::builtin().unwrap(), method, uri)
}

pub(crate) fn slot_by(sink: Arc<dyn Sink>, policy: Policy, method: &Method, uri: &str) -> AuditSlot {
    let uri: Uri = uri.parse().unwrap();
    let opening = Opening {
        info: Arc::new(parse(method, &uri).unwrap()),
        uri,
        audit_id: Arc::from("id-1"),
        source: Some("192.0.2.7".parse().unwrap()),
        forwarded: Vec::new(),
        user_agent: Some(HeaderValue::from_static("kubectl/v1.36")),
        received: Timestamp::from_second(0).unwrap(),
    };
    AuditSlot::begin(sink, Arc::new(policy), opening)
}

fn json(event: &Event) -> Value {
    serde_json::from_slice(&event.to_json()).unwrap()
}

#[test]
fn an_event_tells_who_did_what_to_what_and_how_it_ended() {
    let memory = Arc::new(Memory::default());
    let slot = slot(memory.clone(), &Method::POST, "/apis/apps/v1/namespaces/a/deployments?dryRun=All");
    slot.user(&UserInfo::new("eve", ["dev"]));
    slot.impersonated(&UserInfo::new("bob", ["ops"]));
    slot.annotate("authorization.k8s.io/decision", "forbid");
    slot.annotate("authorization.k8s.io/decision", "allow");
    slot.object(ObjectRef { name: "web".into(), uid: "u".into(), resource_version: "7".into() });
    slot.complete(StatusCode::CREATED);
    slot.complete(StatusCode::OK);
    let events = memory.take();
    assert_eq!(events.len(), 1, "whoever completes first is heard");
    let mut event = json(&events[0]);
    event.as_object_mut().unwrap().remove("stageTimestamp").unwrap();
    assert_eq!(
        event,
        json!({
            "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "id-1",
            "stage": "ResponseComplete", "requestURI": "/apis/apps/v1/namespaces/a/deployments?dryRun=All",
            "verb": "create", "user": {"username": "eve", "groups": ["dev"]},
            "impersonatedUser": {"username": "bob", "groups": ["ops"]}, "sourceIPs": ["192.0.2.7"],
            "userAgent": "kubectl/v1.36",
            "objectRef": {"resource": "deployments", "namespace": "a", "name": "web", "uid": "u", "apiGroup": "apps",
                "apiVersion": "v1", "resourceVersion": "7"},
            "responseStatus": {"metadata": {}, "code": 201},
            "requestReceivedTimestamp": "1970-01-01T00:00:00.000000Z",
            "annotations": {"authorization.k8s.io/decision": "allow"},
        })
    );
}

#[test]
fn d061_credentials_in_the_query_are_blanked() {
    let memory = Arc::new(Memory::default());
    let uri = "/api/v1/pods?access_token=canary&x=1&%74oken=canary&bearer_Token=canary&continue=c";
    slot(memory.clone(), &Method::GET, uri).refused(&ApiError::unauthorized());
    let line = String::from_utf8(memory.take()[0].to_json()).unwrap();
    assert!(!line.contains("canary"), "{line}");
    assert!(line.contains("access_token=***\\u0026x=1") && line.contains("continue=c"), "{line}");
}

#[test]
fn i009_noise_is_left_out_and_denials_and_changes_never() {
    let memory = Arc::new(Memory::default());
    let events = |method: Method, uri: &str, code: u16| {
        slot(memory.clone(), &method, uri).complete(StatusCode::from_u16(code).unwrap());
        memory.take().len()
    };
    assert_eq!(events(Method::GET, "/livez", 200), 0);
    assert_eq!(events(Method::GET, "/apis/apps/v1", 200), 0);
    assert_eq!(events(Method::GET, "/livez", 401), 1);
    assert_eq!(events(Method::GET, "/apis", 403), 1);
    assert_eq!(events(Method::GET, "/apis/v1/secrets", 404), 1);
    assert_eq!(events(Method::GET, "/api/v1/pods", 200), 1);
    assert_eq!(events(Method::POST, "/livez", 200), 1);
    assert_eq!(events(Method::GET, "/metrics/slis", 200), 1, "no rule leaves it out");
}

#[test]
fn i002_a_client_that_goes_away_leaves_an_event() {
    let memory = Arc::new(Memory::default());
    let handle = slot(memory.clone(), &Method::DELETE, "/api/v1/namespaces/a/pods/p");
    let other = handle.clone();
    drop(handle);
    assert!(memory.take().is_empty(), "another handle is still at work");
    drop(other);
    let event = json(&memory.take()[0]);
    assert_eq!(event["annotations"]["portcullis.io/outcome"], "unknown: the client disconnected");
    assert_eq!(event.get("responseStatus"), None);
}

struct Asked(AuditSlot);

impl HasSlot for Asked {
    fn slot(&self) -> &AuditSlot {
        &self.0
    }
}

async fn through(
    policy: &str,
    method: Method,
    uri: &str,
    answer: Result<Response<Body>, ApiError>,
) -> Vec<(Stage, Option<u16>)> {
    let memory = Arc::new(Memory::default());
    let answer = Arc::new(parking_lot::Mutex::new(Some(answer)));
    let inner = service_fn(move |_: Audited<Asked>| std::future::ready(answer.lock().take().unwrap()));
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{policy}");
    let slot = slot_by(memory.clone(), Policy::parse(&policy).unwrap(), &method, uri);
    let answered = AuditLayer.layer(tower::util::BoxCloneService::new(inner)).oneshot(Asked(slot)).await;
    if let Ok(response) = answered {
        response.into_body().collect().await.unwrap();
    }
    memory
        .take()
        .iter()
        .map(|event| (event.stage, event.outcome.as_ref().map(|outcome| outcome.code.as_u16())))
        .collect()
}

#[tokio::test]
async fn i006_each_kind_of_request_has_its_stages() {
    use Stage::{RequestReceived, ResponseComplete, ResponseStarted};
    let ok = || Ok(Response::new(body::full("x")));
    let pod = "/api/v1/namespaces/a/pods/p";
    let all = "rules: [{level: Metadata}]";
    let done = (ResponseComplete, Some(200));
    assert_eq!(through(all, Method::GET, pod, ok()).await, [(RequestReceived, None), done]);
    let watch = "/api/v1/pods?watch=1";
    let stages = [(RequestReceived, None), (ResponseStarted, Some(200)), done];
    assert_eq!(through(all, Method::GET, watch, ok()).await, stages);
    let refusal = ApiError::new(Reason::Forbidden, "no");
    let stages = [(RequestReceived, None), (ResponseComplete, Some(403))];
    assert_eq!(through(all, Method::GET, pod, Err(refusal)).await, stages);
    let global = "omitStages: [RequestReceived]\nrules: [{level: Metadata}]";
    assert_eq!(through(global, Method::DELETE, pod, ok()).await, [done]);
    let both = "omitStages: [RequestReceived]\nrules: [{level: Metadata, omitStages: [ResponseStarted]}]";
    assert_eq!(through(both, Method::GET, watch, ok()).await, [done]);
    let none = "rules: [{level: None}]";
    assert_eq!(through(none, Method::GET, pod, ok()).await, []);
    // The head of whatever answers a stream's request is a stage, as upstream.
    let refusal = ApiError::new(Reason::NotFound, "no");
    let stages = [(RequestReceived, None), (ResponseStarted, Some(404)), (ResponseComplete, Some(404))];
    let log = "/api/v1/namespaces/a/pods/p/log";
    assert_eq!(through(all, Method::GET, log, Err(refusal)).await, stages);
}

fn at_level(level: &str) -> (Arc<Memory>, AuditSlot) {
    let memory = Arc::new(Memory::default());
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: {level}}}]");
    let uri = "/apis/example.com/v1/namespaces/a/things";
    let slot = slot_by(memory.clone(), Policy::parse(&policy).unwrap(), &Method::POST, uri);
    (memory, slot)
}

#[test]
fn a_refusal_is_a_body_too_where_bodies_of_answers_are_recorded() {
    let invalid = ApiError::new(Reason::Invalid, "spec.dsn: Invalid value: \"canary\"");
    let event = |level: &str, body: Value| {
        let (memory, slot) = at_level(level);
        slot.request_body(|| body);
        slot.refused(&invalid);
        json(&memory.take()[0])
    };
    let plain = json!({"kind": "Thing", "spec": {"dsn": "canary"}});
    assert_eq!(event("Request", plain.clone()).get("responseObject"), None);
    let told = event("RequestResponse", plain);
    assert_eq!(
        told["responseObject"],
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Invalid",
            "message": "spec.dsn: Invalid value: \"canary\"", "code": 422})
    );
    let annotations = json!({"audit.portcullis.io/redact": "spec.dsn"});
    let asks = json!({"kind": "Thing", "metadata": {"annotations": annotations}, "spec": {"dsn": "canary"}});
    for level in ["Request", "RequestResponse"] {
        let told = event(level, asks.clone());
        assert_eq!(told["requestObject"]["spec"]["dsn"], "***", "{level}");
        assert_eq!(told["responseStatus"]["reason"], "Invalid", "{level}");
        assert!(!told.to_string().contains("canary"), "{level}: {told}");
    }
}

#[test]
fn whom_nobody_acts_as_is_no_impersonated_user_and_is_found() {
    let (memory, slot) = at_level("None");
    slot.user(&UserInfo::new("eve", ["dev"]));
    slot.impersonation_refused("jane");
    slot.refused(&ApiError::internal("the webhook is silent"));
    let line = memory.take()[0].to_json();
    let event: Value = serde_json::from_slice(&line).unwrap();
    assert_eq!(event.get("impersonatedUser"), None, "{event}");
    assert_eq!(event["annotations"]["portcullis.io/refused-impersonation"], "jane");
    let seen = crate::read::Seen::parse(&line).unwrap();
    let asks = |user: &str, group: Option<&str>| crate::read::Query {
        user: Some(user.to_owned()),
        group: group.map(str::to_owned),
        ..crate::read::Query::default()
    };
    assert!(asks("jane", None).wants(&seen) && asks("eve", Some("dev")).wants(&seen));
    assert!(!asks("jane", Some("dev")).wants(&seen) && !asks("bob", None).wants(&seen));
}

#[test]
fn what_was_written_is_told_beside_what_was_asked_for() {
    let (memory, slot) = at_level("Metadata");
    slot.object(ObjectRef::default());
    slot.wrote(&ObjectRef { name: "web-x7k".into(), uid: "u".into(), resource_version: "7".into() });
    slot.complete(StatusCode::CREATED);
    let line = memory.take()[0].to_json();
    let event: Value = serde_json::from_slice(&line).unwrap();
    let asked =
        json!({"resource": "things", "namespace": "a", "apiGroup": "example.com", "apiVersion": "v1"});
    assert_eq!(event["objectRef"], asked, "as upstream");
    assert_eq!(event["annotations"]["portcullis.io/object"], "name=web-x7k uid=u resourceVersion=7");
    let seen = crate::read::Seen::parse(&line).unwrap();
    let named = |name: &str| crate::read::Query { name: Some(name.to_owned()), ..Default::default() };
    assert!(named("web-x7k").wants(&seen) && !named("web").wants(&seen));
}

#[test]
fn a_request_that_took_long_tells_what_held_it_up() {
    let event = |millis: u64, uri: &str| {
        let memory = Arc::new(Memory::default());
        let slot = slot(memory.clone(), &Method::DELETE, uri);
        slot.took(crate::Latency::Authorization, std::time::Duration::from_micros(1_500));
        std::thread::sleep(std::time::Duration::from_millis(millis));
        slot.complete(StatusCode::OK);
        json(&memory.take()[0])["annotations"].clone()
    };
    assert_eq!(event(0, "/api/v1/pods"), Value::Null);
    let told = event(501, "/api/v1/pods");
    assert_eq!(told["apiserver.latency.k8s.io/authorization"], "1.5ms");
    let total = told["apiserver.latency.k8s.io/total"].as_str().unwrap();
    assert!(total.ends_with('s') && !total.ends_with("µs"), "{total}");
    assert_eq!(told.as_object().unwrap().len(), 2, "what took no time is not told: {told}");
    assert_eq!(event(501, "/api/v1/namespaces/a/pods/p/proxy/x"), Value::Null, "a stream is not slow");
}

struct Full;

impl Sink for Full {
    fn record(&self, _: Event) -> Result<(), Lost> {
        Err(Lost)
    }
}

#[tokio::test]
async fn i018_a_required_event_that_cannot_be_written_refuses_the_request() {
    let required = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, required: true}]";
    let strict = Policy::builtin().unwrap().require_all();
    for (policy, want) in [
        (Policy::everything(), Ok(200)),
        (Policy::parse(required).unwrap(), Err(503)),
        // What is required is recorded first, whatever stages are left out.
        (strict, Err(503)),
    ] {
        let inner = service_fn(|_: Audited<Asked>| async { Ok(Response::new(body::full("done"))) });
        let slot = slot_by(Arc::new(Full), policy, &Method::DELETE, "/api/v1/namespaces/a/pods/p");
        let answer = AuditLayer.layer(inner).oneshot(Asked(slot)).await;
        assert_eq!(answer.map(|r| r.status().as_u16()).map_err(|e| e.code().as_u16()), want);
    }
}

proptest! {
    #[test]
    fn i014_no_text_breaks_out_of_its_line(name in "\\PC{0,40}|[\\x00-\\x7f]{0,40}", agent in prop::collection::vec(32u8..=255, 0..2000)) {
        let memory = Arc::new(Memory::default());
        let uri: Uri = "/api/v1/namespaces/a/pods".parse().unwrap();
        let opening = Opening {
            info: Arc::new(parse(&Method::GET, &uri).unwrap()),
            uri,
            audit_id: Arc::from(name.as_str()),
            source: None,
            forwarded: Vec::new(),
            user_agent: HeaderValue::from_bytes(&agent).ok(),
            received: Timestamp::now(),
        };
        let slot = AuditSlot::begin(memory.clone(), Arc::default(), opening);
        slot.user(&UserInfo::new(&name, [&name]));
        slot.annotate("k", name.repeat(100));
        slot.complete(StatusCode::OK);
        let line = memory.take().pop().unwrap().to_json();
        prop_assert!(!line.contains(&b'\n') && line.len() < 64 * 1024);
        let event: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(event["user"]["username"].as_str().unwrap_or_default(), name.as_str());
    }
}

const BODIES: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]";

fn recorded(uri: &str, fill: impl FnOnce(&AuditSlot)) -> (Value, String) {
    let memory = Arc::new(Memory::default());
    let slot = slot_by(memory.clone(), Policy::parse(BODIES).unwrap(), &Method::POST, uri);
    fill(&slot);
    slot.complete(StatusCode::CREATED);
    let line = memory.take().pop().unwrap().to_json();
    (serde_json::from_slice(&line).unwrap(), String::from_utf8(line).unwrap())
}

#[test]
fn i004_no_level_records_the_bodies_of_secrets_and_tokens() {
    for uri in [
        "/api/v1/namespaces/a/secrets",
        "/api/v1/namespaces/a/configmaps",
        "/api/v1/namespaces/a/serviceaccounts/x/token",
        "/apis/authentication.k8s.io/v1/tokenreviews",
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        "/apis/identity.portcullis.io/v1/usertokens",
    ] {
        let (event, line) = recorded(uri, |slot| {
            assert!(!slot.wants_request() && !slot.wants_response());
            slot.request_json(br#"{"data": {"x": "canary"}}"#);
            slot.response_body(|| json!({"data": {"x": "canary"}}));
        });
        assert_eq!(event["level"], "Metadata");
        assert!(!line.contains("canary"), "{line}");
    }
}

#[test]
fn i004_credentials_inside_other_bodies_are_masked() {
    let applied = "{\"spec\":\"canary\"}";
    let body = json!({
        "kind": "Pod", "metadata": {"name": "p", "managedFields": [1], "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": applied,
            "audit.portcullis.io/redact": "spec.sealed, spec.list.*.deep,spec.list.1.x",
        }},
        "spec": {
            "containers": [{"env": [{"name": "DB_PASSWORD", "value": "canary"}, {"name": "MODE", "value": "fast"}]}],
            "bearerToken": "canary", "volumes": [{"secret": {"secretName": "kept"}}],
            "sealed": {"a": "canary"}, "list": [{"deep": "canary"}, {"deep": "canary", "x": 1}],
        },
    });
    let uri = "/api/v1/namespaces/a/pods";
    let (event, line) = recorded(uri, |slot| {
        slot.request_body(|| body.clone());
        slot.response_body(|| json!({"kind": "PodList", "items": [body.clone()]}));
    });
    assert!(!line.contains("canary"), "{line}");
    for object in [&event["requestObject"], &event["responseObject"]["items"][0]] {
        assert_eq!(object["spec"]["containers"][0]["env"][1]["value"], "fast");
        assert_eq!(object["spec"]["volumes"][0]["secret"]["secretName"], "kept");
        assert_eq!(object["spec"]["list"][1]["x"], "***");
        assert_eq!(object["metadata"]["managedFields"], json!([1]));
    }
    let (event, line) = recorded(uri, |slot| {
        slot.request_json(br#"[{"op": "replace", "path": "/spec/password", "value": "canary"}, {"op": "remove", "path": "/x"}]"#);
    });
    assert!(!line.contains("canary") && event["requestObject"][1]["path"] == "/x", "{line}");
    let (event, _) = recorded(uri, |slot| {
        slot.request_json(br#"{"spec": {"sealed": "canary"}}"#);
        slot.object_in_question(|| body.clone());
    });
    assert_eq!(event.get("requestObject"), None, "a patch of an object with masked fields");
}

#[test]
fn words_that_may_quote_a_body_stay_out_where_the_body_does() {
    let told = |uri: &str, error: &ApiError, decision: &'static str| {
        let memory = Arc::new(Memory::default());
        let slot = slot(memory.clone(), &Method::POST, uri);
        slot.annotate("authorization.k8s.io/decision", decision);
        slot.refused(error);
        json(&memory.take()[0])["responseStatus"].clone()
    };
    let secrets = "/api/v1/namespaces/a/secrets";
    let invalid = ApiError::new(Reason::Invalid, "data.x: Invalid value: \"canary\"");
    assert_eq!(
        told(secrets, &invalid, "allow"),
        json!({"metadata": {}, "status": "Failure", "reason": "Invalid", "code": 422})
    );
    let denied = ApiError::new(Reason::Forbidden, "eve cannot create");
    assert_eq!(told(secrets, &denied, "forbid")["message"], "eve cannot create");
    assert_eq!(told(secrets, &denied, "allow").get("message"), None, "admission may quote");
}

#[test]
fn i026_what_nobody_may_hide_is_recorded_under_a_policy_of_none() {
    let none = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: None}]";
    let pods = "/api/v1/namespaces/a/pods";
    let level = |method: &Method, user: UserInfo, other: Option<&UserInfo>, code: StatusCode| {
        let memory = Arc::new(Memory::default());
        let slot = slot_by(memory.clone(), Policy::parse(none).unwrap(), method, pods);
        slot.user(&user);
        other.into_iter().for_each(|other| slot.impersonated(other));
        slot.complete(code);
        memory.take().first().map(|event| event.level)
    };
    let plain = || UserInfo::new("jane", ["dev"]);
    let master = || UserInfo::new("root", ["system:masters"]);
    let (get, post) = (&Method::GET, &Method::POST);
    assert_eq!(level(post, plain(), None, StatusCode::CREATED), None);
    assert_eq!(level(get, master(), None, StatusCode::OK), None);
    assert_eq!(level(post, master(), None, StatusCode::CREATED), Some(Level::Metadata));
    assert_eq!(level(get, plain(), Some(&master()), StatusCode::OK), Some(Level::Metadata));
    assert_eq!(level(get, plain(), None, StatusCode::FORBIDDEN), Some(Level::Metadata));
    assert_eq!(level(get, plain(), None, StatusCode::UNAUTHORIZED), Some(Level::Metadata));
}

#[test]
fn i016_the_connections_own_address_comes_last() {
    let mut headers = http::HeaderMap::new();
    let many = "198.51.100.9, garbage, fe80::1%eth0, 2001:db8::1,".to_owned() + &"192.0.2.1,".repeat(10_000);
    headers.insert("x-forwarded-for", HeaderValue::from_str(&many).unwrap());
    headers.insert("x-real-ip", HeaderValue::from_static("203.0.113.5"));
    let claimed = forwarded(&headers);
    assert_eq!(claimed.len(), 17);
    let memory = Arc::new(Memory::default());
    let slot = slot(memory.clone(), &Method::DELETE, "/api/v1/namespaces/a/pods/p");
    let opening = Opening { forwarded: claimed, ..slot.opening().clone() };
    AuditSlot::begin(memory.clone(), Arc::default(), opening).complete(StatusCode::OK);
    let ips = json(&memory.take()[0])["sourceIPs"].as_array().unwrap().clone();
    assert_eq!(
        (&ips[0], &ips[1], ips.last().unwrap()),
        (&json!("198.51.100.9"), &json!("2001:db8::1"), &json!("192.0.2.7"))
    );
}

#[tokio::test]
async fn an_answer_is_copied_whole_or_not_at_all() {
    let answer = |bytes: Vec<u8>, kind: &'static str| {
        let mut response = Response::new(body::full(bytes));
        response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
        response
    };
    let large = format!("[\"{}\"]", "x".repeat(5 << 20)).into_bytes();
    for (bytes, kind, copied) in [
        (b"{\"a\":1}".to_vec(), "application/json", Ok(json!({"a": 1}))),
        (b"k8s".to_vec(), "application/vnd.kubernetes.protobuf", Err("no JSON")),
        (large, "application/json", Err("too large")),
    ] {
        let (response, found) = crate::capture::capture(answer(bytes.clone(), kind)).await;
        assert_eq!(found, copied);
        assert!(
            response.into_body().collect().await.unwrap().to_bytes() == bytes,
            "the client gets all of it"
        );
    }
}
