//! `metadata.managedFields`: who owns which fields, decoded and encoded.

use std::borrow::Cow;
use std::cmp::Ordering;

use portcullis_api::field::go_quote;
use portcullis_api::{Map, Value};

use super::set::FieldSet;

/// How a manager came to own its fields.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// By server-side apply.
    Apply,
    /// By a create, update or other patch.
    Update,
}

impl Operation {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// The fields of one manager.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry<'a> {
    /// The name it gave.
    pub manager: Cow<'a, str>,
    /// How it came to own the fields.
    pub operation: Operation,
    /// The version the fields are written in.
    pub api_version: Cow<'a, str>,
    /// The subresource it wrote to; empty for the main resource.
    pub subresource: Cow<'a, str>,
    /// When its fields changed last; empty for unknown.
    pub time: Cow<'a, str>,
    /// The fields.
    pub set: FieldSet<'a>,
}

impl Entry<'_> {
    /// Whether this is the entry of a manager. An applier has one entry, whatever versions it uses.
    pub fn is_of(&self, manager: &str, operation: Operation, api_version: &str, subresource: &str) -> bool {
        self.manager == manager
            && self.operation == operation
            && self.subresource == subresource
            && (operation == Operation::Apply || self.api_version == api_version)
    }

    /// Whether both are entries of one manager.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        self.is_of(&other.manager, other.operation, &other.api_version, &other.subresource)
    }

    /// What identifies the entry, in the form upstream sorts by.
    pub(super) fn identifier(&self) -> String {
        let mut map = Map::new();
        put(&mut map, "manager", &self.manager);
        put(&mut map, "operation", self.operation.as_str());
        if self.operation == Operation::Update {
            put(&mut map, "apiVersion", &self.api_version);
        }
        put(&mut map, "subresource", &self.subresource);
        // The order of the members is that of upstream's struct, not of their names.
        let ordered = ["manager", "operation", "apiVersion", "subresource"];
        let members = ordered.iter().filter_map(|name| Some(format!("\"{name}\":{}", map.get(*name)?)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// The manager as messages name it.
    pub(super) fn shown(&self) -> String {
        let mut out = go_quote(&self.manager);
        if !self.subresource.is_empty() {
            out.push_str(" with subresource ");
            out.push_str(&go_quote(&self.subresource));
        }
        if self.operation == Operation::Update {
            out.push_str(" using ");
            out.push_str(&self.api_version);
        }
        out
    }

    fn order(&self, other: &Self) -> Ordering {
        self.operation
            .cmp(&other.operation)
            .then_with(|| self.time.cmp(&other.time))
            .then_with(|| self.manager.cmp(&other.manager))
            .then_with(|| self.api_version.cmp(&other.api_version))
            .then_with(|| self.subresource.cmp(&other.subresource))
    }

    fn to_value(&self) -> Value {
        let mut map = Map::new();
        put(&mut map, "manager", &self.manager);
        put(&mut map, "operation", self.operation.as_str());
        put(&mut map, "apiVersion", &self.api_version);
        put(&mut map, "time", &self.time);
        put(&mut map, "fieldsType", "FieldsV1");
        map.insert("fieldsV1".to_owned(), self.set.to_fields_v1());
        put(&mut map, "subresource", &self.subresource);
        Value::Object(map)
    }
}

fn put(map: &mut Map<String, Value>, name: &str, text: &str) {
    if !text.is_empty() {
        map.insert(name.to_owned(), Value::String(text.to_owned()));
    }
}

/// All managers of an object.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ManagedFields<'a> {
    /// One entry for each manager.
    pub entries: Vec<Entry<'a>>,
}

impl<'a> ManagedFields<'a> {
    /// Reads the list; fails in upstream's words.
    pub fn decode(list: &'a [Value]) -> Result<Self, String> {
        let mut managed = Self { entries: Vec::with_capacity(list.len() + 1) };
        for (at, entry) in list.iter().enumerate() {
            let entry = decode_entry(at, entry)?;
            match managed.entries.iter_mut().find(|known| known.is_same_as(&entry)) {
                Some(known) => *known = entry,
                None => managed.entries.push(entry),
            }
        }
        Ok(managed)
    }

    /// Writes the list in its order on the wire; `None` for no entries.
    pub fn encode(&mut self) -> Option<Value> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.sort_by(Entry::order);
        Some(self.entries.iter().map(Entry::to_value).collect())
    }

    /// Drops entries without fields.
    pub(super) fn drop_empty(&mut self) {
        self.entries.retain(|entry| !entry.set.is_empty());
    }
}

fn decode_entry(at: usize, entry: &Value) -> Result<Entry<'_>, String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let operation = match text("operation") {
        "Apply" => Operation::Apply,
        "Update" => Operation::Update,
        _ => return Err("operation must be `Apply` or `Update`".to_owned()),
    };
    if text("apiVersion").is_empty() {
        return Err("apiVersion must not be empty".to_owned());
    }
    match text("fieldsType") {
        "FieldsV1" => {}
        "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
        other => return Err(format!("invalid fieldsType {} in managed fields entry {at}", go_quote(other))),
    }
    let set = match entry.get("fieldsV1") {
        None | Some(Value::Null) => FieldSet::new(),
        Some(fields) => FieldSet::from_fields_v1(fields).map_err(|_| {
            format!("error decoding versioned set from managed fields entry {at}: error decoding set")
        })?,
    };
    Ok(Entry {
        manager: Cow::Borrowed(text("manager")),
        operation,
        api_version: Cow::Borrowed(text("apiVersion")),
        subresource: Cow::Borrowed(text("subresource")),
        time: Cow::Borrowed(text("time")),
        set,
    })
}

/// The list in an object's metadata.
pub(super) fn list_of(metadata: Option<&Map<String, Value>>) -> Option<&[Value]> {
    metadata?.get("managedFields")?.as_array().map(Vec::as_slice)
}

/// Whether a client asks to forget all owners: an empty list, or one empty entry.
pub(super) fn is_reset(list: Option<&[Value]>) -> bool {
    match list {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(Map::is_empty) || one.is_null(),
        _ => false,
    }
}
