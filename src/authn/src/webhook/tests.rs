use portcullis_outbound::{Endpoint, Limits};
use serde_json::Value;

use super::*;
use crate::testing::server::Server;

fn scheme(server: &Server, change: impl FnOnce(&mut WebhookOptions)) -> WebhookTokens {
    let endpoint = Endpoint::new(&format!("{}/ask", server.url)).unwrap();
    let endpoint = endpoint.with_authorities(&server.authorities).unwrap();
    let client = Client::new(endpoint, Limits { largest: 4096, ..Limits::default() }).unwrap();
    let mut options = WebhookOptions {
        version: "v1".into(),
        ttl: DEFAULT_WEBHOOK_TTL,
        implicit_audiences: vec!["api".into()],
        may_make_masters: false,
    };
    change(&mut options);
    WebhookTokens::new(client, options).unwrap()
}

fn review(status: Value) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status})
}

async fn ask(scheme: &WebhookTokens) -> Attempt {
    scheme.authenticate("canary", &["api".to_owned()], Timestamp::now()).await
}

#[tokio::test]
async fn d045_an_answer_is_a_user_and_is_kept_but_not_what_only_we_may_say() {
    let server = Server::start().await;
    let extra = json!({"a": ["b"], "authentication.kubernetes.io/node-name": ["n2"]});
    let user = json!({"username": "jane", "uid": "7", "groups": ["dev"], "extra": extra});
    server.answer("/ask", 200, review(json!({"authenticated": true, "user": user})));
    let scheme = scheme(&server, |_| {});
    for _ in 0..2 {
        let Attempt::Verified(identity) = ask(&scheme).await else { panic!() };
        assert_eq!((&*identity.user.name, &*identity.user.uid), ("jane", "7"));
        assert_eq!(identity.audiences.as_deref(), Some(&["api".to_owned()][..]));
        // What only our own tokens say is not taken from a webhook.
        assert_eq!(identity.user.extra.keys().collect::<Vec<_>>(), ["a"]);
    }
    let heard = server.heard("/ask");
    assert_eq!(heard.len(), 1);
    let sent: Value = serde_json::from_str(&heard[0]).unwrap();
    assert_eq!(sent["spec"], json!({"token": "canary", "audiences": ["api"]}));
}

#[tokio::test]
async fn d054_on_any_doubt_nobody_is_let_in() {
    let server = Server::start().await;
    let user = json!({"username": "jane"});
    let good = json!({"authenticated": true, "user": user});
    let masters = json!({"authenticated": true, "user": {"username": "jane", "groups": ["system:masters"]}});
    let mut other_version = review(good.clone());
    other_version["apiVersion"] = "authentication.k8s.io/v1beta1".into();
    let mut other_kind = review(good.clone());
    other_kind["kind"] = "SubjectAccessReview".into();
    let mut other_audience = good.clone();
    other_audience["audiences"] = json!(["them"]);
    for (status, body) in [
        (200, review(json!({"authenticated": true, "user": {}})).to_string()),
        (200, review(json!({"authenticated": true})).to_string()),
        (200, review(json!({"authenticated": "true", "user": user})).to_string()),
        (200, review(masters).to_string()),
        (200, review(other_audience).to_string()),
        (200, other_version.to_string()),
        (200, other_kind.to_string()),
        (200, "{".to_owned()),
        (200, String::new()),
        (200, review(json!({"authenticated": true, "user": {"username": "x".repeat(5000)}})).to_string()),
        (302, review(good.clone()).to_string()),
        (403, review(good.clone()).to_string()),
        (200, review(json!({"authenticated": false, "user": user})).to_string()),
        // Lists in the order of the fields are no objects.
        (200, review(json!({"authenticated": true, "user": ["jane", "", [], {}]})).to_string()),
        (200, review(json!([true, {"username": "jane"}, [], ""])).to_string()),
        (200, json!(["authentication.k8s.io/v1", "TokenReview", good]).to_string()),
        (
            200,
            review(json!({"authenticated": true, "user": user}))
                .to_string()
                .replace("\"user\"", "\"user\":{\"username\":\"root\"},\"user\""),
        ),
    ] {
        server.answer("/ask", status, &body);
        let attempt = ask(&scheme(&server, |_| {})).await;
        assert!(!matches!(attempt, Attempt::Verified(_)), "{status} {body}");
        if let Attempt::Rejected(why) = attempt {
            assert!(!why.as_str().contains("canary"), "{why}");
        }
    }
}

#[tokio::test]
async fn null_is_as_good_as_nothing() {
    let server = Server::start().await;
    let user = json!({"username": "jane", "groups": null, "extra": null});
    server.answer("/ask", 200, review(json!({"authenticated": true, "audiences": null, "user": user})));
    assert!(matches!(ask(&scheme(&server, |_| {})).await, Attempt::Verified(_)));
}

#[tokio::test]
async fn errors_are_not_kept() {
    let server = Server::start().await;
    server.answer("/ask", 403, "");
    let scheme = scheme(&server, |_| {});
    assert!(matches!(ask(&scheme).await, Attempt::Rejected(_)));
    server.answer("/ask", 200, review(json!({"authenticated": true, "user": {"username": "jane"}})));
    assert!(matches!(ask(&scheme).await, Attempt::Verified(_)));
}

#[tokio::test]
async fn answers_are_kept_no_longer_than_told() {
    let server = Server::start().await;
    server.answer("/ask", 200, review(json!({"authenticated": true, "user": {"username": "jane"}})));
    let scheme = scheme(&server, |options| options.ttl = Duration::ZERO);
    ask(&scheme).await;
    ask(&scheme).await;
    assert_eq!(server.heard("/ask").len(), 2);
}

#[tokio::test]
async fn masters_are_made_only_where_that_is_allowed() {
    let server = Server::start().await;
    let masters = json!({"authenticated": true, "user": {"username": "jane", "groups": ["system:masters"]}});
    server.answer("/ask", 200, review(masters));
    assert!(matches!(ask(&scheme(&server, |o| o.may_make_masters = true)).await, Attempt::Verified(_)));
}
