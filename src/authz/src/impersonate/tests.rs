use std::sync::Mutex;

use http::Request;
use portcullis_api::{GroupResource, Object, body};
use portcullis_audit::{AuditLayer, AuditSlot, Event, Memory, Opening, Policy};
use portcullis_authn::{Attributed, AuthenticateLayer, Authenticator, Schemes, TokenFile};
use portcullis_pki::Peer;
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;
use crate::chain::Link;
use crate::policies::platform_objects;
use crate::testing::hook::{Hook, review};
use crate::webhook::Webhook;
use crate::{AuthorizeLayer, Authorized, Fairness, FairnessLayer, RbacIndex};

const PODS: &str = "/api/v1/namespaces/n/pods";

/// `helper` may be `worker`, who may list pods; `plain` may nothing.
fn chain() -> Arc<Chain> {
    let index = RbacIndex::new();
    let put = |plural: &str, value: Value| {
        let object = Object::new(value.as_object().unwrap().clone());
        index.upsert(&GroupResource::new(crate::rbac::GROUP, plural), &object);
    };
    let rules = [
        (
            "helper",
            json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["worker"]}]),
        ),
        ("worker", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}])),
    ];
    for (name, rules) in rules {
        put("clusterroles", json!({"metadata": {"name": name}, "rules": rules}));
        let (role, who) =
            (json!({"kind": "ClusterRole", "name": name}), json!([{"kind": "User", "name": name}]));
        put("clusterrolebindings", json!({"metadata": {"name": name}, "roleRef": role, "subjects": who}));
    }
    Arc::new(Chain::new().then(index))
}

struct Answer {
    outcome: Result<(), ApiError>,
    /// Who got through, by whom it was sent, and how many headers were left.
    served: Option<(String, Option<String>, usize)>,
    event: Event,
}

/// Sends a list of pods through all gates from authentication to authorization.
async fn send(token: &str, headers: &[(&str, &str)]) -> Answer {
    send_by(chain(), token, headers).await
}

async fn send_by(chain: Arc<Chain>, token: &str, headers: &[(&str, &str)]) -> Answer {
    let served = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&served);
    let handler = service_fn(move |request: Authorized| {
        let name = |user: &UserInfo| user.name.to_string();
        let sender = request.requestor().map(name);
        let left = request.parts().headers.len();
        *seen.lock().unwrap() = Some((name(request.user()), sender, left));
        async { Ok::<_, ApiError>(Response::new(body::empty())) }
    });
    let tokens = TokenFile::parse("tokens", "token-h,helper,1\ntoken-p,plain,2\n").unwrap();
    let schemes = Schemes { tokens: vec![Arc::new(tokens)], ..Schemes::default() };
    let fairness = Fairness::new(platform_objects().iter().map(|(_, o)| o), 10);
    let gates = ServiceBuilder::new()
        .layer(AuthenticateLayer::new(Authenticator::new(schemes)))
        .layer(AuditLayer)
        .layer(ImpersonateLayer::new(Arc::clone(&chain)))
        .layer(FairnessLayer::new(Arc::new(fairness)))
        .layer(AuthorizeLayer::new(chain))
        .service(handler);
    let sink = Arc::new(Memory::default());
    let outcome = gates.oneshot(request(token, headers, &sink)).await.map(drop);
    let event = sink.take().pop().unwrap();
    let served = served.lock().unwrap().take();
    Answer { outcome, served, event }
}

fn request(token: &str, headers: &[(&str, &str)], sink: &Arc<Memory>) -> Attributed {
    let mut request = Request::get(PODS).header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let info = Arc::new(portcullis_api::attributes::parse(&parts.method, &parts.uri).unwrap());
    let opening = Opening {
        info: Arc::clone(&info),
        uri: parts.uri.clone(),
        audit_id: "1".into(),
        source: None,
        forwarded: Vec::new(),
        user_agent: None,
        received: jiff::Timestamp::UNIX_EPOCH,
    };
    let sink: Arc<Memory> = Arc::clone(sink);
    let slot = AuditSlot::begin(sink, Arc::new(Policy::everything()), opening);
    Attributed::new(parts, body::empty(), info, Peer::NoCertificate, slot)
}

