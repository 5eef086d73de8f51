//! Definitions: the schema table's structs as JSON Schema, in the dialect of either OpenAPI version.

use std::collections::BTreeMap;

use portcullis_api::{Gvk, Map, Value};
use portcullis_schema::types::{Field, ListType, Omit, Struct, Type, types};
use portcullis_schema::{Kind, Row, kinds};
use serde_json::json;

use super::words::Words;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Which OpenAPI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dialect {
    V2,
    V3,
}

impl Dialect {
    fn prefix(self) -> &'static str {
        match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        }
    }

    /// A reference to a definition.
    pub(super) fn reference(self, definition: &str) -> Value {
        json!({ "$ref": format!("{}{definition}", self.prefix()) })
    }
}

/// Makes definitions, and with them those they refer to.
pub(super) struct Schemas<'w> {
    dialect: Dialect,
    words: &'w Words,
    kinds: BTreeMap<&'static str, Vec<&'static Kind>>,
    done: BTreeMap<String, Value>,
    wanted: Vec<&'static str>,
}

impl<'w> Schemas<'w> {
    pub(super) fn new(dialect: Dialect, words: &'w Words) -> Self {
        let mut by_definition: BTreeMap<&'static str, Vec<&'static Kind>> = BTreeMap::new();
        for kind in kinds() {
            by_definition.entry(kind.root_struct().definition).or_default().push(kind);
        }
        Self { dialect, words, kinds: by_definition, done: BTreeMap::new(), wanted: Vec::new() }
    }

    /// Which OpenAPI it is made for.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Adds ready definitions of custom kinds, and what their heads refer to.
    pub(super) fn add(&mut self, definitions: impl IntoIterator<Item = (String, Value)>) {
        self.done.extend(definitions);
        self.refer(OBJECT_META);
        self.refer(LIST_META);
    }

    /// A reference to a definition that was added.
    pub(super) fn refer_added(&self, definition: &str) -> Option<Value> {
        self.done.contains_key(definition).then(|| self.dialect.reference(definition))
    }

    /// A reference to a definition, which will be among the finished ones.
    pub(super) fn refer(&mut self, definition: &'static str) -> Value {
        if !self.done.contains_key(definition) {
            // Reserved at once: definitions refer to each other in circles.
            self.done.insert(definition.to_owned(), Value::Null);
            self.wanted.push(definition);
        }
        self.dialect.reference(definition)
    }

    /// A reference to the definition of a kind's lists. The schema table has none: all lists are alike.
    pub(super) fn refer_list(&mut self, kind: &'static Kind, row: &Row) -> Value {
        let item = kind.root_struct().definition;
        let name = format!("{item}List");
        if !self.done.contains_key(&name) {
            let schema = self.list_of(item, row);
            self.done.insert(name.clone(), schema);
        }
        self.dialect.reference(&name)
    }

