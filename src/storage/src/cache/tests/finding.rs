//! What is found by labels and fields, and counted, against a look at every object.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::entry::Maker;
use super::super::objects::Objects;
use super::*;

const ROOT: &str = "/registry/configmaps/";

struct Found;

impl Indexer for Found {
    fn fields(&self, object: &mut Parts<'_, '_>, put: &mut dyn FnMut(&str)) {
        put("never found by");
        ByPhase.fields(object, put);
    }

    fn finding(&self) -> &[usize] {
        &[1]
    }
}

/// An object written or, without labels, removed.
#[derive(Clone, Debug)]
struct Step {
    namespace: u8,
    name: u8,
    written: Option<(BTreeMap<String, u8>, u8)>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let labels = prop::collection::btree_map("[abc]", 0..3u8, 0..4);
    let written = prop::option::weighted(0.8, (labels, 0..4u8));
    let step = (0..3u8, 0..20u8, written);
    prop::collection::vec(
        step.prop_map(|(namespace, name, written)| Step { namespace, name, written }),
        1..200,
    )
}

fn apply(objects: &mut Objects, maker: &Maker, step: &Step, number: usize) {
    let key: Key = format!("{ROOT}n{}/o{}", step.namespace, step.name).into();
    let Some((labels, phase)) = &step.written else {
        objects.remove(&key);
        return;
    };
    let labels: BTreeMap<_, _> = labels.iter().map(|(key, value)| (key, value.to_string())).collect();
    // Phase 0 is none: what has no value is found by none.
    let phase = if *phase == 0 { String::new() } else { phase.to_string() };
    let object = serde_json::json!({
        "kind": "ConfigMap", "apiVersion": "v1", "metadata": { "labels": labels }, "status": { "phase": phase },
    });
    let revision = Revision(number as u64 + 1);
    let entry = maker.make(&key, revision, object.to_string().as_bytes()).unwrap();
    objects.insert(key, Arc::new(entry));
}

fn has(entry: &Entry, wanted: &Trait<'_>) -> bool {
    match wanted {
        Trait::Label(key, value) => entry.labels().get(key) == Some(*value),
        Trait::Field(place, value) => entry.fields().get(*place) == *value,
        Trait::Key(key) => &**entry.key() == *key,
    }
}

fn keys_of<'e>(entries: impl Iterator<Item = &'e Arc<Entry>>) -> Vec<String> {
    entries.map(|entry| entry.key().to_string()).collect()
}

fn check(snapshot: &Snapshot, wanted: &[Trait<'_>], prefix: &str, after: Option<&str>) {
    let all = |entry: &&Arc<Entry>| wanted.iter().all(|one| has(entry, one));
    let plain = snapshot
        .iter()
        .filter(|entry| entry.key().starts_with(prefix) && after.is_none_or(|after| &**entry.key() > after));
    let found = keys_of(snapshot.having(wanted, prefix, after).filter(all));
    assert_eq!(found, keys_of(plain.filter(all)), "{wanted:?} {prefix} {after:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn objects_are_found_by_what_they_have(steps in steps(), after in 0..22u8) {
        let maker = Maker::new(ROOT, Arc::new(Found));
        let mut objects = Objects::new(maker.finding(), []);
        for (number, step) in steps.iter().enumerate() {
            apply(&mut objects, &maker, step, number);
        }
        let snapshot = Snapshot::new(Revision(1), objects);
        for prefix in [ROOT, "/registry/configmaps/n0/", "/registry/configmaps/n2/", "/registry/configmaps/n9/"] {
            let count = snapshot.iter().filter(|entry| entry.key().starts_with(prefix)).count();
            assert_eq!(snapshot.count_under(prefix), count, "{prefix}");
            let after = format!("/registry/configmaps/n1/o{after}");
            for after in [None, Some(after.as_str())] {
                check(&snapshot, &[], prefix, after);
                check(&snapshot, &[Trait::Label("a", "1")], prefix, after);
                check(&snapshot, &[Trait::Label("a", "1"), Trait::Label("b", "2")], prefix, after);
                check(&snapshot, &[Trait::Label("c", "0"), Trait::Field(1, "3")], prefix, after);
                check(&snapshot, &[Trait::Field(1, "1")], prefix, after);
                check(&snapshot, &[Trait::Key("/registry/configmaps/n0/o3")], prefix, after);
            }
        }
    }
}

#[test]
fn few_are_looked_at_where_a_label_is_rare() {
    let maker = Maker::new(ROOT, Arc::new(Found));
    let mut objects = Objects::new(maker.finding(), []);
    for name in 0..200 {
        let labels = BTreeMap::from([("a".to_owned(), name % 2), ("b".to_owned(), name % 100)]);
        apply(&mut objects, &maker, &Step { namespace: 0, name, written: Some((labels, 1)) }, 0);
    }
    let snapshot = Snapshot::new(Revision(1), objects);
    let looked_at = |wanted: &[Trait<'_>]| snapshot.having(wanted, ROOT, None).count();
    assert_eq!(looked_at(&[Trait::Label("b", "7")]), 2);
    assert_eq!(looked_at(&[Trait::Label("a", "1"), Trait::Label("b", "7")]), 2);
    assert_eq!(looked_at(&[Trait::Label("a", "9")]), 0);
    // Half of all is not few.
    assert_eq!(looked_at(&[Trait::Label("a", "1")]), 200);
}
