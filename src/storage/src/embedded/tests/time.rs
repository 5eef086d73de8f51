//! A day in some seconds, and clocks that jump.
//!
//! `PORTCULLIS_CHURN_HOURS=24` for a whole day; every run does two hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const SECOND: u64 = 1000;
const HOUR: u64 = 3600 * SECOND;
const START: u64 = 1_700_000_000_000;
/// Nodes that renew their leases every ten seconds, and the events of so long.
const NODES: u64 = 20;
const EVENTS: u64 = 5;

/// A store whose time goes as a test says.
fn timed(folder: &Path) -> (Embedded, Arc<AtomicU64>) {
    let clock = Arc::new(AtomicU64::new(START));
    let options = Options { clock: Some(clock.clone()), ..options(folder) };
    (Embedded::open(options).unwrap(), clock)
}

/// What ten seconds of a cluster write.
async fn ten_seconds(store: &Embedded, turn: u64) {
    let leases =
        (0..NODES).map(|node| put(&format!("/leases/node-{node}"), &format!("{turn} {}", "l".repeat(400))));
    let events = (0..EVENTS).map(|event| {
        let text = "e".repeat(700 + usize::try_from(turn % 300).unwrap());
        put_for(&format!("/events/{turn}-{event}"), &text, Duration::from_secs(3600))
    });
    for outcome in futures::future::join_all(leases.chain(events).map(|txn| store.commit(txn))).await {
        revision_of(outcome.unwrap());
    }
}

#[tokio::test]
async fn hours_of_leases_and_events_leave_the_file_as_large_as_it_was() {
    let hours: u64 =
        std::env::var("PORTCULLIS_CHURN_HOURS").map_or(2, |text| text.parse().expect("a number"));
    let folder = folder();
    let (store, clock) = timed(folder.path());
    let size = || std::fs::metadata(folder.path().join("store.redb")).unwrap().len();
    let mut sizes = Vec::new();
    for turn in 0..hours * 360 {
        clock.store(START + turn * 10 * SECOND, Ordering::Release);
        ten_seconds(&store, turn).await;
        if turn % 180 == 179 {
            sizes.push(size() >> 10);
        }
    }
    println!("KiB every half an hour: {sizes:?}");
    // Events live for an hour: from then on as much goes as comes.
    let (full, last) = (*sizes.get(2).unwrap(), *sizes.last().unwrap());
    assert!(last <= full + full / 10, "{sizes:?}");
    let kept = store.range(Range::prefix("/events/")).await.unwrap().count;
    assert!((350 * EVENTS..=365 * EVENTS).contains(&u64::try_from(kept).unwrap()), "{kept} events are left");
    assert_eq!(store.range(Range::prefix("/leases/")).await.unwrap().count, usize::try_from(NODES).unwrap());
}

#[tokio::test]
async fn a_clock_that_jumps_loses_nothing_and_forgets_late_rather_than_early() {
    let folder = folder();
    let (store, clock) = timed(folder.path());
    revision_of(store.commit(put("/kept", "1")).await.unwrap());
    revision_of(store.commit(put_for("/event", "1", Duration::from_secs(3600))).await.unwrap());
    // An hour back: what is written now, and what was, is there; time stands until it is where it was.
    clock.store(START - HOUR, Ordering::Release);
    let early = revision_of(store.commit(put("/kept", "2")).await.unwrap());
    revision_of(store.commit(put_for("/late", "1", Duration::from_secs(60))).await.unwrap());
    assert_eq!(text_of(&store, "/event", None).await.as_deref(), Some("1"));
    assert_eq!(text_of(&store, "/kept", Some(Revision(2))).await.as_deref(), Some("1"), "history is kept");
    // A day ahead: whatever had a time to live is gone with the next commit, and only that.
    clock.store(START + 24 * HOUR, Ordering::Release);
    revision_of(store.commit(put("/kept", "3")).await.unwrap());
    assert_eq!(text_of(&store, "/event", None).await, None);
    assert_eq!(text_of(&store, "/late", None).await, None);
    assert_eq!(text_of(&store, "/kept", None).await.as_deref(), Some("3"));
    eventually("old history goes", async || store.oldest_revision() > early).await;
    // And back again: revisions go on.
    clock.store(START, Ordering::Release);
    let last = revision_of(store.commit(put("/kept", "4")).await.unwrap());
    assert_eq!(last, store.current_revision());
    assert_eq!(text_of(&store, "/kept", None).await.as_deref(), Some("4"));
}
