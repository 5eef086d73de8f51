//! JSON patch, RFC 6902, with the liberties upstream's library takes: indexes may be negative, a `replace`
//! may add a field, and a `path` need not start with a slash.

use portcullis_api::field::go_quote;
use portcullis_api::{ApiError, Map, Reason, Value};

use super::body::{Body, word};
use crate::decode::MAX_DEPTH;

/// The most operations of one patch.
const MAX_OPERATIONS: usize = 10_000;

/// The most bytes that all `copy` operations of a patch may add.
const MAX_COPIED: usize = 3 * 1024 * 1024;

/// The most list items that all operations of a patch may move.
const MAX_MOVED: usize = 50_000_000;

/// A patch's operations.
#[derive(Debug)]
pub struct JsonPatch(Vec<Step>);

#[derive(Debug)]
struct Step {
    op: Op,
    path: Option<Pointer>,
    from: Option<Pointer>,
    value: Option<Value>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Op {
    Add,
    Remove,
    Replace,
    Move,
    Copy,
    Test,
    Unknown,
}

/// The keys to a value; none for a path that leads nowhere.
#[derive(Debug)]
struct Pointer {
    whole: bool,
    keys: Vec<String>,
}

impl JsonPatch {
    /// Reads the operations. Notes what strict validation objects to.
    pub(super) fn parse(body: Body, strict: bool, notes: &mut Vec<String>) -> Result<Self, ApiError> {
        let items = match body.value {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => return Err(not_operations(&other, strict)),
        };
        if strict {
            notes.extend(body.duplicates.iter().map(|duplicate| format!("json patch {duplicate}")));
        }
        if items.len() > MAX_OPERATIONS {
            return Err(too_large(format!(
                "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                items.len()
            )));
        }
        let steps = items.into_iter().enumerate().map(|(at, item)| step(at, item, strict, notes));
        steps.collect::<Result<_, _>>().map(Self)
    }

