use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_api::attributes::parse;
use portcullis_api::{ApiError, Body, Reason, UserInfo, body};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::*;

fn slot(sink: Arc<dyn Sink>, method: &Method, uri: &str) -> AuditSlot {
    let uri: Uri = uri.parse().unwrap();
    let opening = Opening {
        info: Arc::new(parse(method, &uri).unwrap()),
        uri,
        audit_id: Arc::from("id-1"),
        source: Some("192.0.2.7".parse().unwrap()),
        user_agent: Some(HeaderValue::from_static("kubectl/v1.36")),
        received: Timestamp::from_second(0).unwrap(),
    };
    AuditSlot::begin(sink, Policy::default(), opening)
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
    assert!(line.contains("access_token=***&x=1") && line.contains("continue=c"), "{line}");
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
    assert_eq!(events(Method::GET, "/api/v1/pods", 200), 1);
    assert_eq!(events(Method::POST, "/livez", 200), 1);
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
    method: Method,
    uri: &str,
    answer: Result<Response<Body>, ApiError>,
) -> Vec<(Stage, Option<u16>)> {
    let memory = Arc::new(Memory::default());
    let mut answer = Some(answer);
    let inner = service_fn(move |_: Audited<Asked>| std::future::ready(answer.take().unwrap()));
    let mut gate = AuditLayer::new().layer(inner);
    let request = Asked(slot(memory.clone(), &method, uri));
    let answered = gate.ready().await.unwrap().call(request).await;
    if let Ok(response) = answered {
        response.into_body().collect().await.unwrap();
    }
    memory
        .take()
        .iter()
        .map(|event| (event.stage, event.outcome.map(|outcome| outcome.code.as_u16())))
        .collect()
}

#[tokio::test]
async fn i006_each_kind_of_request_has_its_stages() {
    use Stage::{RequestReceived, ResponseComplete, ResponseStarted};
    let ok = || Ok(Response::new(body::full("x")));
    let pod = "/api/v1/namespaces/a/pods/p";
    assert_eq!(through(Method::GET, pod, ok()).await, [(ResponseComplete, Some(200))]);
    assert_eq!(
        through(Method::DELETE, pod, ok()).await,
        [(RequestReceived, None), (ResponseComplete, Some(200))]
    );
    assert_eq!(
        through(Method::GET, "/api/v1/pods?watch=1", ok()).await,
        [(ResponseStarted, Some(200)), (ResponseComplete, Some(200))]
    );
    let refusal = ApiError::new(Reason::Forbidden, "no");
    assert_eq!(through(Method::GET, pod, Err(refusal)).await, [(ResponseComplete, Some(403))]);
}

struct Full;

impl Sink for Full {
    fn record(&self, _: Event) -> Result<(), Lost> {
        Err(Lost)
    }
}

#[tokio::test]
async fn i018_a_strict_gate_refuses_what_it_cannot_record() {
    for (layer, want) in [(AuditLayer::new(), Ok(200)), (AuditLayer::new().strict(), Err(503))] {
        let inner = service_fn(|_: Audited<Asked>| async { Ok(Response::new(body::full("done"))) });
        let request = Asked(slot(Arc::new(Full), &Method::DELETE, "/api/v1/namespaces/a/pods/p"));
        let answer = layer.layer(inner).oneshot(request).await;
        assert_eq!(answer.map(|r| r.status().as_u16()).map_err(|e| e.code().as_u16()), want);
    }
}

#[test]
fn the_log_is_private_rotated_and_whole() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.log");
    let config = LogConfig { max_bytes: 20_000, keep: 2, ..LogConfig::at(&path) };
    let log = Arc::new(AuditLog::open(config).unwrap());
    for _ in 0..10 {
        for _ in 0..20 {
            slot(log.clone(), &Method::DELETE, "/api/v1/namespaces/a/pods/p").complete(StatusCode::OK);
        }
        assert!(log.flush(Duration::from_secs(5)));
    }
    assert_eq!(log.lost(), 0);
    let files = ["audit.log", "audit.log.1", "audit.log.2"].map(|name| directory.path().join(name));
    for file in &files {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.len() <= 20_000 && text.ends_with('\n'));
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).unwrap()["kind"] == "Event"));
    }
    assert!(!directory.path().join("audit.log.3").exists());
}

#[test]
fn j026_a_full_queue_counts_what_it_loses_and_blocks_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let config = LogConfig { queue: 1, ..LogConfig::at(directory.path().join("audit.log")) };
    let log = Arc::new(AuditLog::open(config).unwrap());
    let started = std::time::Instant::now();
    for _ in 0..1_000 {
        slot(log.clone(), &Method::DELETE, "/api/v1/namespaces/a/pods/p").complete(StatusCode::OK);
    }
    assert!(started.elapsed() < Duration::from_secs(1));
    assert!(log.lost() > 0);
    assert!(log.flush(Duration::from_secs(5)));
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
            user_agent: HeaderValue::from_bytes(&agent).ok(),
            received: Timestamp::now(),
        };
        let slot = AuditSlot::begin(memory.clone(), Policy::default(), opening);
        slot.user(&UserInfo::new(&name, [&name]));
        slot.annotate("k", name.repeat(100));
        slot.complete(StatusCode::OK);
        let line = memory.take().pop().unwrap().to_json();
        prop_assert!(!line.contains(&b'\n') && line.len() < 64 * 1024);
        let event: Value = serde_json::from_slice(&line).unwrap();
        prop_assert_eq!(event["user"]["username"].as_str().unwrap_or_default(), name.as_str());
    }
}
