//! A checker of histories of whole servers: clients read and write some objects while processes are killed; what
//! they were told must be explained by one order of the writes, which is what a watch shows.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::members::{Cluster, binaries};
use crate::order::{Done, What, check};
use crate::together::{flags, servers};
use crate::wire::{Answer, Client};
use crate::world::Server;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const KEYS: u32 = 3;

/// Requests of one client; `PORTCULLIS_HISTORY=1000` for a long run.
fn length() -> usize {
    std::env::var("PORTCULLIS_HISTORY").map_or(40, |text| text.parse().expect("a number"))
}

/// What a client did and was not told of.
enum Told {
    Done(Done),
    /// A write whose answer was lost: its begin, its key, its value.
    Doubt(u64, String, String),
}

/// One run: the servers as they are now, the clock and what was done.
struct Run {
    clients: Mutex<Vec<Client>>,
    clock: AtomicU64,
    told: Mutex<Vec<Told>>,
}

impl Run {
    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Reads and writes for a while, at one server or, if that is gone, at the next.
    fn client(&self, number: usize) {
        let mut rng = rand::rngs::StdRng::seed_from_u64(number as u64);
        let (mut step, mut answered) = (0, 0);
        while answered < length() {
            step += 1;
            let client = {
                let clients = self.clients.lock();
                clients[(number + step / 5) % clients.len()].clone()
            };
            let key = format!("k{}", rng.random_range(0..KEYS));
            let path = format!("{MAPS}/{key}");
            let begun = self.now();
            if rng.random_bool(0.5) {
                let answer = client.get(&path);
                if answer.code == 200 {
                    answered += 1;
                    let what = What::Read { value: Some(tag(&answer.tree())) };
                    self.told.lock().push(Told::Done(Done { begun, ended: self.now(), key, what }));
                }
                continue;
            }
            if client.open().is_err() {
                // Nothing was sent: nobody listens there.
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            let value = format!("{number}-{step}");
            let answer = client.put(&path, &json!({ "metadata": { "name": key }, "data": { "tag": value } }));
            answered += usize::from(answer.code == 200);
            self.wrote(begun, key, value, &answer);
        }
    }

    fn wrote(&self, begun: u64, key: String, value: String, answer: &Answer) {
        let told = match answer.code {
            200 | 201 => {
                let what = What::Wrote { revision: revision(&answer.tree()), value: Some(value) };
                Told::Done(Done { begun, ended: self.now(), key, what })
            }
            // Said to be in doubt, or not said at all.
            0 | 500..=599 => Told::Doubt(begun, key, value),
            409 | 429 => return,
            _ => panic!("{} {}", answer.code, answer.text()),
        };
        self.told.lock().push(told);
    }
}

fn tag(object: &Value) -> String {
    object["data"]["tag"].as_str().unwrap().to_owned()
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// What was written to the objects from a revision on, as a watch tells it: revision, key, value.
fn shown(client: &Client, after: u64, last: u64) -> Vec<(u64, String, String)> {
    let mut found: Vec<(u64, String, String)> = Vec::new();
    let begun = Instant::now();
    while found.last().map_or(after, |(revision, ..)| *revision) < last {
        let from = found.last().map_or(after, |(revision, ..)| *revision);
        let path = format!("{MAPS}?watch=1&resourceVersion={from}&timeoutSeconds=1");
        let text = client.get(&path).is(&[200], "watch").text();
        for event in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let object = &event["object"];
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            if name.starts_with('k') && object["data"]["tag"].is_string() {
                assert!(found.last().is_none_or(|(before, ..)| revision(object) > *before), "in order");
                found.push((revision(object), name, tag(object)));
            }
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "the watch does not show {last}");
    }
    found
}

/// Runs clients against servers while `disturb` kills and restarts them, then checks.
fn run(mut servers: Vec<Server>, mut disturb: impl FnMut(&mut Vec<Server>)) {
    let first = servers[0].admin.clone();
    let mut told = Vec::new();
    let mut start = u64::MAX;
    for key in (0..KEYS).map(|n| format!("k{n}")) {
        let body = json!({ "metadata": { "name": key }, "data": { "tag": "first" } });
        let at = revision(&first.post(MAPS, &body).is(&[201], "create").tree());
        start = start.min(at - 1);
        let what = What::Wrote { revision: at, value: Some("first".to_owned()) };
        told.push(Told::Done(Done { begun: 0, ended: 0, key, what }));
    }
    let run = Run {
        clients: Mutex::new(servers.iter().map(|server| server.admin.clone()).collect()),
        clock: AtomicU64::new(1),
        told: Mutex::new(told),
    };
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|number| (number, &run)).collect();
        let clients: Vec<_> =
            clients.into_iter().map(|(number, run)| scope.spawn(move || run.client(number))).collect();
        while !clients.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            disturb(&mut servers);
            *run.clients.lock() = servers.iter().map(|server| server.admin.clone()).collect();
        }
    });
    judge(run.told.into_inner(), &servers, start);
}

