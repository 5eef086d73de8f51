use portcullis_api::{UserInfo, Verb, body};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::chain::{Link, MASTERS};
use crate::testing::hook::Hook;
use crate::testing::{effective, info};
use crate::webhook::Webhook;

async fn authorize(user: &UserInfo, verb: Verb) -> Result<Response<Body>, ApiError> {
    let handler = service_fn(|request: Authorized| async move {
        let (_, _, _, permit) = request.into_request();
        assert!(permit.receipt().is_some_and(Receipt::is_allowed));
        Ok(Response::new(body::empty()))
    });
    let gate = AuthorizeLayer::new(Arc::new(Chain::new())).layer(handler);
    gate.oneshot(Seated::assertion(effective(user, &info(verb, "p")))).await
}

#[tokio::test]
async fn who_may_gets_a_permit_and_who_may_not_a_refusal() {
    assert!(authorize(&UserInfo::new("root", [MASTERS]), Verb::Delete).await.is_ok());
    let error = authorize(&UserInfo::new("u", [""; 0]), Verb::Delete).await.unwrap_err();
    assert_eq!(
        error.message(),
        "pods \"p\" is forbidden: User \"u\" cannot delete resource \"pods\" in API group \"\" in the namespace \"n\""
    );
}

#[tokio::test]
async fn an_answer_names_its_decision_and_a_refusal_tells_only_that() {
    let answer = authorize(&UserInfo::new("root", [MASTERS]), Verb::Delete).await.unwrap();
    assert!(answer.headers().contains_key(DECISION_ID));
    let error = authorize(&UserInfo::new("u", [""; 0]), Verb::Delete).await.unwrap_err();
    let id = error.headers()[0].1.to_str().unwrap().to_owned();
    let words = format!("portcullis: decision {id}; those who may read it: portcullis policy explain {id}");
    assert_eq!(error.warnings(), [words]);
}

/// Asks a gate whose chain is a webhook, for a request of pod `p`.
async fn by_webhook(hook: &Hook, verb: Verb) -> Result<Response<Body>, ApiError> {
    let handler = service_fn(|request: Authorized| async move {
        let (_, _, _, permit) = request.into_request();
        assert!(permit.receipt().is_some_and(Receipt::is_allowed));
        Ok(Response::new(body::empty()))
    });
    let chain = Chain::new();
    chain.replace(vec![Link::to_webhook(Webhook::new(&hook.plan()).unwrap())]);
    let chain = Arc::new(chain);
    let gate = AuthorizeLayer::new(Arc::clone(&chain)).layer(handler);
    let answer =
        gate.oneshot(Seated::assertion(effective(&UserInfo::new("u", [""; 0]), &info(verb, "p")))).await;
    let id = match &answer {
        Ok(response) => response.headers()[DECISION_ID].to_str().unwrap().to_owned(),
        Err(error) => error.headers()[0].1.to_str().unwrap().to_owned(),
    };
    let record = chain.receipts().find(&id).unwrap();
    assert_eq!(record.receipt.authorizer(), Some("hook"), "the receipt names the webhook");
    answer
}

#[tokio::test]
async fn a_request_waits_for_the_webhook_that_decides_it() {
    let hook = Hook::start().await;
    assert_eq!(by_webhook(&hook, Verb::Delete).await.unwrap_err().code(), 403);
    hook.says(serde_json::json!({"allowed": true}));
    assert!(by_webhook(&hook, Verb::Get).await.is_ok());
    assert_eq!(hook.heard().len(), 2);
    hook.reply(|_| (400, String::new()));
    let error = by_webhook(&hook, Verb::List).await.unwrap_err();
    assert_eq!(error.code(), 500, "as upstream, where no authorizer could decide");
    assert!(!error.message().contains("127.0.0.1"), "{}", error.message());
}
