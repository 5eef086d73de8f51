//! Laws that hold for objects of every kind: round trips, defaults, patches and server-side apply.
//! Objects are made along the types ([`generate`]).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, which may fail"
)]

mod apply;
mod generate;
mod patches;
mod round_trips;
mod tape;

use portcullis_api::{Map, Object, Value};
use portcullis_schema::{FieldValidation, Kind, kinds};
use proptest::prelude::*;

use tape::Tape;

/// Choices, few enough that an object stays small.
fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..160)
}

/// How many cases a property tries, unless `PROPTEST_CASES` says otherwise.
fn cases(default: u32) -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { default }
}

/// Any kind.
fn any_kind() -> impl Strategy<Value = &'static Kind> {
    prop::sample::select(kinds().collect::<Vec<_>>())
}

/// Fails with the first place at which two trees differ, and with both only where that is small.
#[track_caller]
fn assert_same(left: &Object, right: &Object, why: &str) {
    let (left, right) = (Value::from(left.clone()), Value::from(right.clone()));
    if let Some(at) = difference(&left, &right, String::new()) {
        panic!("{why}: {at}");
    }
}

fn difference(left: &Value, right: &Value, at: String) -> Option<String> {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            names.map(|name| (name, format!("{at}.{name}"))).find_map(|(name, at)| {
                match (a.get(name), b.get(name)) {
                    (Some(a), Some(b)) => difference(a, b, at),
                    (a, b) => Some(format!("at {at}: {a:?} and {b:?}")),
                }
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(a, b, format!("{at}[{i}]")))
        }
        (a, b) => (a != b).then(|| format!("at {at}: {a} and {b}")),
    }
}

/// As it is once it was stored.
fn normal(kind: &Kind, tree: Map<String, Value>) -> Object {
    let decoded = kind.decode_tree(Value::Object(tree), FieldValidation::Strict).unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new());
    let mut object = decoded.object;
    kind.forget_empties(&mut object);
    object
}

/// An object in normal form.
fn object(kind: &Kind, choices: &[u8]) -> Object {
    normal(kind, generate::tree(kind, &mut Tape::new(choices)))
}

/// Takes out what says nothing.
fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}
