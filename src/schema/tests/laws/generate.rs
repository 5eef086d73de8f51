//! Objects of every kind, made along the types from a tape of choices.

use portcullis_schema::Kind;
use portcullis_schema::types::{Field, ListType, Struct, StructId, Type, types};
use serde_json::{Map, Value, json};

use super::tape::Tape;

/// How deeply structs are nested at most; what is deeper has its keys only.
const MAX_DEPTH: usize = 16;

/// How often a struct may stand in itself.
const MAX_RECURSION: usize = 2;

const SCHEMA: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";

/// Texts that some encoding could take for something else.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "x",
    "nginx:1.25",
    "",
    "true",
    "no",
    "null",
    "~",
    "1",
    "0x1f",
    "1e3",
    "-1.5",
    "08",
    "1_000",
    ".inf",
    "12:30",
    "2001-01-01",
    " led",
    "trailed ",
    "- item",
    "a: b",
    "# no comment",
    "a #b",
    "*ref",
    "&anchor",
    "!tag",
    "{{ .Values }}",
    "[",
    "%",
    "@",
    "`",
    "'quoted'",
    "\"quoted\"",
    "two\nlines",
    "two\nlines\n",
    "\n",
    "\n\nfar\n",
    "tab\there",
    "\r\n",
    "é",
    "日本",
    "\u{1F980}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}bom",
    "\u{7f}",
    "\u{1}",
    "<&>",
    "a\\b",
    "---",
    "...",
    "? q",
    "|",
    ">",
    "=",
    "<<",
    "y",
    "N",
    "Off",
];

/// Names that may be keys of lists and maps.
const NAMES: &[&str] = &["a", "b", "c", "app.kubernetes.io/name", "cpu", "1", "true", "k~/x"];

const QUANTITIES: &[&str] =
    &["1", "0", "100m", "1Gi", "1536Mi", "500M", "-1", "12E", "1u", "1e3", "9223372036854775807"];
const ODD_QUANTITIES: &[&str] =
    &["0.5", "1024Mi", "1.5Gi", "1000m", "+1", "1E3", "0.0000000001", "1000k", "00100", ".5"];
const TIMES: &[&str] =
    &["2026-01-02T03:04:05Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:01Z", "9999-12-31T23:59:59Z"];
