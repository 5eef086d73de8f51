use portcullis_api::{UserInfo, Verb, body};
use tower::{ServiceExt, service_fn};

use super::*;
use crate::chain::MASTERS;
use crate::testing::{effective, info};

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
    let id = error.header().map(|(_, id)| id.to_str().unwrap().to_owned()).unwrap();
    let words = format!("portcullis: decision {id}; those who may read it: portcullis policy explain {id}");
    assert_eq!(error.warnings(), [words]);
}