fn judge(told: Vec<Told>, servers: &[Server], start: u64) {
    let last = servers[0].admin.get(MAPS).is(&[200], "list").tree();
    let held: BTreeMap<String, String> = last["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|object| object["data"]["tag"].is_string())
        .map(|object| (object["metadata"]["name"].as_str().unwrap().to_owned(), tag(object)))
        .collect();
    let newest = last["items"].as_array().unwrap().iter().map(revision).max().unwrap();
    let order = shown(&servers[0].admin, start, newest);
    for server in &servers[1..] {
        assert_eq!(shown(&server.admin, start, newest), order, "all tell one history");
    }
    let fold: BTreeMap<String, String> =
        order.iter().map(|(_, key, value)| (key.clone(), value.clone())).collect();
    assert_eq!(fold, held, "the fold of the watch is what is held");

    let mut made: HashMap<&str, u64> = HashMap::new();
    for (revision, _, value) in order.iter().filter(|(.., value)| value != "first") {
        assert!(made.insert(value, *revision).is_none(), "{value} was written twice");
    }
    let (mut history, mut lost) = (Vec::new(), 0);
    for told in told {
        match told {
            Told::Done(done) => {
                if let What::Wrote { revision, value: Some(value) } = &done.what
                    && value != "first"
                {
                    assert_eq!(
                        made.get(&**value),
                        Some(revision),
                        "what was acknowledged is shown: {done:?}"
                    );
                }
                history.push(done);
            }
            // Made or not, both may be; if it was, its revision is known now.
            Told::Doubt(begun, key, value) => {
                lost += 1;
                if let Some(revision) = made.get(&*value) {
                    let what = What::Wrote { revision: *revision, value: Some(value) };
                    history.push(Done { begun, ended: u64::MAX, key, what });
                }
            }
        }
    }
    println!("{} requests, {lost} writes without an answer", history.len());
    assert!(history.len() > length(), "little was done: {}", history.len());
    check(&history, start);
}

#[test]
fn what_clients_of_two_servers_are_told_has_one_order_while_one_is_killed() {
    for binary in binaries() {
        let etcd = Cluster::start(&binary, 1, &[]);
        let mut turn = 0;
        run(servers(&etcd, 2), |servers| {
            std::thread::sleep(Duration::from_millis(700));
            turn = 1 - turn;
            let dir = servers.remove(turn).kill();
            let back = dir.with_extension("again");
            std::fs::rename(&dir, &back).unwrap();
            let flags = flags(&etcd, turn + 1);
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            servers.insert(turn, Server::start_in(back, &flags));
        });
    }
}

#[test]
fn what_clients_are_told_has_one_order_while_the_server_of_an_embedded_store_is_killed() {
    run(vec![Server::start(&[])], |servers| {
        std::thread::sleep(Duration::from_millis(700));
        let dir = servers.remove(0).kill();
        let back = dir.with_extension("again");
        std::fs::rename(&dir, &back).unwrap();
        servers.push(Server::start_in(back, &[]));
    });
}
