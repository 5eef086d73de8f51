use std::sync::atomic::{AtomicUsize, Ordering};

use portcullis_api::{Verb, body};
use tokio::sync::Notify;
use tower::{ServiceExt, service_fn};

use super::*;
use crate::testing::{effective, info};

fn fairness(seats: usize) -> Arc<Fairness> {
    let objects = crate::policies::platform_objects().iter().map(|(_, object)| object);
    Arc::new(Fairness::new(objects, seats))
}

fn user(name: &str) -> UserInfo {
    UserInfo::new(name, ["system:authenticated"])
}

/// Runs a number of requests that all wait for a signal; how many were served and refused.
async fn crowd(who: UserInfo, verb: Verb, count: usize) -> (usize, usize) {
    let (open, served) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (gate_open, gate_served) = (Arc::clone(&open), Arc::clone(&served));
    let handler = service_fn(move |_: Seated| {
        let (open, served) = (Arc::clone(&gate_open), Arc::clone(&gate_served));
        async move {
            served.fetch_add(1, Ordering::SeqCst);
            open.notified().await;
            Ok(Response::new(body::empty()))
        }
    });
    let gate = FairnessLayer::new(fairness(1)).layer(handler);
    let calls = (0..count).map(|_| tokio::spawn(gate.clone().oneshot(effective(&who, &info(verb, "p")))));
    let calls: Vec<_> = calls.collect();
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    let at_once = served.load(Ordering::SeqCst);
    let refused = calls.iter().filter(|call| call.is_finished()).count();
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    (at_once, refused)
}

#[tokio::test]
async fn a_flood_waits_and_its_overflow_is_refused() {
    let queue = 50;
    assert_eq!(crowd(user("u"), Verb::Get, 1 + queue + 9).await, (1, 9));
}

#[tokio::test]
async fn masters_and_streams_need_no_seat() {
    assert_eq!(crowd(UserInfo::new("root", [MASTERS]), Verb::Get, 20).await, (20, 0));
    assert_eq!(crowd(user("u"), Verb::Watch, 20).await, (20, 0));
}

/// All platform objects as if they were stored.
fn stored() -> Vec<Object> {
    let objects = crate::policies::platform_objects().iter().map(|(_, object)| object.clone());
    let identify = |mut object: Object| {
        let uid = format!("{}/{}", object.kind(), object.name());
        object.set_meta_str("uid", &uid);
        object
    };
    objects.map(identify).collect()
}

#[tokio::test]
async fn answers_say_where_their_requests_were_put() {
    let objects = stored();
    let fairness = Arc::new(Fairness::new(objects.iter(), 10));
    let gate = |answer: fn() -> Result<Response<Body>, ApiError>| {
        FairnessLayer::new(Arc::clone(&fairness)).layer(service_fn(move |_: Seated| async move { answer() }))
    };
    let good = gate(|| Ok(Response::new(body::empty())));
    let root = UserInfo::new("root", [MASTERS]);
    let cases = [
        (user("u"), Verb::Get, Some(("global-default", "global-default"))),
        (user("u"), Verb::Watch, Some(("global-default", "global-default"))),
        (root, Verb::Get, Some(("exempt", "exempt"))),
    ];
    for (who, verb, expected) in cases {
        let answer = good.clone().oneshot(effective(&who, &info(verb, "p"))).await.unwrap();
        let text = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        let seen = text("x-kubernetes-pf-flowschema-uid").zip(text("x-kubernetes-pf-prioritylevel-uid"));
        let expected = expected.map(|(schema, level)| {
            (format!("FlowSchema/{schema}"), format!("PriorityLevelConfiguration/{level}"))
        });
        assert_eq!(seen.map(|(a, b)| (a.to_owned(), b.to_owned())), expected, "{who:?} {verb:?}");
    }
    let bad = gate(|| Err(ApiError::bad_request("no")));
    let error = bad.oneshot(effective(&user("u"), &info(Verb::Get, "p"))).await.unwrap_err();
    assert_eq!(error.headers().len(), 2);
}

#[test]
fn seats_are_told_and_forgotten_with_their_levels() {
    let fairness = fairness(600);
    let line = |name: &str, seats: usize| {
        format!("apiserver_flowcontrol_nominal_limit_seats{{priority_level=\"{name}\"}} {seats}\n")
    };
    let text = fairness.exposition();
    assert!(text.contains(&line("catch-all", 13)) && text.contains(&line("exempt", 0)), "{text}");
    fairness.reload(std::iter::empty());
    assert!(!fairness.exposition().contains("catch-all"));
}

#[tokio::test]
async fn refusals_say_when_to_come_back() {
    let level = Level::new(level::Limits { seats: 0, queue: 0, waiting: 0 });
    let error = Place::Queue(level, 1).seat().await.err().unwrap();
    assert_eq!((error.code().as_u16(), error.retry_after_seconds()), (429, 1));
}
