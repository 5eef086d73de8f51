use std::path::PathBuf;
use std::time::Instant;

use http::{Method, StatusCode};
use parking_lot::Mutex;
use portcullis_outbound::{Endpoint, Limits};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::tests::slot_by;
use crate::{AuditLog, AuditSlot, Head, LogConfig, Policy, PublicKey, Report, Signer, Sink, verify};

const POD: &str = "/api/v1/namespaces/a/pods/p";

/// What answers: the codes in turn, the last one for ever; 0 is no answer at all.
struct Receiver {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start(codes: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let (heard, codes) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new(codes.to_vec())));
        let told = heard.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, codes.clone(), told.clone()));
            }
        });
        Self { url, heard }
    }

    fn client(&self) -> Client {
        let limits = Limits { deadline: Duration::from_secs(20), ..Limits::default() };
        Client::new(Endpoint::new(&self.url).unwrap(), limits).unwrap()
    }

    fn lists(&self) -> Vec<Value> {
        self.heard.lock().iter().map(|body| serde_json::from_str(body).unwrap()).collect()
    }

    async fn heard_of(&self, events: usize) -> Vec<Value> {
        eventually(|| self.lists().iter().map(|list| items(list).len()).sum::<usize>() >= events).await;
        self.lists()
    }
}

fn items(list: &Value) -> &Vec<Value> {
    list["items"].as_array().unwrap()
}

#[track_caller]
fn eventually(mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < deadline, "not in time: {caller}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn answer(mut socket: TcpStream, codes: Arc<Mutex<Vec<u16>>>, heard: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    loop {
        let mut buffer = [0; 65536];
        let Ok(count @ 1..) = socket.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() < length.parse().unwrap() {
            continue;
        }
        assert!(head.starts_with("POST /events HTTP/1.1"), "{head}");
        assert!(lower.contains("content-type: application/json"), "{head}");
        let code = {
            let mut codes = codes.lock();
            if codes.len() > 1 { codes.remove(0) } else { codes[0] }
        };
        if code == 0 {
            std::future::pending::<()>().await;
        }
        heard.lock().push(body.to_owned());
        read.clear();
        let answer = format!("HTTP/1.1 {code} X\r\ncontent-length: 0\r\n\r\n");
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log(&self, webhook: &Webhook) -> Arc<AuditLog> {
        let signer = Signer::open_or_make(&self.at("keys")).unwrap();
        let config = LogConfig::at(self.at("audit.log"));
        let config = LogConfig { signer: Some(signer), webhook: Some(webhook.intake()), ..config };
        Arc::new(AuditLog::open(config).unwrap())
    }

    fn verify(&self) -> Report {
        let heads: Vec<Head> = Head::in_directory(&self.at("keys")).unwrap().into_iter().collect();
        verify(&self.at("audit.log"), &PublicKey::in_directory(&self.at("keys")).unwrap(), &heads).unwrap()
    }
}

/// A webhook that does not dawdle.
fn quick(client: Client) -> WebhookConfig {
    let wait = Duration::from_millis(20);
    WebhookConfig {
        wait,
        throttle: None,
        first_pause: Duration::from_millis(10),
        ..WebhookConfig::to(client)
    }
}

fn slot(log: &Arc<AuditLog>, policy: &str) -> AuditSlot {
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\n{policy}");
    slot_by(log.clone(), Policy::parse(&policy).unwrap(), &Method::PUT, POD)
}

fn metadata(log: &Arc<AuditLog>) -> AuditSlot {
    slot(log, "rules: [{level: Metadata, omitStages: [RequestReceived]}]")
}

