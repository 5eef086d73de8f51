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

#[tokio::test]
async fn refusals_say_when_to_come_back() {
    let level = Level::new(level::Limits { seats: 0, queue: 0, waiting: 0 });
    let error = Place::Queue(level, 1).seat().await.err().unwrap();
    assert_eq!((error.code().as_u16(), error.retry_after_seconds()), (429, 1));
}
