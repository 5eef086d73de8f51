//! What clients can make the server hold in memory has names and limits.

use http::Request;
use portcullis_api::body::full;
use portcullis_authz::{Budget, Budgets};
use tower::{Service, ServiceExt};

use crate::raw::PATIENCE;
use crate::world::{Changes, World, ask, get};

async fn world(change: impl FnOnce(&mut Budgets)) -> World {
    let mut budgets = Budgets::default();
    change(&mut budgets);
    World::with(Changes { budgets: Some(budgets), ..Changes::default() }).await
}

fn refusal(budget: &str, of: &str, limit: u64) -> String {
    format!(
        "the memory budget {budget:?} of {of} is used up ({limit} bytes); ask for less at a time or try again later"
    )
}

#[tokio::test]
async fn f011_bodies_are_counted_and_given_back() {
    let bodies = Budget::shared("bodies", 60_000, 40_000);
    let world = world(|budgets| budgets.bodies = bodies.clone()).await;
    let big = |n| Request::post("/api/v1/namespaces/a/pods").body(full(vec![b'x'; n])).unwrap();
    let refused = ask(&world.admin(), big(40_001)).await;
    assert_eq!(refused.code(), 429);
    assert!(
        refused.text.contains(&refusal("bodies", "this client", 40_000).replace('"', "\\\"")),
        "{}",
        refused.text
    );
    assert_eq!(refused.header("retry-after"), "1");
    for _ in 0..3 {
        assert_eq!(ask(&world.admin(), big(40_000)).await.code(), 200, "the bytes are given back");
    }
    let account = bodies.account(&portcullis_api::UserInfo { name: "other".into(), ..Default::default() });
    let _held = account.charge(30_000).unwrap();
    let refused = ask(&world.admin(), big(40_000)).await;
    assert!(
        refused.text.contains(&refusal("bodies", "the server", 60_000).replace('"', "\\\"")),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn f023_an_answer_that_would_not_fit_is_refused_by_name() {
    let world = world(|budgets| budgets.lists = Budget::shared("lists", 1 << 20, (1 << 20) - 1)).await;
    let refused = ask(&world.admin(), get("/api/v1/namespaces/a/pods/large")).await;
    assert_eq!(refused.code(), 429);
    assert!(
        refused.text.contains(&refusal("lists", "this client", (1 << 20) - 1).replace('"', "\\\"")),
        "{}",
        refused.text
    );
    assert_eq!(
        ask(&world.admin(), get("/api/v1/namespaces/a/pods/p")).await.code(),
        200,
        "small ones are served"
    );
}

#[tokio::test]
async fn f036_watches_of_one_client_end_at_its_share() {
    let watches = Budget::shared("watches", 100_000, 25_000);
    let world = world(|budgets| budgets.watches = watches.clone()).await;
    let mut held = Vec::new();
    let refused = loop {
        let mut client = world.admin();
        let answer =
            client.ready().await.unwrap().call(get("/api/v1/namespaces/a/pods?watch=1")).await.unwrap();
        if answer.status() != 200 {
            break answer.status();
        }
        held.push(answer);
    };
    assert_eq!((held.len(), refused.as_u16()), (2, 429));
    let mut other = world.somebody();
    let answer = other.ready().await.unwrap().call(get("/api/v1/namespaces/a/pods?watch=1")).await.unwrap();
    assert_ne!(answer.status(), 429, "others have their own");
    drop((held, answer));
    assert_eq!(watches.held(), 0);
}

#[tokio::test]
async fn at_the_ceiling_lists_are_refused_and_gets_are_served() {
    let world = world(|budgets| *budgets = Budgets::within(1 << 20)).await;
    let refused = async {
        loop {
            let answer = ask(&world.admin(), get("/api/v1/namespaces/a/pods")).await;
            if answer.code() == 429 {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    let refused = tokio::time::timeout(PATIENCE, refused).await.expect("a process is larger than 1 MiB");
    assert!(
        refused.text.contains("the server is at its memory ceiling of 1048576 bytes"),
        "{}",
        refused.text
    );
    assert_eq!(ask(&world.admin(), get("/api/v1/namespaces/a/pods/p")).await.code(), 200);
}