#[tokio::test]
async fn events_arrive_as_lists_in_order_and_are_the_logs() {
    let (receiver, place) = (Receiver::start(&[200]).await, Place::new());
    let config = WebhookConfig { batch: 3, ..quick(receiver.client()) };
    let webhook = Webhook::start(config);
    let log = place.log(&webhook);
    for at in 0..7 {
        let slot = metadata(&log);
        slot.annotate("at", at.to_string());
        slot.complete(StatusCode::OK);
    }
    assert!(log.flush(Duration::from_secs(20)));
    let mut lists = receiver.heard_of(7).await;
    // Lists are under way side by side, as upstream's.
    lists.sort_by_key(|list| list["items"][0]["annotations"]["at"].as_str().unwrap().to_owned());
    let mut sent = Vec::new();
    for list in &lists {
        assert_eq!(
            (list["kind"].as_str(), list["apiVersion"].as_str()),
            (Some("EventList"), Some("audit.k8s.io/v1"))
        );
        assert_eq!(list["metadata"], json!({}));
        assert!(items(list).len() <= 3);
        sent.extend(items(list).clone());
    }
    let logged = std::fs::read_to_string(place.at("audit.log")).unwrap();
    let logged: Vec<Value> = logged.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // An item of a list does not say what it is, as upstream's do not.
    let bare = |mut event: Value| {
        event.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
        event
    };
    assert_eq!(sent, logged.into_iter().map(bare).collect::<Vec<_>>());
    webhook.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_is_refused_is_sent_again_until_it_is_taken() {
    let (receiver, place) = (Receiver::start(&[500, 400, 503, 200]).await, Place::new());
    let webhook = Webhook::start(quick(receiver.client()));
    let log = place.log(&webhook);
    metadata(&log).complete(StatusCode::OK);
    eventually(|| receiver.lists().len() == 4).await;
    let lists = receiver.lists();
    assert!(lists.iter().all(|list| list == &lists[0]), "the same list each time");
    webhook.close(Duration::from_secs(5)).await;
    drop(log);
    assert_eq!(place.verify().unsent, 0);
}

#[tokio::test]
async fn i019_a_webhook_that_does_not_keep_up_costs_requests_nothing_and_losses_are_in_the_chain() {
    let (receiver, place) = (Receiver::start(&[0]).await, Place::new());
    let config = WebhookConfig { buffer: 20, batch: 2, wait: Duration::ZERO, ..quick(receiver.client()) };
    let webhook = Webhook::start(config);
    let log = place.log(&webhook);
    let count = 500;
    for _ in 0..count {
        metadata(&log).complete(StatusCode::OK);
    }
    assert!(log.flush(Duration::from_secs(20)));
    // At most what waits and what is under way is not counted yet.
    eventually(|| webhook.lost() >= count - 20 - 2 * 9).await;
    webhook.close(Duration::from_millis(50)).await;
    drop(log);
    let report = place.verify();
    assert_eq!(report.findings, []);
    assert_eq!((report.lines, report.lost), (count, 0), "the log has them all");
    assert_eq!(report.unsent, count, "and says that the webhook got none");
}

#[tokio::test]
async fn i018_what_is_given_up_is_counted() {
    let (receiver, place) = (Receiver::start(&[500]).await, Place::new());
    let webhook = Webhook::start(quick(receiver.client()));
    let log = place.log(&webhook);
    for _ in 0..3 {
        metadata(&log).complete(StatusCode::OK);
    }
    eventually(|| webhook.lost() == 3).await;
    // The server does nothing more, and the chain says it all the same.
    eventually(|| place.verify().unsent == 3).await;
    webhook.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn i028_a_large_event_loses_its_bodies_and_stays_an_event() {
    let (receiver, place) = (Receiver::start(&[200]).await, Place::new());
    let webhook = Webhook::start(WebhookConfig { largest_event: Some(2_000), ..quick(receiver.client()) });
    let log = place.log(&webhook);
    let slot = slot(&log, "rules: [{level: Request, omitStages: [RequestReceived]}]");
    slot.request_body(|| json!({"metadata": {"name": "p"}, "x": "y".repeat(3_000)}));
    slot.complete(StatusCode::OK);
    let lists = receiver.heard_of(1).await;
    let event = &lists[0]["items"][0];
    assert_eq!(event.get("requestObject"), None);
    assert_eq!(event["annotations"]["audit.k8s.io/truncated"], "true");
    let logged = std::fs::read_to_string(place.at("audit.log")).unwrap();
    assert!(logged.contains("yyy"), "the log has a size of its own");
    webhook.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_required_event_is_on_record_when_the_webhook_has_it_too() {
    let place = Place::new();
    let sure = |receiver: &Receiver| {
        let config = WebhookConfig { sure: true, wait: Duration::ZERO, ..quick(receiver.client()) };
        let webhook = Webhook::start(config);
        (place.log(&webhook), webhook)
    };
    let receiver = Receiver::start(&[200]).await;
    let (log, webhook) = sure(&receiver);
    let memory = Arc::new(crate::Memory::default());
    slot_by(memory.clone(), Policy::everything(), &Method::PUT, POD).complete(StatusCode::OK);
    let event = memory.take().remove(0);
    log.record_surely(event.clone()).unwrap().wait().await.unwrap();
    assert_eq!(receiver.lists().len(), 1, "it had it before the receipt came");
    webhook.close(Duration::from_secs(5)).await;
    drop(log);
    let refusing = Receiver::start(&[500]).await;
    let (log, webhook) = sure(&refusing);
    log.record_surely(event).unwrap().wait().await.unwrap_err();
    webhook.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn i004_no_secret_goes_to_the_webhook() {
    let (receiver, place) = (Receiver::start(&[200]).await, Place::new());
    let webhook = Webhook::start(quick(receiver.client()));
    let log = place.log(&webhook);
    let policy = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: RequestResponse}]";
    for path in ["/api/v1/namespaces/a/secrets/s", "/api/v1/namespaces/a/configmaps/s", POD] {
        let slot = slot_by(log.clone(), Policy::parse(policy).unwrap(), &Method::PUT, path);
        let body = || json!({"data": {"password": "canary"}, "stringData": {"token": "canary"}});
        slot.request_body(body);
        slot.response_body(body);
        slot.complete(StatusCode::OK);
    }
    receiver.heard_of(3).await;
    assert!(receiver.heard.lock().iter().all(|body| !body.contains("canary")));
    webhook.close(Duration::from_secs(5)).await;
}
