//! Server-side apply: who owns what, and what goes when an owner lets go of it.

use portcullis_api::{ApiError, Map, Object, Value};
use portcullis_schema::managed::{
    FieldSet, ManagedFields, OneVersion, Operation, Request, Writable, compare, fieldset_of,
    with_named_parents,
};
use portcullis_schema::types::Field;
use portcullis_schema::{FieldValidation, Kind, defaults, kind, rows};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::generate::{tree, variation};
use super::tape::Tape;
use super::{assert_same, choices, normal, without_nulls};

const NOW: &str = "2026-01-01T00:00:00Z";

/// Metadata that nobody owns.
const UNTRACKED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "generation"],
    &["metadata", "resourceVersion"],
];

/// The kinds that are stored.
fn stored_kind() -> impl Strategy<Value = &'static Kind> {
    let stored = rows().iter().filter(|row| row.store.is_some());
    prop::sample::select(stored.filter_map(|row| kind(&row.gvk)).collect::<Vec<_>>())
}

/// What the server alone sets, and what it stores elsewhere. An object with a `uid` and no owners would
/// not get any with an update.
fn of_server(field: &Field) -> bool {
    matches!(field.json, "managedFields" | "uid" | "stringData")
}

/// Two configurations that have much in common, with values as they are stored.
fn pair(kind: &Kind, first: &[u8], second: &[u8]) -> (Object, Object) {
    let one = tree(kind, &mut Tape::new(first).without(of_server));
    let other = variation(kind, &one, &mut Tape::new(second).without(of_server));
    (configuration(kind, one), configuration(kind, other))
}

fn configuration(kind: &Kind, tree: Map<String, Value>) -> Object {
    let mut tree = Value::from(normal(kind, tree));
    without_nulls(&mut tree);
    Object::new(tree.as_object().cloned().unwrap_or_default())
}

/// A configuration that speaks of nothing.
fn nothing(kind: &Kind) -> Object {
    let mut map = Map::new();
    map.insert("apiVersion".to_owned(), kind.api_version().into());
    map.insert("kind".to_owned(), kind.kind().into());
    Object::new(map)
}

/// What an apply makes, as it is before it is stored.
fn applied(
    kind: &Kind,
    (manager, force): (&str, bool),
    config: &Object,
    live: Option<&Object>,
) -> Result<Object, ApiError> {
    let tracker = kind.tracker("", Writable::ALL, &OneVersion);
    tracker.apply(Request { manager, force, config, now: NOW }, live)
}

fn forced(kind: &Kind, manager: &str, config: &Object, live: Option<&Object>) -> Object {
    applied(kind, (manager, true), config, live).unwrap()
}

/// As it is after it was stored, with defaults.
fn stored(kind: &Kind, mut object: Object) -> Object {
    kind.normalize(&mut object, FieldValidation::Ignore).unwrap();
    kind.forget_empties(&mut object);
    defaults::apply(kind.gvk(), &mut object);
    object
}

/// The fields of one manager.
fn fields_of(object: &Object, manager: &str) -> FieldSet<'static> {
    let Some(list) = object.at(&["metadata", "managedFields"]) else { return FieldSet::new() };
    let managed = ManagedFields::decode(list.as_array().unwrap()).unwrap();
    let mut entries = managed.entries.into_iter().filter(|entry| entry.manager == manager);
    let own = entries.next().map(|entry| entry.set.into_owned()).unwrap_or_default();
    assert!(entries.next().is_none(), "a manager has one entry for each operation");
    own
}

fn untracked() -> FieldSet<'static> {
    FieldSet::of_names(UNTRACKED)
}

/// What a configuration mentions and can be owned.
fn owned_by(kind: &Kind, config: &Object) -> FieldSet<'static> {
    let config = Value::from(config.clone());
    fieldset_of(kind.shape(), &config).difference(&untracked()).into_owned()
}

/// The object without its owners.
fn content(object: &Object) -> Value {
    let mut object = object.clone();
    object.remove_at(&["metadata", "managedFields"]);
    if object.metadata().is_some_and(Map::is_empty) {
        object.map_mut().remove("metadata");
    }
    object.into()
}