/// The names of the user and of the impersonated one.
fn names(event: &Event) -> [Option<&str>; 2] {
    [&event.story.user, &event.story.impersonated].map(|user| user.as_ref().map(|u| &*u.name))
}

#[tokio::test]
async fn the_impersonated_user_is_the_one_that_counts() {
    let answer = send("token-h", &[("Impersonate-User", "worker")]).await;
    answer.outcome.unwrap();
    assert_eq!(answer.served, Some(("worker".to_owned(), Some("helper".to_owned()), 0)));
    assert_eq!(names(&answer.event), [Some("helper"), Some("worker")]);
    assert!(answer.event.story.annotation("authorization.k8s.io/decision") == Some("allow"));
}

#[tokio::test]
async fn without_impersonation_the_sender_counts() {
    let answer = send("token-h", &[]).await;
    assert_eq!(answer.outcome.unwrap_err().code(), 403);
    assert_eq!(answer.served, None);
    assert_eq!(names(&answer.event), [Some("helper"), None]);
    assert!(answer.event.story.annotation("authorization.k8s.io/decision") == Some("forbid"));
}

#[tokio::test]
async fn i010_a_refused_attempt_is_on_record_with_both_users() {
    let answer = send("token-p", &[("Impersonate-User", "worker")]).await;
    let error = answer.outcome.unwrap_err();
    assert_eq!(
        error.message(),
        "pods is forbidden: User \"plain\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"n\""
    );
    assert_eq!(answer.served, None);
    // Nobody acted as that user, so upstream's field is empty and a note of ours tells.
    assert_eq!(names(&answer.event), [Some("plain"), None]);
    assert_eq!(answer.event.story.annotation("portcullis.io/refused-impersonation"), Some("worker"));
}

#[tokio::test]
async fn d012_one_part_that_may_not_be_taken_refuses_all() {
    for extra in [("Impersonate-Group", "g"), ("Impersonate-Uid", "7"), ("Impersonate-Extra-A", "b")] {
        let answer = send("token-h", &[("Impersonate-User", "worker"), extra]).await;
        assert_eq!(answer.outcome.unwrap_err().code(), 403, "{extra:?}");
        assert_eq!(answer.served, None);
    }
}

#[tokio::test]
async fn a_group_without_a_user_is_a_bad_request() {
    let answer = send("token-h", &[("Impersonate-Group", "g")]).await;
    assert_eq!(answer.outcome.unwrap_err().code(), 400);
}

#[tokio::test]
async fn a_webhook_is_asked_for_every_part_of_a_user() {
    let hook = Hook::start().await;
    hook.reply(|asked| {
        let spec = &asked["spec"];
        let what = &spec["resourceAttributes"];
        let allowed = match spec["user"].as_str().unwrap() {
            "helper" => what["verb"] == "impersonate" && what["name"] != "root",
            "worker" => what["verb"] == "list",
            _ => false,
        };
        (200, review(json!({"allowed": allowed})))
    });
    let chain = Chain::new();
    chain.replace(vec![Link::to_webhook(Webhook::new(&hook.plan()).unwrap())]);
    let chain = Arc::new(chain);
    let worker = [
        ("Impersonate-User", "worker"),
        ("Impersonate-Group", "g1"),
        ("Impersonate-Group", "g2"),
        ("Impersonate-Extra-Team", "a"),
    ];
    let answer = send_by(Arc::clone(&chain), "token-h", &worker).await;
    answer.outcome.unwrap();
    assert_eq!(answer.served, Some(("worker".to_owned(), Some("helper".to_owned()), 0)));
    assert_eq!(names(&answer.event), [Some("helper"), Some("worker")]);
    let asked = |resource: &str| {
        hook.heard().iter().filter(|spec| spec["resourceAttributes"]["resource"] == resource).count()
    };
    assert_eq!((asked("users"), asked("groups"), asked("userextras")), (1, 2, 1));
    let answer = send_by(chain, "token-h", &[("Impersonate-User", "root")]).await;
    assert_eq!(answer.outcome.unwrap_err().code(), 403);
    assert_eq!(answer.served, None);
}
