//! Watches and snapshots against what was written, with small rings, restarts and late readers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<(u8, Option<u8>)>),
    Elsewhere,
    Restart,
    /// From a place in history, all objects or those of one name.
    Watch(u8, Option<u8>),
    Drain(u8),
    /// A watcher goes past what does not concern it.
    Rest(u8),
    Snapshot(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let write = prop::collection::btree_map(0..5u8, prop::option::weighted(0.7, 0..9u8), 1..3);
    prop_oneof![
        8 => write.prop_map(|ops| Step::Write(ops.into_iter().collect())),
        1 => Just(Step::Elsewhere),
        1 => Just(Step::Restart),
        3 => (any::<u8>(), prop::option::of(0..5u8)).prop_map(|(from, name)| Step::Watch(from, name)),
        3 => any::<u8>().prop_map(Step::Drain),
        3 => any::<u8>().prop_map(Step::Rest),
        3 => any::<u8>().prop_map(Step::Snapshot),
    ]
}

/// The phases of all objects at each revision, from revision 1.
type States = Vec<BTreeMap<u8, String>>;

struct Following {
    watcher: Watcher,
    name: Option<String>,
    seen: Vec<String>,
    from: usize,
}

fn pick(states: &States, byte: u8) -> usize {
    1 + usize::from(byte) * (states.len() - 1) / 255
}

async fn run(steps: Vec<Step>) {
    let limits = RingLimits { events: 6, bytes: 1 << 20 };
    let mut rig = Rig::with(limits);
    let mut states: States = vec![BTreeMap::new()];
    let mut phases: BTreeMap<u8, String> = BTreeMap::new();
    let mut log: Vec<(usize, String)> = Vec::new();
    let mut following: Vec<Following> = Vec::new();
    for step in steps {
        match step {
            Step::Write(ops) => {
                let revision = states.len() + 1;
                let (made, lines) = write(&mut phases, ops, revision);
                rig.commit(made).await;
                if !lines.is_empty() {
                    states.push(phases.clone());
                    log.extend(lines.into_iter().map(|line| (revision, line)));
                }
            }
            Step::Elsewhere => {
                let op = Op::Put { key: "/elsewhere".into(), value: Bytes::new(), ttl: None };
                rig.commit(vec![op]).await;
                states.push(phases.clone());
            }
            Step::Restart => {
                following.clear();
                rig = rig.restart(limits);
            }
            Step::Watch(byte, name) => {
                let from = pick(&states, byte);
                let name = name.map(|name| format!("n{name}"));
                let key = name.as_deref().map(key);
                // Every object has its name as a label.
                let wanted = name.as_deref().map(|name| match from % 2 {
                    0 => Trait::Label("app", name),
                    _ => Trait::Key(key.as_deref().unwrap()),
                });
                let start = WatchStart::After(Revision(from as u64));
                let watcher = rig.maps.watch_for(start, wanted).await.unwrap();
                following.push(Following { watcher, name, seen: Vec::new(), from });
            }
            Step::Rest(byte) => {
                let count = following.len();
                if let Some(one) = following.get_mut(usize::from(byte) % count.max(1)) {
                    one.watcher.rest();
                }
            }
            Step::Drain(byte) => {
                let count = following.len();
                if let Some(one) = following.get_mut(usize::from(byte) % count.max(1)) {
                    drain(one, &log).await;
                }
            }
            Step::Snapshot(byte) => {
                let at = pick(&states, byte);
                let snapshot = rig.maps.snapshot_at(Revision(at as u64)).await.unwrap();
                let expected: Vec<_> =
                    states[at - 1].iter().map(|(name, phase)| format!("n{name}={phase}")).collect();
                assert_eq!(names(&snapshot), expected);
            }
        }
        assert_eq!(rig.store.current_revision().0, states.len() as u64);
    }
    for mut one in following {
        drain(&mut one, &log).await;
        assert!(one.watcher.progress().0 <= states.len() as u64);
        while let Ok(more) = tokio::time::timeout(Duration::from_millis(1), one.watcher.next_batch()).await {
            let more: Vec<_> = more.unwrap().iter().map(|event| told(event)).collect();
            assert!(!more.iter().any(|line| one.cares(line)), "{more:?} after {:?}", one.seen);
        }
    }
}

/// The operations, and the events they must make. Phases are unique, so that every write shows.
fn write(
    phases: &mut BTreeMap<u8, String>,
    ops: Vec<(u8, Option<u8>)>,
    revision: usize,
) -> (Vec<Op>, Vec<String>) {
    let (mut made, mut lines) = (Vec::new(), Vec::new());
    for (name, phase) in ops {
        let text = format!("n{name}");
        let Some(phase) = phase else {
            made.push(Op::Delete { key: key(&text) });
            let was = phases.remove(&name);
            lines.extend(was.map(|was| format!("Deleted {text} {was}>{was} {revision}")));
            continue;
        };
        let phase = format!("{phase}-{revision}");
        made.push(Op::Put { key: key(&text), value: object(&text, &phase), ttl: None });
        lines.push(match phases.insert(name, phase.clone()) {
            Some(was) => format!("Modified {text} {was}>{phase} {revision}"),
            None => format!("Added {text} ->{phase} {revision}"),
        });
    }
    (made, lines)
}

impl Following {
    fn cares(&self, line: &str) -> bool {
        self.name.as_ref().is_none_or(|name| line.split(' ').nth(1) == Some(name))
    }
}

async fn drain(one: &mut Following, log: &[(usize, String)]) {
    let expected: Vec<&String> = log
        .iter()
        .filter(|(revision, line)| *revision > one.from && one.cares(line))
        .map(|(_, line)| line)
        .collect();
    while one.seen.len() < expected.len() {
        let lines = collect(&mut one.watcher, 1).await;
        let lines: Vec<_> = lines.into_iter().filter(|line| one.cares(line)).collect();
        one.seen.extend(lines);
    }
    assert!(one.seen.iter().eq(expected.iter().copied()), "{:?} is not {expected:?}", one.seen);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_time: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn watches_show_what_was_written(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
