//! The store against a model of it: every state it ever had, kept whole.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

type State = BTreeMap<String, (u64, String)>;

#[derive(Clone, Debug)]
enum Step {
    Commit { guards: Vec<(u8, Want)>, ops: Vec<(u8, Option<u16>)> },
    Compact(u8),
    Reopen,
    Read { at: u8, start: u8, end: u8, limit: usize },
    Watch { after: u8, limit: usize },
}

#[derive(Clone, Copy, Debug)]
enum Want {
    Absent,
    Present,
    Current,
    Stale,
    Any,
}

fn step() -> impl Strategy<Value = Step> {
    let want = prop_oneof![
        Just(Want::Absent),
        Just(Want::Present),
        Just(Want::Current),
        Just(Want::Stale),
        Just(Want::Any)
    ];
    let guards = prop::collection::vec((0..6u8, want), 0..3);
    let ops = prop::collection::btree_map(0..6u8, prop::option::weighted(0.7, any::<u16>()), 0..4);
    prop_oneof![
        8 => (guards, ops).prop_map(|(guards, ops)| Step::Commit { guards, ops: ops.into_iter().collect() }),
        1 => any::<u8>().prop_map(Step::Compact),
        1 => Just(Step::Reopen),
        4 => (any::<u8>(), 0..7u8, 0..7u8, 0..4usize)
            .prop_map(|(at, start, end, limit)| Step::Read { at, start, end, limit }),
        2 => (any::<u8>(), 1..5usize).prop_map(|(after, limit)| Step::Watch { after, limit }),
    ]
}

/// Names of which one is a prefix of another, and which sort around separators.
fn name(index: u8) -> &'static str {
    ["/a", "/a/", "/a/b", "/a/b!", "/a/bb", "/b", "/c"][usize::from(index)]
}

struct Model {
    /// The state at each revision, from revision 1.
    states: Vec<State>,
    compacted: u64,
}

impl Model {
    fn current(&self) -> &State {
        self.states.last().unwrap()
    }

    fn revision(&self) -> u64 {
        self.states.len() as u64
    }

    fn at(&self, revision: u64) -> &State {
        &self.states[usize::try_from(revision - 1).unwrap()]
    }

    /// Some revision around those that exist.
    fn pick(&self, byte: u8) -> u64 {
        u64::from(byte) * (self.revision() + 2) / 255
    }

    fn guard(&self, (index, want): (u8, Want)) -> (Guard, bool) {
        let live = self.current().get(name(index)).map(|(revision, _)| *revision);
        let (expect, holds) = match want {
            Want::Absent => (Expect::Absent, live.is_none()),
            Want::Present => (Expect::Present, live.is_some()),
            Want::Current => (Expect::ModRevision(Revision(live.unwrap_or(1))), live.is_some()),
            Want::Stale => (Expect::ModRevision(Revision(live.unwrap_or(5) + 1)), false),
            Want::Any => (Expect::Any, true),
        };
        (Guard { key: key(name(index)), expect }, holds)
    }

    fn apply(&mut self, ops: &[(u8, Option<u16>)]) {
        let mut next = self.current().clone();
        let revision = self.revision() + 1;
        let mut changed = false;
        for (index, new) in ops {
            changed |= match new {
                Some(number) => {
                    next.insert(name(*index).to_owned(), (revision, number.to_string()));
                    true
                }
                None => next.remove(name(*index)).is_some(),
            };
        }
        if changed {
            self.states.push(next);
        }
    }

    /// All changes after a revision, as differences between states.
    fn changes_after(&self, after: u64) -> Vec<(u64, String, Option<String>, Option<u64>)> {
        let mut changes = Vec::new();
        for revision in after + 1..=self.revision() {
            let (old, new) = (self.at(revision - 1), self.at(revision));
            for index in 0..7 {
                let (was, is) = (old.get(name(index)), new.get(name(index)));
                if was != is {
                    let previous = was.map(|(revision, _)| *revision);
                    changes.push((revision, name(index).to_owned(), is.map(|(_, v)| v.clone()), previous));
                }
            }
        }
        changes
    }
}

async fn run(steps: Vec<Step>) {
    let folder = folder();
    let mut store = Some(open(folder.path()));
    let mut model = Model { states: vec![State::new()], compacted: 1 };
    for step in steps {
        let open_store = store.as_ref().unwrap();
        match step {
            Step::Commit { guards, ops } => commit(open_store, &mut model, guards, ops).await,
            Step::Compact(byte) => compact(open_store, &mut model, byte).await,
            Step::Reopen => {
                drop(store.take());
                store = Some(open(folder.path()));
            }
            Step::Read { at, start, end, limit } => read(open_store, &model, at, start, end, limit).await,
            Step::Watch { after, limit } => follow(open_store, &model, after, limit).await,
        }
    }
    let store = store.unwrap();
    for revision in model.compacted..=model.revision() {
        read(&store, &model, u8::try_from(revision * 255 / (model.revision() + 2)).unwrap(), 0, 6, 0).await;
    }
    assert_eq!(store.current_revision().0, model.revision());
}

