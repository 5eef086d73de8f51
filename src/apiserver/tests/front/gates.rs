//! The gates in their order, asked in process.

use std::time::Duration;

use http::Request;
use portcullis_api::body::full;
use portcullis_apiserver::Ceilings;
use portcullis_audit::Stage;

use crate::world::{Answer, Changes, World, ask, get, with};

#[track_caller]
fn assert_status(answer: &Answer, code: u16, message: &str) {
    assert_eq!(answer.code(), code, "{answer:?}");
    let status: serde_json::Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!((&status["kind"], &status["code"]), (&"Status".into(), &code.into()));
    assert_eq!(status["message"], message, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-cache, private");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("audit-id").len(), 36);
}

#[tokio::test]
async fn each_mistake_is_answered_by_the_gate_that_minds_it() {
    let world = World::new().await;
    let (admin, low) = (world.admin(), world.somebody());
    let answer = ask(&low, get("/api/v1//pods")).await;
    assert_status(&answer, 400, "the request path may not contain empty or dot segments");
    let answer = ask(&low, get("/api/v1/pods?timeout=x")).await;
    assert_status(
        &answer,
        400,
        "invalid timeout specified in the request URL - time: invalid duration \"x\"",
    );
    let forbidden = "pods is forbidden: User \"somebody\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
    assert_status(&ask(&low, get("/api/v1/pods")).await, 403, forbidden);
    assert_status(
        &ask(&low, get("/apis/nope.io/v1/x")).await,
        403,
        "x.nope.io is forbidden: User \"somebody\" cannot list resource \"x\" in API group \"nope.io\" at the cluster scope",
    );
    let answer = ask(&admin, get("/apis/nope.io/v1/x")).await;
    assert_eq!((answer.code(), answer.text.as_str()), (404, "404 page not found\n"));
    assert_status(
        &ask(&admin, get("/api/v1/namespaces/a/pods/p/log/x")).await,
        404,
        "the server could not find the requested resource",
    );
    assert_eq!(ask(&admin, get("/api/v1/namespaces/a/pods/p")).await.code(), 200);
    let head = Request::head("/api/v1/namespaces/a/pods/p").body(full("")).unwrap();
    assert_eq!(ask(&admin, head).await.code(), 405);
}

#[tokio::test]
async fn a_status_is_written_as_the_client_reads() {
    let world = World::new().await;
    let answer = ask(&world.somebody(), with("/api/v1/pods", &[("accept", "application/yaml")])).await;
    assert_eq!((answer.code(), answer.header("content-type")), (403, "application/yaml"));
    assert!(answer.text.starts_with("apiVersion: v1\n"), "{}", answer.text);
    let answer = ask(&world.somebody(), with("/api/v1/pods", &[("user-agent", "curl/8")])).await;
    assert!(answer.text.starts_with("{\n  \""), "{}", answer.text);
}

#[tokio::test]
async fn j005_a_panic_is_an_answer_and_an_event() {
    let world = World::new().await;
    let answer = ask(&world.admin(), get("/api/v1/namespaces/a/pods/panic")).await;
    assert_eq!(answer.code(), 500);
    assert!(!answer.text.contains("a bug"));
    assert_eq!(world.events.take().pop().unwrap().stage, Stage::Panic);
    assert_eq!(ask(&world.admin(), get("/api/v1/namespaces/a/pods/p")).await.code(), 200);
}

#[tokio::test]
async fn i001_every_request_has_its_event() {
    let world = World::new().await;
    let (admin, low) = (world.admin(), world.somebody());
    for (client, path) in [
        (&admin, "/api/v1/pods"),
        (&low, "/api/v1/pods"),
        (&low, "/api/v1//"),
        (&low, "/livez"),
        (&admin, "/nope"),
    ] {
        let answer = ask(client, get(path)).await;
        let events = world.events.take();
        let last = events.last().unwrap();
        assert_eq!(last.stage, Stage::ResponseComplete, "{path}");
        assert_eq!(last.outcome.as_ref().unwrap().code, answer.head.status(), "{path}");
        assert_eq!(&*last.opening.audit_id, answer.header("audit-id"));
    }
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let world =
        World::with(Changes { deadline: Some(Duration::from_millis(100)), ..Changes::default() }).await;
    let words = "Timeout: request did not complete within the allotted timeout";
    assert_status(&ask(&world.admin(), get("/api/v1/namespaces/a/pods/slow")).await, 504, words);
    let world = World::new().await;
    assert_status(&ask(&world.admin(), get("/api/v1/namespaces/a/pods/slow?timeout=50ms")).await, 504, words);
}

#[tokio::test]
async fn too_much_is_shed_before_anybody_is_asked() {
    let ceilings = Ceilings { requests: 1, streams: 1 };
    let world = World::with(Changes { ceilings: Some(ceilings), ..Changes::default() }).await;
    let admin = world.admin();
    let slow = tokio::spawn({
        let admin = admin.clone();
        async move { ask(&admin, get("/api/v1/namespaces/a/pods/slow?timeout=2s")).await }
    });
    loop {
        let answer = ask(&admin, get("/livez")).await;
        if answer.code() == 429 {
            assert_status(&answer, 429, "Too many requests, please try again later.");
            assert_eq!(answer.header("retry-after"), "1");
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(slow.await.unwrap().code(), 504);
    assert_eq!(ask(&admin, get("/livez")).await.code(), 200, "the place is free again");
}

#[tokio::test]
async fn f011_bodies_end_at_the_limit() {
    let world = World::new().await;
    let post = |n| Request::post("/api/v1/namespaces/a/pods").body(full(vec![b'x'; n])).unwrap();
    let limit = 3 << 20;
    assert_eq!(ask(&world.admin(), post(limit)).await.code(), 200);
    assert_status(
        &ask(&world.admin(), post(limit + 1)).await,
        413,
        "Request entity too large: limit is 3145728",
    );
}

#[tokio::test]
async fn large_answers_are_compressed_but_secrets_are_not() {
    let world = World::new().await;
    let gzip = [("accept-encoding", "gzip")];
    let encoding = |answer: Answer| answer.header("content-encoding").to_owned();
    assert_eq!(encoding(ask(&world.admin(), with("/api/v1/namespaces/a/pods/large", &gzip)).await), "gzip");
    assert_eq!(encoding(ask(&world.admin(), with("/api/v1/namespaces/a/secrets/large", &gzip)).await), "");
    assert_eq!(encoding(ask(&world.admin(), with("/api/v1/namespaces/a/pods/p", &gzip)).await), "");
    assert_eq!(encoding(ask(&world.admin(), get("/api/v1/namespaces/a/pods/large")).await), "");
}

#[tokio::test]
async fn j041_a_shutdown_ends_streams() {
    let world = World::new().await;
    let admin = world.admin();
    let stream =
        tokio::spawn(async move { ask(&admin, get("/api/v1/namespaces/a/pods/stream/log?follow=1")).await });
    tokio::task::yield_now().await;
    world.server.shutdown(Duration::from_secs(10)).await;
    assert_eq!(stream.await.unwrap().code(), 200);
}

#[tokio::test]
async fn j041_a_shutdown_waits_for_what_is_in_flight() {
    let world = World::new().await;
    let admin = world.admin();
    let slow =
        tokio::spawn(async move { ask(&admin, get("/api/v1/namespaces/a/pods/slow?timeout=300ms")).await });
    tokio::task::yield_now().await;
    world.server.shutdown(Duration::from_secs(10)).await;
    assert!(slow.is_finished());
    assert_eq!(slow.await.unwrap().code(), 504);
}
