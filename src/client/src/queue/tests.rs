use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("no")]
struct No;

fn milliseconds(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[tokio::test(start_paused = true)]
async fn a_key_waits_once() {
    let queue = Queue::new();
    queue.add("a");
    queue.add("b");
    queue.add("a");
    assert_eq!(queue.next().await, "a");
    assert_eq!(queue.next().await, "b");
    assert!(tokio::time::timeout(milliseconds(10), queue.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_key_added_while_worked_on_is_looked_at_again_but_not_twice_at_a_time() {
    let queue = Queue::new();
    queue.add("a");
    assert_eq!(queue.next().await, "a");
    queue.add("a");
    queue.add("a");
    assert!(tokio::time::timeout(milliseconds(10), queue.next()).await.is_err());
    queue.done::<No>("a", Ok(Next::Settled));
    assert_eq!(queue.next().await, "a");
    queue.done::<No>("a", Ok(Next::Settled));
    assert!(tokio::time::timeout(milliseconds(10), queue.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_sooner_of_two_times_counts() {
    let queue = Queue::new();
    let begun = Instant::now();
    queue.add_after("a", milliseconds(500));
    queue.add_after("a", milliseconds(100));
    queue.add_after("a", milliseconds(900));
    assert_eq!(queue.next().await, "a");
    assert_eq!(begun.elapsed().as_millis() / 10, 10);
    queue.done::<No>("a", Ok(Next::Settled));
    assert!(tokio::time::timeout(Duration::from_secs(2), queue.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_wait_longer_and_longer() {
    let queue = Queue::with_backoff(Backoff { first: milliseconds(10), most: milliseconds(35) });
    queue.add("a");
    let mut waits = Vec::new();
    for outcome in [Err(No), Err(No), Err(No), Ok(Next::After(milliseconds(1))), Err(No), Err(No)] {
        let begun = Instant::now();
        let key = queue.next().await;
        waits.push(begun.elapsed().as_millis());
        queue.done(key, outcome);
    }
    assert_eq!(waits, [0, 10, 20, 35, 1, 10]);
}

#[tokio::test(start_paused = true)]
async fn no_more_keys_than_allowed_are_worked_on() {
    let queue = Queue::new();
    (0..20).for_each(|key| queue.add(key));
    let (now, most, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = queue.work(3, |_| async {
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        tokio::time::sleep(milliseconds(5)).await;
        now.fetch_sub(1, Ordering::SeqCst);
        seen.fetch_add(1, Ordering::SeqCst);
        Ok::<_, No>(Next::Settled)
    });
    assert!(tokio::time::timeout(Duration::from_secs(1), work).await.is_err());
    assert_eq!((most.into_inner(), seen.into_inner()), (3, 20));
}