async fn commit(store: &Embedded, model: &mut Model, guards: Vec<(u8, Want)>, ops: Vec<(u8, Option<u16>)>) {
    let guards: Vec<_> = guards.into_iter().map(|guard| model.guard(guard)).collect();
    let failing = guards.iter().position(|(_, holds)| !holds);
    let make = |(index, new): &(u8, Option<u16>)| match new {
        Some(number) => Op::Put { key: key(name(*index)), value: value(number.to_string()), ttl: None },
        None => Op::Delete { key: key(name(*index)) },
    };
    let previous =
        ops.iter().map(|(index, _)| model.current().get(name(*index)).map(|(r, _)| Revision(*r))).collect();
    let txn = Txn {
        guards: guards.iter().map(|(guard, _)| guard.clone()).collect(),
        ops: ops.iter().map(make).collect(),
        outbox: None,
    };
    let outcome = store.commit(txn).await.unwrap();
    let expected = match failing {
        None => {
            model.apply(&ops);
            CommitOutcome::Committed { revision: Revision(model.revision()), previous }
        }
        Some(guard) => {
            let name = &guards[guard].0.key;
            let current = model.current().get(&**name).map(|(revision, text)| KeyValue {
                key: name.clone(),
                value: value(text.clone()),
                mod_revision: Revision(*revision),
            });
            CommitOutcome::Conflict { guard, current, revision: Revision(model.revision()) }
        }
    };
    assert_eq!(outcome, expected);
}

async fn compact(store: &Embedded, model: &mut Model, byte: u8) {
    let to = model.pick(byte);
    let result = store.compact(Revision(to)).await;
    if to < model.compacted {
        assert!(matches!(result, Err(StoreError::Compacted { .. })), "{result:?}");
    } else if to > model.revision() {
        assert!(matches!(result, Err(StoreError::Future { .. })), "{result:?}");
    } else {
        result.unwrap();
        model.compacted = to;
    }
}

async fn read(store: &Embedded, model: &Model, at: u8, start: u8, end: u8, limit: usize) {
    let at = model.pick(at);
    let range = Range {
        start: name(start).to_owned(),
        end: name(end).to_owned(),
        limit,
        at: (at > 0).then_some(Revision(at)),
        ..Range::default()
    };
    let result = store.range(range).await;
    let at = if at == 0 { model.revision() } else { at };
    if at < model.compacted {
        assert!(matches!(result, Err(StoreError::Compacted { .. })), "{result:?}");
        return;
    }
    if at > model.revision() {
        assert!(matches!(result, Err(StoreError::Future { .. })), "{result:?}");
        return;
    }
    let inside = |name: &str| name >= self::name(start) && name < self::name(end);
    let all: Vec<_> = model.at(at).iter().filter(|(name, _)| inside(name)).collect();
    let cut = if limit == 0 { all.len() } else { limit.min(all.len()) };
    let kvs = all[..cut].iter().map(|(name, (revision, text))| KeyValue {
        key: key(name),
        value: value((*text).clone()),
        mod_revision: Revision(*revision),
    });
    let expected =
        RangeResult { kvs: kvs.collect(), revision: Revision(at), more: cut < all.len(), count: all.len() };
    assert_eq!(result.unwrap(), expected);
}

async fn follow(store: &Embedded, model: &Model, after: u8, limit: usize) {
    let after = model.pick(after).min(model.revision());
    let mut reached = Revision(after);
    let mut seen = Vec::new();
    while reached.0 < model.revision() {
        let found = match store.history("", reached, limit).await {
            Ok(found) => found,
            Err(error) => {
                assert!(after < model.compacted, "{error}");
                return;
            }
        };
        assert!(found.reached > reached, "history makes progress");
        reached = found.reached;
        seen.extend(found.changes.into_iter().map(|change| {
            let text = change.value.map(|value| String::from_utf8(value.to_vec()).unwrap());
            (change.revision.0, change.key.to_string(), text, change.previous.map(Revision::get))
        }));
    }
    let mut expected = model.changes_after(after);
    expected.sort();
    let rewrites = |change: &(u64, String, Option<String>, Option<u64>)| expected.contains(change);
    assert!(seen.iter().all(rewrites), "{seen:?} is not {expected:?}");
    seen.sort();
    assert_eq!(seen, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_store_is_its_model(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
