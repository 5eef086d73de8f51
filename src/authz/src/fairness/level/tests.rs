use super::*;

const LIMITS: Limits = Limits { seats: 2, queue: 3, waiting: 5 };

fn state(level: &Level) -> (usize, usize, usize) {
    (level.taken.load(SeqCst), level.waiting.load(SeqCst), level.queues.lock().flows.len())
}

#[tokio::test]
async fn seats_are_taken_and_given_back() {
    let level = Level::new(LIMITS);
    let (a, b) = (level.try_sit().unwrap(), level.try_sit().unwrap());
    assert!(level.try_sit().is_none());
    drop(a);
    assert!(level.try_sit().is_some());
    drop(b);
    assert_eq!(state(&level), (0, 0, 0));
}

#[tokio::test]
async fn freed_seats_go_round_the_flows() {
    let level = Level::new(Limits { seats: 1, ..LIMITS });
    let seat = level.try_sit().unwrap();
    let waiters: Vec<_> = [1, 1, 1, 2].map(|flow| (flow, level.join(flow).unwrap())).into();
    drop(seat);
    let mut order = Vec::new();
    let mut waiters = waiters;
    while !waiters.is_empty() {
        let at = waiters.iter_mut().position(|(_, w)| !w.is_empty()).unwrap();
        let (flow, waiter) = waiters.remove(at);
        order.push(flow);
        drop(waiter.await.unwrap());
    }
    assert_eq!(order, [1, 2, 1, 1]);
    assert_eq!(state(&level), (0, 0, 0));
}

#[tokio::test]
async fn queues_are_bounded_by_flow_and_in_all() {
    let level = Level::new(Limits { seats: 1, ..LIMITS });
    let seat = level.try_sit().unwrap();
    let first: Vec<_> = (0..3).map(|_| level.join(1).unwrap()).collect();
    assert!(level.join(1).is_none());
    let second: Vec<_> = (0..2).map(|_| level.join(2).unwrap()).collect();
    assert!(level.join(3).is_none());
    assert!(level.try_sit().is_none());
    drop((first, second, seat));
    assert_eq!(state(&level), (0, 0, 0));
}

#[tokio::test]
async fn j025_those_who_go_away_leave_nothing_behind() {
    let level = Level::new(Limits { seats: 1, ..LIMITS });
    let seat = level.try_sit().unwrap();
    let waiters: Vec<_> = (0..3).map(|_| level.join(1).unwrap()).collect();
    drop(waiters);
    let alive = level.join(1).unwrap();
    assert_eq!(state(&level), (1, 1, 1));
    drop(seat);
    assert!(alive.await.is_ok());
    assert_eq!(state(&level), (0, 0, 0));
}

#[tokio::test]
async fn a_level_without_queues_refuses() {
    let level = Level::new(Limits { seats: 1, queue: 0, waiting: 0 });
    let _seat = level.try_sit().unwrap();
    assert!(level.sit(1).await.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_seat_is_lost_in_a_crowd() {
    let level = Level::new(Limits { seats: 3, queue: 1000, waiting: 1000 });
    let tasks: Vec<_> = (0..400u64)
        .map(|n| {
            let level = Arc::clone(&level);
            tokio::spawn(async move {
                for _ in 0..20 {
                    let seat = match level.try_sit() {
                        Some(seat) => seat,
                        None => level.sit(n % 7).await.unwrap(),
                    };
                    tokio::task::yield_now().await;
                    drop(seat);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(state(&level), (0, 0, 0));
}