    fn list_of(&mut self, item: &'static str, row: &Row) -> Value {
        let head = |field| json!({ "type": "string", "description": self.words.of(item, field) });
        let (api_version, kind) = (head("apiVersion"), head("kind"));
        let mut metadata = object(self.refer(LIST_META));
        put_text(&mut metadata, "description", self.words.of(item, "metadata"));
        if self.dialect == Dialect::V3 {
            metadata.insert("default".into(), json!({}));
        }
        let of_list = Gvk::new(row.gvk.gv.clone(), row.list_kind.as_str());
        json!({
            "description": format!("{} is a list of {}.", row.list_kind, row.gvr.resource),
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": api_version,
                "items": {
                    "description": format!("List of {}", row.gvr.resource),
                    "type": "array",
                    "items": self.refer(item),
                },
                "kind": kind,
                "metadata": wrap_reference(metadata, self.dialect),
            },
            "x-kubernetes-group-version-kind": [gvk_value(&of_list)],
        })
    }

    /// All definitions referred to.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        while let Some(definition) = self.wanted.pop() {
            let schema = self.definition(definition);
            self.done.insert(definition.to_owned(), schema);
        }
        self.done.into_iter().collect()
    }

    fn definition(&mut self, definition: &'static str) -> Value {
        let Some(id) = types().by_definition(definition) else {
            return leaf(definition, self.dialect, self.words);
        };
        let schema = types().get(id);
        let mut map = Map::new();
        put_text(&mut map, "description", self.words.of(definition, ""));
        map.insert("type".into(), "object".into());
        let required: Vec<&str> = schema.required().collect();
        if !required.is_empty() {
            map.insert("required".into(), json!(required));
        }
        let mut properties = Map::new();
        for field in &schema.fields {
            let value = self.field(schema, field);
            properties.insert(field.json.to_owned(), value);
        }
        if !properties.is_empty() {
            map.insert("properties".into(), properties.into());
        }
        if schema.atomic {
            map.insert("x-kubernetes-map-type".into(), "atomic".into());
        }
        self.put_kinds(definition, &mut map);
        map.into()
    }

    fn put_kinds(&self, definition: &str, map: &mut Map<String, Value>) {
        let Some(kinds) = self.kinds.get(definition) else { return };
        let kinds: Vec<Value> = kinds.iter().map(|kind| gvk_value(kind.gvk())).collect();
        map.insert("x-kubernetes-group-version-kind".into(), kinds.into());
    }

    fn field(&mut self, schema: &Struct, field: &Field) -> Value {
        let mut map = self.schema_of(&field.ty, field.item_default);
        let words = self.words.of(schema.definition, field.json);
        put_text(&mut map, "description", &format!("{words}{}", possible_values(field)));
        let default = match (field.default.map(serde_json::from_str::<Value>), self.dialect) {
            (Some(Ok(default)), _) => Some(default),
            // Version 3 tells of structs that are there whether or not they are given.
            (_, Dialect::V3) if !field.pointer && is_object(&field.ty) && field.omit != Omit::Zero => {
                Some(json!({}))
            }
            _ => None,
        };
        if let Some(default) = default {
            map.insert("default".into(), default);
        }
        put_enum(&mut map, field);
        put_merge_rules(&mut map, field);
        wrap_reference(map, self.dialect).into()
    }

    fn schema_of(&mut self, ty: &Type, item_default: Option<&'static str>) -> Map<String, Value> {
        let plain = |ty: &str| Map::from_iter([("type".to_owned(), Value::from(ty))]);
        let formatted = |ty: &str, format: &str| {
            Map::from_iter([("type".to_owned(), Value::from(ty)), ("format".to_owned(), Value::from(format))])
        };
        match ty {
            Type::String => plain("string"),
            Type::Bool => plain("boolean"),
            Type::Int32 => formatted("integer", "int32"),
            Type::Int64 => formatted("integer", "int64"),
            Type::Float64 => formatted("number", "double"),
            Type::Bytes => formatted("string", "byte"),
            Type::List(item) => {
                let item = self.item(item, item_default);
                Map::from_iter([("type".to_owned(), "array".into()), ("items".to_owned(), item)])
            }
            Type::Map(value) => {
                let value = self.item(value, item_default);
                Map::from_iter([
                    ("type".to_owned(), "object".into()),
                    ("additionalProperties".to_owned(), value),
                ])
            }
            Type::Struct(id) => object(self.refer(types().get(*id).definition)),
            named => object(self.refer(leaf_name(named))),
        }
    }

    fn item(&mut self, ty: &Type, item_default: Option<&'static str>) -> Value {
        let mut map = self.schema_of(ty, None);
        if self.dialect == Dialect::V3 {
            let default = item_default.and_then(|text| serde_json::from_str(text).ok());
            if let Some(default) = default.or_else(|| is_object(ty).then(|| json!({}))) {
                map.insert("default".into(), default);
            }
        }
        wrap_reference(map, self.dialect).into()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn is_object(ty: &Type) -> bool {
    matches!(ty, Type::Struct(_) | Type::Time | Type::MicroTime)
}

/// In version 3 nothing may stand beside a reference.
fn wrap_reference(mut map: Map<String, Value>, dialect: Dialect) -> Map<String, Value> {
    if dialect == Dialect::V2 || map.len() == 1 {
        return map;
    }
    if let Some(reference) = map.remove("$ref") {
        map.insert("allOf".into(), json!([{ "$ref": reference }]));
    }
    map
}

fn put_text(map: &mut Map<String, Value>, key: &str, text: &str) {
    if !text.is_empty() {
        map.insert(key.to_owned(), text.into());
    }
}

/// The values of an enumeration in words, since `kubectl explain` of before 1.27 shows nothing else of them.
/// A list's own words do not tell of its items, as upstream.
fn possible_values(field: &Field) -> String {
    if field.enum_values.is_empty() || matches!(field.ty, Type::List(_)) {
        return String::new();
    }
    let values: Vec<String> = field.enum_values.iter().map(|value| format!("\n - `\"{value}\"`")).collect();
    format!("\n\nPossible enum values:{}", values.concat())
}

fn put_enum(map: &mut Map<String, Value>, field: &Field) {
    if field.enum_values.is_empty() {
        return;
    }
    let values: Vec<&str> = field.enum_values.iter().collect();
    let place = match (&field.ty, map.get_mut("items")) {
        (Type::List(_), Some(Value::Object(items))) => items,
        _ => map,
    };
    place.insert("enum".into(), json!(values));
}

fn put_merge_rules(map: &mut Map<String, Value>, field: &Field) {
    let is_list = matches!(field.ty, Type::List(_));
    let (key, word) = match field.list {
        ListType::Unset => ("", ""),
        ListType::Atomic if is_list => ("x-kubernetes-list-type", "atomic"),
        ListType::Atomic => ("x-kubernetes-map-type", "atomic"),
        ListType::Granular => ("x-kubernetes-map-type", "granular"),
        ListType::Set => ("x-kubernetes-list-type", "set"),
        ListType::Map => ("x-kubernetes-list-type", "map"),
    };
    if !key.is_empty() {
        map.insert(key.into(), word.into());
    }
    if !field.keys.is_empty() {
        map.insert("x-kubernetes-list-map-keys".into(), field.keys.iter().collect());
    }
    if !field.patch_strategy.is_empty() {
        let strategy: Vec<&str> = field.patch_strategy.iter().collect();
        map.insert("x-kubernetes-patch-strategy".into(), strategy.join(",").into());
    }
    put_text(map, "x-kubernetes-patch-merge-key", field.patch_merge_key);
}

/// A kind as extensions name it.
pub(super) fn gvk_value(gvk: &Gvk) -> Value {
    json!({ "group": &*gvk.gv.group, "version": &*gvk.gv.version, "kind": &*gvk.kind })
}

const JSON_ANY: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";
const SCHEMA_OR_BOOL: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool";
const SCHEMA_OR_ARRAY: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray";
const SCHEMA_OR_STRINGS: &str =
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray";

/// The definition of a type that is no struct.
fn leaf_name(ty: &Type) -> &'static str {
    match ty {
        Type::Time => "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
        Type::MicroTime => "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
        Type::Duration => "io.k8s.apimachinery.pkg.apis.meta.v1.Duration",
        Type::Quantity => "io.k8s.apimachinery.pkg.api.resource.Quantity",
        Type::IntOrString => "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
        Type::RawObject => "io.k8s.apimachinery.pkg.runtime.RawExtension",
        Type::FieldsV1 => "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1",
        Type::SchemaOrBool => SCHEMA_OR_BOOL,
        Type::SchemaOrArray => SCHEMA_OR_ARRAY,
        Type::SchemaOrStrings => SCHEMA_OR_STRINGS,
        _ => JSON_ANY,
    }
}

/// The definition that a patch's body has; clients send any of several forms.
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

fn leaf(definition: &str, dialect: Dialect, words: &Words) -> Value {
    let mut map = match definition.rsplit('.').next().unwrap_or_default() {
        "Time" | "MicroTime" if definition.starts_with(META) => {
            object(json!({ "type": "string", "format": "date-time" }))
        }
        "Duration" => object(json!({ "type": "string" })),
        "Quantity" if dialect == Dialect::V3 => {
            object(json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }))
        }
        "Quantity" => object(json!({ "type": "string" })),
        "IntOrString" if dialect == Dialect::V3 => object(
            json!({ "oneOf": [{ "type": "integer" }, { "type": "string" }], "format": "int-or-string" }),
        ),
        "IntOrString" => object(json!({ "type": "string", "format": "int-or-string" })),
        "RawExtension" | "FieldsV1" | "Patch" => object(json!({ "type": "object" })),
        _ => Map::new(),
    };
    put_text(&mut map, "description", words.of(definition, ""));
    map.into()
}