    /// Reads a patch that is no request's body: what a webhook answers or an expression makes. Nothing is
    /// strict about it but the bounds.
    ///
    /// # Errors
    /// In the words of upstream's library, or 413 for too many operations.
    pub fn read(json: &[u8]) -> Result<Self, ApiError> {
        let body = super::body::read(json).map_err(|why| undecodable(false, &why))?;
        Self::parse(body, false, &mut Vec::new())
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies all operations to a copy of the tree, or none.
    ///
    /// # Errors
    /// 422 when an operation does not apply; the log has the reason.
    pub fn apply(&self, tree: &Map<String, Value>) -> Result<Value, ApiError> {
        let mut run = Run { tree: Value::Object(tree.clone()), copied: 0, moved: 0 };
        for step in &self.0 {
            run.step(step)?;
        }
        Ok(run.tree)
    }
}

/// Why a test fails.
const TEST_FAILED: &str = "a test failed";

/// Applies operations to a tree; nothing if a test among them fails.
///
/// # Errors
/// What is wrong with them, for whoever wrote them.
pub(super) fn run(operations: Value, tree: &Map<String, Value>) -> Result<Option<Value>, String> {
    let body = Body { value: operations, duplicates: Vec::new() };
    let words = |error: &ApiError| error.log().unwrap_or(error.message()).to_owned();
    let patch = JsonPatch::parse(body, false, &mut Vec::new()).map_err(|error| words(&error))?;
    match patch.apply(tree) {
        Ok(tree) => Ok(Some(tree)),
        Err(error) if error.log() == Some(TEST_FAILED) => Ok(None),
        Err(error) => Err(words(&error)),
    }
}

fn step(at: usize, item: Value, strict: bool, notes: &mut Vec<String>) -> Result<Step, ApiError> {
    let mut map = match item {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => {
            let target = if strict { "handlers.jsonPatchOp" } else { "jsonpatch.Operation" };
            return Err(undecodable(
                strict,
                &format!("json: cannot unmarshal {} into Go value of type {target}", word(&other)),
            ));
        }
    };
    if strict {
        let unknown = map.keys().filter(|key| !matches!(key.as_str(), "op" | "path" | "from" | "value"));
        notes.extend(
            unknown.map(|key| format!("json patch unknown field {}", go_quote(&format!("[{at}].{key}")))),
        );
        for name in ["op", "path", "from"] {
            if let Some(wrong) = map.get(name).filter(|value| !value.is_string() && !value.is_null()) {
                let (word, field) = (word(wrong), format!("jsonPatchOp.{name}"));
                return Err(undecodable(
                    true,
                    &format!("json: cannot unmarshal {word} into Go struct field {field} of type string"),
                ));
            }
        }
    }
    let op = match map.get("op").and_then(Value::as_str) {
        Some("add") => Op::Add,
        Some("remove") => Op::Remove,
        Some("replace") => Op::Replace,
        Some("move") => Op::Move,
        Some("copy") => Op::Copy,
        Some("test") => Op::Test,
        _ => Op::Unknown,
    };
    let pointer = |name: &str| map.get(name).and_then(Value::as_str).map(Pointer::parse);
    let (path, from) = (pointer("path"), pointer("from"));
    Ok(Step { op, path, from, value: map.remove("value") })
}

fn not_operations(value: &Value, strict: bool) -> ApiError {
    let target = if strict { "[]handlers.jsonPatchOp" } else { "jsonpatch.Patch" };
    undecodable(strict, &format!("json: cannot unmarshal {} into Go value of type {target}", word(value)))
}

/// 400 for a patch that is not one.
pub(super) fn undecodable(strict: bool, why: &str) -> ApiError {
    let prefix = if strict { "error decoding patch: " } else { "" };
    ApiError::bad_request(format!("{prefix}{why}"))
}

/// 422 as upstream answers any operation that fails. The reason is only logged.
pub(super) fn rejected(why: impl Into<String>) -> ApiError {
    ApiError::new(Reason::Invalid, "the server rejected our request due to an error in our request")
        .with_causes(Vec::new())
        .with_log(why)
}

fn too_large(why: String) -> ApiError {
    ApiError::new(Reason::RequestEntityTooLarge, format!("Request entity too large: {why}"))
}

impl Pointer {
    fn parse(text: &str) -> Self {
        let keys = text.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
        Self { whole: text.is_empty(), keys: keys.collect() }
    }
}

/// A tree with operations being applied to it.
struct Run {
    tree: Value,
    copied: usize,
    moved: usize,
}

impl Run {
    fn step(&mut self, step: &Step) -> Result<(), ApiError> {
        let path = step.path.as_ref().ok_or_else(|| rejected("an operation has no path"))?;
        let from = || step.from.as_ref().ok_or_else(|| rejected("an operation has no from"));
        match step.op {
            Op::Add => {
                self.add(path, step.value.clone().unwrap_or_default()).map_err(|why| at("add", path, &why))
            }
            Op::Remove => self.remove(path).map(|_| ()).map_err(|why| at("remove", path, &why)),
            Op::Replace => {
                let value = step.value.clone().unwrap_or_default();
                self.replace(path, value).map_err(|why| at("replace", path, &why))
            }
            Op::Test => self.test(path, step.value.as_ref()),
            Op::Move => {
                let value = self.remove(from()?)?;
                self.add(path, value)
            }
            Op::Copy => {
                let value = self.get(from()?)?.cloned().unwrap_or_default();
                self.copied = self.copied.saturating_add(size(&value));
                if self.copied > MAX_COPIED {
                    return Err(rejected("copies add too much"));
                }
                self.add(path, value)
            }
            Op::Unknown => Err(rejected("an operation of an unknown kind")),
        }
    }

    /// The value at a path, `None` for a missing field.
    fn get(&self, path: &Pointer) -> Result<Option<&Value>, ApiError> {
        let (last, parents) = path.keys.split_last().ok_or_else(missing)?;
        let mut at = &self.tree;
        for key in parents {
            at = child(at, key).filter(|value| !value.is_null()).ok_or_else(missing)?;
        }
        match at {
            Value::Object(map) => Ok(map.get(last)),
            Value::Array(items) => {
                Ok(items.get(index(last, items.len())?)).and_then(|item| item.map(Some).ok_or_else(missing))
            }
            _ => Err(missing()),
        }
    }

    /// The container a path ends in, and the last key.
    fn container<'s, 'p>(&'s mut self, path: &'p Pointer) -> Result<(&'s mut Value, &'p str), ApiError> {
        let (last, parents) = path.keys.split_last().ok_or_else(missing)?;
        let mut at = &mut self.tree;
        for key in parents {
            at = match at {
                Value::Object(map) => map.get_mut(key),
                Value::Array(items) => {
                    let place = index(key, items.len())?;
                    items.get_mut(place)
                }
                _ => None,
            }
            .ok_or_else(missing)?;
        }
        Ok((at, last))
    }