const ODD_TIMES: &[&str] =
    &["2026-01-02T03:04:05+01:30", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999999Z"];
const MICRO_TIMES: &[&str] =
    &["2026-01-02T03:04:05.000006Z", "1969-12-31T23:59:59.999999Z", "2026-01-02T03:04:05.000000Z"];
const INTEGERS: &[i64] = &[1, 0, 80, -1, 443, 65535, 2_147_483_647, -2_147_483_648];
const LONG_INTEGERS: &[i64] = &[9_007_199_254_740_993, i64::MAX, i64::MIN];
const FLOATS: &[f64] = &[0.5, 0.0, 3.0, -2.25, 1e21, 1e-7, 0.1, 9e18];
const BYTES: &[&str] = &["eA==", "", "AAEC/w==", "bm8gdGV4dA==", "////"];

/// A tree that is an object of a kind, though not in normal form.
pub(crate) fn tree(kind: &Kind, tape: &mut Tape<'_>) -> Map<String, Value> {
    let mut maker = Maker { tape, open: Vec::new() };
    let mut tree = maker.members(kind.root(), &[]);
    tree.insert("apiVersion".to_owned(), kind.api_version().into());
    tree.insert("kind".to_owned(), kind.kind().into());
    tree
}

/// A tree with some of another one's members and values, and some of its own.
pub(crate) fn variation(kind: &Kind, of: &Map<String, Value>, tape: &mut Tape<'_>) -> Map<String, Value> {
    let mut maker = Maker { tape, open: Vec::new() };
    let mut tree = maker.varied_members(kind.root(), of, &[]);
    tree.insert("apiVersion".to_owned(), kind.api_version().into());
    tree.insert("kind".to_owned(), kind.kind().into());
    tree
}

struct Maker<'m, 't> {
    tape: &'m mut Tape<'t>,
    /// The structs around what is being made.
    open: Vec<StructId>,
}

impl Maker<'_, '_> {
    fn members(&mut self, id: StructId, keys: &[&str]) -> Map<String, Value> {
        let schema = types().get(id);
        let mut map = self.keys(schema, keys);
        let again = self.open.iter().filter(|open| **open == id).count();
        if self.open.len() >= MAX_DEPTH || again >= MAX_RECURSION {
            return map;
        }
        let chosen = self.tape.fields(schema, self.open.is_empty());
        self.open.push(id);
        let skipped = self.tape.skipped;
        for field in chosen.into_iter().filter_map(|at| schema.fields.get(at)).filter(|field| !skipped(field))
        {
            if !map.contains_key(field.json) {
                let value = self.field(field);
                map.insert(field.json.to_owned(), value);
            }
        }
        self.open.pop();
        map
    }

    /// The fields that tell the items of a list apart.
    fn keys(&mut self, schema: &Struct, keys: &[&str]) -> Map<String, Value> {
        let known = keys.iter().filter_map(|key| schema.field(key));
        let key = |field: &Field| {
            let value = match field.ty {
                Type::String if !field.enum_values.is_empty() => self.word(field),
                Type::String => self.tape.one_of(NAMES).into(),
                _ => self.tape.one_of(&[80, 443, 1]).into(),
            };
            (field.json.to_owned(), value)
        };
        known.map(key).collect()
    }

    fn word(&mut self, field: &Field) -> Value {
        let words: Vec<&str> = field.enum_values.iter().collect();
        self.tape.one_of(&words).into()
    }

    fn field(&mut self, field: &Field) -> Value {
        match &field.ty {
            Type::String if !field.enum_values.is_empty() => self.word(field),
            Type::List(of) => self.list(field, of),
            ty => self.value(ty),
        }
    }

    fn list(&mut self, field: &Field, of: &Type) -> Value {
        let keys = keys_of(field);
        let items = (0..self.tape.few()).map(|_| match of {
            Type::Struct(id) => Value::Object(self.members(*id, &keys)),
            Type::String if !field.enum_values.is_empty() => self.word(field),
            of => self.value(of),
        });
        let items = items.collect();
        unique(field, items)
    }

    fn value(&mut self, ty: &Type) -> Value {
        let odd = self.tape.odd && self.tape.below(3) == 1;
        match ty {
            Type::String => self.tape.one_of(TEXTS).into(),
            Type::Bool => (self.tape.below(2) == 0).into(),
            Type::Int32 => self.tape.one_of(INTEGERS).into(),
            Type::Int64 => self.tape.one_of(&[INTEGERS, LONG_INTEGERS].concat()).into(),
            Type::Float64 => whole(self.tape.one_of(FLOATS)),
            Type::Bytes => self.tape.one_of(BYTES).into(),
            Type::Time => self.tape.one_of(if odd { ODD_TIMES } else { TIMES }).into(),
            Type::MicroTime => self.tape.one_of(MICRO_TIMES).into(),
            Type::Duration => "1h0m0s".into(),
            Type::Quantity => self.tape.one_of(if odd { ODD_QUANTITIES } else { QUANTITIES }).into(),
            Type::IntOrString if self.tape.below(2) == 0 => self.tape.one_of(INTEGERS).into(),
            Type::IntOrString => self.tape.one_of(&["http", "50%", "80", ""]).into(),
            Type::RawObject => json!({"apiVersion": "v1", "kind": "X", "any": self.any(3)}),
            Type::Json => self.any(3),
            Type::FieldsV1 => Value::Object(self.field_set(3)),
            Type::SchemaOrBool | Type::SchemaOrArray | Type::SchemaOrStrings => self.schema_or(ty),
            Type::Struct(id) => Value::Object(self.members(*id, &[])),
            Type::List(of) => (0..self.tape.few()).map(|_| self.value(of)).collect(),
            Type::Map(of) => {
                let count = self.tape.few();
                Value::Object(
                    (0..count).map(|_| (self.tape.one_of(NAMES).to_owned(), self.value(of))).collect(),
                )
            }
        }
    }

    fn schema_or(&mut self, ty: &Type) -> Value {
        let schema = types().by_definition(SCHEMA).unwrap();
        match (ty, self.tape.below(3)) {
            (_, 0) => Value::Object(self.members(schema, &[])),
            (Type::SchemaOrBool, which) => (which == 1).into(),
            (Type::SchemaOrArray, _) => json!([self.members(schema, &[])]),
            _ => json!([self.tape.one_of(NAMES)]),
        }
    }

    /// Any JSON but `null`.
    fn any(&mut self, depth: usize) -> Value {
        match self.tape.below(if depth == 0 { 4 } else { 6 }) {
            0 => self.tape.one_of(TEXTS).into(),
            1 => self.tape.one_of(INTEGERS).into(),
            2 => whole(self.tape.one_of(FLOATS)),
            3 => true.into(),
            4 => (0..self.tape.few()).map(|_| self.any(depth - 1)).collect(),
            _ => {
                let count = self.tape.few();
                let names = (0..count).map(|_| self.tape.one_of(NAMES).to_owned()).collect::<Vec<_>>();
                Value::Object(names.into_iter().map(|name| (name, self.any(depth - 1))).collect())
            }
        }
    }

    fn field_set(&mut self, depth: usize) -> Map<String, Value> {
        const STEPS: &[&str] = &["f:spec", "f:a", r#"k:{"name":"a"}"#, r#"v:"x""#, "i:0", "."];
        let count = if depth == 0 { 0 } else { self.tape.few() };
        let steps = (0..count).map(|_| self.tape.one_of(STEPS).to_owned()).collect::<Vec<_>>();
        let below = |step: String| {
            let below = if step == "." { Map::new() } else { self.field_set(depth - 1) };
            (step, Value::Object(below))
        };
        steps.into_iter().map(below).collect()
    }

    fn varied_members(&mut self, id: StructId, of: &Map<String, Value>, keys: &[&str]) -> Map<String, Value> {
        let schema = types().get(id);
        let root = self.open.is_empty();
        self.open.push(id);
        let mut map = Map::new();
        for (name, value) in of {
            let Some(field) = schema.field(name) else { continue };
            if keys.contains(&&**name) {
                map.insert(name.clone(), value.clone());
            } else if root || self.tape.below(4) != 1 {
                map.insert(name.clone(), self.varied(field, value));
            }
        }
        if self.tape.below(4) == 1 && !schema.fields.is_empty() {
            let field = &schema.fields[self.tape.below(schema.fields.len())];
            if !keys.contains(&field.json) && !(self.tape.skipped)(field) {
                map.insert(field.json.to_owned(), self.field(field));
            }
        }
        self.open.pop();
        map
    }

    fn varied(&mut self, field: &Field, value: &Value) -> Value {
        match (&field.ty, value) {
            (Type::Struct(id), Value::Object(map)) => Value::Object(self.varied_members(*id, map, &[])),
            (Type::List(of), Value::Array(items)) => {
                let keys = keys_of(field);
                let mut kept = Vec::new();
                for item in items {
                    match (&**of, item) {
                        _ if self.tape.below(4) == 1 => {}
                        (Type::Struct(id), Value::Object(map)) => {
                            kept.push(Value::Object(self.varied_members(*id, map, &keys)));
                        }
                        _ => kept.push(item.clone()),
                    }
                }
                match self.tape.below(4) {
                    1 => kept.extend(self.list(field, of).as_array().cloned().unwrap_or_default()),
                    2 => kept.reverse(),
                    _ => {}
                }
                unique(field, kept)
            }
            (_, value) if self.tape.below(3) != 1 => value.clone(),
            _ => self.field(field),
        }
    }
}

/// The fields that tell a list's items apart for apply or a strategic merge patch.
fn keys_of(field: &Field) -> Vec<&'static str> {
    let mut keys: Vec<&str> = field.keys.iter().collect();
    if !field.patch_merge_key.is_empty() && !keys.contains(&field.patch_merge_key) {
        keys.push(field.patch_merge_key);
    }
    keys
}

/// The items without those that are there already, if the list tells its items apart.
fn unique(field: &Field, items: Vec<Value>) -> Value {
    let keys = keys_of(field);
    let merge_key = field.patch_merge_key;
    let is_set =
        field.list == ListType::Set || (field.patch_strategy.contains("merge") && merge_key.is_empty());
    let same = |a: &Value, b: &Value| {
        let all = !keys.is_empty() && keys.iter().all(|key| a.get(key) == b.get(key));
        all || (!merge_key.is_empty() && a.get(merge_key) == b.get(merge_key)) || (is_set && a == b)
    };
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        if !kept.iter().any(|one| same(one, &item)) {
            kept.push(item);
        }
    }
    Value::Array(kept)
}

/// A number as it is written.
fn whole(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 9.2e18 { json!(value as i64) } else { json!(value) }
}