/// What is new or another between two objects, and what is gone.
fn changes(kind: &Kind, old: &Object, new: &Object) -> (FieldSet<'static>, FieldSet<'static>) {
    let (old, new) = (content(old), content(new));
    let changes = compare(kind.shape(), &old, &new).unwrap();
    (changes.changed.into_owned(), changes.removed.into_owned())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: super::cases(128), ..ProptestConfig::default() })]

    #[test]
    fn applying_twice_is_applying_once(kind in stored_kind(), first in choices(), second in choices()) {
        let (created, config) = pair(kind, &first, &second);
        let mut live = stored(kind, created);
        kind.tracker("", Writable::ALL, &OneVersion).update("creator", None, &mut live, NOW);
        let once = stored(kind, forced(kind, "m", &config, Some(&live)));
        prop_assert_eq!(fields_of(&once, "m"), owned_by(kind, &config));
        let twice = applied(kind, ("m", false), &config, Some(&once)).unwrap();
        assert_same(&stored(kind, twice), &once, "applied again");
    }

    #[test]
    fn others_lose_what_is_taken_by_force_and_nothing_else(kind in stored_kind(), first in choices(), second in choices()) {
        let (ours, theirs) = pair(kind, &first, &second);
        let live = forced(kind, "a", &ours, None);
        let after = forced(kind, "b", &theirs, Some(&live));
        let (changed, removed) = changes(kind, &live, &after);
        prop_assert!(removed.is_empty(), "who applies for the first time removes nothing");
        let before = fields_of(&live, "a");
        let taken = before.intersection(&changed);
        prop_assert_eq!(fields_of(&after, "a"), before.clone().difference(&changed));
        prop_assert_eq!(fields_of(&after, "b"), owned_by(kind, &theirs));
        // Without force exactly these are conflicts.
        match applied(kind, ("b", false), &theirs, Some(&live)) {
            Ok(object) => {
                prop_assert!(taken.is_empty());
                assert_same(&object, &after, "applied without force");
            }
            Err(error) => {
                prop_assert!(!taken.is_empty(), "{}", error.message());
                let status = error.to_status();
                prop_assert_eq!(&status["reason"], "Conflict");
                prop_assert!(error.message().contains("with \"a\""), "{}", error.message());
                let causes = status["details"]["causes"].as_array().map_or(0, Vec::len);
                prop_assert_eq!(causes, taken.len());
            }
        }
    }

    #[test]
    fn conflicts_are_mutual(kind in stored_kind(), first in choices(), second in choices()) {
        let (ours, theirs) = pair(kind, &first, &second);
        let conflict = |one: &Object, other: &Object| {
            applied(kind, ("b", false), other, Some(&forced(kind, "a", one, None))).is_err()
        };
        prop_assert_eq!(conflict(&ours, &theirs), conflict(&theirs, &ours));
    }

    #[test]
    fn what_only_one_applied_goes_with_its_configuration(kind in stored_kind(), first in choices(), second in choices()) {
        let (ours, theirs) = pair(kind, &first, &second);
        let live = forced(kind, "b", &theirs, Some(&forced(kind, "a", &ours, None)));
        let (left, kept) = (owned_by(kind, &ours), owned_by(kind, &theirs));
        let after = forced(kind, "a", &nothing(kind), Some(&live));
        prop_assert!(fields_of(&after, "a").is_empty());
        prop_assert_eq!(fields_of(&after, "b"), kept.clone());
        let after = content(&after);
        let there = with_named_parents(kind.shape(), &fieldset_of(kind.shape(), &after));
        let gone = left.difference(&with_named_parents(kind.shape(), &kept));
        prop_assert_eq!(gone.intersection(&there), FieldSet::new());
        prop_assert_eq!(kept.intersection(&there), kept);
    }

    #[test]
    fn what_two_applied_stays_when_one_lets_go(kind in stored_kind(), choices in choices()) {
        let (config, _) = pair(kind, &choices, &[]);
        let live = forced(kind, "a", &config, None);
        let shared = applied(kind, ("b", false), &config, Some(&live)).unwrap();
        prop_assert_eq!(fields_of(&shared, "a"), fields_of(&shared, "b"));
        let after = forced(kind, "a", &nothing(kind), Some(&shared));
        prop_assert_eq!(content(&after), content(&shared));
        prop_assert_eq!(fields_of(&after, "b"), fields_of(&shared, "b"));
    }

    #[test]
    fn updates_steal_what_they_change(kind in stored_kind(), first in choices(), second in choices()) {
        let (config, other) = pair(kind, &first, &second);
        let live = stored(kind, forced(kind, "a", &config, None));
        let tracker = kind.tracker("", Writable::ALL, &OneVersion);
        let mut same = live.clone();
        tracker.update("u", Some(&live), &mut same, NOW);
        assert_same(&same, &live, "an update that changes nothing");
        let mut new = stored(kind, other);
        tracker.update("u", Some(&live), &mut new, NOW);
        let (changed, removed) = changes(kind, &live, &new);
        prop_assert_eq!(fields_of(&new, "a"), fields_of(&live, "a").difference(&changed).difference(&removed));
        prop_assert_eq!(fields_of(&new, "u"), changed.difference(&untracked()));
    }

    #[test]
    fn the_fields_of_every_object_survive_their_encoding(kind in super::any_kind(), choices in choices()) {
        let object = Value::from(super::object(kind, &choices));
        let fields = fieldset_of(kind.shape(), &object);
        let encoded = fields.to_fields_v1();
        prop_assert_eq!(FieldSet::from_fields_v1(&encoded).unwrap(), fields);
        let text: Value = serde_json::from_str(&encoded.to_string()).unwrap();
        prop_assert_eq!(text, encoded);
    }
}

/// The operations a list of owners can have are told apart.
#[test]
fn one_manager_may_own_by_both_operations() {
    let kind = portcullis_schema::kind_named("", "v1", "ConfigMap").unwrap();
    let mut config = nothing(kind);
    config.set_at(&["data", "x"], "1".into());
    let live = forced(kind, "m", &config, None);
    let mut new = live.clone();
    new.set_at(&["data", "y"], "2".into());
    kind.tracker("", Writable::ALL, &OneVersion).update("m", Some(&live), &mut new, NOW);
    let list = new.at(&["metadata", "managedFields"]).unwrap().as_array().unwrap().clone();
    let operations: Vec<_> =
        ManagedFields::decode(&list).unwrap().entries.iter().map(|e| e.operation).collect();
    assert_eq!(operations, [Operation::Apply, Operation::Update]);
}

/// The laws above would say little if hardly any two configurations met.
#[test]
fn configurations_meet_and_agree_about_equally_often() {
    let mut runner = TestRunner::deterministic();
    let conflicts = (0..256).filter(|_| {
        let made = (stored_kind(), choices(), choices()).new_tree(&mut runner).unwrap().current();
        let (ours, theirs) = pair(made.0, &made.1, &made.2);
        applied(made.0, ("b", false), &theirs, Some(&forced(made.0, "a", &ours, None))).is_err()
    });
    let conflicts = conflicts.count();
    assert!((64..192).contains(&conflicts), "{conflicts} of 256");
}