    fn add(&mut self, path: &Pointer, value: Value) -> Result<(), ApiError> {
        fits(path, &value)?;
        let mut moved = 0;
        match self.container(path)? {
            (Value::Object(map), key) => {
                map.insert(key.to_owned(), value);
            }
            (Value::Array(items), "-") => items.push(value),
            (Value::Array(items), key) => {
                let place = index(key, items.len() + 1)?;
                moved = items.len() - place;
                items.insert(place, value);
            }
            _ => return Err(missing()),
        }
        self.count(moved)
    }

    fn remove(&mut self, path: &Pointer) -> Result<Value, ApiError> {
        let mut moved = 0;
        let removed = match self.container(path)? {
            (Value::Object(map), key) => map.remove(key).ok_or_else(missing)?,
            (Value::Array(items), key) => {
                let place = index(key, items.len())?;
                moved = items.len() - place;
                items.remove(place)
            }
            _ => return Err(missing()),
        };
        self.count(moved)?;
        Ok(removed)
    }

    fn replace(&mut self, path: &Pointer, value: Value) -> Result<(), ApiError> {
        if path.whole {
            if !value.is_object() && !value.is_array() {
                return Err(rejected("only an object or array can replace the whole"));
            }
            self.tree = value;
            return Ok(());
        }
        fits(path, &value)?;
        match self.container(path)? {
            (Value::Object(map), key) => {
                map.insert(key.to_owned(), value);
            }
            (Value::Array(items), key) => {
                let place = index(key, items.len())?;
                *items.get_mut(place).ok_or_else(missing)? = value;
            }
            _ => return Err(missing()),
        }
        Ok(())
    }

    fn test(&self, path: &Pointer, wanted: Option<&Value>) -> Result<(), ApiError> {
        let there = if path.whole { Some(&self.tree) } else { self.get(path)? };
        let there = there.unwrap_or(&Value::Null);
        // Without a value only null passes.
        if there == wanted.unwrap_or(&Value::Null) { Ok(()) } else { Err(rejected(TEST_FAILED)) }
    }

    fn count(&mut self, moved: usize) -> Result<(), ApiError> {
        self.moved = self.moved.saturating_add(moved);
        if self.moved > MAX_MOVED { Err(rejected("operations move too much")) } else { Ok(()) }
    }
}

/// Tells the log which operation failed.
fn at(operation: &str, path: &Pointer, why: &ApiError) -> ApiError {
    let keys = path.keys.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1")));
    let path: String = keys.collect();
    let path = go_quote(&path);
    rejected(match why.log() {
        Some(MISSING) => {
            format!("{operation} operation does not apply: doc is missing path: {path}: missing value")
        }
        other => format!("{operation} operation does not apply: {path}: {}", other.unwrap_or_default()),
    })
}

const MISSING: &str = "a path leads nowhere";

fn missing() -> ApiError {
    rejected(MISSING)
}

fn child<'v>(value: &'v Value, key: &str) -> Option<&'v Value> {
    match value {
        Value::Object(map) => map.get(key),
        Value::Array(items) => items.get(index(key, items.len()).ok()?),
        _ => None,
    }
}

/// The place an index means in a list of so many items; negative ones count from the end.
fn index(key: &str, length: usize) -> Result<usize, ApiError> {
    let wanted: i64 = key.parse().map_err(|_| rejected("an index is no number"))?;
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let place = if wanted < 0 { wanted.saturating_add(length) } else { wanted };
    if (0..length).contains(&place) {
        usize::try_from(place).map_err(|_| missing())
    } else {
        Err(rejected("an index is out of bounds"))
    }
}

/// Refuses what would nest deeper than any object that was read.
fn fits(path: &Pointer, value: &Value) -> Result<(), ApiError> {
    if path.keys.len() + depth(value) > MAX_DEPTH {
        Err(rejected("it would nest too deeply"))
    } else {
        Ok(())
    }
}

/// How deep a value nests. Values come from trees that are bounded.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// About how many bytes of JSON a value has.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
        Value::Object(map) => 2 + map.iter().map(|(key, value)| key.len() + 4 + size(value)).sum::<usize>(),
    }
}
